"""Every exported script, run as a user runs it: the unmodified SDK, a local service, nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stealthrl_tui.actions.export import TEMPLATES, plan, write
from stealthrl_tui.actions.snippets import choices
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Facts, Run
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox

SECONDS = 120

# Stands where the training project would: only what the script takes from it.
TRAINER = """
class StealthRLDatasetBuilder:
    @staticmethod
    def _standard_fewshot_prefix():
        return [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
"""
# Stands where the cookbook would: a renderer of its form, which shows the prompt that it made.
COOKBOOK = """
import sys
import tinker

class Renderer:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def build_generation_prompt(self, messages):
        text = "".join(f"<{m['role']}>{m['content']}" for m in messages)
        print(f"rendered {text!r}", file=sys.stderr)
        return tinker.ModelInput.from_ints(self.tokenizer.encode(text))

    def get_stop_sequences(self):
        return ["</s>"]

    def parse_response(self, tokens):
        return {"role": "assistant", "content": [{"type": "text", "text": f"{len(tokens)} tokens"}]}, True

def get_renderer(name, tokenizer):
    if name != "plain":
        raise ValueError(f"unknown renderer {name}")
    return Renderer(tokenizer)
"""


@pytest.fixture(scope="module")
def sampler_uri(sandbox: Sandbox) -> str:
    return sandbox.save_sampler(name="exported")


class Desk:
    """Exports scripts into a folder and runs them there, with no key but the sandbox's."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **sandbox.environ()}
        # Two threads' worth of arithmetic libraries each would crowd a small machine.
        self.environ["OMP_NUM_THREADS"] = "1"

    def export(self, uri: str, template: str, **facts: object) -> Path:
        checkpoint = Checkpoint("exported", 3, None, uri, training_run_id="sandbox:train:0")
        known = Facts(kind=Kind.STEALTHRL, base_model=str(self.sandbox.model_dir), **facts)  # type: ignore[arg-type]
        run = Run(name="r", path=str(self.folder), root=str(self.folder), facts=known, checkpoints=(checkpoint,))
        return write(plan(run, checkpoint, template=template))

    def run(self, script: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), "--max-tokens", "8", *arguments]
        return subprocess.run(
            command,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=self.environ,
            cwd=self.folder,
        )

    def package(self, path: str, text: str) -> None:
        """Make a module that scripts can import from the folder they are run in."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on standard error of a script that could not do it."""
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_script_samples_as_it_is(desk: Desk, sampler_uri: str, template: str) -> None:
    done = desk.run(desk.export(sampler_uri, template), typed="hello\n\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n")
    known = ("prompt: a guess", "prompt: the server's chat template, a guess", "few-shot pairs:", "an empty line")
    assert all(line.startswith(known) for line in done.stderr.splitlines()), done.stderr
    assert "a guess" in done.stderr
    assert desk.sandbox.open_sessions() == []


def test_bare_text_can_be_completed_without_the_sdk(desk: Desk, sampler_uri: str) -> None:
    done = desk.run(desk.export(sampler_uri, "openai"), "--raw", "--prompt", "once upon")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "the text as it is" in done.stderr


def test_many_prompts_are_sampled_at_once(desk: Desk, sampler_uri: str) -> None:
    prompts = [word for text in ("one", "two", "three") for word in ("--prompt", text)]
    desk.package("tinker_cookbook/renderers.py", COOKBOOK)
    done = desk.run(desk.export(sampler_uri, "async", renderer="plain"), *prompts)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.endswith("tokens")] == done.stdout.splitlines()
    assert len(done.stdout.splitlines()) == 3
    assert [f"<user>{text}" in done.stderr for text in ("one", "two", "three")] == [True] * 3


def test_a_conversation_remembers_what_was_said(desk: Desk, sampler_uri: str) -> None:
    desk.package("tinker_cookbook/renderers.py", COOKBOOK)
    done = desk.run(desk.export(sampler_uri, "chat", renderer="plain"), typed="first\nsecond\n\nnever\n")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.endswith("tokens")
    assert second.endswith("tokens")
    assert f"<user>first<assistant>{first}<user>second" in done.stderr
    assert "never" not in done.stderr
    assert "prompt: the run's renderer, plain" in done.stderr


def test_a_paraphrase_is_asked_for_as_in_training(desk: Desk, sampler_uri: str) -> None:
    desk.package("tinker_cookbook/renderers.py", COOKBOOK)
    desk.package("stealthrl/tinker/dataset.py", TRAINER)
    script = desk.export(sampler_uri, "stealthrl", renderer="plain", few_shot="standard")
    done = desk.run(script, "--prompt", "A cat sat.")
    assert done.returncode == 0, done.stderr
    asked = (
        "<user>one<assistant>two<user>Please paraphrase the following text while maintaining its meaning and "
        "ensuring it reads naturally:\n\nA cat sat.\n\nParaphrased text:"
    )
    assert f"rendered {asked!r}" in done.stderr
    assert "left out" not in done.stderr


def test_few_shot_pairs_that_cannot_be_had_are_said_to_be_left_out(desk: Desk, sampler_uri: str) -> None:
    done = desk.run(desk.export(sampler_uri, "stealthrl", few_shot="standard"))
    assert done.returncode == 0
    assert "few-shot pairs: left out, though trained with them: No module named 'stealthrl'" in done.stderr


def test_a_renderer_that_the_cookbook_does_not_know_is_a_guess(desk: Desk, sampler_uri: str) -> None:
    desk.package("tinker_cookbook/renderers.py", COOKBOOK)
    done = desk.run(desk.export(sampler_uri, "sdk", renderer="odd"))
    assert done.returncode == 0
    assert "prompt: a guess, the tokenizer's chat template: tinker_cookbook can't make renderer odd" in done.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_without_a_key_one_line_says_so(desk: Desk, sampler_uri: str, template: str) -> None:
    del desk.environ["TINKER_API_KEY"]
    line = refused(desk.run(desk.export(sampler_uri, template)))
    assert line == "no Tinker key: set TINKER_API_KEY, or run `tinker auth login`"


@pytest.mark.parametrize("template", TEMPLATES)
def test_where_nobody_answers_one_line_says_so(desk: Desk, sampler_uri: str, template: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        desk.environ["TINKER_BASE_URL"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        line = refused(desk.run(desk.export(sampler_uri, template)))
    assert line.startswith(f"no answer from {desk.environ['TINKER_BASE_URL']}")
    assert "TINKER_BASE_URL" in line


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_rejected_key_is_one_line_without_the_key(desk: Desk, sampler_uri: str, template: str) -> None:
    desk.environ["TINKER_API_KEY"] = "tml-rejected"
    line = refused(desk.run(desk.export(sampler_uri, template)))
    assert "refused" in line
    assert "tml-" not in line


@pytest.mark.parametrize("template", ["sdk", "async", "openai"])
def test_a_checkpoint_that_is_gone_is_named(desk: Desk, sampler_uri: str, template: str) -> None:
    line = refused(desk.run(desk.export(f"{sampler_uri}-gone", template)))
    assert f"{sampler_uri}-gone" in line
    assert desk.sandbox.open_sessions() == []


@pytest.mark.parametrize("template", ["sdk", "openai"])
def test_the_stored_login_is_a_key(desk: Desk, sampler_uri: str, template: str) -> None:
    key = {"type": "manual", "key": desk.environ.pop("TINKER_API_KEY"), "name": "me"}
    login = json.dumps({"version": 1, "default": "me", "keys": {"me": key}})
    desk.package(".tinker/credentials.json", login)
    done = desk.run(desk.export(sampler_uri, template))
    assert done.returncode == 0, done.stderr


def test_a_broken_login_shows_no_key(desk: Desk, sampler_uri: str) -> None:
    del desk.environ["TINKER_API_KEY"]
    desk.package(".tinker/credentials.json", '{"keys": {"me": {"key": "tml-secret"}}, "default": "me", "version": 7}')
    for template in ("sdk", "openai"):
        done = desk.run(desk.export(sampler_uri, template))
        assert "tml-secret" not in done.stdout + done.stderr


def test_a_command_may_print_the_key(desk: Desk, sampler_uri: str) -> None:
    desk.environ["TINKER_CREDENTIAL_CMD"] = f"echo {desk.environ.pop('TINKER_API_KEY')}"
    done = desk.run(desk.export(sampler_uri, "openai"))
    assert done.returncode == 0, done.stderr


def test_without_a_tokenizer_one_line_says_what_to_do(tmp_path: Path) -> None:
    with running_sandbox() as alone:
        desk = Desk(tmp_path, alone)
        script = desk.export(alone.save_sampler(), "sdk")
        for file in alone.model_dir.iterdir():
            file.unlink()
        line = refused(desk.run(script))
        assert line.startswith(f"no tokenizer for {alone.model_dir}")
        assert "HF_HUB_OFFLINE=1" in line
        assert alone.open_sessions() == []


@pytest.mark.parametrize("template", ["sdk", "async", "openai"])
def test_a_server_that_falls_silent_is_given_up(desk: Desk, sampler_uri: str, template: str) -> None:
    desk.sandbox.fault("hang", path="*sampl*")
    desk.sandbox.fault("hang", path="*completions")
    try:
        line = refused(desk.run(desk.export(sampler_uri, template), "--timeout", "1"))
    finally:
        desk.sandbox.clear_faults()
    assert "took more than 1 s" in line


def test_the_snippets_run_as_they_are_copied(desk: Desk) -> None:
    run_id = "snippets:train:0"
    state = desk.sandbox.save_state(run_id=run_id)
    checkpoint = Checkpoint("demo", 3, state, desk.sandbox.save_sampler(run_id=run_id), training_run_id=run_id)
    run = Run(name="r", path=str(desk.folder), root=str(desk.folder), checkpoints=(checkpoint,))
    texts = {choice.key: choice.text for choice in choices(run, checkpoint)}
    for key in ("python", "resume"):
        done = subprocess.run(
            [sys.executable, "-c", texts[key]],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=desk.environ,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert str(desk.sandbox.model_dir) in done.stdout
