"""Acts on what the audit finds: requests single days to find out what is wrong, or to repair it.

Nothing here sends a request itself. The function that does is passed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from tap_cobrowser import wording
from tap_cobrowser.audit import (
    Response,
    Subject,
    Warned,
    bounds,
    colliding_keys,
    days_of,
    days_with_rows,
    distinct,
    is_suspicious,
    last_moments,
    moments_of,
    outside,
    proves_ranges,
    shift_of_days,
    shown_moments,
    whole,
)
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.evidence import Days, Limits, Ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from tap_cobrowser.table import Table

# Days ago of pairs of days that are likely to have rows: recent ones, of different weekdays.
_PROBES = (2, 4, 8, 16)


class Repair:
    """The checks of one run. Thread-safe."""

    def __init__(self, zone: ZoneInfo, *, pairs: bool = True) -> None:
        """Start without any evidence.

        Args:
            zone: The zone of the days.
            pairs: Whether two days may be requested at once.
        """
        self._zone = zone
        self._pairs = pairs
        self._ranges = Ranges()
        self._days = Days(zone)
        self._limits = Limits()
        self._reasons: dict[str, Warned] = {}

    def fetch_table(self, subject: Subject, ask: Callable[[], Response]) -> Response:
        """Return the response to a command without windows, checked.

        Args:
            subject: The command.
            ask: Makes the request.
        """
        response = ask()
        self._limits.see(subject.name, len(response.table), table=True)
        return replace(response, warnings=tuple(_of_keys(subject, response.table)))

    def fetch(
        self, subject: Subject, window: DateWindow, ask: Callable[[DateWindow], Response]
    ) -> Response:
        """Return all rows of a window, with warnings about what was unusual.

        Args:
            subject: The command.
            window: The window.
            ask: Requests a window and returns the response, as it is.

        Raises:
            WrongDaysError: If a response has other days than those that were requested.
        """
        asked = _Asked(ask, lambda response: self._see_rows(subject, response))
        if window.first == window.last:
            response = asked(window)
            warnings = self._of_day(subject, response, asked)
        elif self._ranges.broken:
            response, warnings = self._day_by_day(subject, window, asked)
        else:
            turn = self._ranges.begin()
            try:
                response, warnings = self._range(subject, window, asked, turn)
            finally:
                self._ranges.end(turn)
        if response.window:
            self._days.see_window(response.window)
        return replace(
            response,
            warnings=(*warnings, *_of_keys(subject, response.table)),
            extra=asked.count - 1,
        )

    def see_offset(self, subject: Subject, response: Response, stamp: datetime | None) -> None:
        """Record a date-time with another UTC offset than the zone; None if there is none yet."""
        self._days.see_offset(subject, response, stamp)

    def hints(self) -> list[Warned]:
        """Return warnings that need the whole run."""
        tables = self._limits.cut_off()
        return [*self._days.hints(), *(wording.of_limited_table(*each) for each in tables)]

    # Ranges

    def _range(
        self, subject: Subject, window: DateWindow, asked: _Asked, turn: int
    ) -> tuple[Response, list[Warned]]:
        response = asked(window)
        covered = response.window
        if covered is None or covered.first == covered.last:
            return response, self._of_day(subject, response, asked)
        rows = len(response.table)
        if is_suspicious(rows) and not self._limits.excludes(subject.name, rows):
            return self._compare(subject, response, asked)
        if not self._ranges.proven:
            self._look_for_proof(subject, response, asked, turn)
            if self._ranges.broken:
                return self._day_by_day(subject, covered, asked)
            if not self._ranges.proven:
                return self._doubt(subject, response, asked)
        return response, self._of_days(subject, response)

    def _look_for_proof(
        self, subject: Subject, response: Response, asked: _Asked, turn: int
    ) -> None:
        """Use the rows and what other requests of the run have found, then request recent days."""
        if self._proves(subject, response):
            return
        self._ranges.wait(turn)
        if self._has_rows_at_both_ends(subject, response):
            return  # its days alone will show it
        for ago in _PROBES:
            if self._ranges.settled or not self._ranges.takes_probe():
                return
            first = response.today - ago * ONE_DAY
            found = asked(DateWindow(first, first + ONE_DAY))
            if not self._proves(subject, found) and self._has_rows_at_both_ends(subject, found):
                self._doubt(subject, found, asked)
                return

    def _proves(self, subject: Subject, response: Response) -> bool:
        """Return whether the response to several days proves that ranges work, and record it."""
        days, table = response.window, response.table
        if not days or days.first == days.last:
            return False
        proven = proves_ranges(shown_moments(subject, table, days, self._zone), days, self._zone)
        self._ranges.settle(proven=proven)
        return proven

    def _has_rows_at_both_ends(self, subject: Subject, response: Response) -> bool:
        """Return whether there are rows of both, where they may begin before the days."""
        days, moments = response.window, moments_of(subject, response.table)
        if not days or not subject.reaches_back:
            return False
        return {days.first, days.last} <= days_with_rows(moments, days, self._zone)

    def _doubt(
        self,
        subject: Subject,
        response: Response,
        asked: _Asked,
        singles: dict[date, Response] | None = None,
    ) -> tuple[Response, list[Warned]]:
        """Request the days alone, because nothing shows yet that ranges work.

        Days with rows, too: where the server's days begin at another midnight, they may be parts.
        If the first and the last day have rows of their own, and none is missed, ranges do work.
        """
        covered = response.window
        assert covered  # noqa: S101 - the caller's
        known, rows = {*moments_of(subject, response.table)}, distinct(subject, [response.table])
        alone: dict[date, Response] = {}
        seen: list[set[str]] = []
        doubts: list[Warned] = []
        missing: list[Warned] = []
        for day in days_of(covered):
            single = (singles or {}).get(day.first) or asked(day)
            moments = {*moments_of(subject, single.table)}
            seen.append(moments)
            if days_with_rows([*known - moments], day, self._zone):
                missing.append(wording.of_missing(covered, day.first, self._zone))
            doubts += self._of_days(subject, single)
            if moments <= known and distinct(subject, [response.table, single.table]) == rows:
                continue
            alone[day.first] = single  # rows of other days are kept as well
            # Today's rows may have come in between, and late ones of the days before.
            if day.first < response.today and days_with_rows([*moments - known], day, self._zone):
                known |= {*moments_of(subject, asked(covered).table)}
                if days_with_rows([*moments - known], day, self._zone):
                    self._settle_broken(subject, wording.of_ranges(covered, day.first))
                    return self._day_by_day(subject, covered, asked, alone)
        if not alone and seen[0] - seen[-1] and seen[-1] - seen[0]:
            self._ranges.settle(proven=True)
        complete = whole(subject, covered, [response, *alone.values()]) if alone else response
        return complete, [*doubts, *self._of_days(subject, complete)] or missing

    def _settle_broken(self, subject: Subject, reason: Warned) -> None:
        """Record that each day has to be requested alone, and why."""
        # A response that is fetched ahead may be dropped, and its warnings with it.
        self._reasons[subject.name] = reason
        self._ranges.settle(broken=True)

    def _day_by_day(
        self,
        subject: Subject,
        window: DateWindow,
        asked: _Asked,
        known: dict[date, Response] | None = None,
    ) -> tuple[Response, list[Warned]]:
        """Request each day of a window alone."""
        responses: list[Response] = []
        reason = self._reasons.get(subject.name)
        warnings = [reason] if reason else []
        for day in days_of(window):
            response = (known or {}).get(day.first) or asked(day)
            if response.window is None and responses:
                break  # the rest is in the server's future
            responses.append(response)
            warnings += self._of_day(subject, response, asked)
        covered = [each.window for each in responses if each.window]
        if not covered:
            return responses[0], warnings
        return whole(subject, DateWindow(covered[0].first, covered[-1].last), responses), warnings

    # Row limits

    def _see_rows(self, subject: Subject, response: Response) -> None:
        self._days.see_rows(subject, response)
        self._limits.see(subject.name, len(response.table))

    def _compare(
        self, subject: Subject, response: Response, asked: _Asked
    ) -> tuple[Response, list[Warned]]:
        """Request the days of a response one by one, if its number of rows looks like a limit."""
        covered, rows = response.window, len(response.table)
        assert covered  # noqa: S101 - the caller's
        singles = {day.first: asked(day) for day in days_of(covered)}
        total = distinct(subject, [each.table for each in singles.values()])
        more = total > distinct(subject, [response.table])
        # Rows may have come in between; a limit stays where it is.
        if more and len(asked(covered).table) == rows:
            longer = next((day for day, each in singles.items() if len(each.table) > rows), None)
            if longer is None:
                self._limits.find(rows)
                self._settle_broken(subject, wording.of_limit(covered, rows, total))
            else:
                self._settle_broken(subject, wording.of_ranges(covered, longer))
            return self._day_by_day(subject, covered, asked, singles)
        # A day with all the rows may be cut off as well, so it proves nothing.
        full = next((each for each in singles.values() if len(each.table) == rows), None)
        if not full:
            self._limits.exclude(subject.name, rows)
            self._proves(subject, response)
        complete, warnings = self._doubt(subject, response, asked, singles)
        return complete, [*warnings, *(self._of_limit(subject, full, asked) if full else ())]

    def _is_cut_off(self, subject: Subject, response: Response, asked: _Asked) -> bool:
        """Return whether the day before or after shows that the response to a day is cut off.

        It is if that day has rows, but the response to both days has no more than that to one.
        """
        covered, rows = response.window, len(response.table)
        assert covered  # noqa: S101 - the caller's
        if not self._pairs or self._ranges.broken or not is_suspicious(rows):
            return False
        moments = {*moments_of(subject, response.table)}
        for first in (covered.first - ONE_DAY, covered.first):
            pair = DateWindow(first, first + ONE_DAY)
            (other,) = (day for day in days_of(pair) if day != covered)
            if other.last > response.today or not self._limits.compares(subject.name, rows, other):
                continue
            others = [*{*moments_of(subject, asked(other).table)} - moments]
            if (
                days_with_rows(others, other, self._zone)
                and not self._limits.excludes(subject.name, rows)
                and len(asked(pair).table) == rows
            ):
                return True
        return False

    # Warnings

    def _of_day(self, subject: Subject, response: Response, asked: _Asked) -> list[Warned]:
        """Return what is unusual about the response to one day."""
        return [*self._of_days(subject, response), *self._of_limit(subject, response, asked)]

    def _of_limit(self, subject: Subject, response: Response, asked: _Asked) -> list[Warned]:
        """Return a warning if the response to one day has as many rows as a limit allows."""
        rows, covered = len(response.table), response.window
        if covered is None or self._limits.excludes(subject.name, rows):
            return []
        if not self._limits.has(rows) and (
            self._is_cut_off(subject, response, asked)
            or self._limits.repeats(subject.name, rows, covered.first)
        ):
            self._limits.find(rows)
        return [wording.of_limited_day(covered, rows)] if self._limits.has(rows) else []

    def _of_days(self, subject: Subject, response: Response) -> list[Warned]:
        """Return what is unusual about the days of the rows.

        Raises:
            WrongDaysError: If all rows are more than a day outside of the window.
        """
        covered = response.window
        if covered is None or not moments_of(subject, response.table):
            return []
        moments = last_moments(subject, response.table, covered, self._zone)
        found = outside(moments, covered, self._zone, reaches_back=False)
        if found is None:
            return []
        begins, ends = (datetime.fromisoformat(each) for each in bounds(covered, self._zone))
        first, last = (each.astimezone(self._zone).date() for each in (found.first, found.last))
        received = DateWindow(first, last)
        if found.first - ends >= ONE_DAY or begins - found.last > ONE_DAY:
            msg = f"The request was for {covered}, but the response has rows of {received}"
            raise WrongDaysError(msg)
        reaches_back = subject.reaches_back
        shift = None if reaches_back else shift_of_days(moments, covered, self._zone)
        self._days.shown |= shift is not None
        return [wording.of_outside(covered, found, self._zone, shift, reaches_back=reaches_back)]


class _Asked:
    """Makes requests and counts them."""

    def __init__(
        self, ask: Callable[[DateWindow], Response], see: Callable[[Response], None]
    ) -> None:
        self._ask = ask
        self._see = see
        self.count = 0

    def __call__(self, window: DateWindow) -> Response:
        self.count += 1
        response = self._ask(window)
        self._see(response)
        return response


def _of_keys(subject: Subject, table: Table) -> Iterator[Warned]:
    collision = colliding_keys(table, subject.keys)
    if collision:
        yield wording.of_keys(subject, collision)
