"""The exported scripts: what they say, where they go, and whose files they leave alone."""

from __future__ import annotations

import ast
import errno
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stealthrl_tui.actions.export import TEMPLATES, Export, ExportRefused, plan, whose, write
from stealthrl_tui.actions.fill import literal
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Facts, Metrics, Run, Series

RUN_ID = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"
REWARD = "env/all/reward/total"
HOSTILE = 'a"""\nimport os; os._exit(7)\n"""\\\x1b]52;c;x\x07\u202e{0}${about}$$%(prog)s\'b'


def saved(name: str = "000085", step: int | None = 85, run_id: str = RUN_ID, **changes: object) -> Checkpoint:
    plain = Checkpoint(
        name,
        step,
        f"tinker://{run_id}/weights/{name}",
        f"tinker://{run_id}/sampler_weights/{name}",
        training_run_id=run_id,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def run_of(path: Path, *checkpoints: Checkpoint, **facts: object) -> Run:
    known = replace(Facts(kind=Kind.RL, base_model="Qwen/Qwen3-8B", lora_rank=16, renderer="qwen3"), **facts)  # type: ignore[arg-type]
    series = Series(array("q", [80, 84, 85]), array("d", [0.5, 0.55, 0.612]), 3)
    return Run(
        name=path.name,
        path=str(path),
        root=str(path.parent),
        facts=known,
        total_steps=120,
        checkpoints=checkpoints,
        metrics=Metrics(keys=(REWARD,), columns={REWARD: series}),
        main_metric=REWARD,
        training_run_ids=tuple(dict.fromkeys(each.training_run_id or "" for each in checkpoints)),
    )


def constants(script: str) -> dict[str, object]:
    """The constants of a script, read without running it."""
    found: dict[str, object] = {}
    for node in ast.parse(script).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            assert isinstance(node.targets[0], ast.Name)
            found[node.targets[0].id] = node.value.value
    return found


def shape(script: str) -> str:
    """The code of a script without the values of its constants."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.copy_location(ast.Constant(None), node)

    return ast.dump(Blank().visit(ast.parse(script)))


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_script_says_what_it_loads(tmp_path: Path, template: str) -> None:
    checkpoint = saved()
    export = plan(run_of(tmp_path, checkpoint), checkpoint, template=template, now=1_795_000_000.0)
    about = ast.get_docstring(ast.parse(export.text))
    assert about is not None
    for fact in (
        checkpoint.sampler_uri,
        str(tmp_path),
        "Qwen/Qwen3-8B (LoRA rank 16)",
        "000085, after 85 of 120 steps",
        f"reward 0.612 at step 85 ({REWARD})",
        "2026-11-18T",
        "by stealthrl-tui",
        "a guess",
    ):
        assert str(fact) in about
    assert constants(export.text)["SAMPLER_URI"] == checkpoint.sampler_uri
    assert 'os.environ.setdefault("TINKER_TELEMETRY", "0")' in export.text or template == "openai"


def test_what_is_not_known_is_said_to_be(tmp_path: Path) -> None:
    checkpoint = saved(step=None)
    run = replace(run_of(tmp_path, checkpoint, base_model=None, lora_rank=None, renderer=None), main_metric=None)
    export = plan(run, checkpoint)
    assert "not known" in export.text
    assert "none known" in export.text
    assert constants(export.text)["RENDERER"] is None
    assert any("guess" in warning for warning in export.warnings)


def test_every_script_is_clean_code(tmp_path: Path) -> None:
    checkpoint = saved(final=True)
    run = run_of(tmp_path, checkpoint, kind=Kind.STEALTHRL, few_shot="standard")
    for template in TEMPLATES:
        write(plan(run, checkpoint, template=template, output=str(tmp_path / f"{template}.py")))
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for template in TEMPLATES:
        compile((tmp_path / f"{template}.py").read_text(), template, "exec")


@pytest.mark.parametrize("template", TEMPLATES)
def test_outside_words_cannot_become_code(tmp_path: Path, template: str) -> None:
    plain, nasty = saved(), saved(name=HOSTILE, sampler_uri=f"tinker://{RUN_ID}/sampler_weights/x")
    benign = plan(run_of(tmp_path, plain), plain, template=template, output="out.py").text
    run = replace(
        run_of(tmp_path, nasty, base_model=HOSTILE, renderer=HOSTILE, few_shot=HOSTILE, run_name=HOSTILE),
        name=HOSTILE,
        path=f"/runs/{HOSTILE}",
        main_metric=HOSTILE,
    )
    hostile = plan(run, nasty, template=template, output="out.py").text
    assert shape(hostile) == shape(benign)
    assert constants(hostile).get("RENDERER", HOSTILE) == HOSTILE
    assert not set("\x1b\x07\u202e") & set(hostile)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(word=st.text(st.characters(), max_size=40))
def test_any_name_at_all_stays_a_name(tmp_path: Path, word: str) -> None:
    assert ast.literal_eval(literal(word)) == word
    assert literal(word).isprintable()
    checkpoint = saved(name=word, sampler_uri=f"tinker://{RUN_ID}/sampler_weights/x")
    export = plan(run_of(tmp_path, checkpoint, renderer=word, base_model=word), checkpoint)
    assert constants(export.text)["RENDERER"] == word
    assert export.path.parent == tmp_path
    export.text.encode()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sampler_uri": None}, "only training state was saved"),
        ({"sampler_uri": None, "state_uri": None}, "no path"),
        ({"sampler_uri": "/ckpt/local"}, "can't be loaded"),
        ({"sampler_uri": f"tinker://{RUN_ID}/weights/000085"}, "can't be sampled from.* is weights"),
    ],
)
def test_no_sampler_weights_no_script(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    checkpoint = saved(**changes)  # type: ignore[arg-type]
    with pytest.raises(ExportRefused, match=reason):
        plan(run_of(tmp_path, checkpoint), checkpoint)


def test_the_older_two_part_form_can_be_exported(tmp_path: Path) -> None:
    checkpoint = saved(sampler_uri="tinker://model_8bd1721f/final_sampler")
    export = plan(run_of(tmp_path, checkpoint), checkpoint)
    assert constants(export.text)["SAMPLER_URI"] == "tinker://model_8bd1721f/final_sampler"


def test_an_unknown_template_is_refused(tmp_path: Path) -> None:
    checkpoint = saved()
    with pytest.raises(ExportRefused, match="take one of sdk, async"):
        plan(run_of(tmp_path, checkpoint), checkpoint, template="bash")


def names(run: Run) -> list[str]:
    return [plan(run, checkpoint).path.name for checkpoint in run.checkpoints]


def test_the_final_checkpoint_is_inference_py(tmp_path: Path) -> None:
    run = run_of(tmp_path, saved("000040"), saved("final", final=True))
    assert names(run) == ["inference_000040.py", "inference.py"]


def test_without_a_final_checkpoint_every_script_names_its_own(tmp_path: Path) -> None:
    assert names(run_of(tmp_path, saved("000040"), saved("000080"))) == ["inference_000040.py", "inference_000080.py"]


def test_only_the_newest_final_is_the_final(tmp_path: Path) -> None:
    run = run_of(tmp_path, saved("final", final=True), saved("final", run_id="9999aaaa-b:train:0", final=True))
    assert names(run) == ["inference_final.py", "inference.py"]


@pytest.mark.parametrize(
    ("second", "suffix"),
    [("9999aaaa-1111:train:0", "9999aaaa"), ("model_0cf98f67", "0cf98f67")],
)
def test_two_saves_of_a_name_get_two_files(tmp_path: Path, second: str, suffix: str) -> None:
    run = run_of(tmp_path, saved("000020"), saved("000020", run_id=second))
    assert names(run) == ["inference_000020.py", f"inference_000020_{suffix}.py"]


def test_files_differ_where_training_runs_share_a_session(tmp_path: Path) -> None:
    run = run_of(tmp_path, *(saved("a", run_id=f"beed4114-f519:train:{n}") for n in range(4)), saved("A"))
    found = names(run)
    assert len({name.lower() for name in found}) == 5
    assert names(run) == found


def test_a_name_is_made_safe_for_a_file(tmp_path: Path) -> None:
    uri = f"tinker://{RUN_ID}/sampler_weights/x"
    run = run_of(tmp_path, saved("../../etc/passwd", sampler_uri=uri), saved("\x1b[2J", sampler_uri=f"{uri}y"))
    assert names(run) == ["inference_etc_passwd.py", "inference_2J.py"]


def test_an_output_may_be_a_file_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = saved()
    run = run_of(tmp_path, checkpoint)
    monkeypatch.chdir(tmp_path)
    assert plan(run, checkpoint, output="mine.py").path == tmp_path / "mine.py"
    assert plan(run, checkpoint, output=str(tmp_path)).path == tmp_path / "inference_000085.py"
    with pytest.raises(ExportRefused, match="no path"):
        plan(run, checkpoint, output="~nobody-of-this-name/x.py")


def planned(folder: Path, **options: object) -> Export:
    checkpoint = saved(final=True)
    return plan(run_of(folder, checkpoint), checkpoint, **options)  # type: ignore[arg-type]


def test_our_own_unchanged_script_is_replaced(tmp_path: Path) -> None:
    first = planned(tmp_path)
    assert first.overwrites == "nothing"
    assert write(first) == tmp_path / "inference.py"
    second = planned(tmp_path, template="chat")
    assert second.overwrites == "ours"
    assert write(second).read_text() == second.text
    assert [path.name for path in tmp_path.iterdir()] == ["inference.py"]
    assert (tmp_path / "inference.py").stat().st_mode & 0o100


@pytest.mark.parametrize("text", ["print('mine')\n", "", "#!/usr/bin/env python3\n# Exported by stealthrl-tui\n"])
def test_a_file_of_the_users_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "inference.py").write_text(text)
    export = planned(tmp_path)
    assert export.overwrites == "users"
    with pytest.raises(ExportRefused, match="name another file, or force"):
        write(export)
    assert (tmp_path / "inference.py").read_text() == text
    assert write(export, force=True).read_text() == export.text


def test_an_edited_script_is_the_users(tmp_path: Path) -> None:
    path = write(planned(tmp_path))
    path.write_text(path.read_text().replace("Who are you?", "What is new?"))
    assert whose(path) == "users"
    with pytest.raises(ExportRefused):
        write(planned(tmp_path))


def test_a_file_that_came_after_the_plan_stays(tmp_path: Path) -> None:
    export = planned(tmp_path)
    export.path.write_text("mine")
    with pytest.raises(ExportRefused):
        write(export)
    assert export.path.read_text() == "mine"


def test_what_is_no_plain_file_is_never_ours(tmp_path: Path) -> None:
    real = write(planned(tmp_path))
    link = tmp_path / "link.py"
    link.symlink_to(real)
    assert whose(link) == "users"
    assert whose(tmp_path) == "users"
    with pytest.raises(ExportRefused, match="is a folder"):
        write(replace(planned(tmp_path), path=tmp_path), force=True)


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=r"No such file or directory.*name another file"):
        write(planned(tmp_path, output=str(tmp_path / "gone" / "x.py")))
    (tmp_path / "file").touch()
    with pytest.raises(ExportRefused, match="Not a directory"):
        write(planned(tmp_path, output=str(tmp_path / "file" / "x.py")))
    with pytest.raises(ExportRefused, match="name too long"):
        write(planned(tmp_path, output=str(tmp_path / ("x" * 300))))
    with pytest.raises(ExportRefused, match="null byte"):
        write(planned(tmp_path, output=str(tmp_path / "x\0.py")))


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(planned(tmp_path)).read_text()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ExportRefused, match=r"No space left on device.*free some space"):
        write(planned(tmp_path, template="chat"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"inference.py": before}


def test_the_few_shot_pairs_are_what_the_run_says(tmp_path: Path) -> None:
    checkpoint = saved()

    def exported(**facts: object) -> Export:
        run = run_of(tmp_path, checkpoint, kind=Kind.STEALTHRL, **facts)
        return plan(run, checkpoint, template="stealthrl")

    assert constants(exported(few_shot="standard").text)["FEW_SHOT"] == "standard"
    none = exported(config={"training_config.json": {"dataset.few_shot": None}})
    assert (constants(none.text)["FEW_SHOT"], none.warnings) == ("", ())
    unknown = exported()
    assert constants(unknown.text)["FEW_SHOT"] is None
    assert any("few-shot" in warning for warning in unknown.warnings)


def test_a_paraphrase_of_another_kind_of_run_is_warned_of(tmp_path: Path) -> None:
    checkpoint = saved(superseded=True)
    warnings = plan(run_of(tmp_path, checkpoint), checkpoint, template="stealthrl").warnings
    assert any("no StealthRL run" in warning for warning in warnings)
    assert any("replaced by a later one" in warning for warning in warnings)


def test_only_stealthrl_answers_open_with_a_thought(tmp_path: Path) -> None:
    checkpoint = saved()
    trained = run_of(tmp_path, checkpoint, kind=Kind.STEALTHRL)
    assert constants(plan(trained, checkpoint).text)["OPENING"] == "<think>\n"
    assert constants(plan(run_of(tmp_path, checkpoint), checkpoint).text)["OPENING"] == ""
