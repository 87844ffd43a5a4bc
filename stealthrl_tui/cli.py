"""The command line (DESIGN.md, "The command line"): which command it is; what each one does is in `verbs`.

Nothing heavy is imported here: the browser's first paint and every script wait for it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import NoReturn

from stealthrl_tui import __version__
from stealthrl_tui.text import clean
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import FAILED, PROGRAM, USAGE, Refusal, note

VERBS = {
    "demo": "sample runs, one of them training; no key, no network",
    "ls": "the runs",
    "show": "one run and its checkpoints",
    "uri": "a checkpoint's URI, alone",
    "export": "an inference script for a checkpoint",
    "test-load": "load the sampler weights of a checkpoint and sample from them",
    "server": "what the Tinker service still holds of what was saved",
    "keep": "let checkpoints never expire",
    "expire": "let checkpoints expire",
    "publish": "let anyone load checkpoints",
    "unpublish": "take checkpoints back from the public",
    "delete": "delete checkpoints on the service, for good",
    "prune": "choose what to keep of the checkpoints of runs, and delete the others",
    "resume": "check, then start a run that goes on from a checkpoint's state",
    "watch": "what happens to the runs, as it happens",
    "doctor": "what is set up, what is not, and what to do about it",
}
# The commands whose module has another name.
_MODULES = {
    "test-load": "test_load", "keep": "manage", "expire": "manage", "publish": "manage", "unpublish": "manage",
    "delete": "manage",
}  # fmt: skip
# What shells say of a program that a closed pipe or Ctrl-C ended.
CLOSED_PIPE, INTERRUPTED = 141, 130
# Their values may begin with a dash (`--sort -age`, `--filter -status:failed`), which argparse takes for an option.
_DASHED = ("--sort", "--filter", "--prompt")


def program() -> NoReturn:
    """The `stealthrl-tui` command: `main`, and then the end of the process, whatever its threads hold.

    Taking 10,000 runs apart, object by object, would keep the terminal for another second.
    """
    status = main()
    sys.stderr.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments (by default the process's own) say; the exit status.

    Whatever goes wrong is one line on standard error and status 1, or 2 where the arguments themselves are wrong.
    """
    try:
        _prepare_output()
        status = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has said the help, the version, or what is wrong with the arguments
        return end.code if isinstance(end.code, int) else FAILED
    except BrokenPipeError:
        _drop_output()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Refusal as refusal:
        note(refusal)
        return refusal.status
    except OSError as error:
        note(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        return FAILED
    return status


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in VERBS:
        return _browse(arguments)
    name = arguments[0]
    verb = import_module(f"stealthrl_tui.verbs.{_MODULES.get(name, name)}")
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=VERBS[name], allow_abbrev=False)
    parser.set_defaults(command=name)
    verb.add_arguments(parser)
    status: int = verb.run(parser.parse_args(list(_joined(arguments[1:]))))
    return status


def _joined(arguments: Sequence[str]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument in _DASHED else None
        if value is None:
            yield argument
        elif value.startswith("--"):
            yield from (argument, value)
        else:
            yield f"{argument}={value}"


def _browse(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [ROOT ...] | {PROGRAM} COMMAND ...",
        description="Browse the training runs below the roots: outputs/runs when it exists and none is given.",
        epilog="commands:\n" + "\n".join(f"  {name:<10}{words}" for name, words in VERBS.items())
        + f"\n\n{PROGRAM} COMMAND --help tells more. A folder named like a command is given as ./{next(iter(VERBS))}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    places.add_roots(parser)
    given = parser.parse_args(arguments)
    for root in given.roots:
        _require_no_misspelt_command(root)
    from stealthrl_tui.verbs import browse

    return browse.run(given)


def _require_no_misspelt_command(root: str) -> None:
    if os.sep in root or os.path.exists(root):
        return
    from difflib import get_close_matches

    meant = get_close_matches(root, VERBS, n=1)
    if meant:
        raise Refusal(f"{clean(root)} is neither a folder nor a command: did you mean {meant[0]}?", USAGE)


def _prepare_output() -> None:
    """Have output streams that take any text, whatever the locale, also where the shell closed them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the life of the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Nobody reads any more: what is still buffered must not fail again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
