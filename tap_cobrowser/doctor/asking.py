"""The tap's API client, which keeps what it sees, counts its requests, and stops early."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_cobrowser.api.fetch import Api
from tap_cobrowser.checks.days import begins_on, rows_by_key, rows_outside
from tap_cobrowser.checks.keys import keys_shared
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.doctor.digests import digests
from tap_cobrowser.errors import (
    BrokenResponseError,
    CccAgentError,
    CredentialsError,
    ExaminationError,
    NotCsvError,
    RejectedError,
    RetriableError,
    TapCobrowserError,
    WrongDaysError,
)
from tap_cobrowser.reading.cells import style_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.api.fetch import Exchange
    from tap_cobrowser.api.retries import Retry
    from tap_cobrowser.models import Command, Response, Table
    from tap_cobrowser.reading.table import TableReader
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
MOST_AT_ONCE = 4
_MOST_RETRIES = 2
_MOST_STYLED = 1000
_USUAL = 31
_FEW_HOURS = 5


class StoppedError(Exception):
    """The examination ends early, and reports what it has found so far.

    Attributes:
        error: The reason.
    """

    def __init__(self, error: TapCobrowserError) -> None:
        """Initialize with the reason."""
        super().__init__(error.what)
        self.error = error


@dataclass(frozen=True, slots=True)
class Written:
    """How the cells of a response are written; empty where no cell shows it.

    Attributes:
        encoding: The encoding, if there is a character beyond ASCII.
        quoting: The way of quoting, if a cell has a quote.
        dates: The formats of date-times.
        offsets: The UTC offsets of date-times; `none` for those without.
        numbers: How numbers are written.
    """

    encoding: str = ""
    quoting: str = ""
    dates: frozenset[str] = frozenset()
    offsets: frozenset[str] = frozenset()
    numbers: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and what is kept of its response: no cell, and nothing large.

    Attributes:
        command: The command.
        exchange: The last reply, without its body; None if there was none.
        error: Why the response cannot be used, None if it can.
        window: The days that were requested; None for a command without a range.
        today: The server's day.
        rows: The number of rows.
        size: The number of bytes.
        nothing: Whether there was not even a header.
        low: The earliest date-time that decides on the day of a row, "" without rows.
        high: The latest.
        hours: The number of different ones.
        begins: For each day of the window, whether a row begins on it.
        passes: Whether the tap's check has nothing to say about the days.
        keys: A hash of what identifies each row.
        shared: The number of keys that different rows share.
        digests: A digest of each completed day, by the salt of a report.
        written: How the cells are written.
    """

    command: Command
    exchange: Exchange | None = None
    error: TapCobrowserError | None = None
    window: DateWindow | None = None
    today: date | None = None
    rows: int = 0
    size: int = 0
    nothing: bool = False
    low: str = ""
    high: str = ""
    hours: int = 0
    begins: tuple[bool, ...] = ()
    passes: bool = True
    keys: frozenset[int] = frozenset()
    shared: int = 0
    digests: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    written: Written = field(default_factory=Written)

    @property
    def start(self) -> int | None:
        """`start` as it was sent, None for a command without a range."""
        return self.exchange.numbers.get("start") if self.exchange else None

    @property
    def stop(self) -> int | None:
        """`stop` as it was sent."""
        return self.exchange.numbers.get("stop") if self.exchange else None

    @property
    def span(self) -> int:
        """The number of days that were requested, 0 for a command without a range."""
        return 0 if self.start is None or self.stop is None else abs(self.start - self.stop) + 1

    @property
    def status(self) -> int:
        """The status code, 0 without a reply."""
        return self.exchange.reply.status if self.exchange else 0

    @property
    def date(self) -> datetime | None:
        """The `Date` of the reply."""
        return self.exchange.reply.date if self.exchange else None

    @property
    def rejected(self) -> bool:
        """Whether the server rejected the request: by a status, or with a line of text."""
        fails = self.span > 1 and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return fails or isinstance(self.error, RejectedError | CredentialsError | NotCsvError)

    @property
    def is_even(self) -> bool:
        """Whether it has the same number of rows for each of many hours, as hourly commands may."""
        of_an_hour = len(self.keys) % self.hours if self.hours >= _FEW_HOURS else 1
        return self.command.hourly and not of_an_hour

    def days(self, zone: ZoneInfo) -> DateWindow:
        """Return the days that were requested, if they are days of a zone."""
        numbers = [self.start or 0, self.stop or 0]
        assert self.exchange  # noqa: S101 - only requests with rows come here
        today = (self.date or self.exchange.received).astimezone(zone).date()
        return DateWindow(today - max(numbers) * ONE_DAY, today - min(numbers) * ONE_DAY)

    def fits(self, zone: ZoneInfo) -> bool:
        """Return whether all rows are within the requested days, if they are days of a zone."""
        days = self.days(zone)
        begin, end = midnight(days.first, zone), midnight(days.last + ONE_DAY, zone)
        return begin.isoformat() <= self.low and self.high < end.isoformat()


class RecordingApi(Api):
    """The tap's API client, one examination long.

    Attributes:
        seen: What came of each request, in order.
        requests: The number of requests, retries included.
        worked: Whether a request has succeeded.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        time: Time,
        salts: Collection[str],
        on_request: Callable[[int, str], None],
        on_retry: Callable[[Retry], None],
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            settings: The settings of the tap.
            time: This machine's time.
            salts: The keys of the digests of days.
            on_request: Called with the number of a request and its command.
            on_retry: Called before a retry.
        """
        settings = replace(
            settings,
            max_concurrent_requests=MOST_AT_ONCE,
            max_retries=min(settings.max_retries, _MOST_RETRIES),
        )
        super().__init__(
            settings, time=time, on_request=self._count, on_retry=on_retry, on_reply=self._keep
        )
        self.seen: list[Seen] = []
        self.requests = 0
        self.worked = False
        self._announce, self._zone, self._salts = on_request, settings.timezone, salts
        self._lock = threading.Lock()
        self._last = threading.local()

    @property
    def left(self) -> int:
        """The number of requests that may still be made."""
        return MOST_REQUESTS - self.requests

    def fetch(self, command: Command, window: DateWindow | None = None) -> Response:
        """Request as the tap does, and keep what comes of it."""
        return self._see(command, partial(super().fetch, command, window))

    def fetch_ago(self, command: Command, start: int, stop: int) -> Response:
        """Request as the preflight does, and keep what comes of it."""
        return self._see(command, partial(super().fetch_ago, command, start, stop))

    def probe(self, command: Command, start: int, stop: int) -> Seen:
        """Send numbers that the server may reject, in any way.

        Raises:
            StoppedError: If no other request is worth trying.
        """
        with suppress(TapCobrowserError):
            self.fetch_ago(command, start, stop)
        return self.seen[-1]

    def _count(self, name: str) -> None:
        with self._lock:
            if not self.left:
                msg = f"{MOST_REQUESTS} requests were made, which is the maximum"
                raise StoppedError(ExaminationError(msg))
            self.requests += 1
            self._announce(self.requests, name)

    def _keep(self, exchange: Exchange) -> None:
        self._last.exchange = exchange
        if exchange.reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            msg = "The server returned 429 (too many requests)"
            raise StoppedError(ExaminationError(msg, advice="Run the doctor again later."))

    def _see(self, command: Command, fetch: Callable[[], Response]) -> Response:
        """Make a request, and keep what comes of it.

        Raises:
            StoppedError: If no other request is worth trying.
            TapCobrowserError: If this one has no response that can be read.
        """
        self._last.exchange = None
        response: Response | None = None
        failure: TapCobrowserError | None = None
        try:
            response = fetch()
        except TapCobrowserError as error:
            failure = error
        seen = self._seen(command, response, failure)
        with self._lock:
            self.seen.append(seen)
            self.worked = self.worked or response is not None
        if response is not None:
            return response
        assert failure  # noqa: S101 - one of the two is there
        if self._concerns_all(seen, failure):
            raise StoppedError(failure)
        raise failure

    def _concerns_all(self, seen: Seen, error: TapCobrowserError) -> bool:
        """Return whether no other request is worth trying after an error."""
        if not self.worked and (len(self.seen) > 1 or isinstance(error, CredentialsError)):
            return not isinstance(error, CccAgentError)
        if error.ends_run or not isinstance(error, RetriableError):
            return error.ends_run
        # The responses to other commands may be whole, and a server may fail at what it does not
        # expect: a range, or a day of long ago.
        unusual = seen.span > 1 or (seen.start or 0) > _USUAL
        return bool(error.retry_after) or not (unusual or isinstance(error, BrokenResponseError))

    def _seen(
        self, command: Command, response: Response | None, error: TapCobrowserError | None
    ) -> Seen:
        """Return what is kept of a request and its response."""
        exchange: Exchange | None = self._last.exchange
        bare = exchange and replace(exchange, reply=replace(exchange.reply, body=b""))
        if exchange is None or response is None:
            return Seen(command, bare, error)
        table, window = response.table, response.window
        moments = table.moments(command)
        try:
            passes = rows_outside(command, response, self._zone) is None
        except WrongDaysError:
            passes = False
        return Seen(
            command,
            bare,
            error,
            window,
            response.today,
            len(table),
            response.size,
            table.nothing,
            min(moments, default=""),
            max(moments, default=""),
            len(set(moments)),
            tuple(begins_on(moments, day, self._zone) for day in window.days) if window else (),
            passes,
            frozenset(map(hash, rows_by_key(command, table))),
            len(keys_shared(command, table)),
            {salt: digests(command, response, self._zone, salt) for salt in self._salts},
            _written(self.reader(command), command, table, exchange),
        )


def _written(reader: TableReader, command: Command, table: Table, exchange: Exchange) -> Written:
    """Return how a response is written, from its cells as they are."""
    body = exchange.reply.body
    form, rows = reader.cells(body, exchange.reply.charset)
    kinds = {notice.kind for notice in table.notices}
    encoding = "" if body.isascii() else form.encoding
    if encoding and "invalid characters" in kinds:
        encoding += ", with invalid characters"
    if not table:
        return Written(encoding)
    names = [column.name.lower() for column in command.columns]
    if "no header" not in kinds:
        header, *rows = rows
        names = [name.lower() for name in header]
    of: defaultdict[str, list[str]] = defaultdict(list)
    for column in command.columns:
        if column.name.lower() in names:
            at = names.index(column.name.lower())
            of[column.kind] += [row[at] for row in rows[:_MOST_STYLED] if row[at].strip()]
    styles = set(map(style_of, of["date-time"]))
    numbers = of["number"] + of["integer"]
    style = "plain" if numbers else ""
    if "decimal comma" in kinds:
        style = "decimal comma"
    elif any(cell != cell.strip() for cell in numbers):
        style = "blanks around"
    has_quote = any('"' in cell for row in rows for cell in row)
    return Written(
        encoding,
        form.quoting if has_quote or form.quoting != "doubled" else "",
        frozenset(name for name, _ in styles if name),
        frozenset(offset for _, offset in styles if offset),
        style,
    )
