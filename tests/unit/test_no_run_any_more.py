"""A folder whose last telling file is removed is no run any more; one that never had more than a config still is."""

from pathlib import Path

from stealthrl_tui.runs.library import Library
from stealthrl_tui.runs.model import Depth, Status
from tests.unit.live_runs import make_run


def test_an_emptied_folder_leaves_the_list(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    library = Library([str(tmp_path)])
    library.load_all(Depth.SUMMARY)
    for file in run.iterdir():
        file.unlink()
    assert library.vanished([str(run)]) == ()  # not before it was read again: a file may just be replaced
    found = library.read(str(run), Depth.SUMMARY)
    assert found is not None
    assert found.status is Status.EMPTY
    assert library.vanished([str(run)]) == (str(run),)
    assert library.runs == {}
    make_run(tmp_path / "b").rename(run / "again")
    assert [found.name for found in library.load_all(Depth.SUMMARY)] == ["a/again"]


def test_a_run_with_nothing_but_its_config_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text('{"model_name": "m", "lora_rank": 8}')
    library = Library([str(tmp_path)])
    (found,) = library.load_all(Depth.SUMMARY)
    assert found.status is Status.EMPTY
    assert library.vanished([found.path]) == ()


def test_what_was_only_listed_is_not_judged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    library = Library([str(tmp_path)])
    list(library.discover())
    for file in run.iterdir():
        file.unlink()
    assert library.vanished([str(run)]) == ()
