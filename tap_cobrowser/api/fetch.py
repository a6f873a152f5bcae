"""The API client: a command and a window of days become a response that was read.

It knows nothing of Singer. A request has two steps: to download a body, which threads may do ahead,
and to read it, which only the thread does that uses the rows. All retries of a request, whatever
the step and the reason, have one bound, `max_retries`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from tap_cobrowser.api.clock import SYSTEM_TIME, Pause, ServerClock, Time
from tap_cobrowser.api.retries import Retry, backoff, status_error
from tap_cobrowser.api.transport import Reply, Transport
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import (
    BrokenResponseError,
    ClockError,
    NotCsvError,
    RetriableError,
    ServerBusyError,
    TapCobrowserError,
)
from tap_cobrowser.models import Response, Table
from tap_cobrowser.reading.table import TableReader
from tap_cobrowser.reading.text import is_nothing
from tap_cobrowser.redaction import protect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from tap_cobrowser.models import Command
    from tap_cobrowser.settings import Settings

_CALENDAR = range(2000, 9000)
_LINE_ENDS = {b"", b"\n", b"\r", b"\0"}  # a line end of UTF-16 may begin with a zero
_LONGEST_BLANK_LINE = 100


class _UnconfirmedError(RetriableError):
    """What a response says counts only if the server says it twice. Not one of the retries."""


@dataclass(slots=True)
class _Request:
    """A request, and what its responses so far have shown."""

    command: Command
    where: str
    window: DateWindow | None = None
    ago: Mapping[str, int] = field(default_factory=dict)  # `start` and `stop`, without a window
    retries: int = 0
    said_nothing: bool = False
    unended: tuple[int, bytes] | None = None  # size and digest of a body without a last line end

    def repeats(self, body: bytes) -> bool:
        """Return whether the body before was the same, or the same without its last lines."""
        before, self.unended = self.unended, (len(body), _digest(body))
        if before is None:
            return False
        size, digest = before
        return _digest(memoryview(body)[:size]) == digest and body[size : size + 1] in _LINE_ENDS


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply, whatever its status.

    Attributes:
        command: The name of the command.
        numbers: `start` and `stop` as they were sent; empty for a command without a range.
        reply: The reply.
        sent: This machine's time when the request was sent.
        received: This machine's time when the reply was complete.
        seconds: The time in between, by a clock that is never set.
    """

    command: str
    numbers: Mapping[str, int]
    reply: Reply
    sent: datetime
    received: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Download:
    """A body that may be a table of the days of `window`, not read yet.

    `today` is the server's day when it picked the rows.
    """

    request: _Request
    exchange: Exchange
    window: DateWindow | None
    today: date


def _ignore(_: object) -> None:
    pass


class Api:
    """The API, for one run. Threads may share it, except for `read` and `fetch`.

    Example:
        >>> api = Api(settings)
        >>> response = api.fetch(command, DateWindow(date(2026, 11, 21), date(2026, 11, 22)))
        >>> len(response.table)
        412
    """

    def __init__(
        self,
        settings: Settings,
        *,
        time: Time = SYSTEM_TIME,
        on_request: Callable[[str], None] = _ignore,
        on_retry: Callable[[Retry], None] = _ignore,
        on_reply: Callable[[Exchange], None] = _ignore,
    ) -> None:
        """Prepare; no request is made yet.

        `on_request` is called with the name of the command before each request, `on_retry` before
        the wait for a retry, and `on_reply` with each reply, before its status is checked.
        """
        # Programs that use this class without the tap quote the server, too.
        protect(settings.api_key)
        self.clock = ServerClock(settings.timezone, time)
        self._settings = settings
        self._time = time
        self._on_request, self._on_retry, self._on_reply = on_request, on_retry, on_reply
        self._transport = Transport(
            settings.api_url, user_agent=settings.user_agent, timeout=settings.request_timeout
        )
        self._pause = Pause(time)
        self._in_flight = threading.Semaphore(settings.max_concurrent_requests)
        self._readers: dict[Command, TableReader] = {}
        # What responses of this run have shown: there was a header without rows, there was a last
        # row without a line end, confirmed, and which commands have had line ends after last rows.
        self._header_alone = self._unended = False
        self._ended: set[str] = set()

    def fetch(self, command: Command, window: DateWindow | None = None) -> Response:
        """Request a window of days, or a whole table without one, and return the response.

        Raises:
            TapCobrowserError: If there is no response that can be read. It names stream and window.
        """
        return self.read(self.download(command, window))

    def fetch_ago(self, command: Command, start: int, stop: int) -> Response:
        """Request numbers of days ago, as they are, and return the response.

        The server's day is known from the response's own `Date`, whatever this machine's clock
        says. The window of the response is that of these days.

        Raises:
            TapCobrowserError: If there is no response that can be read. It names stream and days.
        """
        where = f"Stream '{command.name}', start={start}, stop={stop}"
        request = _Request(command, where, ago={"start": start, "stop": stop})
        return self.read(self._download(request))

    def download(self, command: Command, window: DateWindow | None = None) -> Download:
        """Request a window of days, or a whole table without one, and return what is to be read.

        Days ago are counted when a request is sent, and again for each retry, by the server's day
        at that moment.

        Raises:
            TapCobrowserError: If the server does not send a body of the days that were requested.
        """
        where = f"Stream '{command.name}'" + (f", window {window}" if window else "")
        return self._download(_Request(command, where, window))

    def read(self, download: Download) -> Response:
        """Read what was downloaded; if it is broken, request it again.

        Raises:
            TapCobrowserError: If there is no response that can be read. It names stream and window.
        """
        request = download.request
        while True:
            try:
                return self._read(download)
            except TapCobrowserError as error:
                self._prepare_retry(request, error)
            download = self._download(request)

    def _download(self, request: _Request) -> Download:
        while True:
            try:
                return self._send_once(request)
            except TapCobrowserError as error:  # noqa: PERF203 - the loop is that of retries
                self._prepare_retry(request, error)

    def _prepare_retry(self, request: _Request, error: TapCobrowserError) -> None:
        """Wait for the next try of a request, or raise the error if there is none."""
        # The exceptions that it was raised from quote cells and URLs as they are.
        error.__cause__ = error.__context__ = None
        error.where = ", ".join(filter(None, [request.where, error.where]))
        confirms, most = isinstance(error, _UnconfirmedError), self._settings.max_retries
        request.retries += not confirms
        if not isinstance(error, RetriableError):
            raise error
        wait = backoff(error, max(request.retries, 1))  # first: too long a pause is another error
        if request.retries > most:
            raise error
        name, number = request.command.name, 0 if confirms else request.retries
        self._on_retry(Retry(name, request.where, error, wait, number, most))
        if isinstance(error, ClockError):
            self.clock.wait_for_midnight()
        if isinstance(error, ServerBusyError):
            self._pause.hold(wait)
        elif wait:
            self._time.sleep(wait)

    def _send_once(self, request: _Request) -> Download:
        """Send a request once, and return its reply if it may be a table of the right days."""
        window = request.window
        with self._in_flight:
            self._pause.wait()
            today = self.clock.today()
            if window and window.last > today:
                msg = f"The server's clock went back to {today}"
                raise ClockError(msg)
            numbers = window.days_ago(today) if window else request.ago
            exchange, days = self._exchange(request.command, numbers)
        reply = exchange.reply
        retry_after = reply.retry_after(exchange.received)
        if error := status_error(request.command, reply, retry_after):
            raise error
        if reply.date and reply.date.year not in _CALENDAR:
            msg = f"The server's `Date` header has the year {reply.date.year}"
            raise ClockError(msg)
        if numbers and (len(days) > 1 or (window and days != {today})):
            msg = "The server's day changed while it responded"
            raise ClockError(msg, retry_after=0.0)
        if is_nothing(reply.body, reply.charset):
            if retry_after is not None:
                msg = "The response is empty"
                raise ServerBusyError(msg, retry_after=retry_after)
            self._check_nothing(request)
        today = min(days)
        if numbers and not window:
            start, stop = numbers["start"] * ONE_DAY, numbers["stop"] * ONE_DAY
            window = DateWindow(today - max(start, stop), today - min(start, stop))
        return Download(request, exchange, window, today)

    def _exchange(self, command: Command, numbers: Mapping[str, int]) -> tuple[Exchange, set[date]]:
        """Send a request, and return the days on which the server may have picked the rows, too."""
        parameters = {
            "user": self._settings.user,
            "apiKey": self._settings.api_key,
            "c": command.name,
            "csvseperator": self._settings.csv_separator,
            **{name: str(number) for name, number in numbers.items()},
        }
        self._on_request(command.name)
        sent, begun = self._time.now(), self._time.monotonic()
        reply = self._transport.get(parameters)
        received, took = self._time.now(), self._time.monotonic() - begun
        exchange = Exchange(command.name, numbers, reply, sent, received, took)
        self._on_reply(exchange)
        return exchange, self.clock.set_by_response(sent, took, reply.date)

    def reader(self, command: Command) -> TableReader:
        """Return the reader of the responses to a command."""
        if command not in self._readers:
            settings = self._settings
            self._readers[command] = TableReader(command, settings.csv_separator, settings.timezone)
        return self._readers[command]

    def _read(self, download: Download) -> Response:
        """Read what was downloaded, once."""
        request, exchange = download.request, download.exchange
        reply, name = exchange.reply, request.command.name
        retry_after = reply.retry_after(exchange.received)
        try:
            table = self.reader(request.command).read(reply.body, reply.charset)
        except (NotCsvError, BrokenResponseError) as error:
            if retry_after is None:
                raise
            busy = ServerBusyError(error.what, retry_after=retry_after)
        else:
            self._check_end(request, reply.body, table)
            size, received = len(reply.body), exchange.received
            return Response(name, download.window, table, download.today, received, size)
        raise busy

    def _check_nothing(self, request: _Request) -> None:
        """Check that nothing at all means no rows. A server that stumbles also sends nothing.

        Raises:
            BrokenResponseError: If a response of this run without rows has had a header.
            _UnconfirmedError: If the server has not said it twice.
        """
        if self._header_alone:
            msg = "The response is empty, though other responses without rows have a header"
            raise BrokenResponseError(msg)
        if not request.said_nothing:
            request.said_nothing = True
            msg = "The response is empty, without even a header"
            raise _UnconfirmedError(msg)

    def _check_end(self, request: _Request, body: bytes, table: Table) -> None:
        """Check that a response is whole, as far as its end shows it.

        A script that is stopped may leave a body that ends after a quote inside a text, which is
        valid CSV. A body without a last line end therefore has to come twice, unless that is known
        to be usual.

        Raises:
            BrokenResponseError: If it is not whole.
            _UnconfirmedError: If the request has to be sent once more to show it.
        """
        name, rows = request.command.name, len(table)
        msg = "The response ends without a line feed, so it may be cut short"
        if table.nothing:
            self._check_nothing(request)  # again: another response may have had a header since
            return
        if _ends_line(body):
            if rows:
                self._ended.add(name)
        elif name in self._ended:
            raise BrokenResponseError(msg, retry_after=0.0)
        elif not (rows and self._unended):
            is_first = request.unended is None
            if not request.repeats(body):
                raise (_UnconfirmedError if is_first else BrokenResponseError)(msg, retry_after=0.0)
            self._unended = self._unended or rows > 0
        self._header_alone = self._header_alone or not rows


def _digest(body: bytes | memoryview) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _ends_line(body: bytes) -> bool:
    # A blank line may come after it, and in UTF-16 a zero.
    return body[-_LONGEST_BLANK_LINE:].rstrip(b" \t\0").endswith((b"\n", b"\r"))
