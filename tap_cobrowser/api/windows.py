"""The windows of a run, in order: fetched ahead, checked, and completed where a check asks for it.

Requests that are made ahead run in threads. Everything here runs in the thread that emits the rows,
one window after another, so nothing that the checks count is shared.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cobrowser.api.prefetch import Prefetch
from tap_cobrowser.checks.days import rows_by_key, rows_outside
from tap_cobrowser.checks.keys import shared_keys
from tap_cobrowser.checks.limits import RowCounts, limit_found, may_be_cut_off
from tap_cobrowser.checks.ranges import Ends, ranges_may_not_work
from tap_cobrowser.checks.silence import no_rows
from tap_cobrowser.days import DateWindow
from tap_cobrowser.errors import WrongDaysError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from tap_cobrowser.api.fetch import Api
    from tap_cobrowser.api.preflight import Preflight
    from tap_cobrowser.models import Command, Notice, Response, Row
    from tap_cobrowser.settings import Settings

    Source: TypeAlias = tuple[Command, bool]
    """A command, and whether its earlier days are meant rather than the daily work."""

    Responses: TypeAlias = tuple[Response, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a window, checked: a response whose rows are to be emitted, or the window's end.

    Attributes:
        window: The days of the window; None for a command without windows.
        response: A response to all or to some of its days, None at its end. A row may be in several
            of them; the last one has it as it is now.
        notices: What is unusual.
        checks: How many requests were made to check or to complete the window.
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
        api: Api,
        settings: Settings,
        plan: Sequence[tuple[Source, DateWindow | None]],
        start: Preflight,
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            api: The API.
            settings: The settings.
            plan: The windows of each command in the order in which they will be read, daily work
                first; None is a full table.
            start: What the preflight has shown.
        """
        self._api, self._zone = api, settings.timezone
        self.responded = start.today is not None
        self._days_alone = not start.ranges
        self._counts: defaultdict[Command, RowCounts] = defaultdict(RowCounts)
        self._ends: defaultdict[str, Ends] = defaultdict(Ends)
        self._limits: set[int] = set()
        self._read: DateWindow | None = None
        self._rows = 0
        sources = {source for source, _ in plan}
        self._ahead = Prefetch(
            plan,
            lambda source, window: self._fetch(source[0], window),
            size=lambda responses: sum(response.size for response in responses),
            threads=settings.max_concurrent_requests,
            sizes={
                each: start.sizes[each[0].name] for each in sources if each[0].name in start.sizes
            },
            # A rejected key is sent once, not by all threads at a time.
            first_alone=start.today is None,
        )

    def of(self, source: Source) -> Iterator[Part]:
        """Yield the windows of a source, in order: their parts, and the end of each.

        Raises:
            TapCobrowserError: In the turn of the window that it is about.
        """
        command, _ = source
        for window, responses in self._ahead.results(source):
            parts = self._parts(command, window, [*responses])
            del responses  # which can be large; each is dropped when its rows were emitted
            yield from parts

    def read(self, source: Source, window: DateWindow | None) -> Iterator[Part]:
        """Yield a window of a source, without requests made ahead.

        Raises:
            TapCobrowserError: If it cannot be read.
        """
        command, _ = source
        return self._parts(command, window, [*self._fetch(command, window)])

    def drop(self, source: Source) -> None:
        """Leave the windows of a source out."""
        self._ahead.drop(source)

    def at_end(self) -> list[tuple[str, Notice]]:
        """Return what only the whole run shows, with the names of the commands it is about."""
        seen = [counts.may_limit_days(command) for command, counts in self._counts.items()]
        limits = self._limits | {rows for rows in seen if rows}
        found = [
            (command.name, may_be_cut_off(rows, singles))
            for command, counts in self._counts.items()
            for rows in limits & counts.windows.keys()
            if (singles := counts.singles(rows))
        ]
        silent = no_rows(self._read) if self._read and not self._rows else None
        return [*found, ("", silent)] if silent else found

    def _fetch(self, command: Command, window: DateWindow | None) -> Responses:
        """Request a window: as a range, or each of its days alone."""
        if window and _several(window) and self._days_alone:
            return tuple(self._api.fetch(command, day) for day in window.days)
        return (self._api.fetch(command, window),)

    def _parts(
        self, command: Command, window: DateWindow | None, responses: list[Response]
    ) -> Iterator[Part]:
        """Yield the parts of a window and its end; the list of its responses is used up."""
        self.responded = True
        checks = 0
        if self._days_alone and any(_several(each.window) for each in responses):
            responses = [*self._fetch(command, window)]  # requested before this was known
            checks = len(responses)
        notices = [notice for each in responses for notice in self._check(command, each)]
        (whole, *others) = responses
        rows = len(whole.table)
        suspects: list[DateWindow] = []
        if window and _several(window) and not others:
            suspects = self._suspects(command, window, whole)
        there = rows_by_key(command, whole.table) if suspects else set()
        del whole, others
        self._count(window, responses)
        while responses:
            yield Part(window, responses.pop(0), tuple(notices))
            notices = []
        if window and suspects:
            missing, notice = self._lacked(command, window, suspects, there, rows)
            notices = [notice] if notice else []
            checks += len(suspects)
            while missing:
                notices += self._check(command, missing[0])
                yield Part(window, missing.pop(0), tuple(notices))
                notices = []
        yield Part(window, None, tuple(notices), checks)

    def _count(self, window: DateWindow | None, responses: list[Response]) -> None:
        if window:
            self._rows += sum(len(response.table) for response in responses)
            read = self._read or window
            self._read = DateWindow(min(read.first, window.first), max(read.last, window.last))

    def _check(self, command: Command, response: Response) -> list[Notice]:
        """Check one response by itself.

        Raises:
            WrongDaysError: If it has other days than those that were requested.
        """
        try:
            outside = rows_outside(command, response, self._zone)
        except WrongDaysError as error:
            error.where = f"Stream '{command.name}', window {response.window}"
            raise
        self._counts[command].add(len(response.table), response.window)
        found = [outside, shared_keys(command, response.table)]
        return [*response.table.notices, *filter(None, found)]

    def _suspects(
        self, command: Command, window: DateWindow, response: Response
    ) -> list[DateWindow]:
        """Return the days of a window whose rows its response may lack.

        All days, if the number of rows may be a limit. The newest day, if no window so far has had
        rows of its own newest day; the oldest day likewise.
        """
        if self._counts[command].may_be_limit(len(response.table), command):
            return window.days
        moments = response.table.moments(command)
        silent = self._ends[command.name].silent(moments, window, self._zone)
        return [silent] if silent else []

    def _lacked(
        self,
        command: Command,
        window: DateWindow,
        suspects: list[DateWindow],
        there: set[Row],
        rows: int,
    ) -> tuple[list[Response], Notice | None]:
        """Request days of a window alone, because its response may lack some of their rows.

        Args:
            command: The command.
            window: The window.
            suspects: The days.
            there: What identifies the rows of the window's response.
            rows: Their number.

        Returns:
            The responses with rows that the window lacks; and a notice if it lacks rows of
            completed days once more, when it is requested again.
        """
        found: list[Response] = []
        lacked: set[Row] = set()
        counts = self._counts[command]
        may_be_harmless = True
        for day in suspects:
            alone = self._api.fetch(command, day)
            may_be_harmless = may_be_harmless and len(alone.table) != rows
            more = rows_by_key(command, alone.table) - there
            found += [alone] * bool(more)
            lacked |= more if day.last < alone.today else set()
        # Rows arrive late at any moment, so what a window lacks must be missing twice.
        if lacked and lacked - rows_by_key(command, self._api.fetch(command, window).table):
            self._days_alone = True
            if len(suspects) == 1:
                return found, ranges_may_not_work(window, suspects[0])
            self._limits.add(rows)
            before = [each for each in counts.windows[rows] if each != window]
            return found, limit_found(rows, window, before)
        if len(suspects) > 1 and may_be_harmless:
            counts.harmless.add(rows)
        return found, None


def _several(window: DateWindow | None) -> bool:
    return window is not None and window.first < window.last


def longest(windows: Sequence[DateWindow | None]) -> int:
    """Return the number of days of the longest window, 0 if there is none."""
    return max((len(window.days) for window in windows if window), default=0)
