"""Progress of a run: log lines, or a progress bar on a terminal, and a summary per stream.

Structured logs have the same information in fields.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tap_cobrowser.days import DateWindow

_A_MINUTE, _AN_HOUR = 60, 3600


class Progress:
    """Limits the progress lines of a run: at most one in ten seconds, over all streams."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, seconds: float = 10.0
    ) -> None:
        """Start; the first line is due after `seconds`.

        Args:
            monotonic: Returns seconds that never go backwards.
            seconds: The least time between two lines.
        """
        self.monotonic = monotonic
        self._seconds = seconds
        self._logged_at = monotonic()

    def is_due(self) -> bool:
        """Return whether a line is due; the caller then logs it."""
        now = self.monotonic()
        due = now - self._logged_at >= self._seconds
        if due:
            self._logged_at = now
        return due


class StreamProgress:
    """Progress of a stream. `requested` and `retried` are thread-safe.

    Use it as a context manager during the sync; on exit it logs the summary.
    """

    def __init__(
        self, stream: str, log: Callable[..., None], run: Progress, *, earlier: bool = False
    ) -> None:
        """Start to count.

        Args:
            stream: The name of the stream.
            log: Logs a message with its arguments and the keyword arguments of `logging`.
            run: The progress of the run.
            earlier: Whether it is about earlier days that are filled in, not the daily work.
        """
        self._stream, self._log, self._run, self._earlier = stream, log, run, earlier
        self._lock = threading.Lock()
        self._requests = self._retries = self._rows = self._windows = self._checks = 0
        self._days = 0
        self._first: date | None = None
        self._last: date | None = None
        self._bookmark: str | None = None
        self._complete_from: str | None = None
        self._begun = self._run.monotonic()
        self._bar: Any = None
        self._at_end = ExitStack()

    def __enter__(self) -> Self:
        """Start the clock, and show the bar."""
        self._begun = self._run.monotonic()
        # A bar works on a terminal only, and needs the extra `progress`.
        terminal = sys.__stderr__
        if terminal and terminal.isatty() and not os.environ.get("CI") and find_spec("tqdm"):
            tqdm = import_module("tqdm").tqdm
            self._bar = self._at_end.enter_context(
                tqdm(desc=f"{self._stream}{self._kind}", unit="day", file=terminal, leave=False)
            )
            for handler in logging.root.handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is terminal:
                    handler.setStream(_AboveBar(tqdm, terminal))
                    self._at_end.callback(handler.setStream, terminal)
        return self

    def __exit__(self, *_: object) -> None:
        """Log the summary."""
        self._at_end.close()
        days = f"in {_count(self._windows, 'window')}, {self._first} to {self._last}"
        retries = f", {_count(self._retries, 'retry')}" if self._retries else ""
        if self._checks:
            retries += f", {self._checks} to check responses"
        reached = f"; the bookmark is {self._bookmark}" if self._bookmark else ""
        if self._earlier and self._complete_from:
            reached = f"; complete from {self._complete_from}"
        self._log(
            "%s%s%s; %s%s%s.",
            _count(self._rows, "row"),
            self._kind,
            f" {days}" if self._first else "",
            _count(self._requests, "request"),
            retries,
            reached,
            level=logging.INFO,
            extra={
                "stream_name": self._stream,
                "rows": self._rows,
                "windows": self._windows,
                "requests": self._requests,
                "retries": self._retries,
                "checks": self._checks,
                "first_day": self._first,
                "last_day": self._last,
                "bookmark": self._bookmark,
                **({"complete_from": self._complete_from} if self._earlier else {}),
            },
        )

    @property
    def _kind(self) -> str:
        return " of earlier days" if self._earlier else ""

    def requested(self) -> None:
        """Count a request."""
        with self._lock:
            self._requests += 1

    def retried(self) -> None:
        """Count a retry, which is a request too."""
        with self._lock:
            self._retries += 1

    def checked(self, requests: int) -> None:
        """Count requests that were made to check or to complete a response."""
        self._checks += requests

    def done(
        self,
        window: DateWindow | None,
        rows: int,
        *,
        days: DateWindow | None,
        bookmark: str | None,
        complete_from: str | None = None,
    ) -> None:
        """Count a window whose rows were emitted.

        Args:
            window: The window, None for a whole table.
            rows: How many rows it had.
            days: All days that are to be read, None for a whole table.
            bookmark: The bookmark after it.
            complete_from: The first of the days that are complete.
        """
        self._rows += rows
        self._windows += 1
        self._bookmark, self._complete_from = bookmark, complete_from
        if window is None or days is None:
            return
        self._first = min(self._first or window.first, window.first)
        self._last = max(self._last or window.last, window.last)
        self._days += (window.last - window.first).days + 1
        done = self._days
        whole = max((days.last - days.first).days + 1, done)
        if self._bar is not None:
            self._bar.total = whole
            self._bar.set_postfix(rows=self._rows, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._run.is_due():
            took = max(self._run.monotonic() - self._begun, 0.001)
            left = took * (whole - done) / done
            self._log(
                "Window %s%s: %.0f %% done, %d rows, %.0f rows/s, about %s left.",
                window,
                self._kind,
                100 * done / whole,
                self._rows,
                self._rows / took,
                _duration(left),
                level=logging.INFO,
                extra={
                    "stream_name": self._stream,
                    "window": str(window),
                    "share_done": round(done / whole, 4),
                    "rows": self._rows,
                    "rows_per_second": round(self._rows / took, 1),
                    "seconds_left": round(left, 1),
                },
            )


class _AboveBar:
    """A text stream whose lines appear above the bar."""

    def __init__(self, tqdm: Any, terminal: TextIO) -> None:
        self._tqdm, self._terminal = tqdm, terminal

    def write(self, text: str) -> None:
        with self._tqdm.external_write_mode(file=self._terminal):
            self._terminal.write(text)

    def flush(self) -> None:
        self._terminal.flush()


def _count(number: int, what: str) -> str:
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else several}"


def _duration(seconds: float) -> str:
    if seconds < _A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _AN_HOUR:
        return f"{seconds / _A_MINUTE:.0f} min"
    return f"{seconds / _AN_HOUR:.1f} h"
