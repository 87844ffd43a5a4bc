"""What would be started, for each kind of run."""

import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stealthrl_tui.actions.resume import cookbook, scaffold, stealthrl
from stealthrl_tui.actions.resume.fill import Unfillable, fill
from stealthrl_tui.actions.resume.plan import plan, ways
from stealthrl_tui.actions.resume.program import locate, module_of, told_to_resume
from stealthrl_tui.actions.resume.script import script
from stealthrl_tui.actions.resume.value import Preferences, Way
from tests.unit.built_runs import run as built_run
from tests.unit.built_runs import save
from tests.unit.resume_runs import ID, SAMPLES, cookbook_run, failing, here, ledger_line, planned, project, read


def test_the_last_checkpoint_of_a_cookbook_run_goes_on_in_its_own_directory(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path / "training project") / "runs/one")
    made = planned(path)
    assert (made.way, made.in_place, made.directory, made.files) == (Way.COOKBOOK, True, str(path), {})
    assert made.argv[1:] == (
        "my recipes/train.py",
        "n_batches=20",
        f"log_path={path}",
        "behavior_if_log_dir_exists=resume",
    )
    assert made.cwd == str(tmp_path / "training project")
    assert (made.step, made.state_uri) == (10, f"tinker://{ID}/weights/000010")
    assert failing(made.obstacles) == []


def test_an_older_one_gets_a_directory_whose_ledger_holds_that_one_row(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path, "000005")
    new = path.with_name("one-from-5")
    assert (made.in_place, made.directory, made.name) == (False, str(new), "one-from-5")
    assert made.files == {str(new / "checkpoints.jsonl"): ledger_line("000005", 5)}
    assert made.argv[-2:] == (f"log_path={new}", "behavior_if_log_dir_exists=resume")
    assert any("metrics so far" in lost for lost in made.lost)
    assert not new.exists()


def test_a_name_asks_for_a_new_directory_also_for_the_last(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path, name="again")
    assert (made.in_place, made.directory) == (False, str(path.with_name("again")))


@pytest.mark.parametrize("line", ["\n", '{"name": "torn', "[1, 2]\n"])
def test_a_ledger_that_the_cookbook_would_stop_on_is_left_alone(tmp_path: Path, line: str) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    with (path / "checkpoints.jsonl").open("a") as file:
        file.write(line)
    made = planned(path)
    assert not made.in_place
    assert list(made.files.values()) == [ledger_line("000010", 10)]
    assert any("line 3" in check.reason for check in made.obstacles)


def test_the_ledgers_last_row_decides_even_when_it_is_a_rolling_one_after_the_end() -> None:
    made = planned(SAMPLES / "cookbook-0.6.1/sl_tiny", "000050")
    assert not made.in_place
    row = json.loads(next(iter(made.files.values())))
    assert (row["name"], row["batch"], row["epoch"]) == ("000050", 50, 0)


def test_arguments_are_replaced_where_they_stand_for_the_log_path() -> None:
    given = ("a=1", "log_path=/old", "behavior_if_log_dir_exists=delete", "log_path_prefix=x", "--flag", "b=log_path=c")
    assert told_to_resume(given, "/new dir") == (
        "a=1", "log_path_prefix=x", "--flag", "b=log_path=c", "log_path=/new dir", "behavior_if_log_dir_exists=resume",
    )  # fmt: skip
    assert told_to_resume(("train.log_path=/old",), "/n")[-2:] == (
        "train.log_path=/n",
        "train.behavior_if_log_dir_exists=resume",
    )


def test_shell_metacharacters_stay_words_of_the_command(tmp_path: Path) -> None:
    folder = project(tmp_path / "a; rm -rf $HOME 'b'")
    path = cookbook_run(folder / "runs/one", "note=$(touch x); `id` && echo", "log_path=old")
    made = planned(path)
    assert "note=$(touch x); `id` && echo" in made.argv
    assert shlex.split(made.command) == list(made.argv)
    told = subprocess.run(
        ["sh", "-c", made.shell_line.replace(made.argv[0], "/bin/echo", 1)], capture_output=True, text=True, check=True
    )
    assert "note=$(touch x); `id` && echo" in told.stdout
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        ("train.py 'unclosed", "can't be read"),
        ("", "names no program"),
        ("-c x=1", "names no program"),
        ("gone/train.py log_path=/x", "is not below"),
        ("/gone/train.py", "is gone"),
        ("a\0b", "NUL"),
    ],
)
def test_a_command_that_cannot_be_run_again_says_why(tmp_path: Path, recorded: str, why: str) -> None:
    problem = locate(recorded, str(tmp_path / "runs/one"), str(tmp_path)).problem
    assert problem is not None
    assert (problem.level, problem.code) == ("fail", "no_trainer")
    assert why in problem.reason


def test_a_relative_log_path_tells_the_working_folder(tmp_path: Path) -> None:
    folder = project(tmp_path / "elsewhere")
    run_path = str(folder / "out/one")
    found = locate("'my recipes/train.py' log_path=out/one", run_path, None)
    assert (found.cwd, found.words) == (str(folder), ("my recipes/train.py",))


def test_a_module_is_started_as_the_module_it_was(tmp_path: Path) -> None:
    package = tmp_path / "pkg/recipes"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "sl.py").write_text("import json\nfrom numpy import array\nfrom . import x\n")
    (package / "__main__.py").touch()
    found = locate(f"{package / 'sl.py'} a=1", "/runs/one", None)
    assert (found.words, found.cwd, found.modules) == (("-m", "pkg.recipes.sl"), str(tmp_path), ("numpy",))
    assert module_of(str(package / "__main__.py")) == (str(tmp_path), "pkg.recipes")
    assert module_of(str(tmp_path / "script.py")) is None


def test_the_sandbox_trainer_is_taken_up_as_a_recipe_is(tmp_path: Path) -> None:
    import stealthrl_tui.sandbox.trainer as trainer

    path = cookbook_run(tmp_path / "runs/one", "--runs", "x", program=trainer.__file__)
    made = planned(path)
    assert (made.way, made.in_place) == (Way.RECORDER, True)
    assert made.argv[1:] == (
        "-m", "stealthrl_tui.sandbox.trainer", "--runs", "x", f"log_path={path}", "behavior_if_log_dir_exists=resume",
    )  # fmt: skip


def test_a_row_of_the_recorder_is_known_by_its_keys(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    with (path / "checkpoints.jsonl").open("a") as file:
        file.write(ledger_line("000015", 15, saved_at="2026-11-24T00:00:00Z", expires_at=None))
    assert planned(path).way is Way.RECORDER


def test_a_stealthrl_run_gets_a_launcher_with_its_original_arguments(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    made = planned(SAMPLES / "stealthrl/sigkill_midrun", "000010", preferences=here(tmp_path), name="second try")
    assert (made.way, made.in_place, made.step) == (Way.STEALTHRL, False, 10)
    launcher = os.path.join(made.directory, stealthrl.LAUNCHER)
    assert made.argv[1] == launcher
    assert made.argv[-4:] == ("--output-dir", str(SAMPLES / "stealthrl"), "--run-name", "second try")
    assert "--config=configs/tiny.yaml" in made.argv
    assert not any(word.startswith(("--async-groups", "--run-name=", "--output-dir=")) for word in made.argv)
    assert made.cwd == str(tmp_path)
    assert made.data == (str(tmp_path / "configs/tiny.yaml"), str(tmp_path / "data/tinker"))
    text = made.files[launcher]
    compile(text, launcher, "exec")
    assert f"STATE_URI = {made.state_uri!r}" in text
    assert "START_BATCH = 10\n" in text
    assert any("detector reward" in lost for lost in made.lost)


def test_a_stealthrl_project_is_found_above_the_run(tmp_path: Path) -> None:
    run_path = tmp_path / "outputs/runs/one"
    run_path.mkdir(parents=True)
    for name in ("training_config.json", "checkpoints.jsonl", "metrics.jsonl"):
        (run_path / name).write_bytes((SAMPLES / "stealthrl/sigkill_midrun" / name).read_bytes())
    for name in ("stealthrl/tinker/train.py", "configs/tiny.yaml", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    made = planned(run_path)
    assert (made.cwd, failing(made.obstacles)) == (str(tmp_path), [])
    assert (made.interpreter.path, made.interpreter.why) == (
        str(tmp_path / ".venv/bin/python"),
        "the training project's .venv",
    )


def test_parsed_arguments_become_a_command_line_again() -> None:
    given = {"a_b": 3, "flag": True, "off": False, "none": None, "many": ["x", "-y"], "dash": "-1", "run_name": "r"}
    assert list(stealthrl.as_words(given)) == ["--a-b=3", "--flag", "--many", "x", "-y", "--dash=-1"]


def test_anything_else_gets_a_scaffold_that_compiles() -> None:
    hostile = '"""\nimport os; os.system("x")'
    found = built_run("grp/r", save(20), facts={"base_model": hostile}, total_steps=100)
    assert ways(found, Preferences()) == (Way.SCAFFOLD,)
    made = plan(found, found.checkpoints[0])
    assert (made.way, made.ready) == (Way.SCAFFOLD, False)
    (text,) = made.files.values()
    tree = ast.parse(text)
    values = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert values["BASE_MODEL"] == hostile
    assert (values["LORA_RANK"], values["START_STEP"], values["TOTAL_STEPS"], values["SAVE_EVERY"]) == (16, 20, 100, 10)
    assert text.count(scaffold.MARK) == 2
    assert "create_training_client_from_state_with_optimizer(STATE_URI)" in text
    assert [check.level for check in made.obstacles] == ["warn"]


def test_the_users_own_command_is_filled_in_word_by_word(tmp_path: Path) -> None:
    found = built_run("grp/r; x", save(20))
    wanted = here(
        tmp_path, command="{python} go.py --from={state_uri} -n {step} {run} {new_run} {base_model}:{lora_rank}"
    )
    assert ways(found, wanted) == (Way.OWN, Way.SCAFFOLD)
    made = plan(found, found.checkpoints[0], preferences=wanted)
    assert made.argv == (
        made.interpreter.path, "go.py", f"--from={made.state_uri}", "-n", "20", "/runs/grp/r; x", made.directory,
        "Qwen/Qwen3-4B:16",
    )  # fmt: skip
    assert made.cwd == str(tmp_path)
    assert plan(found, found.checkpoints[0], way=Way.SCAFFOLD, preferences=wanted).way is Way.SCAFFOLD


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("go {stat_uri}", "unknown field"),
        ("go {state_uri.__class__}", "unknown field"),
        ("go {lora_rank}", "don't tell"),
        ("go '", "can't be read"),
        ("go {", "can't be read"),
        (" ", "is empty"),
        ("go {state_uri:9999q}", "can't be filled in"),
    ],
)
def test_a_template_that_cannot_be_filled_in_says_why(template: str, why: str) -> None:
    with pytest.raises(Unfillable, match=why):
        fill(template, {"state_uri": "tinker://x", "lora_rank": None})


def test_the_interpreter_of_the_setting_goes_first(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path, preferences=Preferences(python="/gone/python"))
    assert (made.interpreter.path, made.interpreter.why, made.argv[0]) == (
        "/gone/python",
        "the setting",
        "/gone/python",
    )


def test_new_names_are_free_ones(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    path.with_name("one-from-5").mkdir()
    assert planned(path, "000005").name == "one-from-5-2"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", ".hidden", "-x", "iteration_000010", "a\x1b[0m", "x" * 200, "one"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    assert failing(planned(path, name=name).obstacles) == [("new name", "exists")]


def test_a_plan_can_be_edited(tmp_path: Path) -> None:
    made = planned(cookbook_run(project(tmp_path) / "runs/one"))
    other = made.edited(argv=[*made.argv, "n_batches=40"], cwd="/elsewhere")
    assert (other.argv[-1], other.cwd, other.edited_by_user) == ("n_batches=40", "/elsewhere", True)
    assert (made.cwd, made.edited_by_user) == (str(tmp_path), False)


def test_the_shell_text_does_all_that_a_start_does(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path / "a 'project'") / "runs/one")
    made = planned(path, "000005").edited(argv=[sys.executable, "-c", "import os; print(os.getcwd())"])
    told = subprocess.run(["sh"], input=script(made), capture_output=True, text=True, check=True)
    assert told.stdout == f"{made.cwd}\n"
    new = Path(made.directory)
    assert (new / "checkpoints.jsonl").read_text() == ledger_line("000005", 5)
    assert json.loads((new / "resume.json").read_text())["parent_path"] == str(path)
    again = subprocess.run(["sh"], input=script(made), capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert script(planned(path)).count("\n") == 1


def test_the_samples_commands_are_all_understood() -> None:
    for path in sorted(SAMPLES.glob("*/*/")):
        run = read(path)
        for checkpoint in run.checkpoints:
            made = plan(run, checkpoint)
            assert made.way in (Way.COOKBOOK, Way.STEALTHRL)
            assert made.in_place == (made.way is Way.COOKBOOK and checkpoint is run.checkpoints[-1])
    assert cookbook.LEDGERS[0] == "checkpoints.jsonl"
