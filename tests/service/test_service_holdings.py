"""`server`, `keep`, `expire`, `publish`, `unpublish`, `delete` and `prune` on the unmodified SDK."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stealthrl_tui.sandbox.process import Sandbox
from tests.service.verbs import SECONDS, Said, environ, tell, words, write_run

HOUR = 3600


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environ(tmp_path, sandbox)


def rows(run_id: str, *names: str) -> list[dict[str, object]]:
    """Ledger rows with both halves."""
    return [
        {
            "name": name,
            "batch": index + 1,
            "state_path": f"tinker://{run_id}/weights/{name}",
            "sampler_path": f"tinker://{run_id}/sampler_weights/{name}",
        }
        for index, name in enumerate(names)
    ]


def saved(sandbox: Sandbox, run_id: str, *names: str, created: float | None = None) -> None:
    """Both halves on the server."""
    for name in names:
        for kind in ("weights", "sampler_weights"):
            sandbox.save(f"tinker://{run_id}/{kind}/{name}", base_model="tiny", created=created)


def names(said: Said) -> list[str]:
    return [event["name"] for event in said.of("checkpoint")]


def test_the_ledger_is_joined_with_the_server(sandbox: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "grp" / "a", rows("join:train:0", "000001", "000002"), model="another", rank=16)
    saved(sandbox, "join:train:0", "000001", created=1_700_000_000.0)
    sandbox.save("tinker://join:train:0/weights/tmp", expires_at=time.time() + 30 * HOUR)
    saved(sandbox, "stranger:train:0", "x")
    said = tell(env, "server", "grp/a")
    assert (said.status, said.err) == (0, "")
    first, second, extra = said.of("checkpoint")
    assert (first["run"], first["name"], first["recorded"]) == ("grp/a", "000001", True)
    assert (first["server"]["state"]["exists"], first["server"]["state"]["expires_at"]) == (True, None)
    assert first["server"]["sampler"]["size_bytes"] > 1000
    assert first["saved_at"] == "2023-11-14T22:13:20.000Z"
    assert not second["server"]["state"]["exists"]
    assert "gone" in second["problems"][0]
    assert (extra["name"], extra["recorded"], extra["sampler_uri"]) == ("tmp", False, None)
    texts = " ".join(event["text"] for event in said.of("problem"))
    assert "base model tiny" in texts
    assert "LoRA rank 8" in texts
    counts = {name: said.last[name] for name in ("runs", "recorded", "gone", "unrecorded", "expiring", "unknown")}
    assert counts == {"runs": 1, "recorded": 2, "gone": 1, "unrecorded": 1, "expiring": 1, "unknown": 0}

    everything = tell(env, "server")
    strangers = [event for event in everything.of("checkpoint") if event["run"] is None]
    assert "tinker://stranger:train:0/weights/x" in [event["state_uri"] for event in strangers]
    said = words(env, "server", "grp/a")
    assert "expire" in said.out
    assert "1 gone" in said.out


def test_all_pages_are_asked_for(sandbox: Sandbox, env: dict[str, str]) -> None:
    wanted = {f"{index:03d}" for index in range(120)}
    for name in wanted:
        sandbox.save(f"tinker://pages:train:0/sampler_weights/{name}")
    assert wanted <= set(names(tell(env, "server")))


def test_keep_expire_publish_unpublish_are_read_back(sandbox: Sandbox, env: dict[str, str]) -> None:
    uri = sandbox.save_sampler("managed", run_id="manage:train:0")
    for arguments, key, value in (
        (("expire", uri, "7200"), "expires_at", str),
        (("keep", uri), "expires_at", None),
        (("publish", uri), "public", True),
        (("publish", uri), "public", True),
        (("unpublish", uri), "public", False),
    ):
        said = tell(env, *arguments, "--yes")
        assert (said.status, said.err) == (0, "")
        (plan,), (change,) = said.of("plan"), said.of("change")
        assert (plan["uri"], plan["kind"], plan["refused"]) == (uri, "sampler", None)
        assert plan["effect"]
        assert plan["server"]["size_bytes"] > 1000
        found = change["server"][key]
        assert isinstance(found, value) if isinstance(value, type) else found == value
        assert said.last["done"] == [uri]


def test_several_expire_at_a_time_as_people_write_it(sandbox: Sandbox, env: dict[str, str]) -> None:
    uris = [sandbox.save_sampler(name, run_id="several:train:0") for name in ("a", "b")]
    said = tell(env, "expire", *uris, "36h", "--yes")
    assert (said.status, said.last["done"]) == (0, uris)
    assert all("in 1 d 12 h" in plan["effect"] for plan in said.of("plan"))
    assert all(change["server"]["expires_at"] for change in said.of("change"))


def test_the_two_part_form_is_managed_as_sampler_weights(sandbox: Sandbox, env: dict[str, str]) -> None:
    uri = sandbox.save_sampler("two", run_id="manage:train:0")
    said = tell(env, "keep", "tinker://manage:train:0/two", "--yes")
    assert (said.status, said.last["done"]) == (0, [uri])


def test_nothing_happens_unasked(sandbox: Sandbox, env: dict[str, str]) -> None:
    uri = sandbox.save_sampler("unasked", run_id="manage:train:0")
    said = words(env, "delete", uri)
    assert (said.status, said.out, said.err.count("\n")) == (1, "", 1)
    assert "--yes" in said.err
    said = tell(env, "delete", uri, "--dry-run")
    assert (said.status, said.last["dry_run"], said.last["planned"]) == (0, True, [uri])
    assert tell(env, "delete", uri, "--yes").of("change")[0]["server"]["exists"] is False
    again = tell(env, "delete", uri, "--yes")
    assert (again.status, again.last["code"]) == (1, "not_found")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("keep", "nonsense", "--yes"), 1, "bad_uri"),
        (("publish", "tinker://a/states/b", "--yes"), 1, "wrong_kind"),
        (("expire", "tinker://a/weights/b", "60", "--yes"), 2, None),
        (("expire", "tinker://a/weights/b", "soon"), 2, None),
        (("delete",), 2, None),
    ],
)
def test_what_no_call_could_do_is_refused_before_any(
    tmp_path: Path, arguments: tuple[str, ...], status: int, code: str | None
) -> None:
    said = tell(environ(tmp_path, TINKER_BASE_URL="http://127.0.0.1:9"), *arguments)
    assert said.status == status
    assert [event["code"] for event in said.events] == ([code] if code else [])


def answered(env: dict[str, str], arguments: list[str], answer: str) -> Said:
    """A command on a terminal, where somebody types `answer`."""
    person, terminal = os.openpty()
    with os.fdopen(person, "wb", buffering=0) as typing, os.fdopen(terminal, "rb", buffering=0) as stdin:
        typing.write(answer.encode() + b"\n")
        command = [sys.executable, "-m", "stealthrl_tui", *arguments]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, env=env, timeout=SECONDS)
    return Said(done.returncode, done.stdout, done.stderr)


def test_on_a_terminal_deleting_asks_for_the_word(sandbox: Sandbox, env: dict[str, str]) -> None:
    uri = sandbox.save_sampler("asked", run_id="manage:train:0")
    said = answered(env, ["delete", uri], "yes")
    assert said.status == 1
    assert "Type delete" in said.err
    assert uri in said.out
    said = answered(env, ["delete", uri], "delete")
    assert said.status == 0
    assert "is gone" in said.out


def test_the_only_state_of_an_unfinished_run_stays_unless_forced(
    sandbox: Sandbox, env: dict[str, str], tmp_path: Path
) -> None:
    write_run(tmp_path / "runs" / "only", rows("only:train:0", "000001"))
    saved(sandbox, "only:train:0", "000001")
    state, sampler = (f"tinker://only:train:0/{kind}/000001" for kind in ("weights", "sampler_weights"))
    said = tell(env, "delete", state, sampler, "--yes")
    assert (said.status, said.last["code"]) == (1, "refused")
    assert "1 of 2 done" in said.last["message"]
    assert "only state left of only" in said.last["message"]
    assert [event["uri"] for event in said.of("change")] == [sampler]
    assert tell(env, "delete", state, "--yes", "--force").status == 0


def test_prune_plans_writes_and_does(sandbox: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    kept = ["000001", "000002", "000003", "000004", "000005", "000006"]
    write_run(tmp_path / "runs" / "grp" / "p", rows("prune:train:0", *kept))
    write_run(tmp_path / "runs" / "grp" / "q", rows("prune-q:train:0", "000001"))
    saved(sandbox, "prune:train:0", *kept)
    saved(sandbox, "prune-q:train:0", "000001")
    root = str(tmp_path / "runs" / "grp")
    arguments = ("prune", root, "--best", "1", "--last", "2")

    plan = tell(env, *arguments)
    assert (plan.status, plan.last["dry_run"], plan.last["deleted"]) == (0, True, 0)
    by_run = {event["run"]: event for event in plan.of("plan")}
    assert [each["name"] for each in by_run["p"]["delete"]] == ["000002", "000003", "000004"]
    assert [each["name"] for each in by_run["p"]["keep"]] == ["000001", "000005", "000006"]
    assert by_run["q"]["delete"] == []
    assert plan.last["delete"]["count"] == 3
    assert "3 go" in words(env, *arguments).out
    assert tell(env, *arguments, "--dry-run").last["dry_run"] is True
    worst = ("prune", f"{root}/p", "--best", "1", "--metric", "env/all/reward/total", "--better", "lower")
    assert [each["name"] for each in tell(env, *worst).of("plan")[0]["keep"]] == ["000006"]

    script = words(env, *arguments, "--script")
    lines = [line for line in script.out.splitlines() if not line.startswith("#")]
    assert len(lines) == 3
    assert all(line.startswith("stealthrl-tui delete --yes --root=") for line in lines)

    done = tell(env, *arguments, "--yes")
    assert (done.status, done.last["deleted"], len(done.of("change"))) == (0, 3, 6)
    left = {event["name"] for event in tell(env, "server", "grp/p").of("checkpoint") if not event["problems"]}
    assert left == {"000001", "000005", "000006"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("prune", "."),
        ("prune", ".", "--last", "0"),
        ("prune", ".", "--last", "1", "--metric", "x"),
        ("prune", ".", "--best", "1", "--better", "lower"),
        ("prune", ".", "--best", "1", "--metric", "x", "--better", "worse"),
        ("prune", ".", "--last", "1", "--dry-run", "--yes"),
        ("prune", "--last", "1"),
    ],
)
def test_prune_wants_to_know_what_stays(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = words(environ(tmp_path), *arguments)
    assert (said.status, said.out) == (2, "")
