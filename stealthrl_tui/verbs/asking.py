"""Asking the server what it holds of some training runs, or of all."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stealthrl_tui.actions.truth import Answer
    from stealthrl_tui.service.holdings import Holdings
    from stealthrl_tui.verbs.telling import Teller

# Beyond so many training runs the pages of the whole account are fewer calls than two a run.
_MOST_SINGLE = 20


def connect(teller: Teller, uri: str | None = None) -> Holdings:
    """The service, its connection told as a phase; raises ServiceError."""
    from stealthrl_tui.service.holdings import open_holdings

    teller.part_streams()
    return open_holdings(teller.tell, teller.end, uri=uri)


def ask(holdings: Holdings, run_ids: Collection[str] | None = None) -> Answer:
    """What the server holds of the training runs with these ids, None for all; a phase. Raises ServiceError."""
    from stealthrl_tui.actions.truth import answer

    with holdings.watch.phase("ask"):
        if run_ids is None or len(run_ids) > _MOST_SINGLE:
            return answer(time.time(), holdings.checkpoints(), holdings.origins())
        held = [each for run_id in run_ids for each in holdings.checkpoints_of(run_id)]
        origins = [origin for run_id in run_ids if (origin := holdings.origin(run_id)) is not None]
        return answer(time.time(), held, origins, run_ids)
