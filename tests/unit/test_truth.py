"""The ledger joined with the server's answer."""

from typing import Any

import pytest

from stealthrl_tui.actions.truth import Answer, Truth, answer, full_uri, join, server_json, unrecorded
from stealthrl_tui.runs.model import Run
from stealthrl_tui.service.holdings import Held, Origin
from tests.unit.built_runs import ID, NOW, run, save

OTHER = "11111111-f519-5428-bc6c-3896929b5c5e:train:0"
HOUR = 3600.0


def held(name: str, kind: str, run_id: str = ID, **more: Any) -> Held:
    place = {"state": "weights", "sampler": "sampler_weights"}.get(kind, "external_weights")
    fields = {"created_at": NOW - HOUR, "expires_at": None, "size_bytes": 84_000_000, "public": False, **more}
    return Held(f"tinker://{run_id}/{place}/{name}", run_id, kind, name, **fields)


def origin(run_id: str = ID, model: str = "Qwen/Qwen3-4B", rank: int = 16, corrupted: bool = False) -> Origin:
    return Origin(run_id, model, rank, corrupted)


def said(*found: Held, origins: tuple[Origin, ...] | None = None, run_ids: list[str] | None = None) -> Answer:
    return answer(NOW, found, (origin(),) if origins is None else origins, run_ids)


def joined(of: Run, *found: Held, **more: Any) -> Truth:
    return join(of, said(*found, **more))


def test_what_is_on_both_has_the_servers_facts() -> None:
    truth = joined(
        run("r", save(10)), held("000010", "state", expires_at=NOW + 90 * HOUR), held("000010", "sampler", public=True)
    )
    assert [server_json(each) for each in truth.saves] == [
        {
            "state": {
                "exists": True,
                "expires_at": "2027-01-19T02:00:00.000Z",
                "size_bytes": 84_000_000,
                "public": False,
            },
            "sampler": {"exists": True, "expires_at": None, "size_bytes": 84_000_000, "public": True},
        }
    ]
    assert truth.problems == ()
    assert truth.saves[0].problems == ()
    assert not truth.saves[0].gone


def test_recorded_but_gone() -> None:
    truth = joined(run("r", save(10), save(20)), held("000020", "state"))
    assert [each.gone for each in truth.saves] == [True, False]
    assert [len(each.problems) for each in truth.saves] == [2, 1]
    assert "sampler weights gone" in truth.saves[1].problems[0]
    assert [half.uri for half in truth.states] == [f"tinker://{ID}/weights/000020"]


def test_a_half_that_was_never_saved_is_not_gone() -> None:
    truth = joined(run("r", save(10, sampler_uri=None)), held("000010", "state"))
    assert server_json(truth.saves[0]) is not None
    assert truth.saves[0].sampler is None
    assert truth.saves[0].problems == ()


def test_on_the_server_but_unrecorded_is_one_save_of_two_halves() -> None:
    truth = joined(run("r", save(10)), held("000010", "state"), held("tmp", "sampler"), held("tmp", "state"))
    ledger, extra = truth.saves
    assert ledger.checkpoint is not None
    assert (extra.checkpoint, extra.name, len(extra.held), extra.gone) == (None, "tmp", 2, False)
    assert extra.saved_at == NOW - HOUR


def test_saves_of_other_runs_are_not_this_runs() -> None:
    truth = joined(run("r", save(10)), held("x", "state", OTHER))
    assert len(truth.saves) == 1
    assert [each.name for each in unrecorded([held("x", "state", OTHER), held("x", "state")])] == ["x", "x"]


def test_external_weights_are_told_apart() -> None:
    (save_,) = unrecorded([held("hf", "external")])
    assert save_.external is not None
    assert (save_.state, save_.sampler, len(save_.held)) == (None, None, 1)


@pytest.mark.parametrize(("hours", "loud"), [(47.0, True), (49.0, False)])
def test_what_expires_within_two_days_is_loud(hours: float, loud: bool) -> None:
    truth = joined(run("r", save(10, sampler_uri=None)), held("000010", "state", expires_at=NOW + hours * HOUR))
    assert any("will expire" in problem for problem in truth.saves[0].problems) == loud


def test_what_expired_is_gone_even_when_it_is_listed() -> None:
    truth = joined(run("r", save(10, sampler_uri=None)), held("000010", "state", expires_at=NOW - 1))
    assert truth.saves[0].gone


def test_the_servers_time_fills_the_one_the_ledger_lacks() -> None:
    at = NOW - 77.0
    truth = joined(run("r", save(10, saved_at=at), save(20)), held("000010", "state"), held("000020", "state"))
    assert [each.saved_at for each in truth.saves] == [at, NOW - HOUR]


def test_what_was_not_asked_about_is_unknown_not_gone() -> None:
    truth = joined(run("r", save(10), save(20, run_id=OTHER)), held("000010", "state"), run_ids=[ID])
    assert [server_json(each) is None for each in truth.saves] == [False, True]
    assert not truth.saves[1].gone
    assert truth.problems == ()


def test_a_malformed_path_is_unknown() -> None:
    truth = joined(run("r", save(10, state_uri="nonsense", sampler_uri=None)))
    assert server_json(truth.saves[0]) is None


def test_the_two_part_form_is_found_by_where_it_stands() -> None:
    two = save(10, state_uri=f"tinker://{ID}/final", sampler_uri=f"tinker://{ID}/final_sampler")
    truth = joined(run("r", two), held("final", "state"), held("final_sampler", "sampler"))
    assert len(truth.saves) == 1
    assert len(truth.saves[0].held) == 2
    assert full_uri("nonsense", "state") is None
    assert full_uri(None, "state") is None


def test_another_model_or_rank_is_a_problem_in_words() -> None:
    truth = joined(run("r", save(10)), origins=(origin(model="Qwen/Qwen3-8B", rank=32, corrupted=True),))
    assert any("Qwen/Qwen3-8B" in problem and "Qwen/Qwen3-4B" in problem for problem in truth.problems)
    assert any("rank 32" in problem and "16" in problem for problem in truth.problems)
    assert any("corrupted" in problem for problem in truth.problems)


def test_a_run_whose_files_say_nothing_differs_in_nothing() -> None:
    silent = run("r", save(10), facts={"base_model": None, "lora_rank": None})
    assert joined(silent, held("000010", "state")).problems == ()


def test_a_training_run_the_server_does_not_know_is_said() -> None:
    assert "does not know training run" in joined(run("r", save(10)), origins=()).problems[0]
