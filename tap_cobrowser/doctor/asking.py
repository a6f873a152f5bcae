"""The tap's API client, which keeps what it sees, counts its requests, and stops early."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tap_cobrowser.api.fetch import Api
from tap_cobrowser.checks.days import begins_on, rows_by_key, rows_outside
from tap_cobrowser.checks.keys import keys_shared
from tap_cobrowser.doctor.late import digests
from tap_cobrowser.errors import (
    BrokenResponseError,
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
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from tap_cobrowser.api.fetch import Exchange
    from tap_cobrowser.api.transport import Reply
    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.models import Command, Response
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
MOST_AT_ONCE = 4
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
    """A request, and what is kept of its response: no cell, and nothing large.

    Attributes:
        command: The command.
        exchange: The last reply, without its body.
        error: Why the response cannot be used, None if it can.
        rows, size: The number of rows, and of bytes.
        nothing: Whether there was not even a header.
        low, high: The first and the last date-time that decide on days, ISO 8601 in UTC.
        window, begins: The days; and for each of them, whether a row begins on it.
        passes: Whether the tap's check has nothing to say about the days.
        keys, shared: A hash of the key of each row; the number of keys that different rows share.
        digests: A digest of each completed day, by the salt of a report.
        written: By finding, how the cells are written, as far as they show it.
    """

    command: Command
    exchange: Exchange | None
    error: TapCobrowserError | None = None
    rows: int = 0
    size: int = 0
    nothing: bool = False
    low: str = ""
    high: str = ""
    window: DateWindow | None = None
    begins: Sequence[bool] = ()
    passes: bool = True
    keys: frozenset[int] = frozenset()
    shared: int = 0
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
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


class RecordingApi(Api):
    """The tap's API client, for one examination: `seen` is what came of each request, in order."""

    def __init__(self, settings: Settings, salts: set[str], **options: Any) -> None:
        """Prepare with the keys of the digests of days, and the options of `Api`."""
        self.seen: list[Seen] = []
        self.requests = 0
        self._announce: Callable[[str], None] = options.pop("on_request")
        self._zone, self._salts = settings.timezone, salts
        self._lock, self._last = threading.Lock(), threading.local()
        retries = min(settings.max_retries, _MOST_RETRIES)
        settings = replace(settings, max_concurrent_requests=MOST_AT_ONCE, max_retries=retries)
        super().__init__(settings, on_request=self._count, on_reply=self._keep, **options)

    @property
    def works(self) -> bool:
        """Whether a request has succeeded."""
        return any(not each.error for each in self.seen)

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

    def _count(self, name: str) -> None:
        with self._lock:
            if self.requests >= MOST_REQUESTS:
                msg = f"{MOST_REQUESTS} requests were made, which is the maximum"
                raise StoppedError(ExaminationError(msg))
            self.requests += 1
        self._announce(name)

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
            self.seen.append(Seen(command, _without_body(self._last.exchange), error))
            if self._concerns_all(error):
                raise StoppedError(error) from None
            raise
        self.seen.append(self._seen(command, response, self._last.exchange))
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

    def _seen(self, command: Command, response: Response, exchange: Exchange) -> Seen:
        table, window, zone = response.table, response.window, self._zone
        moments = table.moments(command)
        passes = False
        with suppress(WrongDaysError):
            passes = rows_outside(command, response, zone) is None
        return Seen(
            command,
            _without_body(exchange),
            rows=len(table),
            size=response.size,
            nothing=table.nothing,
            low=min(moments, default=""),
            high=max(moments, default=""),
            window=window,
            begins=[begins_on(moments, day, zone) for day in window.days] if window else (),
            passes=passes,
            keys=frozenset(map(hash, rows_by_key(command, table))),
            shared=len(keys_shared(command, table)),
            digests={salt: digests(command, response, zone, salt) for salt in self._salts},
            written=self._written(command, response, exchange.reply),
        )

    def _written(self, command: Command, response: Response, reply: Reply) -> dict[str, set[str]]:
        form, rows = self.reader(command).cells(reply.body, reply.charset)
        kinds = {notice.kind for notice in response.table.notices}
        damaged = ", with invalid characters" if "invalid characters" in kinds else ""
        found = {} if reply.body.isascii() else {"encoding": {form.encoding + damaged}}
        if not response.table:
            return found
        names = [column.name.lower() for column in command.columns]
        if "no header" not in kinds:
            names, *rows = [[name.lower() for name in rows[0]], *rows[1 : 1 + _MOST_STYLED]]
        has_quote = any('"' in cell for row in rows for cell in row)
        if has_quote or form.quoting != "doubled":
            found["quoting"] = {form.quoting}
        for column in command.columns:
            if column.name.lower() in names:
                at = names.index(column.name.lower())
                cells = [row[at] for row in rows if row[at].strip()]
                if column.kind == "date-time":
                    for cell in cells:
                        style, offset = style_of(cell)
                        found.setdefault("dates", set()).add(style)
                        found.setdefault("stamp_offset", set()).add(offset)
                elif column.kind in {"number", "integer"} and cells:
                    blank = any(cell != cell.strip() for cell in cells)
                    style = "blanks around" if blank else "plain"
                    style = "decimal comma" if "decimal comma" in kinds else style
                    found.setdefault("numbers", set()).add(style)
        return found


def _without_body(exchange: Exchange | None) -> Exchange | None:
    return exchange and replace(exchange, reply=replace(exchange.reply, body=b""))
