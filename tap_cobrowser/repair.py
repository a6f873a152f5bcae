"""Acts on what the audit finds: requests single days to find out what is wrong, or to repair it.

Nothing here sends a request itself. The function that does is passed in.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tap_cobrowser.audit import (
    LEAST_LIMIT,
    Response,
    Subject,
    Warned,
    bounds,
    colliding_keys,
    days_of,
    days_with_rows,
    distinct,
    is_suspicious,
    moments_of,
    outside,
    proves_ranges,
    shift_of_days,
    whole,
)
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.evidence import Days, Ranges
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from tap_cobrowser.table import Table

_HOURS_OF_A_DAY = 24
_SAME_ON_DAYS = 3
# Days ago of pairs of days that are likely to have rows: recent ones, of different weekdays.
_PROBES = (2, 4, 8, 16)


class Repair:
    """The checks of one run. Thread-safe."""

    def __init__(self, zone: ZoneInfo) -> None:
        """Start without any evidence.

        Args:
            zone: The zone of the days.
        """
        self._zone = zone
        self._ranges = Ranges()
        self._days = Days(zone)
        self._lock = threading.Lock()
        self._exonerated: set[tuple[str, int]] = set()
        self._most: Counter[str] = Counter()
        self._limits: set[int] = set()
        self._same: Counter[tuple[str, int]] = Counter()

    def fetch_table(self, subject: Subject, ask: Callable[[], Response]) -> Response:
        """Return the response to a command without windows, checked.

        Args:
            subject: The command.
            ask: Makes the request.
        """
        response = ask()
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
            warnings = [*self._of_day(subject, response)]
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
            blank=next((each for each in asked.blank if response.covers(each)), None),
        )

    def see_offset(self, subject: Subject, response: Response, stamp: datetime | None) -> None:
        """Record a date-time with another UTC offset than the zone; None if there is none yet."""
        self._days.see_offset(subject, response, stamp)

    def hints(self) -> list[Warned]:
        """Return warnings that need the whole run."""
        return self._days.hints()

    # Ranges

    def _range(
        self, subject: Subject, window: DateWindow, asked: _Asked, turn: int
    ) -> tuple[Response, list[Warned]]:
        response = asked(window)
        covered = response.window
        if covered is None or covered.first == covered.last:
            return response, self._of_day(subject, response)
        moments = moments_of(subject, response.table)
        rows = len(response.table)
        if is_suspicious(rows) and not self._is_exonerated(subject, rows):
            return self._compare(subject, response, asked)
        if not self._ranges.proven:
            if proves_ranges(moments, covered, self._zone):
                self._ranges.settle(proven=True)
            else:
                self._look_for_proof(subject, response.today, asked, turn)
                if self._ranges.broken:
                    return self._day_by_day(subject, covered, asked)
                if not self._ranges.proven:
                    return self._doubt(subject, response, asked)
        return response, self._of_days(subject, response)

    def _look_for_proof(self, subject: Subject, today: date, asked: _Asked, turn: int) -> None:
        """Use what other requests of the run have found, then request recent days."""
        self._ranges.wait(turn)
        for ago in _PROBES:
            if self._ranges.proven or self._ranges.broken or not self._ranges.takes_probe():
                return
            first = today - ago * ONE_DAY
            pair = DateWindow(first, first + ONE_DAY)
            moments = moments_of(subject, asked(pair).table)
            if proves_ranges(moments, pair, self._zone):
                self._ranges.settle(proven=True)

    def _doubt(
        self, subject: Subject, response: Response, asked: _Asked
    ) -> tuple[Response, list[Warned]]:
        """Request the days alone, because nothing shows yet that ranges work.

        Days with rows, too: where the server's days begin at another midnight, they may be parts.
        """
        covered = response.window
        assert covered  # noqa: S101 - the caller's
        known = set(moments_of(subject, response.table))
        alone: dict[date, Response] = {}
        doubts: list[Warned] = []
        for day in days_of(covered):
            single = asked(day)
            doubts += self._of_days(subject, single)
            missed = {*moments_of(subject, single.table)} - known
            if not missed:
                continue
            alone[day.first] = single  # rows of other days are kept as well
            # Today's rows may have come in between.
            if day.first < response.today and days_with_rows([*missed], day, self._zone):
                self._ranges.settle(broken=True)
                complete, warnings = self._day_by_day(subject, covered, asked, alone)
                return complete, [_ranges_do_not_work(covered, day.first), *warnings]
        if not alone:
            return response, [*doubts, *self._of_days(subject, response)]
        complete = whole(covered, [response, *alone.values()])
        return complete, [*doubts, *self._of_days(subject, complete)]

    def _day_by_day(
        self,
        subject: Subject,
        window: DateWindow,
        asked: _Asked,
        known: dict[date, Response] | None = None,
    ) -> tuple[Response, list[Warned]]:
        """Request each day of a window alone."""
        responses: list[Response] = []
        warnings: list[Warned] = []
        for day in days_of(window):
            response = (known or {}).get(day.first) or asked(day)
            if response.window is None and responses:
                break  # the rest is in the server's future
            responses.append(response)
            warnings += self._of_day(subject, response)
        covered = [each.window for each in responses if each.window]
        if not covered:
            return responses[0], warnings
        return whole(DateWindow(covered[0].first, covered[-1].last), responses), warnings

    # Row limits

    def _see_rows(self, subject: Subject, response: Response) -> None:
        """Record the number of rows: a response with more rows shows that it is not a limit."""
        self._days.see_rows(response)
        with self._lock:
            self._most[subject.name] = max(self._most[subject.name], len(response.table))

    def _is_exonerated(self, subject: Subject, rows: int) -> bool:
        """Return whether a number of rows is known not to be a limit."""
        with self._lock:
            return self._most[subject.name] > rows or (subject.name, rows) in self._exonerated

    def _compare(
        self, subject: Subject, response: Response, asked: _Asked
    ) -> tuple[Response, list[Warned]]:
        """Request the days of a response one by one, if its number of rows looks like a limit."""
        covered, rows = response.window, len(response.table)
        assert covered  # noqa: S101 - the caller's
        singles = {day.first: asked(day) for day in days_of(covered)}
        moments = moments_of(subject, response.table)
        total = distinct([each.table for each in singles.values()])
        least = distinct([response.table])
        grown = total > least
        if grown and covered.last >= response.today:
            # Rows of today may have come in between; a limit stays where it is.
            grown = len(asked(covered).table) == rows
        if not grown:
            complete = response if total <= least else whole(covered, [response, *singles.values()])
            warnings = self._of_days(subject, complete)
            # A day with all the rows may be cut off as well, so it proves nothing.
            full = next((each for each in singles.values() if len(each.table) == rows), None)
            if full:
                return complete, [*warnings, *self._of_limit(subject, full)]
            with self._lock:
                self._exonerated.add((subject.name, rows))
            if proves_ranges(moments, covered, self._zone):
                self._ranges.settle(proven=True)
            return complete, warnings
        with self._lock:
            self._limits.add(rows)
        self._ranges.settle(broken=True)
        complete, warnings = self._day_by_day(subject, covered, asked, singles)
        text = (
            f"The response to {covered} had {rows} rows, but its days, requested one by one, have "
            f"{total}. The server seems to limit a response to {rows} rows. The rest "
            "of this run requests one day at a time, so no row is lost unless one day has more. "
            "Ask CoBrowser.net for the row limit per request, and set `window_days` to 1."
        )
        return complete, [Warned("limit", text), *warnings]

    # Warnings

    def _of_day(self, subject: Subject, response: Response) -> list[Warned]:
        """Return what is unusual about the response to one day."""
        return [*self._of_days(subject, response), *self._of_limit(subject, response)]

    def _of_limit(self, subject: Subject, response: Response) -> list[Warned]:
        """Return a warning if the response to one day has as many rows as a limit allows."""
        rows, covered = len(response.table), response.window
        if covered is None:
            return []
        with self._lock:
            limited = rows in self._limits
            countable = rows >= LEAST_LIMIT and rows % 100 == 0 and rows % _HOURS_OF_A_DAY
            if not limited and countable and self._most[subject.name] <= rows:
                self._same[subject.name, rows] += 1
                limited = self._same[subject.name, rows] >= _SAME_ON_DAYS
        if not limited:
            return []
        text = (
            f"The response to {covered} has exactly {rows} rows, which seems to be the "
            "server's row limit per request. The day may have more rows, and the API does not "
            "accept a smaller range. The rows are emitted. Ask CoBrowser.net for the limit, and "
            "for the rows of that day."
        )
        return [Warned("limit-of-day", text)]

    def _of_days(self, subject: Subject, response: Response) -> list[Warned]:
        """Return what is unusual about the days of the rows.

        Raises:
            WrongDaysError: If all rows are more than a day outside of the window.
        """
        covered = response.window
        moments = moments_of(subject, response.table)
        if covered is None or not moments:
            return []
        found = outside(moments, covered, self._zone, reaches_back=subject.reaches_back)
        if found is None:
            return []
        begins, ends = (datetime.fromisoformat(each) for each in bounds(covered, self._zone))
        first, last = (each.astimezone(self._zone).date() for each in (found.first, found.last))
        received = DateWindow(first, last)
        if found.first - ends >= ONE_DAY or (
            not subject.reaches_back and begins - found.last > ONE_DAY
        ):
            msg = f"The request was for {covered}, but the response has rows of {received}"
            raise WrongDaysError(msg)
        parts = []
        if found.before:
            parts.append(f"{found.before} rows up to {_hours(found.earliest)} before")
        if found.after:
            parts.append(f"{found.after} rows up to {_hours(found.latest)} after")
        text = f"The response to {covered} has {' and '.join(parts)} these days. They are emitted. "
        shift = shift_of_days(moments, covered, self._zone)
        if shift and not subject.reaches_back:
            self._days.shown = True
            text += (
                f"The server's days seem to begin {_begin_of_days(self._zone, begins, *shift)}. "
                "Ask CoBrowser.net for the time zone of the account, and set `timezone` to it; the "
                "first day and today may lack rows until then."
            )
        elif found.latest < ONE_DAY and found.after and subject.reaches_back:
            text += (
                f"The server's days may begin at another midnight than those of `timezone` "
                f"({self._zone.key}). Ask CoBrowser.net for the time zone of the account."
            )
        else:
            text += (
                "The server may have returned a cached response, or may not use `start` and `stop` "
                "as documented, so rows of these days may be missing. Check any cache or proxy in "
                "between, and ask CoBrowser.net."
            )
        return [Warned("days", text)]


class _Asked:
    """Makes requests, counts them, and keeps which responses had not even a header."""

    def __init__(
        self, ask: Callable[[DateWindow], Response], see: Callable[[Response], None]
    ) -> None:
        self._ask = ask
        self._see = see
        self.count = 0
        self.blank: list[DateWindow] = []

    def __call__(self, window: DateWindow) -> Response:
        self.count += 1
        response = self._ask(window)
        if response.window and response.table.blank:
            self.blank.append(response.window)
        self._see(response)
        return response


def _hours(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return f"{hours:.1f} hours" if hours < _HOURS_OF_A_DAY * 2 else f"{hours / 24:.0f} days"


def _ranges_do_not_work(window: DateWindow, day: date) -> Warned:
    return Warned(
        "ranges",
        f"The response to {window} lacked rows of {day} that are there when the day is "
        "requested alone: ranges of days do not work as documented. The rest of this run "
        "requests one day at a time, so no row is lost. Set `window_days` to 1, and ask "
        "CoBrowser.net which of `start` and `stop` is the older day and whether both are "
        "included.",
    )


def _of_keys(subject: Subject, table: Table) -> Iterator[Warned]:
    collision = colliding_keys(table, subject.keys)
    if collision:
        names = ", ".join(f"'{name}'" for name in subject.keys)
        example = ", ".join(quote(value, 40) for value in collision.example)
        yield Warned(
            "keys",
            f"{collision.keys} keys ({names}) have several different rows; the first is "
            f"({example}). All rows are emitted, but a target that upserts keeps one per key. Set "
            "another key with "
            f"`__key_properties__` in a stream map for '{subject.name}', and ask CoBrowser.net "
            "what makes a row unique.",
        )


def _begin_of_days(zone: ZoneInfo, begins: datetime, least: timedelta, most: timedelta) -> str:
    """Return between which times of the day the server's days begin, in whole half hours."""
    half_hour = timedelta(minutes=30)
    low = begins + (least // half_hour + 1) * half_hour
    high = begins + max(most // half_hour * half_hour, (least // half_hour + 1) * half_hour)
    local = [each.astimezone(zone) for each in (low, high)]
    if high - low <= 2 * half_hour:
        return f"at {local[1]:%H:%M} in {zone.key} ({high:%H:%M} UTC)"
    return f"between {local[0]:%H:%M} and {local[1]:%H:%M} in {zone.key}"
