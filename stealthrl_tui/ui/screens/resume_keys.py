"""Resume and stop: what the keys do to a run that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.screens.checkpoint_keys import CheckpointKeys
from stealthrl_tui.ui.widgets.run_list import RunList
from stealthrl_tui.ui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from stealthrl_tui.actions.resume.stop import Stopped
    from stealthrl_tui.ui.resuming import Resumed

# A trainer that a launcher starts hours later is not waited for.
_MEET_SECONDS, _MEET_TRIES = 0.1, 600


class ResumeKeys(CheckpointKeys):
    """Mixed into the browser, which has the list."""

    _meeting: Timer | None = None

    if TYPE_CHECKING:

        @property
        def runs(self) -> RunList: ...

    def action_resume(self) -> None:
        """Go on from the state of the save under the cursor."""
        found = self.meant()
        if found is None:
            return
        from stealthrl_tui.settings import load
        from stealthrl_tui.ui.screens.resume_dialog import ResumeDialog

        self.app.push_screen(ResumeDialog(*found, load()), self._resumed)

    def _resumed(self, resumed: Resumed | None) -> None:
        if resumed is None:
            return
        if resumed.copied:
            self.copy("the commands of the resume", resumed.copied)
            return
        how = f"started as process {resumed.pid}  " if resumed.pid is not None else "handed to the launcher  "
        words = how if resumed.started else "written, not started: complete it  "
        said: Pieces = (("✓ ", "alive"), (words, "dim"), (clean(resumed.path), "text"))
        self.query_one(StatusLine).say(said)
        self.meet(resumed.path, said)

    def meet(self, path: str, said: Pieces) -> None:
        """Select the run at `path` as soon as it is in the list; what was `said` stays on the screen."""
        if self._meeting is not None:
            self._meeting.stop()
        tries = iter(range(_MEET_TRIES))

        def look() -> None:
            found = self.runs.select(path)
            if found:
                self.settle()
                self.query_one(StatusLine).say(said)
            if (found or next(tries, None) is None) and self._meeting is not None:
                self._meeting.stop()
                self._meeting = None

        self._meeting = self.set_interval(_MEET_SECONDS, look)

    def action_stop_run(self) -> None:
        """Ask, then stop the run on show."""
        self.settle()
        run = self.detail.shown
        if run is None or run.lineage is None:
            self.notify("only a run that a resume started can be stopped from here", markup=False)
            return
        from stealthrl_tui.ui.screens.stop_dialog import StopDialog

        def stopped(how: Stopped | None) -> None:
            if how is not None:
                self.query_one(StatusLine).say((("■ ", "dim"), (f"{how.value}  ", "dim"), (clean(run.path), "text")))

        self.app.push_screen(StopDialog(run, run.lineage), stopped)
