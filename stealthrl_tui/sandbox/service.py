"""The service as a whole: which request goes where (TINKER.md, "The wire")."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from stealthrl_tui.sandbox.completions import Completions
from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.exchange import Reply, Request
from stealthrl_tui.sandbox.faults import Faults
from stealthrl_tui.sandbox.promises import Promises
from stealthrl_tui.sandbox.registry import Registry
from stealthrl_tui.sandbox.samplers import Samplers
from stealthrl_tui.sandbox.sessions import Sessions
from stealthrl_tui.sandbox.store import Store
from stealthrl_tui.sandbox.tokenizer import CONTEXT_LENGTH, write_tokenizer
from stealthrl_tui.sandbox.trainings import Trainings
from stealthrl_tui.sandbox.wire import CONTENT_TYPE

ADMIN = "/sandbox/"
OPENAI = "/oai/api/v1/"
_POLL_SECONDS = 20.0  # how long a promise is waited for before the client must ask again; the SDK gives up after 45

Route: TypeAlias = tuple[str, re.Pattern[str], Callable[[Request], Reply]]


class Service:
    """A Tinker service over a folder. `model_dir` is its base model's name and the folder of its tokenizer."""

    def __init__(self, folder: Path, extra_models: Sequence[str] = ()) -> None:
        """ValueError when `folder` holds something that this service did not write."""
        self.model_dir = folder / "models" / "tiny-byte-model"
        write_tokenizer(self.model_dir)
        self.faults = Faults()
        self._base_models = [str(self.model_dir), *extra_models]
        self._store = Store(folder)
        self._sessions = Sessions()
        self._promises = Promises()
        self._samplers = Samplers(self._store, self._sessions, self._promises, self._base_models)
        self._trainings = Trainings(
            self._store, self._sessions, self._promises, self._samplers, tokenizer_id=str(self.model_dir)
        )
        self._registry = Registry(self._store, default_base_model=str(self.model_dir))
        self._completions = Completions(self._samplers)
        self._routes = self._make_routes()

    def handle(self, request: Request) -> Reply:
        """Serve one request; ServiceError says why not."""
        known_path = False
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            known_path = True
            if method == request.method:
                return handler(Request(method, request.path, request.query, request.body, match.groups()))
        raise ServiceError(405 if known_path else 404, f"{request.method} {request.path} is not served here")

    def close(self) -> None:
        """Stop computing."""
        self.faults.clear()
        self._promises.close()

    def _make_routes(self) -> list[Route]:
        return [*self._session_routes(), *self._model_routes(), *self._registry_routes(), *self._admin_routes()]

    def _session_routes(self) -> list[Route]:
        sessions, samplers = self._sessions, self._samplers
        return [
            _route("GET", "/api/v1/healthz", lambda _: {"status": "ok"}),
            _route("POST", "/api/v1/client/config", lambda _: {}),
            _route("POST", "/api/v1/client/dynamic_config", lambda _: {"refresh_interval_sec": 300}),
            _route("GET", "/api/v1/get_server_capabilities", lambda _: self._capabilities()),
            _route("POST", "/api/v1/telemetry", lambda _: {"status": "accepted"}),
            _route("POST", "/api/v1/create_session", _posted(sessions.create)),
            _route("POST", "/api/v1/session_heartbeat", _posted(sessions.heartbeat)),
            _route("GET", "/api/v1/sessions", lambda _: {"sessions": [session.id for session in sessions.all()]}),
            _route("GET", "/api/v1/sessions/([^/]+)", lambda request: sessions.describe(*request.groups)),
            _route("POST", "/api/v1/sessions/([^/]+)/finish", lambda request: sessions.finish(*request.groups)),
            _route("POST", "/api/v1/create_sampling_session", _posted(samplers.create)),
            _route("GET", "/api/v1/samplers/([^/]+)", lambda request: samplers.describe(*request.groups)),
            _route("POST", "/api/v1/asample", _posted(samplers.sample)),
            _route("POST", OPENAI + "completions", _posted(self._completions.completions)),
            _route("POST", OPENAI + "chat/completions", _posted(self._completions.chat_completions)),
        ]

    def _model_routes(self) -> list[Route]:
        trainings = self._trainings
        return [
            _route("POST", "/api/v1/create_model", _posted(trainings.create)),
            _route("POST", "/api/v1/get_info", _posted(trainings.info)),
            _route("POST", "/api/v1/forward_backward", lambda request: trainings.forward_backward(request.body)),
            _route("POST", "/api/v1/optim_step", _posted(trainings.optim_step)),
            _route("POST", "/api/v1/save_weights", _posted(trainings.save_state)),
            _route("POST", "/api/v1/save_weights_for_sampler", _posted(trainings.save_sampler)),
            _route("POST", "/api/v1/load_weights", _posted(trainings.load)),
            ("POST", re.compile("/api/v1/retrieve_future"), self._retrieve),
        ]

    def _registry_routes(self) -> list[Route]:
        registry = self._registry
        run, checkpoint = "/api/v1/training_runs/([^/]+)", "/api/v1/training_runs/([^/]+)/checkpoints/([^/]+)/([^/]+)"
        return [
            _route("POST", "/api/v1/weights_info", _posted(registry.weights_info)),
            _route("GET", "/api/v1/training_runs", registry.training_runs),
            _route("GET", run, lambda request: registry.training_run(*request.groups)),
            _route("GET", run + "/checkpoints", lambda request: registry.run_checkpoints(*request.groups)),
            _route("GET", "/api/v1/checkpoints", registry.checkpoints),
            ("PUT", re.compile(checkpoint + "/ttl"), registry.set_ttl),
            ("DELETE", re.compile(checkpoint), registry.delete),
            ("POST", re.compile(checkpoint + "/publish"), registry.publish),
            ("DELETE", re.compile(checkpoint + "/publish"), registry.publish),
        ]

    def _admin_routes(self) -> list[Route]:
        return [
            _route("POST", ADMIN + "faults", _posted(self.faults.add)),
            _route("GET", ADMIN + "faults", lambda _: {"faults": self.faults.all()}),
            _route("DELETE", ADMIN + "faults", lambda _: self.faults.clear()),
            _route("POST", ADMIN + "checkpoints", _posted(self._registry.seed)),
            _route("POST", ADMIN + "clock", _posted(lambda body: self._store.advance(body.number("advance")))),
            _route("GET", ADMIN + "sessions", lambda _: {"open": self._open_sessions()}),
        ]

    def _capabilities(self) -> dict[str, Any]:
        described = {"max_context_length": CONTEXT_LENGTH, "trainable": True, "sampleable": True}
        return {"supported_models": [{"model_name": name, **described} for name in self._base_models]}

    def _open_sessions(self) -> list[str]:
        return [session.id for session in self._sessions.all() if not session.finished]

    def _retrieve(self, request: Request) -> Reply:
        request_id = request.fields().text("request_id")
        outcome = self._promises.outcome(request_id, _POLL_SECONDS)
        if outcome is None:
            return Reply.json({"type": "try_again", "request_id": request_id, "queue_state": "active"})
        if isinstance(outcome, bytes):
            return Reply(200, outcome, CONTENT_TYPE)
        return Reply.json(outcome)


def _route(method: str, pattern: str, answer: Callable[[Request], Any]) -> Route:
    return method, re.compile(pattern), lambda request: Reply.json(answer(request))


def _posted(answer: Callable[[Fields], Any]) -> Callable[[Request], Any]:
    return lambda request: answer(request.fields())
