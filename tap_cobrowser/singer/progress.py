"""Progress of a run: log lines, a summary per stream, and one of the run.

Each line names its stream in its text, because Meltano shows no names of loggers. Structured logs
have the same information in fields: see docs/monitoring.md.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tap_cobrowser.days import midnight

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.singer.bookmarks import Bookmark

_SECONDS_BETWEEN_LINES = 10
_A_MINUTE, _AN_HOUR = 60, 3600


class Progress:
    """Progress of a run. `requested` and `retried` are thread-safe."""

    def __init__(
        self,
        logger: logging.Logger,
        zone: ZoneInfo,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock, and count the warnings of the logger."""
        self.logger, self.zone, self.monotonic = logger, zone, monotonic
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
        """Return whether a progress line is due, over all streams; the caller then logs it."""
        now = self.monotonic()
        due = now - self._logged_at >= _SECONDS_BETWEEN_LINES
        if due:
            self._logged_at = now
        return due

    @contextmanager
    def of(
        self, stream: str, days: DateWindow | None = None, *, earlier: bool = False
    ) -> Iterator[StreamProgress]:
        """Follow the sync of a stream over its days, if it has any, and log a summary at its end.

        `earlier`: they are earlier days that are filled in, not the daily work.
        """
        progress = StreamProgress(self, stream, days, earlier=earlier)
        completed = False
        try:
            yield progress
            completed = True
        finally:
            progress.log_summary(completed=completed)
            self._totals["streams"] += not earlier
            self._totals["rows"] += progress.rows

    def finish(self, failed: Collection[str] = ()) -> None:
        """Log the summary of the run, with the names of the streams that failed."""
        self.logger.removeHandler(self._warnings)
        for stream in list(self._requests):
            self.take(stream)
        counts = {
            **{name: self._totals[name] for name in ("streams", "rows", "requests")},
            "warnings": self._warnings.number,
        }
        seconds = round(self.monotonic() - self._begun, 1)
        self.logger.info(
            "Run: %s, %s s%s",
            ", ".join(_count(number, name[:-1]) for name, number in counts.items()),
            seconds,
            f"; failed: {', '.join(sorted(failed))}" if failed else "",
            extra={**counts, "seconds": seconds, "failed": sorted(failed)},
        )


class StreamProgress:
    """Progress of the sync of a stream. `rows` is the number of rows that were emitted."""

    def __init__(
        self, run: Progress, stream: str, days: DateWindow | None, *, earlier: bool
    ) -> None:
        """Start the clock."""
        self.rows = 0
        self._run, self._stream, self._earlier = run, stream, earlier
        self._title = f"{stream} (earlier days)" if earlier else stream
        self._begun = run.monotonic()
        self._days = days.length if days else 0
        self._windows = self._days_read = self._checks = 0
        self._read: DateWindow | None = None
        self._bookmark: Bookmark | None = None

    def done(
        self, window: DateWindow | None, rows: int, *, bookmark: Bookmark | None, checks: int = 0
    ) -> None:
        """Count a window (None: a whole table) whose rows were emitted, and the bookmark after it.

        `checks` requests were made to check or to complete it.
        """
        self.rows += rows
        self._windows += 1
        self._checks += checks
        self._bookmark = bookmark
        if window is None:
            return
        self._read = window.joined(self._read)
        self._days_read += window.length
        share = self._days_read / max(self._days, self._days_read)
        self._log_progress(share, f"window {window}", {"window": str(window)})

    def done_in_file(self, *, read: int, whole: int, file: int = 1, files: int = 1) -> None:
        """Log how many bytes of all files of the stream are read. Their rows are set in `rows`.

        `file` is the number of the file, from 1.
        """
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
            self._title,
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
        self._run.logger.info("%s: %s", self._title, line, extra=fields)

    def _instant(self, day: date | None) -> str | None:
        """Return a day as the state has it."""
        return midnight(day, self._run.zone).isoformat() if day else None


class _Warnings(logging.Handler):
    """Counts the warnings of the tap."""

    number = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.number += record.levelno == logging.WARNING


def _count(number: int, what: str) -> str:
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else several}"


def _duration(seconds: float) -> str:
    if seconds < _A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _AN_HOUR:
        return f"{seconds / _A_MINUTE:.0f} min"
    return f"{seconds / _AN_HOUR:.1f} h"
