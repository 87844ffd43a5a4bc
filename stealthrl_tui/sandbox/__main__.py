"""`python -m stealthrl_tui.sandbox --folder FOLDER [--port PORT]`: run the local Tinker service."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path

from stealthrl_tui.sandbox.lifeline import end_with_parent


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; exit status 1 when the folder or the port can't be used."""
    parser = argparse.ArgumentParser(prog="python -m stealthrl_tui.sandbox", description="A local Tinker service.")
    parser.add_argument("--folder", type=Path, required=True, help="where runs and checkpoints are kept")
    parser.add_argument("--port", type=int, default=0, help="the port on the loopback interface; a free one by default")
    parser.add_argument("--listening", type=int, metavar="FD", help="a socket that listens already, in place of a port")
    parser.add_argument("--model", action="append", default=[], help="a further name for the base model (repeatable)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input or the parent ends")
    arguments = parser.parse_args(argv)
    if arguments.with_parent:
        end_with_parent()
    # One thread for the arithmetic: it is faster for matrices this small, and equal inputs give equal bits.
    for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    from stealthrl_tui.sandbox.server import Server
    from stealthrl_tui.sandbox.service import Service

    try:
        service = Service(arguments.folder.resolve(), arguments.model)
        given = None if arguments.listening is None else socket.socket(fileno=arguments.listening)
        server = Server(service, arguments.port, given)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the sandbox can't start: {error}\n")
        return 1
    ready = {"base_url": server.url, "model_dir": str(service.model_dir)}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        service.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
