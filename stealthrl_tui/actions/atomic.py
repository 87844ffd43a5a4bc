"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Put `text` (UTF-8) at `path`, replacing what is there in one step.

    The text goes to a temporary file in the same folder first, so a full disk or a crash leaves the old file whole and
    nothing half-written beside it. `mode` is cut by the umask, as for any new file. Raises OSError, and
    UnicodeEncodeError for a lone surrogate.
    """
    data = text.encode()
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
