"""The requests of an examination: sent with the tap's client, counted, and limited."""

from __future__ import annotations

import threading
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_cobrowser.api import Api
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.doctor.case import Case
from tap_cobrowser.doctor.late import Ledger
from tap_cobrowser.doctor.seen import see
from tap_cobrowser.doctor.writing import how_written
from tap_cobrowser.errors import (
    BrokenAnswerError,
    CellError,
    CredentialsError,
    ExaminationError,
    MissingColumnError,
    NotCsvError,
    RefusedError,
    RetriableError,
    ServerBusyError,
    TapCobrowserError,
)
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.settings import MIN_KEY_LENGTH
from tap_cobrowser.table import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from tap_cobrowser.api import Command, Exchange, Retry
    from tap_cobrowser.audit import Response
    from tap_cobrowser.clock import Time
    from tap_cobrowser.doctor.late import Days
    from tap_cobrowser.doctor.seen import Seen
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
MOST_AT_ONCE = 4
_LONGEST_REFUSAL = 300
_TOO_MANY = "The server returned 429 (too many requests)"
_BROKEN = "Responses are incomplete, or HTML pages"
# Errors that may quote rows, and what is said instead.
_QUOTING: dict[type[TapCobrowserError], str] = {
    BrokenAnswerError: "The response is incomplete",
    NotCsvError: "The response is text, not CSV",
}
# Errors that end an extraction, but do not concern other requests.
_ABOUT_THE_REQUEST = (
    CellError,
    CredentialsError,
    MissingColumnError,
    NotCsvError,
    RefusedError,
)


class StoppedError(Exception):
    """The examination ends early, and reports what it has found so far."""


class Client:
    """Sends requests, and keeps the observations. Safe to use from many threads.

    Attributes:
        case: The observations.
        ledger: Digests of the days that were read.
        failure: The error that ended the examination.
        exchanges: The requests and their replies.
    """

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
            earlier: Digests from an earlier report.
            on_request: Called with the number of a request and its command.
            on_retry: Called before a retry.
        """
        self.case = Case(settings, commands)
        self.ledger = Ledger(settings.timezone, settings.user, earlier)
        self.failure: TapCobrowserError | None = None
        self.exchanges: list[Exchange] = []
        self._time = time
        self._report, self._tell = on_request, on_retry
        at_once = max(settings.max_concurrent_requests, MOST_AT_ONCE)
        self._api = Api(
            replace(settings, max_concurrent_requests=at_once),
            time=time,
            on_request=self._count,
            on_retry=self._retry,
            on_reply=self._keep,
        )
        # The text of an error may quote the request.
        self._quotable = len(settings.user) >= MIN_KEY_LENGTH
        if self._quotable:
            protect(settings.user)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._broken: set[str] = set()

    @property
    def left(self) -> int:
        """Number of requests that are left."""
        return MOST_REQUESTS - self.case.requests

    @property
    def today(self) -> date:
        """The server's day, as far as is known."""
        return self._api.clock.today()

    def table(self, name: str, *, first: bool = False) -> Seen:
        """Request a whole table; see `_see`."""
        return self._see(name, {}, lambda: self._api.ask(self._of(name), None), first=first)

    def ask(self, name: str, start: int, stop: int) -> Seen:
        """Request days as the tap does; see `_see`."""
        window = DateWindow(self.today - start * ONE_DAY, self.today - stop * ONE_DAY)
        numbers = {"start": start, "stop": stop}
        return self._see(name, numbers, lambda: self._api.ask(self._of(name), window))

    def probe(self, name: str, start: int, stop: int) -> Seen:
        """Send numbers that the server may reject; see `_see`."""
        return self._see(
            name,
            {"start": start, "stop": stop},
            lambda: self._api.probe(self._of(name), start, stop),
            once=True,
        )

    def _count(self, command: str) -> None:
        with self._lock:
            if self.case.requests >= MOST_REQUESTS:
                msg = f"{MOST_REQUESTS} requests were made, which is the maximum"
                raise StoppedError(msg)
            self.case.requests += 1
            self._report(self.case.requests, command)

    def _retry(self, retry: Retry) -> None:
        self._leave_out_rows(retry.error)
        self._tell(retry)

    def _leave_out_rows(self, error: TapCobrowserError) -> None:
        """Take from an error what it quotes of a response that may have rows."""
        exchange: Exchange | None = self._local.last
        for kind, what in _QUOTING.items():
            if isinstance(error, kind) and exchange:
                text = decode(exchange.reply.body, exchange.reply.charset).strip()
                if "\n" in text and not text.startswith(("<", "{", "[")):
                    error.what = what

    def _keep(self, exchange: Exchange) -> None:
        with self._lock:
            self.exchanges.append(exchange)
        self._local.last = exchange
        if exchange.reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.failure = ExaminationError(_TOO_MANY, advice="Run the doctor again later.")
            raise StoppedError(_TOO_MANY)

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
        """Make a request and keep the observations of its response.

        Args:
            name: The command.
            numbers: `start` and `stop`.
            ask: Makes the request.
            once: Whether a failure is due to the request rather than to the server.
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
            self._leave_out_rows(error)
            if first:
                raise
            broken = isinstance(error, BrokenAnswerError)
            if broken and not once:
                self._broken.add(name)
            one_command = broken and len(self._broken) == 1
            stops = not isinstance(error, _ABOUT_THE_REQUEST) and not one_command
            paused = isinstance(error, ServerBusyError) and error.retry_after
            if stops and (paused or not (once and isinstance(error, RetriableError))):
                self.failure = error
                # The text may quote rows.
                why = _BROKEN if broken else error.what
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
            probed=once,
        )
        with self._lock:
            self.case.seen.append(seen)
            if response and command.windowed and not once:
                self.ledger.keep(command.subject, response, self.today)
        return seen

    def _said(self, exchange: Exchange, failure: TapCobrowserError | None, *, once: bool) -> str:
        """Return what the server said when it rejected a request, never rows."""
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
