"""The order of an examination's requests: one at a time, and only as many as are needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING

from tap_cobrowser.days import ONE_DAY
from tap_cobrowser.doctor.client import MOST_AT_ONCE, StoppedError
from tap_cobrowser.errors import CredentialsError

if TYPE_CHECKING:
    from tap_cobrowser.clock import Time
    from tap_cobrowser.doctor.client import Client
    from tap_cobrowser.doctor.late import Days

_AT_ONCE = (1, 2, MOST_AT_ONCE)
_LONG_AGO = 3650
_SUMMER = range(4, 11)
_JANUARY, _JULY = 1, 7
_DATE_MOVES = 2.0
_FULL_TABLES = ("agents", "hosts")
_CCC_TABLES = ("cccagentgroups", "cccgroupaccounts", "cccslotsactivity")
# Commands whose rows belong to the requested days. Those with rows at all hours come first.
_WITNESSES = (
    *("accountspecshourly", "conversations", "hostspecshourly", "filterstatshourly"),
    "emails",
)


class Visit:
    """One examination of a server."""

    def __init__(self, client: Client, *, time: Time, earlier: Days | None = None) -> None:
        """Prepare; nothing is requested yet.

        Args:
            client: Sends the requests.
            time: This machine's time.
            earlier: Digests from an earlier report.
        """
        self._client, self._case, self._ledger = client, client.case, client.ledger
        self._time = time
        self._earlier = earlier

    def make(self) -> None:
        """Make the requests.

        Raises:
            TapCobrowserError: If the first request gets no usable response.
        """
        try:
            self._client.table("accounts", first=True)
            for step in (
                self._tables,
                self._pairs,
                self._singles,
                self._ranges,
                self._limits,
                self._three_days,
                self._other_times,
                self._dates,
                self._earlier_days,
                self._more_days,
                self._at_once,
            ):
                step()
        except StoppedError as stop:
            failure = self._client.failure
            if failure and not self._case.seen:
                raise failure from None
            self._case.stopped = str(stop)
        except CredentialsError:
            self._case.refused = True
            raise
        finally:
            self._settle()

    def _tables(self) -> None:
        agents = self._client.table("cccagents")
        for name in _FULL_TABLES if agents.error else (*_FULL_TABLES, *_CCC_TABLES):
            self._client.table(name)

    @property
    def _windowed(self) -> list[str]:
        return [name for name, command in self._case.commands.items() if command.windowed]

    def _pairs(self) -> None:
        for name in self._windowed:
            self._client.ask(name, 2, 1)

    def _singles(self) -> None:
        """Look for single days with rows."""
        for name, ago in product(_WITNESSES[:2], (1, 2)):
            self._client.ask(name, ago, ago)
        found = {each.command for each in self._case.seen if each.is_single and each.rows}
        for name, ago in (
            *product(_WITNESSES[2:], (1,)),
            *product(_WITNESSES[:2], (4, 8, 3)),
        ):
            if found:
                break
            if self._client.ask(name, ago, ago).rows:
                found.add(name)

    def _ranges(self) -> None:
        """Request a day with rows as the older and as the younger end, in both orders."""
        known = self._a_known_day()
        if known is None or self._case.ignored():
            name, ago = _WITNESSES[0], 1
        else:
            name, ago = known
        for start, stop in ((ago + 1, ago), (ago, ago - 1)):
            ends = self._case.end_included("first"), self._case.end_included("last")
            if not (self._case.order_works(stop_older=False) and all(ends)):
                self._once(name, start, stop)
        for start, stop in ((ago, ago + 1), (ago - 1, ago)):
            if self._case.order_works(stop_older=True) is None:
                self._once(name, start, stop)

    def _a_known_day(self) -> tuple[str, int] | None:
        """Return a command and the days ago of a completed day that has rows."""
        zone = self._case.zone
        if zone is None:
            return None
        for name in (*_WITNESSES, *self._windowed):
            for each in self._case.of(name):
                if each.is_single and each.start and each.rows_of(each.days(zone)[0], zone):
                    return name, each.start
        return None

    def _once(self, name: str, start: int, stop: int) -> None:
        """Send numbers, unless they were sent before."""
        if all((each.start, each.stop) != (start, stop) for each in self._case.of(name)):
            self._client.probe(name, start, stop)

    def _limits(self) -> None:
        """Request each day of the largest response alone."""
        pairs = [each for each in self._case.seen if each.is_range]
        largest = max(pairs, key=lambda each: each.rows, default=None)
        if largest and largest.rows:
            for ago in (2, 1):
                if not any(
                    each.start == each.stop == ago for each in self._case.of(largest.command)
                ):
                    self._client.ask(largest.command, ago, ago)

    def _three_days(self) -> None:
        known = self._a_known_day()
        name = known[0] if known else _WITNESSES[0]
        reverse = self._case.order_works(stop_older=True) and not self._case.order_works(
            stop_older=False
        )
        self._client.probe(name, *((1, 3) if reverse else (3, 1)))

    def _other_times(self) -> None:
        """Request a day in another part of the year, and a day before there was any data."""
        known = self._a_known_day()
        name = known[0] if known else _WITNESSES[0]
        today = self._client.today
        summer = today.month in _SUMMER
        # In the middle of the other half of the year, and of a week.
        other = date(today.year, _JANUARY if summer else _JULY, 13)
        if other >= today:
            other = other.replace(year=today.year - 1)
        other -= other.weekday() * ONE_DAY
        for day in (other + ONE_DAY, other + 2 * ONE_DAY):
            ago = (today - day).days
            if self._client.probe(name, ago, ago).rows:
                break
        if all(each.rows or each.start is None for each in self._case.seen):
            self._client.probe("conversations", _LONG_AGO, _LONG_AGO)

    def _dates(self) -> None:
        """Send a request again, to see whether the response is a stored one with an old `Date`."""
        first = next((each for each in self._client.exchanges if each.numbers), None)
        if first is None or first.reply.date is None:
            return
        passed = (self._time.now() - first.received).total_seconds()
        if passed < _DATE_MOVES:
            self._time.sleep(_DATE_MOVES - passed)
        fresh = self._client.probe(first.command, 5, 5)
        again = self._client.probe(first.command, first.numbers["start"], first.numbers["stop"])
        if fresh.status and again.status and again.at < fresh.at - timedelta(seconds=1):
            self._case.stale = "A repeated request had an older `Date` than the one before."

    @property
    def _width(self) -> int:
        """Number of days per request."""
        return 2 if self._ranges_work() and not self._case.cut() else 1

    def _ranges_work(self) -> bool:
        ends = self._case.end_included("first"), self._case.end_included("last")
        return bool(self._case.order_works(stop_older=False)) and all(
            end and end[0] for end in ends
        )

    def _earlier_days(self) -> None:
        """Request the days of an earlier report."""
        if self._earlier is None:
            return
        today, reserve, most = self._client.today, 1 + sum(_AT_ONCE[1:]), self._width
        for name, days in self._earlier.streams.items():
            if name not in self._windowed:
                continue
            left = sorted(days, reverse=True)
            while left and self._client.left > reserve:
                day = left[0]
                width = most if day - ONE_DAY in left else 1
                left = [each for each in left if each > day or each <= day - width * ONE_DAY]
                done = self._ledger.compared.streams.get(name, {}) if self._ledger.compared else {}
                ago = (today - day).days
                if ago > 0 and not {day, day - (width - 1) * ONE_DAY} <= done.keys():
                    self._client.ask(name, ago + width - 1, ago)

    def _more_days(self) -> None:
        """Request more days, for later reports to compare with."""
        reserve, width = 1 + sum(_AT_ONCE), self._width
        for name in self._windowed:
            if self._client.left > reserve and self._earlier is None and name != "conversations":
                self._client.ask(name, 2 + width, 3)

    def _at_once(self) -> None:
        """Compare the time of one, two and four concurrent requests."""
        ago, width = 3, self._width
        for number in _AT_ONCE:
            if self._client.left < number:
                return
            windows = [(ago + each * width, number) for each in range(number)]
            ago += number * width
            begun = self._time.monotonic()
            with ThreadPoolExecutor(number) as pool:
                jobs = [
                    pool.submit(self._client.ask, "conversations", start + width - 1, start)
                    for start, _ in windows
                ]
            try:
                for job in jobs:
                    job.result()
            except StoppedError:
                if number > 1:
                    self._case.busy_at, self._client.failure = number, None
                    return
                raise
            self._case.seconds[number] = (self._time.monotonic() - begun) / number

    def _settle(self) -> None:
        """Compute the clock's offset, and drop digests of days that were not read completely."""
        known = [
            (
                (each.sent - each.reply.date).total_seconds() - 1,
                (each.received - each.reply.date).total_seconds(),
            )
            for each in self._client.exchanges
            if each.reply.date
        ]
        self._case.has_date = bool(known) if self._client.exchanges else None
        if known:
            least, most = max(low for low, _ in known), min(high for _, high in known)
            self._case.clock = (least, most) if least <= most else known[0]
        days_fit = self._case.own_zone_fits(self._case.recent) and not self._case.ignored()
        self._ledger.settle(days_fit=days_fit, ranges_work=self._width > 1)
