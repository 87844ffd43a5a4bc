"""HTTP on the loopback interface, with the standard library alone: keys, faults, and answers for every refusal."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from stealthrl_tui.sandbox.errors import ServiceError
from stealthrl_tui.sandbox.exchange import HOST, Reply, Request
from stealthrl_tui.sandbox.faults import Fault
from stealthrl_tui.sandbox.service import ADMIN, OPENAI, Service

REJECTED_KEY = "tml-rejected"  # of the right form, so that the SDK sends it; every other such key is good
_LARGEST_BODY = 64 * 1024 * 1024
_NO_KEY_NEEDED = "/api/v1/healthz"


class Server:
    """Serves a Service on one port, through closed listeners too."""

    def __init__(self, service: Service, port: int = 0, listening: socket.socket | None = None) -> None:
        """Listens already where `listening` does; else OSError when the port can't be had; 0 takes a free one."""
        self.service = service
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._away: float | None = None
        self._listener = _Listener(self, port, listening)
        self.port = int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        """What TINKER_BASE_URL wants."""
        return f"http://{HOST}:{self.port}"

    def serve(self) -> None:
        """Answer requests until `stop`; a refusing service closes its port for a while and opens it again."""
        while True:
            self._listener.serve_forever(poll_interval=0.1)
            self._listener.server_close()
            self._close_connections()
            if self._away is None:
                self.service.close()
                return
            self.service.faults.pause(self._away)
            self._away = None
            self._listener = _Listener(self, self.port)

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._listener.shutdown()

    def refuse(self, seconds: float) -> None:
        """Close the port for `seconds`, from a thread that serves a request."""
        self._away = seconds
        self._listener.shutdown()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def _close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            # The client may have closed it a moment before.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, owner: Server, port: int, listening: socket.socket | None = None) -> None:
        self.owner = owner
        super().__init__((HOST, port), _Connection, bind_and_activate=listening is None)
        if listening is not None:
            self.socket.close()
            self.socket = listening
            self.server_address = listening.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error; everything else is the service's own and is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the parent's types are narrower


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        self.server.owner.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
        """Nothing is logged: headers hold the caller's key."""

    def _serve(self) -> None:
        fault, path = None, self.path
        try:
            path, query = self._target()
            fault = None if path.startswith(ADMIN) else self.server.owner.service.faults.take(self.command, path)
            body = self._read_body()
            if fault is not None and not self._suffer(fault):
                return
            self._check_key(path)
            reply = self.server.owner.service.handle(Request(self.command, path, query, body))
        except ServiceError as error:
            reply = Reply.json(_refusal(path, error), error.status)
        self._send(reply, cut=fault is not None and fault.kind == "drop")

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # the names http.server calls

    def _target(self) -> tuple[str, dict[str, str]]:
        try:
            split = urlsplit(self.path)
        except ValueError as error:
            raise ServiceError(400, "not a request path") from error
        return unquote(split.path), dict(parse_qsl(split.query))

    def _check_key(self, path: str) -> None:
        if path == _NO_KEY_NEEDED or path.startswith(ADMIN):
            return
        if path.startswith(OPENAI):
            key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        else:
            key = self.headers.get("X-API-Key") or ""
        if not key.startswith("tml-") or key == REJECTED_KEY:
            raise ServiceError(401, "the API key is missing or was rejected")

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        known = length.isascii() and length.isdigit() and "Transfer-Encoding" not in self.headers
        if not known or int(length) > _LARGEST_BODY:
            # Where the next request on this connection would begin can't be told.
            self.close_connection = True
            raise ServiceError(413 if known else 411, "the body is too large, or its length is not given")
        return self.rfile.read(int(length))

    def _suffer(self, fault: Fault) -> bool:
        # Whether the request is still to be served.
        owner = self.server.owner
        if fault.kind == "status":
            raise ServiceError(fault.status, f"a fault was asked for: {fault.status}")
        if fault.kind == "slow":
            owner.service.faults.pause(1.0 if fault.seconds is None else fault.seconds)
        if fault.kind == "hang":
            owner.service.faults.pause(fault.seconds)
        if fault.kind == "refuse":
            self.close_connection = True
            owner.refuse(1.0 if fault.seconds is None else fault.seconds)
            return False
        if fault.kind == "die":
            os._exit(1)
        return True

    def _send(self, reply: Reply, *, cut: bool) -> None:
        self.send_response(reply.status)
        if reply.status != 204:
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if cut:
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if reply.status != 204:
            self.wfile.write(reply.body)
        self.wfile.flush()


def _refusal(path: str, error: ServiceError) -> dict[str, object]:
    if path.startswith(OPENAI):
        return {"error": {"message": error.detail, "type": "invalid_request_error", "code": error.status}}
    return {"detail": error.detail}
