"""The standard streams, which may be closed, non-blocking or full when the process starts."""

from __future__ import annotations

import io
import os
import select
import sys
import time
from contextlib import suppress
from typing import Any, TextIO

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


_LONGEST_WAIT = 1.0


def prepare() -> None:
    """Make the standard streams safe to write to.

    Raises:
        SystemExit: If standard output is closed.
    """
    # Otherwise a file that is opened later becomes a standard stream, and is written to.
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error
        pass
    os.close(spare)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for good
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good
    if sys.stdout is None:
        sys.exit("Standard output is closed. Connect it to a target or a file.")
    sys.stdout, sys.stderr = _waiting(sys.stdout), _waiting(sys.stderr)


def wait_for_room(descriptor: int) -> None:
    """Wait until a non-blocking file accepts more data, at most a second."""
    try:
        select.select([], [descriptor], [], _LONGEST_WAIT)
    except (OSError, ValueError):  # on Windows it is for sockets alone
        time.sleep(_LONGEST_WAIT / 20)


def discard(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to the null device: Python flushes it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _waiting(stream: TextIO) -> TextIO:
    """Return a stream; if it is non-blocking, one that waits."""
    try:
        descriptor = stream.fileno()
        # Python 3.11 cannot ask on Windows, where it is rare.
        if getattr(os, "get_blocking", lambda _: True)(descriptor):
            return stream
    except (OSError, ValueError, AttributeError):  # it is none of the system's
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_WaitingFile(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )


class _WaitingFile(io.FileIO):
    """A file that may be non-blocking. Writes to it wait for room."""

    @override
    def write(self, data: Any, /) -> int:
        while (written := super().write(data)) is None:
            wait_for_room(self.fileno())
        return written
