"""The API client: a command and a window of days become a checked response.

It knows nothing of Singer. All retries of a request are made in one loop with one bound,
`max_retries`, whatever the reason: a server error, a broken response, midnight.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING

from tap_cobrowser.audit import Response, Subject, Warned
from tap_cobrowser.clock import SYSTEM_TIME, Pause, ServerClock, Time
from tap_cobrowser.days import DateWindow
from tap_cobrowser.dialects import Quoting
from tap_cobrowser.errors import (
    BrokenAnswerError,
    CccAgentError,
    ClockError,
    CredentialsError,
    PausedError,
    RefusedError,
    RetriableError,
    ServerBusyError,
    TapCobrowserError,
    WrongDaysError,
)
from tap_cobrowser.redaction import one_line, protect, quote
from tap_cobrowser.repair import Repair
from tap_cobrowser.table import Column, Table, TableReader, decode
from tap_cobrowser.transport import Reply, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from tap_cobrowser.settings import Settings

_LONGEST_PAUSE = 3600.0
_LONGEST_WAIT = 60.0
_CALENDAR = range(2000, 9000)
_LONGEST_BLANK_LINE = 100


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the API.

    Attributes:
        name: Its name, sent as `c`.
        columns: All its documented columns, in the order of the documentation.
        subject: What the checks need to know about it.
        windowed: Whether it accepts a range of days.
        ccc_only: Whether only CCC agents may use it.
    """

    name: str
    columns: tuple[Column, ...]
    subject: Subject
    windowed: bool = False
    ccc_only: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry that is about to be made.

    Attributes:
        command: The name of the command.
        place: Stream and window, as log lines name them.
        error: The reason.
        wait: Seconds to wait before it.
        number: The number of the retry, from 1.
        most: The maximum number of retries.
    """

    command: str
    place: str
    error: RetriableError
    wait: float
    number: int
    most: int


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


def _place(command: Command, window: DateWindow | None) -> str:
    return f"Stream '{command.name}'" + (f", window {window}" if window else "")


def _ignore(_: object) -> None:
    pass


class _LineEnds:
    """How the responses to each command end, as far as is known.

    A script that is stopped may leave a body that ends after a quote inside a text, which is valid
    CSV. Only a missing line end after the last row shows it, if the server writes line ends there.
    """

    def __init__(self) -> None:
        self._written: dict[str, bool] = {}
        self._without: defaultdict[str, set[bytes]] = defaultdict(set)
        self._without_rows: defaultdict[str, set[bytes]] = defaultdict(set)
        self._lock = threading.Lock()

    def are_unknown(self, command: str) -> bool:
        """Return whether it is still unknown how the responses to a command end."""
        return command not in self._written

    def show_whole(self, command: str, body: bytes, doubted: list[bytes], table: Table) -> bool:
        """Return whether a body is whole.

        Args:
            command: The name of the command.
            body: The body.
            doubted: The bodies that the same request got before, none of which was whole.
            table: What was read from the body.
        """
        # A blank line may come after it, and in UTF-16 a zero.
        ends = body[-_LONGEST_BLANK_LINE:].rstrip(b" \t\0").endswith((b"\n", b"\r"))
        with self._lock:
            if ends and table:  # a header may end where rows do not
                self._written[command] = True
            if ends or table.blank or self._written.get(command) is False:
                return True
            if not table:
                # The header is the same in all responses, and shows nothing about rows.
                if body in doubted:
                    self._without_rows[command].add(body)
                return body in self._without_rows[command]
            if command in self._written:
                return False
            # A last line that is followed by another one now was whole, without a line end. The
            # same body again is the next best evidence. Where other commands end their lines, it
            # takes more: the same body three times, and that for two windows.
            alike = True not in self._written.values()
            grown = bool(doubted) and _continues(doubted[-1], body)
            if not grown and doubted.count(body) < (1 if alike else 2):
                return False
            self._without[command].add(body)
            if grown or alike or len(self._without[command]) > 1:
                self._written[command] = False
            return True


def _continues(before: bytes, body: bytes) -> bool:
    """Return whether the last line of a body is followed by another line in a later one."""
    before, body = before.replace(b"\0", b""), body.replace(b"\0", b"")  # of UTF-16
    last = before[before.rfind(b"\n") + 1 :]
    return any(b"\n" + last + end in body for end in (b"\n", b"\r\n"))


class Api:
    """The API, for one run. Safe to use from many threads."""

    def __init__(  # noqa: PLR0913 - a hook for each thing that can be seen
        self,
        settings: Settings,
        *,
        time: Time = SYSTEM_TIME,
        on_request: Callable[[str], None] = _ignore,
        on_retry: Callable[[Retry], None] = _ignore,
        on_reply: Callable[[Exchange], None] = _ignore,
        on_bytes: Callable[[int], None] = _ignore,
    ) -> None:
        """Initialize the client; no request is made yet.

        Args:
            settings: The validated settings.
            time: This machine's time.
            on_request: Called with the name of the command before each request.
            on_retry: Called before the wait that precedes a retry.
            on_reply: Called with each reply, before its status is checked.
            on_bytes: Called with the number of additional bytes that a response takes in memory. An
                exception that it raises ends the request.
        """
        # Programs that use this class without the tap quote the server, too.
        protect(settings.api_key)
        self.clock = ServerClock(settings.timezone, time)
        self._settings = settings
        self._time = time
        self._on_request, self._on_retry, self._on_reply = on_request, on_retry, on_reply
        self._transport = Transport(
            settings.api_url,
            user_agent=settings.user_agent,
            timeout=settings.request_timeout,
            on_bytes=on_bytes,
        )
        self._pause = Pause(_LONGEST_PAUSE, time)
        self._in_flight = threading.Semaphore(settings.max_concurrent_requests)
        # For work on rows: threads that interrupt each other in it need more time and memory than
        # one after the other.
        self.turn = threading.Lock()
        self._lock = threading.Lock()
        self._quoting = Quoting()
        self._readers: dict[Command, TableReader] = {}
        self._line_ends = _LineEnds()
        self._repair = Repair(settings.timezone, pairs=settings.window_days > 1)

    def fetch(self, command: Command, window: DateWindow | None = None) -> Response:
        """Request a window, or the whole table, and return the checked response.

        If a response does not fit its request, more requests are made to find out why or to repair
        it, and the response has warnings.

        Raises:
            TapCobrowserError: If there is no usable response. It names stream and window.
        """
        try:
            if window is None:
                return self._repair.fetch_table(command.subject, lambda: self.ask(command, None))
            return self._repair.fetch(command.subject, window, lambda days: self.ask(command, days))
        except TapCobrowserError as error:
            if isinstance(error, WrongDaysError):
                error.where = _place(command, window)
            # What it was made from quotes cells as they are.
            error.__cause__ = error.__context__ = None
            raise

    def hints(self) -> list[Warned]:
        """Return warnings about the server's days that need the whole run."""
        return self._repair.hints()

    def ask(self, command: Command, window: DateWindow | None) -> Response:
        """Request a window, or the whole table, and return the response as it is, unchecked.

        Raises:
            TapCobrowserError: If there is none that can be read. It names stream and window.
        """
        place = _place(command, window)
        try:
            response = self._repeat(command, window, place)
        except TapCobrowserError as error:
            error.where = ", ".join(filter(None, [place, error.where]))
            raise
        offset = self.reader(command).foreign_offset
        self._repair.see_offset(command.subject, response, offset)
        return response

    def probe(self, command: Command, start: int, stop: int) -> Response:
        """Send these numbers of days ago, once, without a check.

        The response is not checked against a window, and has none.

        Raises:
            TapCobrowserError: If there is no response that can be read.
        """
        with self._in_flight:
            self._pause.wait()
            reply, begin, end = self._send(command, {"start": start, "stop": stop})
        if begin != end:
            msg = "The server's day changed while it responded"
            raise ClockError(msg)
        return Response(None, self._read(command, reply), begin, self._time.now())

    def reader(self, command: Command) -> TableReader:
        """Return the reader of the responses to a command."""
        settings = self._settings
        with self._lock:
            if command not in self._readers:
                self._readers[command] = TableReader(
                    command.columns, settings.csv_separator, settings.timezone, self._quoting
                )
            return self._readers[command]

    def _repeat(self, command: Command, window: DateWindow | None, place: str) -> Response:
        """Request until there is a response, with at most `max_retries` retries."""
        doubted: list[bytes] = []
        most = self._settings.max_retries
        number = 0
        while True:
            number += 1
            try:
                reply, asked, today = self._request(command, window)
                if reply is None:
                    return Response(None, Table(), today, self._time.now())
                table = self._read(command, reply)
                whole = self._line_ends.show_whole(command.name, reply.body, doubted, table)
                doubtful = not table or self._line_ends.are_unknown(command.name)
                if whole or (number > most and doubtful):
                    return Response(asked, table, today, self._time.now())
                doubted.append(reply.body)
                msg = "The response ends without a line feed, so it may be cut short"
                raise BrokenAnswerError(msg, retry_after=0.0)
            except RetriableError as error:
                wait = self._backoff(error, number)
                if number > most:
                    raise
                self._wait(Retry(command.name, place, error, wait, number, most))

    def _request(
        self, command: Command, window: DateWindow | None
    ) -> tuple[Reply | None, DateWindow | None, date]:
        """Send a request.

        Returns:
            The reply, None for a window in the server's future; the days that it covers; and the
            server's day when the reply was made.
        """
        while True:
            known = self.clock.known
            with self._in_flight:
                self._pause.wait()
                today = self.clock.today()
                asked = window and window.until(today)
                if window and not asked and known:
                    return None, None, today
                # If the window is in the future of a guessed clock, only the clock is of interest.
                days = asked or (DateWindow(today, today) if window else None)
                reply, begin, end = self._send(command, days.days_ago(today) if days else {})
            if window and not asked:
                continue
            if window and not begin == today == end:
                msg = "The server's day changed while it responded"
                raise ClockError(msg, retry_after=0.0)
            return reply, asked, begin

    def _send(self, command: Command, numbers: Mapping[str, int]) -> tuple[Reply, date, date]:
        """Send a request.

        Returns:
            The reply, and the server's days on which it was made at the earliest and at the latest.
        """
        sent, begun = self._time.now(), self._time.monotonic()
        self._on_request(command.name)
        reply = self._transport.get(self._parameters(command, numbers))
        received, took = self._time.now(), self._time.monotonic() - begun
        self._on_reply(Exchange(command.name, numbers, reply, sent, received, took))
        self._judge(command, reply)
        if reply.date and reply.date.year not in _CALENDAR:
            msg = f"The server's `Date` header has the year {reply.date.year}"
            raise ClockError(msg)
        return reply, *self.clock.settle(sent, reply.date)

    def _parameters(self, command: Command, numbers: Mapping[str, int]) -> dict[str, str]:
        settings = self._settings
        return {
            "user": settings.user,
            "apiKey": settings.api_key,
            "c": command.name,
            "csvseperator": settings.csv_separator,
            **{name: str(number) for name, number in numbers.items()},
        }

    def _judge(self, command: Command, reply: Reply) -> None:
        """Check the status of a reply.

        Raises:
            RetriableError: If a retry may help.
            TapCobrowserError: If not.
        """
        status = reply.status
        if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            return
        text = " ".join(decode(reply.body, reply.charset).split())
        said = f"The server returned {status}"
        said += f" {one_line(reply.reason, 60)}" if reply.reason else ""
        said += f": {quote(text)}" if text else ""
        if (
            status
            in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
            or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            raise ServerBusyError(said, retry_after=reply.retry_after(self._time.now()))
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise (CccAgentError if command.ccc_only else CredentialsError)(said)
        raise RefusedError(said)

    def _read(self, command: Command, reply: Reply) -> Table:
        if reply.status == HTTPStatus.NO_CONTENT:
            return Table(blank=True)
        with self.turn:
            return self.reader(command).read(reply.body, reply.charset)

    def _backoff(self, error: RetriableError, number: int) -> float:
        """Return the seconds to wait before a retry: those in `Retry-After`, or a growing time.

        Raises:
            PausedError: If the server asks for too long a pause.
        """
        if isinstance(error, ServerBusyError) and error.retry_after is not None:
            asked = self._pause.ask(error.retry_after)
            if asked > _LONGEST_PAUSE:
                msg = f"{error.what}; it asks to wait {asked:.0f} seconds in all, more than an hour"
                raise PausedError(msg)
        if error.retry_after is not None:
            return error.retry_after
        # Jitter, so that the requests of several threads are not sent at the same moment.
        return min(2.0 ** min(number - 1, 10), _LONGEST_WAIT) + random()  # noqa: S311 - no secret

    def _wait(self, retry: Retry) -> None:
        self._on_retry(retry)
        if isinstance(retry.error, ClockError):
            self.clock.wait_for_midnight()
        if isinstance(retry.error, ServerBusyError):
            self._pause.hold(retry.wait)
            self._pause.wait()
        elif retry.wait:
            self._time.sleep(retry.wait)
