"""The requests of an examination: by the tap's own means, as few as possible, one at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tap_cobrowser import errors
from tap_cobrowser.api.fetch import Api, Download, Exchange
from tap_cobrowser.api.preflight import Preflight
from tap_cobrowser.api.windows import Windows
from tap_cobrowser.checks.days import begins_on, rows_by_key
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.doctor.styles import style_of
from tap_cobrowser.models import Command, Response, Row, Table
from tap_cobrowser.reading.quoting import batches
from tap_cobrowser.reading.text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.settings import Settings

MOST_REQUESTS = 60
_AT_ONCE = (1, 2, 4)
_MOST_RETRIES = 2
_USUAL, _LONG_AGO = 31, 3650


class StoppedError(Exception):
    """The examination ends early, because of the error in `args`: it reports what it has found."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and what came of it: the reply without its body, and what the tap got from it.

    `at` is the server's time. `written` has, by finding, how the cells are written.
    """

    command: Command
    exchange: Exchange | None
    at: datetime | None
    got: Response | errors.TapCobrowserError
    written: Mapping[str, set[str]]

    @property
    def response(self) -> Response | None:
        """The response, None after an error."""
        return self.got if isinstance(self.got, Response) else None

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
    def rejected(self) -> bool:
        """Whether the server rejected the request: by a status, or with a line of text."""
        fails = self.span > 1 and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return fails or isinstance(
            self.got, errors.RejectedError | errors.CredentialsError | errors.NotCsvError
        )

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

    def days(self, zone: ZoneInfo) -> DateWindow:
        """Return the days that were requested, if they are days of a zone."""
        assert self.at  # noqa: S101 - a response with rows has it
        today = self.at.astimezone(zone).date()
        return DateWindow(today - max(self.numbers) * ONE_DAY, today - min(self.numbers) * ONE_DAY)

    def fits(self, zone: ZoneInfo) -> bool:
        """Return whether all rows are within the requested days, if they are days of a zone."""
        days = self.days(zone)
        begin, end = midnight(days.first, zone), midnight(days.last + ONE_DAY, zone)
        return begin.isoformat() <= min(self.moments) and max(self.moments) < end.isoformat()

    def begins(self, zone: ZoneInfo) -> list[bool]:
        """Return, for each day that was requested, whether a row begins on it."""
        return [begins_on(self.moments, day, zone) for day in self.days(zone).days]


class RecordingApi(Api):
    """The tap's API client, for one examination: `seen` is what came of each request, in order."""

    def __init__(self, settings: Settings, time: Time) -> None:
        """Prepare; nothing is requested yet."""
        self.seen: list[Seen] = []
        self.requests = 0
        self._lock, self._last = threading.Lock(), threading.local()
        retries = min(settings.max_retries, _MOST_RETRIES)
        settings = replace(settings, max_concurrent_requests=max(_AT_ONCE), max_retries=retries)
        super().__init__(settings, time=time, on_request=self._count, on_reply=self._keep)

    @property
    def works(self) -> bool:
        """Whether a request has succeeded."""
        return any(each.response for each in self.seen)

    def _count(self, _: str) -> None:
        with self._lock:
            if self.requests >= MOST_REQUESTS:
                msg = f"{MOST_REQUESTS} requests were made, which is the maximum"
                raise StoppedError(errors.ExaminationError(msg))
            self.requests += 1

    def _keep(self, exchange: Exchange) -> None:
        self._last.exchange = exchange
        if exchange.reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            msg = "The server returned 429 (too many requests)"
            raise StoppedError(errors.ExaminationError(msg, advice="Run the doctor again later."))

    def _download(self, request: Any) -> Download:
        """Request as the tap does, and keep what comes of it. StoppedError if it is the last."""
        self._last.exchange = None
        with self._keeping_errors(request.command):
            return super()._download(request)

    def read(self, download: Download) -> Response:
        """Read as the tap does, and keep what comes of it. StoppedError if it is the last."""
        command = download.request.command
        self._last.exchange = download.exchange
        with self._keeping_errors(command):
            response = super().read(download)
        self._see(command, response)
        return response

    @contextmanager
    def _keeping_errors(self, command: Command) -> Iterator[None]:
        try:
            yield
        except errors.TapCobrowserError as error:
            if self.seen[-1:] and self.seen[-1].got is error:  # of a retry
                raise
            self._see(command, error)
            if self._concerns_all(error):
                raise StoppedError(error) from None
            raise

    def _see(self, command: Command, got: Response | errors.TapCobrowserError) -> None:
        exchange: Exchange | None = self._last.exchange
        at, written = None, dict[str, set[str]]()
        if exchange:
            at = exchange.reply.date or exchange.received
            if isinstance(got, Response):
                written = self._written(command, got.table, exchange)
            exchange = replace(exchange, reply=replace(exchange.reply, body=b""))
        self.seen.append(Seen(command, exchange, at, got, written))

    def _concerns_all(self, error: errors.TapCobrowserError) -> bool:
        """Return whether no other request is worth trying after an error."""
        if not self.works and (len(self.seen) > 1 or isinstance(error, errors.CredentialsError)):
            return True
        if error.ends_run or not isinstance(error, errors.RetriableError):
            return error.ends_run
        # The responses to other commands may be whole, and a server may fail at what it does not
        # expect: a range, or a day of long ago.
        unusual = self.seen[-1].span > 1 or max(self.seen[-1].numbers, default=0) > _USUAL
        return bool(error.retry_after) or not (
            unusual or isinstance(error, errors.BrokenResponseError)
        )

    def _written(self, command: Command, table: Table, exchange: Exchange) -> dict[str, set[str]]:
        reply, kinds = exchange.reply, {notice.kind for notice in table.notices}
        form, rows = table.form, list[list[str]]()
        if layout := self.reader(command).layout(text_of(reply.body, reply.charset)):
            rows = [row for batch in batches(layout, form.quoting) for row in batch]
        damaged = ", with invalid characters" if "invalid characters" in kinds else ""
        found = {} if reply.body.isascii() else {"encoding": {form.encoding + damaged}}
        if form.quoting != "doubled" or any('"' in cell for row in rows for cell in row):
            found["quoting"] = {form.quoting}
        for column in command.columns:
            if layout and column.kind == "date-time" and column.name in table.names:
                at, values = layout.positions[column.name], table.values(column.name)
                cells = {row[at] for row, value in zip(rows, values, strict=True) if value}
                for style, offset in set(map(style_of, cells)):
                    found.setdefault("dates", set()).add(style)
                    found.setdefault("stamp_offset", set()).add(offset)
            elif column.kind in {"number", "integer"} and any(table.values(column.name)):
                found["numbers"] = {"decimal comma" if "decimal comma" in kinds else "plain"}
        return found


@dataclass
class Examination:
    """One examination of a server, and what it has shown.

    `earlier` has digests of days from a report. The tap's checks have found `limits` and, by
    command, `failed`. `days` are two completed days that have rows alone, the older one first, and
    `ranges` the requests for both, from the older one and from the younger one. `seconds` is the
    time per request, by the number at once; None if that is too many.
    """

    settings: Settings
    commands: Mapping[str, Command]
    api: RecordingApi
    time: Time
    earlier: dict[str, Any] | None = None
    start: Preflight = field(init=False)
    limits: set[int] = field(default_factory=set)
    failed: dict[str, errors.TapCobrowserError] = field(default_factory=dict)
    days: tuple[Seen, Seen] | None = None
    ranges: tuple[Seen, Seen] | None = None
    seconds: dict[int, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the preflight, which asks one thing at a time."""
        windowed = [each for each in self.commands.values() if each.windowed]
        one_by_one = replace(self.settings, max_concurrent_requests=1)
        self.start = Preflight(self.api, windowed, one_by_one)

    @property
    def seen(self) -> list[Seen]:
        """What came of each request, in order."""
        return self.api.seen

    def of(self, name: str) -> list[Seen]:
        """Return what came of the requests for a command."""
        return [each for each in self.seen if each.command.name == name]

    @property
    def width(self) -> int:
        """The number of days that the tap would request at once, at most 2."""
        return 2 if self.start.ranges and not self.limits else 1

    @property
    def dated(self) -> list[Seen]:
        """The responses whose rows must all be of the days that were requested."""
        windowed = [each for each in self.seen if each.command.windowed and each.moments]
        return [each for each in windowed if not each.command.reaches_back]

    def make(self) -> None:
        """Make the requests; StoppedError ends it early."""
        try:
            self.start.ask_for_today()
            self.start.ask_for_ranges(2)
        except errors.TapCobrowserError as error:
            raise StoppedError(error) from None
        if self.start.today:
            self._read_streams(self.start.today)
            self._ask_ranges()
            self._ask_earlier_days(self.start.today)
            with suppress(errors.TapCobrowserError):
                self._ask_at_once(self.start.today)

    def _window(self, last: date) -> DateWindow:
        return DateWindow(last - (self.width - 1) * ONE_DAY, last)

    def _read_streams(self, today: date) -> None:
        """Read each stream as the tap does, with its checks: full tables, then the last days."""
        windows = Windows(self.settings, [], self.start)
        for command in sorted(self.commands.values(), key=lambda each: each.windowed):
            if command.ccc_only and "cccagents" in self.failed:  # the first of them
                continue
            before, days = len(self.seen), self._window(today - ONE_DAY)
            try:
                parts = [*windows.read(command, days if command.windowed else None)]
            except errors.TapCobrowserError as error:
                self.failed[command.name] = error
                continue
            if any(notice.kind == "limit" for part in parts for notice in part.notices):
                self.limits.add(len(self.seen[before].table))

    def _known(self) -> list[tuple[str, int]]:
        """Return the completed days, by command and days ago, that have rows on that day."""
        alone = [each for each in self.dated if each.span == 1 and each.numbers[0]]
        known = [each for each in alone if any(each.begins(self.settings.timezone))]
        return [(each.command.name, each.numbers[0]) for each in known]

    def _probe(self, name: str, start: int, stop: int) -> None:
        """Send numbers that the server may reject, unless they were sent before."""
        if (start, stop) not in [each.numbers for each in self.of(name)]:
            with suppress(errors.TapCobrowserError):
                self.api.fetch_ago(self.commands[name], start, stop)

    def _ask_ranges(self) -> None:
        """Request what the tap does not need to know: the other order, three days, no rows."""
        name, ago = next(iter(self._known()), ("accountspecshourly", 1))
        for name, ago in self._known():
            self._probe(name, ago + 1, ago + 1)
            if (name, ago + 1) in self._known():
                break
        for numbers in ((ago + 1, ago), (ago, ago + 1), (ago + 2, ago)):
            self._probe(name, *numbers)
        last = {each.numbers: each for each in self.of(name)}
        if {(name, ago), (name, ago + 1)} <= {*self._known()}:
            self.days = last[ago + 1, ago + 1], last[ago, ago]
            if {(ago + 1, ago), (ago, ago + 1)} <= last.keys():
                self.ranges = last[ago + 1, ago], last[ago, ago + 1]
        if all(each.table or not each.response or not each.span for each in self.seen):
            self._probe("conversations", _LONG_AGO, _LONG_AGO)

    def _ask_earlier_days(self, today: date) -> None:
        """Request the days of an earlier report."""
        streams = self.earlier["streams"] if self.earlier else {}
        for name in streams.keys() & self.commands.keys() - self.failed.keys():
            before = today
            for day in map(date.fromisoformat, sorted(streams[name], reverse=True)):
                if day < before and self.api.requests < MOST_REQUESTS - sum(_AT_ONCE):
                    window = self._window(day)
                    before = window.first
                    with suppress(errors.TapCobrowserError):
                        self.api.fetch(self.commands[name], window)

    def _ask_at_once(self, today: date) -> None:
        """Compare the time of one, two and four requests at once, for a command with few rows."""
        command, last = self.commands["emails"], today - 2 * ONE_DAY
        for number in _AT_ONCE:
            if self.api.requests > MOST_REQUESTS - number or command.name in self.failed:
                return
            windows = [self._window(last - each * self.width * ONE_DAY) for each in range(number)]
            last = windows[-1].first - ONE_DAY
            begun = self.time.monotonic()
            with ThreadPoolExecutor(number) as pool:
                jobs = [pool.submit(self.api.fetch, command, window) for window in windows]
            failed = [error for job in jobs if (error := job.exception())]
            if failed and number == 1:
                raise failed[0]
            self.seconds[number] = None if failed else (self.time.monotonic() - begun) / number
            if failed:
                return
