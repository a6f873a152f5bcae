"""The windows of a run, in order: downloaded ahead, read, checked, and completed if a check asks.

Only downloads run in threads. Everything here runs in the thread that emits the rows, one window
after another, so nothing that the checks count is shared.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tap_cobrowser.api.prefetch import Prefetch
from tap_cobrowser.checks.days import days_notice, rows_by_key
from tap_cobrowser.checks.keys import keys_notice
from tap_cobrowser.checks.limits import RowCounts, cut_off_notice, limit_notice
from tap_cobrowser.checks.ranges import Ends, odd_ranges_notice
from tap_cobrowser.checks.silence import silence_notice
from tap_cobrowser.errors import WrongDaysError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cobrowser.api.fetch import Download
    from tap_cobrowser.api.preflight import Preflight
    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.models import Command, Notice, Response, Row
    from tap_cobrowser.settings import Settings


class Work(NamedTuple):
    """What is read of a command: its daily work, or the earlier days that are filled in."""

    command: Command
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a window, checked: a response whose rows are to be emitted, or the window's end.

    Attributes:
        window: The days of the window; None for a command without windows.
        response: A response to all or to some of its days, None at its end. A row may be in several
            of them; the last one has it as it is now.
        notices: What is unusual.
        checks: The number of requests that checked or completed the window.
    """

    window: DateWindow | None
    response: Response | None = None
    notices: tuple[Notice, ...] = ()
    checks: int = 0


class Windows:
    """Reads the fixed list of windows of a run.

    Attributes:
        responded: Whether the server has responded to a request as it should.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Sequence[tuple[Work, DateWindow | None]],
        preflight: Preflight,
    ) -> None:
        """Prepare; nothing is requested yet.

        `plan` has all windows in the order in which they will be read; None is a full table.
        """
        self._api, self._zone = preflight.api, settings.timezone
        self.responded = preflight.today is not None
        self._days_alone = not preflight.ranges
        self._counts: defaultdict[Command, RowCounts] = defaultdict(RowCounts)
        self._ends: defaultdict[Command, Ends] = defaultdict(Ends)
        self._limits: set[int] = set()
        self._days_read: DateWindow | None = None
        self._rows = 0
        self._ahead = Prefetch(
            plan,
            lambda work, window: self._download(work.command, window),
            size=lambda downloads: sum(len(each.exchange.reply.body) for each in downloads),
            threads=settings.max_concurrent_requests,
            sizes={
                work: preflight.sizes[work.command.name]
                for work, _ in plan
                if work.command.name in preflight.sizes
            },
            # A rejected key is sent once, not by all threads at a time.
            first_alone=preflight.today is None,
        )

    def of(self, work: Work) -> Iterator[Part]:
        """Yield the windows of a piece of work, in order: their parts, and the end of each.

        Raises:
            TapCobrowserError: In the turn of the window that it is about.
        """
        for window, downloads in self._ahead.results(work):
            yield from self._parts(work.command, window, downloads)

    def read(self, command: Command, window: DateWindow | None) -> Iterator[Part]:
        """Yield the parts of a window, without requests made ahead.

        Raises:
            TapCobrowserError: If it cannot be read.
        """
        return self._parts(command, window, self._download(command, window))

    def drop(self, work: Work) -> None:
        """Leave the windows of a piece of work out."""
        self._ahead.drop(work)

    def at_end(self) -> list[tuple[str, Notice]]:
        """Return what only the whole run shows, with the names of the commands it is about."""
        seen = [counts.limit_of_days(command) for command, counts in self._counts.items()]
        limits = self._limits | {rows for rows in seen if rows}
        found = [
            (command.name, cut_off_notice(rows, singles))
            for command, counts in self._counts.items()
            for rows in limits & counts.windows.keys()
            if (singles := counts.single_days(rows))
        ]
        silent = silence_notice(self._days_read) if self._days_read and not self._rows else None
        return [*found, ("", silent)] if silent else found

    def _download(self, command: Command, window: DateWindow | None) -> list[Download]:
        """Request a window: as a range, or each of its days alone."""
        alone = self._days_alone and window is not None
        days = window.days if alone and window else [window]
        return [self._api.download(command, day) for day in days]

    def _parts(
        self, command: Command, window: DateWindow | None, downloads: list[Download]
    ) -> Iterator[Part]:
        """Yield the parts of a window and its end; the list of downloads is used up."""
        self.responded = True
        checks = rows = 0
        suspects: list[DateWindow] = []
        there: set[Row] = set()
        if self._days_alone and _several(downloads[0].window):  # requested before that was known
            downloads = self._download(command, window)
            checks = len(downloads)
        while downloads:
            response = self._api.read(downloads.pop(0))
            notices = self._check(command, response)
            if window and _several(response.window):
                suspects = self._suspects(command, window, response)
                there = rows_by_key(command, response.table) if suspects else there
                rows = len(response.table)
            parts = [Part(window, response, tuple(notices))]
            del response  # which can be large; whoever uses the part may drop it
            yield parts.pop()
        end = Part(window, None, (), checks)
        if window and suspects:
            more, notice = self._rows_of_days(command, window, suspects, there, rows)
            while more:
                notices = self._check(command, more[0])
                yield Part(window, more.pop(0), tuple(notices))
            end = Part(window, None, (notice,) if notice else (), checks + len(suspects))
        yield end

    def _check(self, command: Command, response: Response) -> list[Notice]:
        """Check one response by itself.

        Raises:
            WrongDaysError: If it has other days than those that were requested.
        """
        try:
            outside = days_notice(command, response, self._zone)
        except WrongDaysError as error:
            error.where = f"Stream '{command.name}', window {response.window}"
            raise
        if response.window:
            self._days_read = response.window.joined(self._days_read)
            self._rows += len(response.table)
        self._counts[command].add(len(response.table), response.window)
        found = [outside, keys_notice(command, response.table)]
        return [*response.table.notices, *filter(None, found)]

    def _suspects(
        self, command: Command, window: DateWindow, response: Response
    ) -> list[DateWindow]:
        """Return the days of a window whose rows its response may lack.

        All days, if the number of rows may be a limit. The newest day, if no window so far has had
        rows of its own newest day; the oldest day likewise.
        """
        if self._counts[command].is_suspicious(len(response.table), command):
            return window.days
        moments = response.table.moments(command)
        silent = self._ends[command].count(moments, window, self._zone)
        return [silent] if silent else []

    def _rows_of_days(
        self,
        command: Command,
        window: DateWindow,
        days: list[DateWindow],
        there: set[Row],
        rows: int,
    ) -> tuple[list[Response], Notice | None]:
        """Request days of a window alone, because its response may lack some of their rows.

        Return the responses that have more than the window, which has `rows` rows, identified by
        `there`; and a notice if the window lacks rows of completed days again when it is requested
        again: rows arrive late at any moment.
        """
        found: list[Response] = []
        lacked: set[Row] = set()
        counts = self._counts[command]
        may_be_harmless = len(days) > 1
        for day in days:
            alone = self._api.fetch(command, day)
            may_be_harmless = may_be_harmless and len(alone.table) != rows
            more = rows_by_key(command, alone.table) - there
            found += [alone] * bool(more)
            lacked |= more if day.last < alone.today else set()
            del alone  # before the next one takes as much memory
        if lacked and lacked - rows_by_key(command, self._api.fetch(command, window).table):
            self._days_alone = True
            if len(days) == 1:
                return found, odd_ranges_notice(window, days[0])
            self._limits.add(rows)
            before = [each for each in counts.windows[rows] if each != window]
            return found, limit_notice(rows, window, before)
        if may_be_harmless:
            counts.harmless.add(rows)
        return found, None


def _several(window: DateWindow | None) -> bool:
    return window is not None and window.first < window.last
