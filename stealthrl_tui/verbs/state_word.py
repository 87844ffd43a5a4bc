"""What the service says of one training state: `python -m stealthrl_tui.verbs.state_word URI`.

`resume` asks in this child, so that a service in trouble is one line of the checklist and not the end of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from stealthrl_tui.actions.resume.preflight import ServerWord
    from stealthrl_tui.service.events import Event, ServiceError


def ask(uri: str, tell: Callable[[Event], None]) -> ServerWord:
    """The service's word on the state at `uri`; its phases are told. Blocks until it is answered or given up."""
    import subprocess

    from stealthrl_tui.actions.child import PARENT_VARIABLE
    from stealthrl_tui.actions.resume.preflight import ServerWord

    last: Event = {}
    with subprocess.Popen(
        [sys.executable, "-m", "stealthrl_tui.verbs.state_word", uri],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = json.loads(line)
            if last["event"] not in ("result", "error"):
                tell(last)
    if last.get("event") == "error":
        return ServerWord(last["code"], f"{last['message']} {last['hint']}".strip())
    if last.get("event") != "result":
        return ServerWord("server_error", "the process that asks the service died without a word")
    fields = ("exists", "expires_at", "base_model", "lora_rank", "corrupted")
    return ServerWord(**{name: last[name] for name in fields})


def main(uri: str) -> NoReturn:
    """Tell events, a line each; the last is the word, or why there is none."""
    from stealthrl_tui.actions.child import PARENT_VARIABLE
    from stealthrl_tui.service.events import ServiceError, part_streams, result
    from stealthrl_tui.service.holdings import open_holdings
    from stealthrl_tui.service.lifeline import follow_parent
    from stealthrl_tui.settings import state_dir
    from stealthrl_tui.verbs.telling import SDK_LOG

    follow_parent(PARENT_VARIABLE)
    out, _ = part_streams(state_dir() / SDK_LOG)

    def tell(event: Event) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    def end(failure: ServiceError) -> NoReturn:
        tell(failure.event())
        os._exit(1)

    try:
        holdings = open_holdings(tell, end, uri=uri)
        with holdings.watch.phase("ask"):
            answer = _word(holdings, uri)
    except ServiceError as failure:
        end(failure)
    tell(result(**answer))
    # The SDK's threads would hold the process open.
    os._exit(0)


def _word(holdings: Any, uri: str) -> dict[str, Any]:
    held = holdings.find([uri]).get(uri)
    origin = holdings.origin(uri.removeprefix("tinker://").split("/")[0])
    return {
        "exists": held is not None,
        "expires_at": None if held is None else held.expires_at,
        "base_model": None if origin is None else origin.base_model,
        "lora_rank": None if origin is None else origin.lora_rank,
        "corrupted": None if origin is None else origin.corrupted,
    }


if __name__ == "__main__":
    main(sys.argv[1])
