"""Progress of a run: log lines or a progress bar, a summary per stream, and one of the run.

Each line names its stream in its text, because Meltano shows no names of loggers. Structured logs
have the same information in fields.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

from tap_cobrowser.days import midnight

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from zoneinfo import ZoneInfo

    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.singer.bookmarks import Bookmark

_A_MINUTE, _AN_HOUR = 60, 3600


class Progress:
    """Progress of a run, over all streams."""

    def __init__(
        self,
        logger: logging.Logger,
        zone: ZoneInfo,
        monotonic: Callable[[], float] = time.monotonic,
        seconds: float = 10.0,
    ) -> None:
        """Start the clock; the first progress line is due after `seconds`.

        Args:
            logger: The logger of the tap. Warnings are counted there.
            zone: The zone of the days.
            monotonic: Returns seconds that never go backwards.
            seconds: The least time between two progress lines, over all streams.
        """
        self.logger, self.zone, self.monotonic = logger, zone, monotonic
        self._seconds = seconds
        self._begun = self._logged_at = monotonic()
        self._passes: dict[tuple[str, bool], StreamProgress] = {}
        self._warnings = _Warnings(logging.WARNING)
        logger.addHandler(self._warnings)

    def of(self, stream: str, *, earlier: bool = False) -> StreamProgress:
        """Return the progress of a stream, which may have requests before it is synced.

        Args:
            stream: The name of the stream.
            earlier: Whether it is about earlier days that are filled in, not the daily work.
        """
        if (stream, earlier) not in self._passes:
            self._passes[stream, earlier] = StreamProgress(self, stream, earlier=earlier)
        return self._passes[stream, earlier]

    def is_due(self) -> bool:
        """Return whether a progress line is due; the caller then logs it."""
        now = self.monotonic()
        due = now - self._logged_at >= self._seconds
        if due:
            self._logged_at = now
        return due

    def finish(self, failed: Collection[str] = ()) -> None:
        """Log the summary of the run.

        Args:
            failed: The names of the streams that failed.
        """
        self.logger.removeHandler(self._warnings)
        passes = [each for each in self._passes.values() if each.begun is not None]
        fields = {
            "streams": len({each.stream for each in passes}),
            "rows": sum(each.rows for each in passes),
            "requests": sum(each.requests for each in self._passes.values()),
            "warnings": self._warnings.number,
            "seconds": round(self.monotonic() - self._begun, 1),
            "failed": sorted(failed),
        }
        self.logger.info(
            "Run: %s, %s, %s, %s, %.0f s%s",
            _count(fields["streams"], "stream"),
            _count(fields["rows"], "row"),
            _count(fields["requests"], "request"),
            _count(fields["warnings"], "warning"),
            fields["seconds"],
            f"; failed: {', '.join(fields['failed'])}" if failed else "",
            extra=fields,
        )


class StreamProgress:
    """Progress of a stream. `requested` and `retried` are thread-safe.

    Attributes:
        stream: The name of the stream.
        begun: When the sync of the stream began; None before that.
        rows: The number of rows that were emitted.
        requests: The number of requests, retries included.
    """

    def __init__(self, run: Progress, stream: str, *, earlier: bool) -> None:
        """Start to count."""
        self.stream, self.begun = stream, None  # type: tuple[str, float | None]
        self.rows = self.requests = 0
        self._run, self._earlier = run, earlier
        self._lock = threading.Lock()
        self._retries = self._checks = self._windows = self._days = 0
        self._whole: DateWindow | None = None
        self._read: DateWindow | None = None
        self._bookmark: Bookmark | None = None
        self._bar: Any = None

    def requested(self) -> None:
        """Count a request."""
        with self._lock:
            self.requests += 1

    def retried(self) -> None:
        """Count a retry, which is a request too."""
        with self._lock:
            self._retries += 1

    def checked(self, requests: int) -> None:
        """Count requests that were made to check or to complete a response."""
        self._checks += requests

    @contextmanager
    def syncing(self, days: DateWindow | None = None) -> Iterator[None]:
        """Show the progress of the sync of the stream, and log a summary at its end.

        Args:
            days: All days that are to be read; None for a whole table, and for files.
        """
        self.begun, self._whole = self._run.monotonic(), days
        completed = False
        try:
            with _progress_bar(f"{self.stream}{self._kind}", days) as self._bar:
                yield
            completed = True
        finally:
            self._log_summary(completed=completed)

    def done(self, window: DateWindow | None, rows: int, bookmark: Bookmark | None) -> None:
        """Count a window whose rows were emitted.

        Args:
            window: The window, None for a whole table.
            rows: How many rows it had.
            bookmark: The bookmark after it.
        """
        self.rows += rows
        self._windows += 1
        self._bookmark = bookmark
        if window is None:
            return
        self._read = window.joined(self._read)
        self._days += window.days
        if self._whole:
            share = self._days / max(self._whole.days, self._days)
            self._show(share, f"window {window}", {"window": str(window)}, days=self._days)

    def done_in_file(self, rows: int, size: int, whole: int, file: int, files: int) -> None:
        """Count rows of a file that were emitted.

        Args:
            rows: How many rows.
            size: How many bytes of all files of the stream were read so far.
            whole: How many bytes all files of the stream have.
            file: The number of the file, from 1.
            files: The number of files of the stream.
        """
        self.rows += rows
        place = f"file {file} of {files}"
        self._show(size / max(whole, size, 1), place, {"file": file, "files": files})

    @property
    def _kind(self) -> str:
        return " (earlier days)" if self._earlier else ""

    def _show(self, share: float, place: str, fields: dict[str, Any], days: int = 0) -> None:
        """Update the bar, or log a progress line if it is due."""
        if self._bar is not None:
            self._bar.set_postfix(rows=self.rows, refresh=False)
            self._bar.update(days - self._bar.n)
        elif self._run.is_due():
            took = max(self._run.monotonic() - (self.begun or 0), 0.001)
            left = took * (1 - share) / max(share, 1e-9)
            self._run.logger.info(
                "%s%s: %s: %.0f %% done, %s, %s rows/s, about %s left",
                self.stream,
                self._kind,
                place,
                100 * share,
                _count(self.rows, "row"),
                f"{self.rows / took:,.0f}",
                _duration(left),
                extra={
                    "stream_name": self.stream,
                    **fields,
                    "share_done": round(share, 4),
                    "rows": self.rows,
                    "rows_per_second": round(self.rows / took, 1),
                    "seconds_left": round(left, 1),
                },
            )

    def _log_summary(self, *, completed: bool) -> None:
        bookmark, read = self._bookmark, self._read
        complete_from = bookmark.complete_from if bookmark and self._earlier else None
        parts = [
            _count(self.rows, "row") + (f" of {read}" if read else "") + self._kind,
            _count(self.requests, "request"),
            _count(self._retries, "retry") if self._retries else "",
            _count(self._checks, "check") if self._checks else "",
            f"complete from {complete_from}" if complete_from else "",
            f"bookmark {bookmark.day}" if bookmark and not self._earlier else "",
            "" if completed else "not completed",
        ]
        fields = {
            "stream_name": self.stream,
            "rows": self.rows,
            "windows": self._windows,
            "requests": self.requests,
            "retries": self._retries,
            "checks": self._checks,
            "first_day": read and read.first,
            "last_day": read and read.last,
            "bookmark": bookmark and midnight(bookmark.day, self._run.zone).isoformat(),
        }
        if self._earlier:
            fields["complete_from"] = (
                complete_from and midnight(complete_from, self._run.zone).isoformat()
            )
        line = ", ".join(filter(None, parts))
        self._run.logger.info("%s: %s", self.stream, line, extra=fields)


class _Warnings(logging.Handler):
    """Counts the warnings of the tap."""

    number = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.number += record.levelno == logging.WARNING


@contextmanager
def _progress_bar(title: str, days: DateWindow | None) -> Iterator[Any]:
    """Show a bar on a terminal, with log lines above it; None if there is none.

    It needs the extra `progress`, and days to count.
    """
    terminal = sys.__stderr__
    if (
        days is None
        or terminal is None
        or not terminal.isatty()
        or os.environ.get("CI")
        or not find_spec("tqdm")
    ):
        yield None
        return
    tqdm = import_module("tqdm").tqdm
    handlers = [
        handler
        for handler in logging.root.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is terminal
    ]
    with tqdm(desc=title, unit="day", total=days.days, file=terminal, leave=False) as bar:
        for handler in handlers:
            handler.setStream(_AboveBar(tqdm, terminal))
        try:
            yield bar
        finally:
            for handler in handlers:
                handler.setStream(terminal)


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
    return f"{number:,} {what if number == 1 else several}"


def _duration(seconds: float) -> str:
    if seconds < _A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _AN_HOUR:
        return f"{seconds / _A_MINUTE:.0f} min"
    return f"{seconds / _AN_HOUR:.1f} h"
