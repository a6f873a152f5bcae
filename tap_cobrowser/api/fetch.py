"""The API client: a command and a window of days become a response that was read.

It knows nothing of Singer. All retries of a request are made in one loop with one bound,
`max_retries`, whatever the reason: a server error, a broken response, midnight.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

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
    """What a response says is true only if the server says it twice."""


@dataclass(slots=True)
class _Request:
    """A request, and what its responses have said so far that has to be said twice.

    Attributes:
        command: The command.
        window: The days, if they are fixed.
        ago: Otherwise `start` and `stop`; empty for a command without days.
        said_nothing: Whether a response was nothing at all.
        unended: Size and digest of the last body whose last row had no line end.
    """

    command: Command
    window: DateWindow | None = None
    ago: Mapping[str, int] = field(default_factory=dict)
    said_nothing: bool = False
    unended: tuple[int, bytes] | None = None

    def repeats(self, body: bytes) -> bool | None:
        """Return whether a body is the unended one before, perhaps with more lines after it.

        None if there was none before.
        """
        before, self.unended = self.unended, (len(body), _digest(body))
        if before is None:
            return None
        size, digest = before
        return _digest(memoryview(body)[:size]) == digest and body[size : size + 1] in _LINE_ENDS


@dataclass(slots=True)
class _Habits:
    """What the responses of a run have shown about how the server writes.

    Attributes:
        header_alone: Whether a response without rows has had a header, so that nothing is broken.
        ends_lines: By command, whether its last rows have line ends.
    """

    header_alone: bool = False
    ends_lines: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply, for programs that examine the server.

    Attributes:
        command: The name of the command.
        numbers: `start` and `stop` as they were sent; empty for a command without a range.
        reply: The reply, whatever its status.
        sent: This machine's time when the request was sent.
        received: This machine's time when the reply was complete.
        seconds: The time in between.
    """

    command: str
    numbers: Mapping[str, int]
    reply: Reply
    sent: datetime
    received: datetime
    seconds: float


def _ignore(_: object) -> None:
    pass


class Api:
    """The API, for one run. Safe to use from many threads.

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

        Args:
            settings: The validated settings.
            time: This machine's time.
            on_request: Called with the name of the command before each request.
            on_retry: Called before the wait that precedes a retry.
            on_reply: Called with each reply, before its status is checked.
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
        # Two threads that parse at once need more time, and the memory of two tables.
        self._reading = threading.Lock()
        self._readers: dict[Command, TableReader] = {}
        self._habits = _Habits()

    def fetch(self, command: Command, window: DateWindow | None = None) -> Response:
        """Request a window of days, or a whole table, and return the response.

        Days ago are counted when a request is sent, and again for each retry, by the server's day
        at that moment.

        Args:
            command: The command.
            window: The days; None for a command without days.

        Raises:
            TapCobrowserError: If there is no response that can be read. It names stream and window.
        """
        where = f"Stream '{command.name}'" + (f", window {window}" if window else "")
        return self._fetch(_Request(command, window), where)

    def fetch_ago(self, command: Command, start: int, stop: int) -> Response:
        """Request numbers of days ago, as they are, and return the response.

        The server's day is known from the response's own `Date`, whatever this machine's clock
        says. The window of the response is that of these days.

        Raises:
            TapCobrowserError: If there is no response that can be read. It names stream and days.
        """
        where = f"Stream '{command.name}', start={start}, stop={stop}"
        return self._fetch(_Request(command, ago={"start": start, "stop": stop}), where)

    def _fetch(self, request: _Request, where: str) -> Response:
        """Request until there is a response, with at most `max_retries` retries."""
        most, number = self._settings.max_retries, 0
        while True:
            try:
                return self._once(request)
            except TapCobrowserError as error:  # noqa: PERF203 - the loop is that of retries
                # What it was made from quotes cells and URLs as they are.
                error.__cause__ = error.__context__ = None
                error.where = ", ".join(filter(None, [where, error.where]))
                confirms = isinstance(error, _UnconfirmedError)
                number += not confirms
                if not isinstance(error, RetriableError):
                    raise
                wait = backoff(error, max(number, 1))  # too long a pause ends the run in any case
                if number > most:
                    raise
                name, counted = request.command.name, 0 if confirms else number
                self._on_retry(Retry(name, where, error, wait, counted, most))
                if isinstance(error, ClockError):
                    self.clock.wait_for_midnight()
                if isinstance(error, ServerBusyError):
                    self._pause.hold(wait)
                elif wait:
                    self._time.sleep(wait)

    def _once(self, request: _Request) -> Response:
        """Send a request once, and return its response.

        Raises:
            TapCobrowserError: If the response cannot be used, or has to be confirmed.
        """
        window = request.window
        with self._in_flight:
            self._pause.wait()
            today = self.clock.today()
            if window and window.last > today:
                msg = f"The server's clock went back to {today}"
                raise ClockError(msg)
            numbers = window.days_ago(today) if window else request.ago
            reply, days = self._send(request.command, numbers)
        now = self._time.now()
        retry_after = reply.retry_after(now)
        if error := status_error(request.command, reply, retry_after):
            raise error
        if reply.date and reply.date.year not in _CALENDAR:
            msg = f"The server's `Date` header has the year {reply.date.year}"
            raise ClockError(msg)
        if numbers and (len(days) > 1 or (window and days != {today})):
            msg = "The server's day changed while it responded"
            raise ClockError(msg, retry_after=0.0)
        today = min(days)
        if numbers and not window:
            start, stop = numbers["start"] * ONE_DAY, numbers["stop"] * ONE_DAY
            window = DateWindow(today - max(start, stop), today - min(start, stop))
        ended = _ends_line(reply.body)
        repeated = None if ended else request.repeats(reply.body)
        table = self._read(request.command, reply, retry_after)
        self._confirm(request, table, ended=ended, repeated=repeated)
        return Response(request.command.name, window, table, today, now, len(reply.body))

    def _send(self, command: Command, numbers: Mapping[str, int]) -> tuple[Reply, set[date]]:
        """Send a request, and return the reply and the server's days on which it may be made."""
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
        self._on_reply(Exchange(command.name, numbers, reply, sent, received, took))
        return reply, self.clock.settle(sent, took, reply.date)

    def reader(self, command: Command) -> TableReader:
        """Return the reader of the responses to a command."""
        if command not in self._readers:
            settings = self._settings
            self._readers[command] = TableReader(command, settings.csv_separator, settings.timezone)
        return self._readers[command]

    def _read(self, command: Command, reply: Reply, retry_after: float | None) -> Table:
        """Read a reply.

        Raises:
            ServerBusyError: If it is not a table, but says when to retry.
            TapCobrowserError: If it is not a table.
        """
        if reply.status == HTTPStatus.NO_CONTENT and retry_after is None:
            return Table(nothing=True)
        try:
            with self._reading:
                table = self.reader(command).read(reply.body, reply.charset)
        except (NotCsvError, BrokenResponseError) as error:
            if retry_after is None:
                raise
            busy = ServerBusyError(error.what, retry_after=retry_after)
        else:
            if not table.nothing or retry_after is None:
                return table
            busy = ServerBusyError("The response is empty", retry_after=retry_after)
        raise busy

    def _confirm(
        self, request: _Request, table: Table, *, ended: bool, repeated: bool | None
    ) -> None:
        """Check that a response is whole, as far as its end shows it.

        A server that stumbles also sends nothing, and a script that is stopped may leave a body
        that ends after a quote inside a text, which is valid CSV. So the server has to say it
        twice, unless other responses of the run have shown what is usual.

        Args:
            request: The request.
            table: What was read.
            ended: Whether the last line of the body has an end.
            repeated: Otherwise, whether the body repeats the one before; None if it is the first.

        Raises:
            BrokenResponseError: If it is not whole.
            _UnconfirmedError: If the request has to be sent once more to show it.
        """
        habits, name = self._habits, request.command.name
        if table.nothing:
            if habits.header_alone:
                msg = "The response is empty, though other responses without rows have a header"
                raise BrokenResponseError(msg)
            if not request.said_nothing:
                request.said_nothing = True
                msg = "The response is empty, without even a header"
                raise _UnconfirmedError(msg)
            return
        # Whether this command's last rows have line ends. While that is unknown, those of another
        # command count if they have none.
        usual = habits.ends_lines.get(name, None if all(habits.ends_lines.values()) else False)
        if ended and len(table):
            habits.ends_lines[name] = True
        elif ended:
            habits.header_alone = True
        elif not len(table):
            if not repeated:
                self._ask_again(first=repeated is None)
            habits.header_alone = True
        elif usual is not False:
            if usual or not repeated:
                self._ask_again(first=repeated is None and not usual)
            habits.ends_lines[name] = False

    @staticmethod
    def _ask_again(*, first: bool) -> NoReturn:
        msg = "The response ends without a line feed, so it may be cut short"
        if first:
            raise _UnconfirmedError(msg, retry_after=0.0)
        raise BrokenResponseError(msg, retry_after=0.0)


def _digest(body: bytes | memoryview) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _ends_line(body: bytes) -> bool:
    # A blank line may come after it, and in UTF-16 a zero.
    return body[-_LONGEST_BLANK_LINE:].rstrip(b" \t\0").endswith((b"\n", b"\r"))
