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
from collections import Counter
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

from tap_cobrowser.days import DateWindow, midnight

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from tap_cobrowser.singer.bookmarks import Bookmark

_A_MINUTE, _AN_HOUR = 60, 3600


class Progress:
    """Progress of a run. `requested` and `retried` are thread-safe."""

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
        self._lock = threading.Lock()
        # By stream, because requests are made ahead of its sync.
        self._requests: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._warnings = _Warnings(logging.WARNING)
        logger.addHandler(self._warnings)

    def requested(self, stream: str) -> None:
        """Count a request; a retry is one, too."""
        with self._lock:
            self._requests[stream] += 1

    def retried(self, stream: str) -> None:
        """Count a retry."""
        with self._lock:
            self._retries[stream] += 1

    def take(self, stream: str) -> tuple[int, int]:
        """Return the requests and retries of a stream since the last time."""
        with self._lock:
            taken = self._requests.pop(stream, 0), self._retries.pop(stream, 0)
        self._totals["requests"] += taken[0]
        return taken

    def is_due(self) -> bool:
        """Return whether a progress line is due; the caller then logs it."""
        now = self.monotonic()
        due = now - self._logged_at >= self._seconds
        if due:
            self._logged_at = now
        return due

    @contextmanager
    def of(
        self,
        stream: str,
        days: DateWindow | None = None,
        *,
        earlier: bool = False,
        size: int = 0,
    ) -> Iterator[StreamProgress]:
        """Show the progress of the sync of a stream, and log a summary at its end.

        Args:
            stream: The name of the stream.
            days: All days that are to be read; None for a whole table, and for files.
            earlier: Whether they are earlier days that are filled in, not the daily work.
            size: The number of bytes of the files that are to be read, if any are.
        """
        progress = StreamProgress(self, stream, days, earlier=earlier)
        completed = False
        try:
            with _progress_bar(progress.title, days, size) as progress.bar:
                yield progress
            completed = True
        finally:
            progress.log_summary(completed=completed)
            self._totals["streams"] += not earlier
            self._totals["rows"] += progress.rows

    def finish(self, failed: Collection[str] = ()) -> None:
        """Log the summary of the run.

        Args:
            failed: The names of the streams that failed.
        """
        self.logger.removeHandler(self._warnings)
        for stream in list(self._requests):
            self.take(stream)
        fields = {
            **{name: self._totals[name] for name in ("streams", "rows", "requests")},
            "warnings": self._warnings.number,
            "seconds": round(self.monotonic() - self._begun, 1),
            "failed": sorted(failed),
        }
        self.logger.info(
            "Run: %s, %s, %s, %s, %s s%s",
            _count(self._totals["streams"], "stream"),
            _count(self._totals["rows"], "row"),
            _count(self._totals["requests"], "request"),
            _count(self._warnings.number, "warning"),
            fields["seconds"],
            f"; failed: {', '.join(sorted(failed))}" if failed else "",
            extra=fields,
        )


class StreamProgress:
    """Progress of the sync of a stream.

    Attributes:
        title: The stream, and whether it is about earlier days.
        rows: The number of rows that were emitted.
        bar: A progress bar, None if there is none.
    """

    def __init__(
        self, run: Progress, stream: str, days: DateWindow | None, *, earlier: bool
    ) -> None:
        """Start the clock."""
        self.title = f"{stream} (earlier days)" if earlier else stream
        self.rows = 0
        self.bar: Any = None
        self._run, self._stream, self._days, self._earlier = run, stream, days, earlier
        self._begun = run.monotonic()
        self._windows = self._days_read = self._checks = 0
        self._read: DateWindow | None = None
        self._bookmark: Bookmark | None = None

    def done(
        self, window: DateWindow | None, rows: int, *, bookmark: Bookmark | None, checks: int = 0
    ) -> None:
        """Count a window whose rows were emitted.

        Args:
            window: The window, None for a whole table.
            rows: How many rows it had.
            bookmark: The bookmark after it.
            checks: How many requests were made to check or to complete it.
        """
        self.rows += rows
        self._windows += 1
        self._checks += checks
        self._bookmark = bookmark
        if window is None:
            return
        read = self._read or window
        self._read = DateWindow(min(read.first, window.first), max(read.last, window.last))
        self._days_read += _length(window)
        if self.bar is not None:
            self.bar.set_postfix(rows=self.rows, refresh=False)
            self.bar.update(self._days_read - self.bar.n)
        else:
            share = self._days_read / max(_length(self._days or window), self._days_read)
            self._log_progress(share, f"window {window}", {"window": str(window)})

    def done_in_file(self, *, read: int, whole: int, file: int = 1, files: int = 1) -> None:
        """Show how much of the files is read. Their rows are counted in `rows`.

        Args:
            read: How many bytes of all files of the stream were read so far.
            whole: How many bytes all files of the stream have.
            file: The number of the file, from 1.
            files: The number of files of the stream.
        """
        if self.bar is not None:
            self.bar.set_postfix(rows=self.rows, refresh=False)
            self.bar.update(read - self.bar.n)
            return
        fields = {"file": file, "files": files, "bytes": read}
        self._log_progress(read / max(whole, read, 1), f"file {file} of {files}", fields)

    def _log_progress(self, share: float, place: str, fields: dict[str, Any]) -> None:
        """Log a progress line if it is due."""
        if not self._run.is_due():
            return
        took = max(self._run.monotonic() - self._begun, 0.001)
        left = took * (1 - share) / max(share, 1e-9)
        self._run.logger.info(
            "%s, %s: %.0f %% done, %s, %s rows/s, about %s left",
            self.title,
            place,
            100 * share,
            _count(self.rows, "row"),
            f"{self.rows / took:,.0f}",
            _duration(left),
            extra={
                "stream_name": self._stream,
                **fields,
                "share_done": round(share, 4),
                "rows": self.rows,
                "rows_per_second": round(self.rows / took, 1),
                "seconds_left": round(left, 1),
            },
        )

    def log_summary(self, *, completed: bool) -> None:
        """Log what the sync of the stream has come to."""
        requests, retries = self._run.take(self._stream)
        bookmark, read = self._bookmark, self._read
        complete_from = bookmark.complete_from if bookmark and self._earlier else None
        reached = f"bookmark {bookmark.day}" if bookmark else ""
        parts = [
            _count(self.rows, "row") + (f" of {read}" if read else ""),
            _count(requests, "request") if requests else "",
            _count(retries, "retry") if retries else "",
            f"{self._checks} to check responses" if self._checks else "",
            f"complete from {complete_from}" if complete_from else reached,
            "" if completed else "not completed",
        ]
        fields = {
            "stream_name": self._stream,
            "rows": self.rows,
            "windows": self._windows,
            "requests": requests,
            "retries": retries,
            "checks": self._checks,
            "first_day": read and read.first,
            "last_day": read and read.last,
            "bookmark": self._instant(bookmark.day if bookmark else None),
            **({"complete_from": self._instant(complete_from)} if self._earlier else {}),
        }
        line = ", ".join(filter(None, parts))
        self._run.logger.info("%s: %s", self.title, line, extra=fields)

    def _instant(self, day: date | None) -> str | None:
        """Return a day as the state has it."""
        return midnight(day, self._run.zone).isoformat() if day else None


class _Warnings(logging.Handler):
    """Counts the warnings of the tap."""

    number = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.number += record.levelno == logging.WARNING


@contextmanager
def _progress_bar(title: str, days: DateWindow | None, of_files: int) -> Iterator[Any]:
    """Show a bar on a terminal, with log lines above it; None if there is none.

    It needs the extra `progress`, and days or bytes to count.
    """
    terminal = sys.__stderr__
    total = _length(days) if days else of_files
    if (
        not total
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
    size = os.get_terminal_size(terminal.fileno())
    with tqdm(
        desc=title,
        unit="day" if days else "B",
        unit_scale=not days,
        total=total,
        file=terminal,
        leave=False,
        ncols=size.columns or 80,  # some terminals of containers have no size
        nrows=size.lines or 24,
    ) as bar:
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


def _length(days: DateWindow) -> int:
    return (days.last - days.first).days + 1


def _count(number: int, what: str) -> str:
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else several}"


def _duration(seconds: float) -> str:
    if seconds < _A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _AN_HOUR:
        return f"{seconds / _A_MINUTE:.0f} min"
    return f"{seconds / _AN_HOUR:.1f} h"
