"""The requests of an examination: few, one at a time, and only as many as are needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING

from tap_cobrowser.api import Api
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.doctor.case import Case
from tap_cobrowser.doctor.late import Days, new_salt
from tap_cobrowser.doctor.seen import digests, see
from tap_cobrowser.doctor.writing import how_written
from tap_cobrowser.errors import (
    BrokenAnswerError,
    CredentialsError,
    ExaminationError,
    NotCsvError,
    RetriableError,
    TapCobrowserError,
)
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.settings import MIN_KEY_LENGTH
from tap_cobrowser.table import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_cobrowser.api import Command, Exchange, Retry
    from tap_cobrowser.audit import Response
    from tap_cobrowser.clock import Time
    from tap_cobrowser.doctor.seen import Seen
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
_AT_ONCE = (1, 2, 4)
_LONG_AGO = 3650
_SUMMER = range(4, 11)
_JANUARY, _JULY = 1, 7
_LONGEST_REFUSAL = 300
_DATE_MOVES = 2.0
_TOO_MANY = "The server says that these are too many requests (429)"
_BROKEN = "Responses are not whole, or pages of HTML"
_FULL_TABLES = ("agents", "hosts")
_CCC_TABLES = ("cccagentgroups", "cccgroupaccounts", "cccslotsactivity")
# Those whose rows belong to the days requested, likeliest to have rows at all hours first.
_WITNESSES = (
    *("accountspecshourly", "conversations", "hostspecshourly", "filterstatshourly"),
    "emails",
)


class StoppedError(Exception):
    """The examination ends with what it has."""


class Visit:
    """One examination of a server."""

    def __init__(  # noqa: PLR0913 - what an examination is made of
        self,
        settings: Settings,
        commands: Mapping[str, Command],
        *,
        time: Time,
        earlier: Days | None = None,
        on_request: Callable[[int, str], None],
        on_retry: Callable[[Retry], None],
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            settings: The settings of the tap.
            commands: The commands of the API, by name.
            time: This machine's time.
            earlier: What an earlier report holds.
            on_request: Called with the number of a request and its command.
            on_retry: Called before a repetition.
        """
        at_once = max(settings.max_concurrent_requests, *_AT_ONCE)
        self.case = Case(settings, commands)
        self.days: Days | None = None
        self.compared: Days | None = None
        self.failure: TapCobrowserError | None = None
        self._earlier = earlier
        self._time = time
        self._report = on_request
        self._api = Api(
            replace(settings, max_concurrent_requests=at_once),
            time=time,
            on_request=self._count,
            on_retry=on_retry,
            on_reply=self._keep,
        )
        # A refusal may quote the request.
        self._quotable = len(settings.user) >= MIN_KEY_LENGTH
        if self._quotable:
            protect(settings.user)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._exchanges: list[Exchange] = []
        self._alone: set[tuple[str, date]] = set()
        self._broken = 0

    def make(self) -> None:
        """Make the requests.

        Raises:
            TapCobrowserError: If the first of them gets no response that can be used.
        """
        try:
            self._command("accounts", first=True)
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
            if not self.case.seen and self.failure:
                raise self.failure from None
            self.case.stopped = str(stop)
        except CredentialsError:
            self.case.refused = True
            raise
        finally:
            self._settle()

    # Requests

    def _count(self, command: str) -> None:
        with self._lock:
            if self.case.requests >= MOST_REQUESTS:
                msg = f"{MOST_REQUESTS} requests were made, which are the most"
                raise StoppedError(msg)
            self.case.requests += 1
            self._report(self.case.requests, command)

    def _keep(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)
        self._local.last = exchange
        if exchange.reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.failure = ExaminationError(_TOO_MANY, advice="Run the doctor again later.")
            raise StoppedError(_TOO_MANY)

    @property
    def _left(self) -> int:
        return MOST_REQUESTS - self.case.requests

    def _command(self, name: str, *, first: bool = False) -> Seen:
        return self._see(name, {}, lambda: self._api.ask(self._of(name), None), first=first)

    def _ask(self, name: str, start: int, stop: int) -> Seen:
        """Request days as the tap does."""
        today = self._api.clock.today()
        window = DateWindow(today - start * ONE_DAY, today - stop * ONE_DAY)
        numbers = {"start": start, "stop": stop}
        return self._see(name, numbers, lambda: self._api.ask(self._of(name), window))

    def _probe(self, name: str, start: int, stop: int) -> Seen:
        """Send numbers that the server may refuse."""
        return self._see(
            name,
            {"start": start, "stop": stop},
            lambda: self._api.probe(self._of(name), start, stop),
            once=True,
        )

    def _of(self, name: str) -> Command:
        return self.case.commands[name]

    def _see(
        self,
        name: str,
        numbers: Mapping[str, int],
        ask: Callable[[], Response],
        *,
        once: bool = False,
        first: bool = False,
    ) -> Seen:
        """Make a request and keep what is to be kept of its response.

        Args:
            name: The command.
            numbers: `start` and `stop`.
            ask: Makes the request.
            once: Whether a failure tells of the request rather than of the server.
            first: Whether an error ends the examination.

        Raises:
            StoppedError: If the server fails.
            TapCobrowserError: If the first request fails.
        """
        self._local.last = None
        response: Response | None = None
        failure: TapCobrowserError | None = None
        try:
            response = ask()
        except TapCobrowserError as error:
            if first:
                raise
            self._broken += isinstance(error, BrokenAnswerError) and not once
            lasting = isinstance(error, BrokenAnswerError) and self._broken == 1
            if isinstance(error, RetriableError) and not once and not lasting:
                self.failure = error
                # What is quoted may be rows.
                why = _BROKEN if isinstance(error, BrokenAnswerError) else error.what
                raise StoppedError(why) from None
            failure = error
        exchange: Exchange | None = self._local.last
        command = self._of(name)
        written = None
        if exchange and response:
            written = how_written(command, self._api.reader(command), exchange.reply)
        seen = see(
            command.subject,
            exchange,
            (exchange and exchange.reply.date) or self._time.now(),
            response.table if response else None,
            numbers=numbers,
            error=failure,
            said=self._said(exchange, failure, once=once) if exchange else "",
            written=written,
        )
        with self._lock:
            self.case.seen.append(seen)
        if response and command.windowed and not once:
            self._digest(command, response)
        return seen

    def _said(self, exchange: Exchange, failure: TapCobrowserError | None, *, once: bool) -> str:
        """Return what the server said where it refused: no rows that nobody could read."""
        reply = exchange.reply
        text = " ".join(decode(reply.body[:_LONGEST_REFUSAL], reply.charset).split())
        refused = reply.status >= HTTPStatus.BAD_REQUEST
        short = len(reply.body) < _LONGEST_REFUSAL and reply.body.strip().count(b"\n") == 0
        plain = short and self.case.settings.csv_separator not in text and "@" not in text
        if not text or not self._quotable:
            return ""
        if refused or (once and plain and isinstance(failure, NotCsvError)):
            return quote(text, 100)
        return ""

    # Steps

    def _tables(self) -> None:
        agents = self._command("cccagents")
        for name in _FULL_TABLES if agents.error else (*_FULL_TABLES, *_CCC_TABLES):
            self._command(name)

    @property
    def _windowed(self) -> list[str]:
        return [name for name, command in self.case.commands.items() if command.windowed]

    def _pairs(self) -> None:
        for name in self._windowed:
            self._ask(name, 2, 1)

    def _singles(self) -> None:
        """Look for single days with rows."""
        for name, ago in product(_WITNESSES[:2], (1, 2)):
            self._ask(name, ago, ago)
        found = {each.command for each in self.case.seen if each.is_single and each.rows}
        for name, ago in (
            *product(_WITNESSES[2:], (1,)),
            *product(_WITNESSES[:2], (4, 8, 3)),
        ):
            if found:
                break
            if self._ask(name, ago, ago).rows:
                found.add(name)

    def _ranges(self) -> None:
        """Request a day with rows as the older and as the younger end, in both orders."""
        known = self._a_known_day()
        if known is None or self.case.ignored():
            name, ago = _WITNESSES[0], 1
        else:
            name, ago = known
        for start, stop in ((ago + 1, ago), (ago, ago - 1)):
            ends = self.case.end_included("first"), self.case.end_included("last")
            if not (self.case.order_works(stop_older=False) and all(ends)):
                self._once(name, start, stop)
        for start, stop in ((ago, ago + 1), (ago - 1, ago)):
            if self.case.order_works(stop_older=True) is None:
                self._once(name, start, stop)

    def _a_known_day(self) -> tuple[str, int] | None:
        """Return a command and the days ago of a completed day that has rows."""
        zone = self.case.zone
        if zone is None:
            return None
        for name in (*_WITNESSES, *self._windowed):
            for each in self.case.of(name):
                if each.is_single and each.start and each.rows_of(each.days(zone)[0], zone):
                    return name, each.start
        return None

    def _once(self, name: str, start: int, stop: int) -> None:
        """Send numbers that were not sent yet."""
        if all((each.start, each.stop) != (start, stop) for each in self.case.of(name)):
            self._probe(name, start, stop)

    def _limits(self) -> None:
        """Request the days of the largest response alone."""
        pairs = [each for each in self.case.seen if each.is_range and not each.reaches_back]
        largest = max(pairs, key=lambda each: each.rows, default=None)
        if largest and largest.rows:
            for ago in (2, 1):
                if not any(
                    each.start == each.stop == ago for each in self.case.of(largest.command)
                ):
                    self._ask(largest.command, ago, ago)

    def _three_days(self) -> None:
        known = self._a_known_day()
        name = known[0] if known else _WITNESSES[0]
        reverse = self.case.order_works(stop_older=True) and not self.case.order_works(
            stop_older=False
        )
        self._probe(name, *((1, 3) if reverse else (3, 1)))

    def _other_times(self) -> None:
        """Look at another part of the year, and at a day before there was anything."""
        known = self._a_known_day()
        name = known[0] if known else _WITNESSES[0]
        today = self._api.clock.today()
        summer = today.month in _SUMMER
        # In the middle of the other half of the year, and of a week.
        other = date(today.year, _JANUARY if summer else _JULY, 13)
        if other >= today:
            other = other.replace(year=today.year - 1)
        other -= other.weekday() * ONE_DAY
        for day in (other + ONE_DAY, other + 2 * ONE_DAY):
            ago = (today - day).days
            if self._probe(name, ago, ago).rows:
                break
        if all(each.rows or each.start is None for each in self.case.seen):
            self._probe("conversations", _LONG_AGO, _LONG_AGO)

    def _dates(self) -> None:
        """Repeat a request, to see whether its `Date` is that of a stored response."""
        first = next((each for each in self._exchanges if each.numbers), None)
        if first is None or first.reply.date is None:
            return
        passed = (self._time.now() - first.received).total_seconds()
        if passed < _DATE_MOVES:
            self._time.sleep(_DATE_MOVES - passed)
        self._probe(first.command, 5, 5)
        fresh = self._exchanges[-1].reply.date
        self._probe(first.command, first.numbers["start"], first.numbers["stop"])
        again = self._exchanges[-1].reply.date
        if fresh and again and again < fresh - timedelta(seconds=1):
            self.case.stale = "A request that was repeated had an older `Date` than the one before."

    @property
    def _width(self) -> int:
        """How many days may be requested at once."""
        return 2 if self._ranges_work() and not self.case.cut() else 1

    def _ranges_work(self) -> bool:
        ends = self.case.end_included("first"), self.case.end_included("last")
        return bool(self.case.order_works(stop_older=False)) and all(end and end[0] for end in ends)

    def _earlier_days(self) -> None:
        """Request the days of an earlier report."""
        if self._earlier is None:
            return
        today, reserve, most = self._api.clock.today(), 1 + sum(_AT_ONCE[1:]), self._width
        for name, days in self._earlier.streams.items():
            if name not in self._windowed:
                continue
            left = sorted(days, reverse=True)
            while left and self._left > reserve:
                day = left[0]
                width = most if day - ONE_DAY in left else 1
                left = [each for each in left if each > day or each <= day - width * ONE_DAY]
                done = self.compared.streams.get(name, {}) if self.compared else {}
                ago = (today - day).days
                if ago > 0 and not {day, day - (width - 1) * ONE_DAY} <= done.keys():
                    self._ask(name, ago + width - 1, ago)

    def _more_days(self) -> None:
        """Request more days, for later reports to compare with."""
        reserve, width = 1 + sum(_AT_ONCE), self._width
        for name in self._windowed:
            if self._left > reserve and self._earlier is None and name != "conversations":
                self._ask(name, 2 + width, 3)

    def _at_once(self) -> None:
        """Compare how long requests take that are made one, two and four at a time."""
        ago, width = 3, self._width
        for number in _AT_ONCE:
            if self._left < number:
                return
            windows = [(ago + each * width, number) for each in range(number)]
            ago += number * width
            begun = self._time.monotonic()
            with ThreadPoolExecutor(number) as pool:
                jobs = [
                    pool.submit(self._ask, "conversations", start + width - 1, start)
                    for start, _ in windows
                ]
            try:
                for job in jobs:
                    job.result()
            except StoppedError:
                if number > 1:
                    self.case.busy_at, self.failure = number, None
                    return
                raise
            self.case.seconds[number] = (self._time.monotonic() - begun) / number

    # What was found

    def _digest(self, command: Command, response: Response) -> None:
        """Keep digests of the completed days of a response."""
        window = response.window
        if window is None:
            return
        zone, today = self.case.settings.timezone, self._api.clock.today()
        with self._lock:
            if self.days is None:
                self.days = Days(new_salt(), zone.key, today)
            if self._earlier and self.compared is None:
                self.compared = Days(self._earlier.salt, zone.key, today)
        days = [
            day
            for day in (window.first + each * ONE_DAY for each in range(2))
            if day <= window.last and day < response.today
        ]
        alone = window.first == window.last
        for kept in filter(None, (self.days, self.compared)):
            found = list(digests(command.subject, response.table, days, zone, kept.salt))
            with self._lock:
                own = kept.streams.setdefault(command.name, {})
                for day, count, digest in found:
                    if alone or (command.name, day) not in self._alone:
                        own[day] = count, digest
        if alone:
            self._alone |= {(command.name, day) for day in days}

    def _settle(self) -> None:
        """Work out the clock, and drop digests of days that were not read whole."""
        known = [
            (
                (each.sent - each.reply.date).total_seconds() - 1,
                (each.received - each.reply.date).total_seconds(),
            )
            for each in self._exchanges
            if each.reply.date
        ]
        self.case.has_date = bool(known) if self._exchanges else None
        if known:
            least, most = max(low for low, _ in known), min(high for _, high in known)
            self.case.clock = (least, most) if least <= most else known[0]
        width = self._width
        days_fit = self.case.own_zone_fits(self.case.recent) and not self.case.ignored()
        for kept in filter(None, (self.days, self.compared)):
            for name, own in list(kept.streams.items()):
                for day in list(own):
                    whole = (name, day) in self._alone or width > 1
                    if not days_fit or not whole:
                        del own[day]
                if not own:
                    del kept.streams[name]
