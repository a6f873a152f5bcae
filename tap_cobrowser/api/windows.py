"""The windows of a run, in order: fetched ahead, checked, and completed where a check asks for it.

Requests that are made ahead run in threads. Everything here runs in the thread that emits the rows,
one window after another, so nothing that the checks count is shared.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cobrowser.api.prefetch import Prefetch
from tap_cobrowser.checks.days import begins_on, lacking, rows_outside
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
    from tap_cobrowser.models import Command, Notice, Response
    from tap_cobrowser.settings import Settings

    Source: TypeAlias = tuple[Command, bool]
    """A command, and whether its earlier days are meant rather than the daily work."""

    Responses: TypeAlias = tuple[Response, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """The responses to a window, checked.

    Attributes:
        window: The days; None for a command without windows.
        responses: The responses, in the order in which their rows are to be emitted. A row may be
            in several of them; the last one has it as it is now.
        notices: What is unusual about them.
        checks: How many requests were made for the checks.
    """

    window: DateWindow | None
    responses: Responses
    notices: tuple[Notice, ...]
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
        self._counts: defaultdict[str, RowCounts] = defaultdict(RowCounts)
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

    def of(self, source: Source) -> Iterator[Checked]:
        """Yield the windows of a source, in order.

        Raises:
            TapCobrowserError: In the turn of the window that it is about.
        """
        command, _ = source
        for window, responses in self._ahead.results(source):
            yield self._checked(command, window, responses)
            del responses  # which can be large, before the next ones are read

    def read(self, source: Source, window: DateWindow | None) -> Checked:
        """Return a window of a source, without requests made ahead.

        Raises:
            TapCobrowserError: If it cannot be read.
        """
        command, _ = source
        return self._checked(command, window, self._fetch(command, window))

    def drop(self, source: Source) -> None:
        """Leave the windows of a source out."""
        self._ahead.drop(source)

    def at_end(self) -> list[tuple[str, Notice]]:
        """Return what only the whole run shows, with the names of the commands it is about."""
        found = [
            (name, may_be_cut_off(limit, singles))
            for name, counts in self._counts.items()
            for limit in self._limits & counts.windows.keys()
            if (singles := counts.singles(limit))
        ]
        silent = no_rows(self._read) if self._read and not self._rows else None
        return [*found, ("", silent)] if silent else found

    def _fetch(self, command: Command, window: DateWindow | None) -> Responses:
        """Request a window: as a range, or each of its days alone."""
        if window and _several(window) and self._days_alone:
            return tuple(self._api.fetch(command, day) for day in window.days)
        return (self._api.fetch(command, window),)

    def _checked(
        self, command: Command, window: DateWindow | None, responses: Responses
    ) -> Checked:
        self.responded = True
        checks = 0
        if self._days_alone and any(_several(each.window) for each in responses):
            responses = self._fetch(command, window)  # it was requested before this was known
            checks = len(responses)
        notices = [notice for each in responses for notice in self._check(command, each)]
        if window and any(_several(each.window) for each in responses):
            more, notice = self._complete(command, window, responses[0])
            notices += [notice] if notice else []
            notices += [found for each in more for found in self._check(command, each)]
            responses, checks = (*responses, *more), checks + len(more)
        if window:
            self._rows += sum(len(response.table) for response in responses)
            read = self._read or window
            self._read = DateWindow(min(read.first, window.first), max(read.last, window.last))
        return Checked(window, responses, tuple(notices), checks)

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
        counts, rows, window = self._counts[command.name], len(response.table), response.window
        counts.add(rows, window)
        cut_off = None
        if not _several(window) and (
            rows in self._limits or counts.may_be_limit(rows, command, several_days=False)
        ):
            self._limits.add(rows)
            cut_off = may_be_cut_off(rows, counts.singles(rows))
        found = [outside, shared_keys(command, response.table), cut_off]
        return [*response.table.notices, *filter(None, found)]

    def _complete(
        self, command: Command, window: DateWindow, response: Response
    ) -> tuple[Responses, Notice | None]:
        """Request days of a window alone, if its response may lack some of their rows."""
        table, rows = response.table, len(response.table)
        counts = self._counts[command.name]
        if counts.may_be_limit(rows, command, several_days=True):
            alone = tuple(self._api.fetch(command, day) for day in window.days)
            if self._lacks(command, window, response, alone):
                self._days_alone = True
                self._limits.add(rows)
                before = [each for each in counts.windows[rows] if each != window]
                return alone, limit_found(rows, window, before)
            if all(len(each.table) != rows for each in alone):
                counts.harmless.add(rows)
            return alone if lacking(command, table, [each.table for each in alone]) else (), None
        day = self._ends[command.name].silent(table.moments(command), window, self._zone)
        if day:
            single = self._api.fetch(command, day)
            if begins_on(single.table.moments(command), day, self._zone) and self._lacks(
                command, window, response, (single,)
            ):
                self._days_alone = True
                return (single,), ranges_may_not_work(window, day)
        return (), None

    def _lacks(
        self, command: Command, window: DateWindow, response: Response, alone: Responses
    ) -> bool:
        """Return whether a window lacks, twice, rows that completed days of it have alone."""
        tables = [each.table for each in alone if each.window and each.window.last < each.today]
        return lacking(command, response.table, tables) and lacking(
            command, self._api.fetch(command, window).table, tables
        )


def _several(window: DateWindow | None) -> bool:
    return window is not None and window.first < window.last


def longest(windows: Sequence[DateWindow | None]) -> int:
    """Return the number of days of the longest window, 0 if there is none."""
    return max((len(window.days) for window in windows if window), default=0)
