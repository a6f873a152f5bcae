"""The tap's API client, which keeps what it sees, counts its requests, and stops early."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_cobrowser.api.fetch import Api
from tap_cobrowser.checks.days import begins_on, rows_by_key
from tap_cobrowser.errors import (
    BrokenResponseError,
    CredentialsError,
    ExaminationError,
    NotCsvError,
    RejectedError,
    RetriableError,
    TapCobrowserError,
)
from tap_cobrowser.models import Table
from tap_cobrowser.reading.cells import style_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.api.fetch import Exchange
    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.models import Command, Response, Row
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
_MOST_RETRIES = 2
_MOST_STYLED = 1000
_USUAL = 31


class StoppedError(Exception):
    """The examination ends early, because of `error`, and reports what it has found so far."""

    def __init__(self, error: TapCobrowserError) -> None:
        """Initialize with the reason."""
        super().__init__(error.what)
        self.error = error


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and what came of it: the reply without its body, and the response or an error.

    `written` has, by finding, how the cells are written, as far as they show it.
    """

    command: Command
    exchange: Exchange | None
    response: Response | None = None
    error: TapCobrowserError | None = None
    written: Mapping[str, set[str]] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        """`start` and `stop` as they were sent; empty for a command without a range."""
        return tuple(self.exchange.numbers.values()) if self.exchange else ()

    @property
    def span(self) -> int:
        """The number of days that were requested; 0 for a command without a range."""
        return max(self.numbers) - min(self.numbers) + 1 if self.numbers else 0

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
    def table(self) -> Table:
        """The rows; none after an error."""
        return self.response.table if self.response else Table()

    @property
    def moments(self) -> Sequence[str]:
        """The date-times that decide on days, ISO 8601 in UTC."""
        return self.table.moments(self.command)

    @property
    def keys(self) -> set[Row]:
        """What identifies the rows."""
        return rows_by_key(self.command, self.table)

    def begins(self, zone: ZoneInfo) -> list[bool]:
        """Return, for each day that was requested, whether a row begins on it."""
        days = self.response.window.days if self.response and self.response.window else []
        return [begins_on(self.moments, day, zone) for day in days]


class RecordingApi(Api):
    """The tap's API client, for one examination: `seen` is what came of each request, in order."""

    at_once = (1, 2, 4)
    """The numbers of requests at once that are compared."""

    def __init__(self, settings: Settings, time: Time) -> None:
        """Prepare; nothing is requested yet."""
        self.seen: list[Seen] = []
        self.requests = 0
        self.monotonic = time.monotonic
        self._lock, self._last = threading.Lock(), threading.local()
        retries, most = min(settings.max_retries, _MOST_RETRIES), max(self.at_once)
        settings = replace(settings, max_concurrent_requests=most, max_retries=retries)
        super().__init__(settings, time=time, on_request=self._count, on_reply=self._keep)

    @property
    def works(self) -> bool:
        """Whether a request has succeeded."""
        return any(each.response for each in self.seen)

    def fetch(self, command: Command, window: DateWindow | None = None) -> Response:
        """Request as the tap does, and keep what comes of it."""
        fetch = super().fetch
        return self._see(command, lambda: fetch(command, window))

    def fetch_ago(self, command: Command, start: int, stop: int) -> Response:
        """Request as the preflight does, and keep what comes of it."""
        fetch = super().fetch_ago
        return self._see(command, lambda: fetch(command, start, stop))

    def probe(self, command: Command, start: int, stop: int) -> None:
        """Send numbers that the server may reject, in any way."""
        with suppress(TapCobrowserError):
            self.fetch_ago(command, start, stop)

    def _count(self, _: str) -> None:
        with self._lock:
            if self.requests >= MOST_REQUESTS:
                msg = f"{MOST_REQUESTS} requests were made, which is the maximum"
                raise StoppedError(ExaminationError(msg))
            self.requests += 1

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
        try:
            response = fetch()
        except TapCobrowserError as error:
            self.seen.append(Seen(command, _without_body(self._last.exchange), error=error))
            if self._concerns_all(error):
                raise StoppedError(error) from None
            raise
        exchange = self._last.exchange
        written = self._written(command, response.table, exchange)
        self.seen.append(Seen(command, _without_body(exchange), response, written=written))
        return response

    def _concerns_all(self, error: TapCobrowserError) -> bool:
        """Return whether no other request is worth trying after an error."""
        if not self.works and (len(self.seen) > 1 or isinstance(error, CredentialsError)):
            return True
        if error.ends_run or not isinstance(error, RetriableError):
            return error.ends_run
        # The responses to other commands may be whole, and a server may fail at what it does not
        # expect: a range, or a day of long ago.
        unusual = self.seen[-1].span > 1 or max(self.seen[-1].numbers, default=0) > _USUAL
        return bool(error.retry_after) or not (unusual or isinstance(error, BrokenResponseError))

    def _written(self, command: Command, table: Table, exchange: Exchange) -> dict[str, set[str]]:
        body = exchange.reply.body
        form, rows = self.reader(command).cells(body, exchange.reply.charset)
        kinds = {notice.kind for notice in table.notices}
        damaged = ", with invalid characters" if "invalid characters" in kinds else ""
        found = {} if body.isascii() else {"encoding": {form.encoding + damaged}}
        if not table:
            return found
        names = [column.name.lower() for column in command.columns]
        if "no header" not in kinds:
            names, *rows = [[name.lower() for name in rows[0]], *rows[1:]]
        if form.quoting != "doubled" or any('"' in cell for row in rows for cell in row):
            found["quoting"] = {form.quoting}
        for column in command.columns:
            at = names.index(column.name.lower()) if column.name.lower() in names else -1
            cells = [row[at] for row in rows[:_MOST_STYLED] if row[at].strip()] if at >= 0 else []
            if column.kind == "date-time" and cells:
                dates, offsets = zip(*map(style_of, cells), strict=True)
                found["dates"] = {*dates, *found.get("dates", ())}
                found["stamp_offset"] = {*offsets, *found.get("stamp_offset", ())}
            elif column.kind in {"number", "integer"} and cells:
                style = "blanks around" if any(cell != cell.strip() for cell in cells) else "plain"
                style = "decimal comma" if "decimal comma" in kinds else style
                found["numbers"] = {style, *found.get("numbers", ())}
        return found


def _without_body(exchange: Exchange | None) -> Exchange | None:
    return exchange and replace(exchange, reply=replace(exchange.reply, body=b""))
