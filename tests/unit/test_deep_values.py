"""Values nested as deeply as a parser lets through: nothing that shows them may run out of stack."""

import json
from pathlib import Path

import pytest

from stealthrl_tui.runs.discovery import Found
from stealthrl_tui.runs.model import Depth
from stealthrl_tui.runs.report import dumps, run_json
from stealthrl_tui.runs.rows import DEEPEST, TOO_DEEP, shallow
from stealthrl_tui.runs.run import RunReader
from tests.unit.built_runs import NOW


def _deep(levels: int, start: str, end: str) -> str:
    return start * levels + "1" + end * levels


@pytest.mark.parametrize("levels", [31, 33, 400, 900, 980, 1000, 1020, 5000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a": ', "}")])
def test_a_run_of_deep_values_is_read_and_told(tmp_path: Path, levels: int, start: str, end: str) -> None:
    value = _deep(levels, start, end)
    (tmp_path / "checkpoints").mkdir()
    whole = f'{{"name": "ok", "state_path": "tinker://r/weights/ok", "more": {value}}}\n'
    (tmp_path / "checkpoints.jsonl").write_text(f'{{"name": {value}, "state_path": {value}}}\n{whole}')
    (tmp_path / "metrics.jsonl").write_text(
        f'{{"step": {value}, "reward": {value}, "x": NaN}}\n{{"step": 1, "reward": 2}}\n'
    )
    (tmp_path / "run_metadata.json").write_text(f'{{"status": {value}, "start_time": {value}}}')
    (tmp_path / "config.json").write_text(f'{{"model_name": {value}, "lora_rank": 8}}')
    info = (
        f'{{"base_model": {value}, "checkpoints": {{"final_state": {value}, "sampler_weights": "tinker://r/final"}}}}'
    )
    (tmp_path / "checkpoints" / "final_checkpoint_info.json").write_text(info)
    found = RunReader(Found(str(tmp_path), "run", str(tmp_path.parent), None)).read(Depth.FULL, NOW)
    assert json.loads(dumps(run_json(found, checkpoints=True)))["metrics"]["reward"] == 2
    # What the screen's configuration shows is bounded too.
    assert all(json.dumps(dict(values)) for values in found.facts.config.values())


def test_what_is_not_deep_stays_as_it_is() -> None:
    value = {"a": [1, {"b": None}], "c": "d"}
    assert shallow(value) == value
    assert shallow("x") == "x"


def test_only_what_is_too_deep_is_replaced() -> None:
    assert shallow([[["x"]], 1], levels=2) == [[TOO_DEEP], 1]
    assert json.dumps(shallow(json.loads(_deep(500, "[", "]")))).count("[") == DEEPEST
