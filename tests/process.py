"""Runs `tap-cobrowser` in a process of its own whose modules are imported already.

Most of the time of a short run is spent on imports. A fork server, where available, imports once
for all tests, and each run is still a real process. The tests set the machine's clock, so that they
do not depend on the day on which they run.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from datetime import datetime, timezone
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

from tap_cobrowser.api.clock import Time
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

_METHOD = "spawn" if os.name == "nt" else "forkserver"
_CONTEXT: Any = multiprocessing.get_context(_METHOD)
_CONTEXT.set_forkserver_preload(["tests.process", "pytest"])


def tap_at(at: Time) -> type[TapCobrowser]:
    """Return the tap with another clock."""

    class TapAt(TapCobrowser):
        time = at

    return TapAt


class Descriptor:
    """A file descriptor that is handed over to the process."""

    def __init__(self, number: int) -> None:
        """Take its number in this process."""
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it as what is detached to a number in the other process."""
        return _detach, (reduction.DupFd(self._number),)


def _detach(handle: Any) -> int:
    number: int = handle.detach()
    return number


def start(
    arguments: list[str],
    environment: dict[str, str],
    stdout: Path | Descriptor,
    stderr: Path,
    now: datetime,
) -> BaseProcess:
    """Start a run whose standard output and error go to files, at a time."""
    process: BaseProcess = _CONTEXT.Process(
        target=_run, args=(arguments, environment, stdout, stderr, now)
    )
    process.start()
    return process


def _run(
    arguments: list[str],
    environment: dict[str, str],
    stdout: Path | int,
    stderr: Path,
    now: datetime,
) -> None:
    ahead = now - datetime.now(timezone.utc)
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        target = path
        if not isinstance(target, int):
            target = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, stream.fileno())
        os.close(target)
    tap = tap_at(Time(lambda: datetime.now(timezone.utc) + ahead))
    tap.cli.main(arguments, prog_name="tap-cobrowser")
