"""Client sessions: what the SDK opens before anything else and closes at the end."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError


@dataclass
class Session:
    """One client's session; `heartbeat` is when it last gave a sign of life, in Unix seconds."""

    id: str
    user_metadata: dict[str, str] | None
    heartbeat: float
    finished: bool = False
    sampler_ids: list[str] = field(default_factory=list)
    training_run_ids: list[str] = field(default_factory=list)


class Sessions:
    """The sessions since the service started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def create(self, body: Fields) -> dict[str, Any]:
        """`create_session`."""
        session = Session(str(uuid.uuid4()), body.mapping("user_metadata"), time.time())
        with self._lock:
            self._sessions[session.id] = session
        return {"type": "create_session", "session_id": session.id}

    def get(self, session_id: str) -> Session:
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None:
            raise ServiceError(404, f"no session {session_id!r}")
        return session

    def check(self, session_id: str) -> str:
        """`session_id` when that session is open; 404 when unknown, 400 when it was finished."""
        if self.get(session_id).finished:
            raise ServiceError(400, f"session {session_id} has finished")
        return session_id

    def heartbeat(self, body: Fields) -> dict[str, Any]:
        """`session_heartbeat`; 410 tells the SDK to stop."""
        session = self.get(body.text("session_id"))
        if session.finished:
            raise ServiceError(410, f"session {session.id} has finished")
        session.heartbeat = time.time()
        return {"type": "session_heartbeat"}

    def finish(self, session_id: str) -> None:
        self.get(session_id).finished = True

    def note_sampler(self, session_id: str, sampler_id: str) -> None:
        self.get(session_id).sampler_ids.append(sampler_id)

    def note_run(self, session_id: str, run_id: str) -> None:
        self.get(session_id).training_run_ids.append(run_id)

    def describe(self, session_id: str) -> dict[str, Any]:
        """`sessions/{id}`."""
        session = self.get(session_id)
        return {
            "training_run_ids": session.training_run_ids,
            "sampler_ids": session.sampler_ids,
            "user_metadata": session.user_metadata,
        }

    def all(self) -> list[Session]:
        """Every session, oldest first."""
        with self._lock:
            return list(self._sessions.values())
