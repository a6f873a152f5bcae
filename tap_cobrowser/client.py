"""What all streams share: from a command of the API to records, bookmarks and STATE.

A stream's days are cut into windows. Each window is one request; its answer is read and checked
whole before its first record goes out, then the bookmark moves behind it and a STATE goes out.
"""

from __future__ import annotations

import logging
import re
import ssl
import sys
import threading
import time
from abc import ABC
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

import backoff
import requests
import singer_sdk.singerlib as singer
from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams.rest import HTTPRequest, PageContext, RESTStream

from tap_cobrowser.ahead import FetchAhead, Planned
from tap_cobrowser.batches import batch_files, in_columns
from tap_cobrowser.errors import (
    BrokenAnswerError,
    CccAgentError,
    CertificateError,
    ClockError,
    ConnectionFailedError,
    CredentialsError,
    PausedError,
    RefusedError,
    RetriableError,
    ServerBusyError,
    StateError,
    TapCobrowserError,
)
from tap_cobrowser.messages import record_lines
from tap_cobrowser.progress import Progress, StreamProgress
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import before_today, parse_day
from tap_cobrowser.table import Column, Table, TableReader, decode
from tap_cobrowser.windows import ONE_DAY, DateWindow, ServerClock, WindowPaginator, midnight

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from backoff.types import Details
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context
    from singer_sdk.mapper import StreamMap
    from singer_sdk.tap_base import Tap

    from tap_cobrowser.messages import LineWriter
    from tap_cobrowser.settings import Settings
    from tap_cobrowser.tap import TapCobrowser

_LONGEST_PAUSE = 3600.0
_CHUNK = 2**20
_ASK_AGAIN = 4
_CUT_SHORT = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_BEGAN = "lookback_from"
_STATE_KEYS = {
    _BEGAN,
    "replication_key",
    "replication_key_value",
    "replication_key_signpost",
    "starting_replication_value",
    "progress_markers",
    "partitions",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer of the server.

    Attributes:
        window: The days that it covers; None for a stream without windows.
        table: Its rows.
        today: The server's day when it was made. Rows of that day may still be missing.
        extracted: When it came, in UTC.
    """

    window: DateWindow | None
    table: Table
    today: date
    extracted: datetime


class Run:
    """What the requests of one run share: connections, the server's clock, its wish for a pause.

    Safe to use from many threads.
    """

    def __init__(
        self, settings: Settings, streams: Callable[[], Iterable[CobrowserStream]]
    ) -> None:
        """Prepare a run; nothing is requested yet.

        Args:
            settings: The checked settings.
            streams: Returns the streams of the tap in the order in which they are synced.
        """
        self.settings = settings
        self.clock = ServerClock(settings.timezone)
        in_flight = settings.max_concurrent_requests
        self.ahead: FetchAhead[CobrowserStream, DateWindow | None, Answer] = FetchAhead(
            self._plan,
            lambda stream, window: stream.fetch(window),
            # One more, so that an answer is read while all requests are in flight; but whoever
            # wants them one at a time gets just that.
            1 if in_flight == 1 else in_flight + 1,
        )
        self.progress = Progress()
        self.told: set[tuple[str, str]] = set()
        self.in_flight = threading.Semaphore(in_flight)
        # Threads that take turns at computing cost more time and memory than one after the other.
        self.reading = threading.Lock()
        self._streams = streams
        self._local = threading.local()
        self._resume_at = 0.0
        self._lines_end = False

    @property
    def session(self) -> requests.Session:
        """A session of the calling thread: `requests` does not promise to share one safely."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        return cast("requests.Session", self._local.session)

    def is_whole(self, body: bytes) -> bool:
        """Tell whether a body ends as the server's answers do, if that is known.

        A script that is stopped can leave a body that is cut behind a quote within a text, and is
        CSV all the same. Where other answers end their last line, one that does not is doubtful:
        it is asked for once more, and believed if it is the same again.
        """
        ends = body.endswith((b"\n", b"\r"))
        self._lines_end = self._lines_end or ends
        return ends or not body or not self._lines_end

    def pause(self, seconds: float) -> None:
        """Hold all requests that are not yet sent for a while."""
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def wait(self) -> None:
        """Wait for the end of a pause."""
        while (left := self._resume_at - time.monotonic()) > 0:
            time.sleep(left)

    def _plan(
        self, first: CobrowserStream
    ) -> Iterator[Planned[CobrowserStream, DateWindow | None]]:
        due = False
        for stream in self._streams():
            due = due or stream is first
            if stream is first or (due and stream.selected):
                for window in stream.requests_to_make():
                    yield Planned(stream, window)
                yield Planned(stream, end=True)


class CobrowserStream(RESTStream[DateWindow], ABC):
    """A command of the API."""

    name: str

    windowed: ClassVar[bool] = False
    """Whether the command takes a range of days."""

    ccc_only: ClassVar[bool] = False
    """Whether the command is for CCC agents alone."""

    allow_redirects = False  # a redirect would take the key elsewhere
    payload_as_json = False

    def __init__(self, tap: Tap, *args: Any, **kwargs: Any) -> None:
        """Take part in the tap's run."""
        super().__init__(tap, *args, **kwargs)
        # All commands have one URL, in which the command is a parameter: metrics tell by this.
        self.path = self.name
        self._documented_replication_key = self.replication_key
        self._done_until: date | None = None
        self._blank = False
        self._progress = StreamProgress(self.name, self.log)

    @property
    def _run(self) -> Run:
        return cast("TapCobrowser", self._tap).run

    @property
    def _settings(self) -> Settings:
        return self._run.settings

    # The catalog

    @override
    def apply_catalog(self, catalog: singer.Catalog) -> None:
        super().apply_catalog(catalog)
        # The API knows days by one date of each row. Another key, or none, cannot be replicated by.
        self.replication_key = self._documented_replication_key
        entry = catalog.get_stream(self.name)
        if self.replication_key is None:
            self.forced_replication_method = None
        elif entry and entry.metadata.root.forced_replication_method == REPLICATION_FULL_TABLE:
            # Which the SDK passes over where the entry says what discovery wrote there.
            self.forced_replication_method = REPLICATION_FULL_TABLE

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        """The documented columns, as the catalog wants them."""
        keys = {*self.primary_keys, self.replication_key}
        wanted = self.effective_schema.get("properties", {})
        return tuple(
            Column(
                name,
                _kind(wanted.get(name, definition)),
                key=name in keys,
                wanted=name in wanted and self.mask["properties", name],
            )
            for name, definition in self.schema["properties"].items()
        )

    @cached_property
    def _reader(self) -> TableReader:
        settings = self._settings
        return TableReader(self._columns, settings.csv_separator, settings.timezone)

    # Days

    @property
    def is_incremental(self) -> bool:
        """Whether there is a bookmark: it is ignored if the catalog forces FULL_TABLE."""
        return bool(self.replication_key) and self.replication_method != REPLICATION_FULL_TABLE

    @property
    def bookmark(self) -> date | None:
        """The first day that was not finished by earlier runs; None if there is no bookmark.

        Raises:
            StateError: If the state is not one to continue from.
        """
        if not self.is_incremental:
            return None
        state = self.tap_state.get("bookmarks", {}).get(self.name) or {}
        where = f"State of stream '{self.name}'"
        value = state.get("replication_key_value")
        if value is None:
            if strange := state.keys() - _STATE_KEYS:
                msg = f"It has {quote(min(strange), 60)}, but no 'replication_key_value'"
                raise StateError(msg, where=where)
            return None
        if state.get("replication_key", self.replication_key) != self.replication_key:
            msg = f"It is of {quote(state['replication_key'], 60)}, not of '{self.replication_key}'"
            raise StateError(msg, where=where)
        return self._day_in_state("replication_key_value")

    def _day_in_state(self, name: str) -> date:
        value = self.tap_state["bookmarks"][self.name][name]
        try:
            return parse_day(value, self._settings.timezone)
        except (ValueError, TypeError, AttributeError):
            msg = f"Its '{name}' is {quote(value, 60)}, which is no date"
        raise StateError(msg, where=f"State of stream '{self.name}'")

    @property
    def _first_day(self) -> date:
        start = self._settings.start_date
        if bookmark := self.bookmark:
            # A start that nobody has set must not skip what a pause of the runs has left.
            return max(start or date.min, self._look_back(bookmark))
        return start or before_today(self._run.clock.run_day)

    def _look_back(self, bookmark: date) -> date:
        """Return the first day that is read again.

        A run over midnight moves the bookmark by its last answer. What it read before that
        midnight may have changed since, so the look-back counts from the day that it began on.
        """
        if self.tap_state["bookmarks"][self.name].get(_BEGAN):
            bookmark = min(bookmark, self._day_in_state(_BEGAN))
        days = min(self._settings.lookback_days, bookmark.toordinal() - 366)
        return bookmark - timedelta(days=days)

    @property
    def _last_day(self) -> date:
        today = self._run.clock.run_day
        return min(self._settings.end_date or today, today)

    @override
    def get_new_paginator(self) -> WindowPaginator:
        first = self._first_day
        if self._done_until:
            first = max(first, self._done_until + ONE_DAY)
        return WindowPaginator(first, self._last_day, self._settings.window_days)

    def requests_to_make(self) -> Iterator[DateWindow | None]:
        """Yield the windows that this stream still needs, in order; None is the whole table.

        While the server's clock is a guess, a start that lies in its future is asked for all the
        same: only the answer tells whether it is one.
        """
        if not self.windowed:
            yield None
            return
        paginator = self.get_new_paginator()
        if paginator.finished and not self._run.clock.known and not self._done_until:
            window = paginator.current_value
            first = window.first
            if not self._settings.end_date or first <= self._settings.end_date:
                yield DateWindow(first, first)
            return
        while not paginator.finished:
            yield paginator.current_value
            paginator.advance()

    # One request

    @property
    @override
    def url_base(self) -> str:
        return self._settings.api_url

    @property
    @override
    def requests_session(self) -> requests.Session:
        return self._run.session

    @property
    @override
    def timeout(self) -> int:
        return self._settings.request_timeout

    @override
    def get_http_request(self, *, page: PageContext[DateWindow]) -> HTTPRequest:
        settings = self._settings
        params: dict[str, Any] = {
            "user": settings.user,
            "apiKey": settings.api_key,
            "c": self.name,
            "csvseperator": settings.csv_separator,
        }
        if page.next_page_token and page.stream_context:
            params |= page.next_page_token.days_ago(page.stream_context["today"])
        return HTTPRequest(
            url=self.url_base,
            params=params,
            headers={
                "Accept": "text/csv",
                # The `Date` of a stored answer would be of the day on which it was stored.
                "Cache-Control": "no-cache",
                "User-Agent": settings.user_agent,
            },
        )

    def fetch(self, window: DateWindow | None) -> Answer:
        """Ask for a window, or for the whole table, until there is an answer that can be used.

        Raises:
            TapCobrowserError: If there is none.
        """
        return cast(
            "Answer", self.request_decorator(cast("Any", self._attempt))(cast("Any", window), None)
        )

    def _attempt(self, window: DateWindow | None, _: Context | None) -> Answer:
        try:
            return self._ask(window)
        except TapCobrowserError as error:
            places = [f"Stream '{self.name}'", f"window {window}" if window else "", error.where]
            error.where = ", ".join(filter(None, places))
            raise

    def _ask(self, window: DateWindow | None) -> Answer:
        clock = self._run.clock
        doubtful = b""
        for _ in range(_ASK_AGAIN):
            with self._run.in_flight:
                self._run.wait()
                today = clock.today()
                asked = window and window.until(today)
                if window and not asked and clock.known:
                    return Answer(None, Table(), today, datetime.now(timezone.utc))
                # Where the window lies in the future of a guessed clock, only that is of interest.
                page = asked or (DateWindow(today, today) if window else None)
                sent = clock.machine_now()
                self._progress.asked()
                response = self._send(PageContext({"today": today}, page))
            self.validate_response(response)
            begin, end = clock.settle(sent, _date_header(response))
            if not window or (asked and begin == today == end):
                table = self.read(response)
                if self._run.is_whole(response.content) or response.content == doubtful:
                    return Answer(asked, table, begin, datetime.now(timezone.utc))
                doubtful = response.content
                continue
            clock.wait_for_midnight()
        if doubtful:
            msg = "The answer ends within a line, each time at another place"
            raise BrokenAnswerError(msg)
        msg = "The server's day changed each time while it answered"
        raise ClockError(msg)

    def _send(self, page: PageContext[DateWindow]) -> requests.Response:
        request = self.get_http_request(page=page)
        trouble: TapCobrowserError | None = None
        try:
            prepared = requests.Request(
                "GET", request.url, params=request.encode_params(), headers=request.headers
            ).prepare()
            session = self.requests_session
            # What `Session.request` does and `Session.send` does not: proxies and a custom CA.
            options = session.merge_environment_settings(
                request.url, {}, stream=True, verify=None, cert=None
            )
            if urlsplit(request.url).scheme == "http":
                options["proxies"] = {}  # a loopback address is meant for this machine
            response = session.send(
                prepared, timeout=self.timeout, allow_redirects=self.allow_redirects, **options
            )
            # As `content` reads it by itself, but in larger pieces than 10 KiB.
            response._content = b"".join(response.iter_content(_CHUNK))  # noqa: SLF001
        except (requests.RequestException, OSError, ValueError) as error:
            trouble = _trouble(error, self.timeout)
        if trouble:
            # Outside of the `except`: the original error quotes the URL, and the key with it.
            raise trouble
        if self.logger.isEnabledFor(logging.DEBUG):  # a backfill has thousands of requests
            self._write_request_duration_log(self.path, response, None, None)
        return response

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Judge an answer by its status.

        Raises:
            RetriableError: If asking again may help.
            TapCobrowserError: If not.
        """
        status = response.status_code
        if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            return
        text = " ".join(decode(response.content, response.encoding).split())
        said = f"The server answered {status} {response.reason or ''}".rstrip()
        said += f": {quote(text)}" if text else ""
        if (
            status
            in {
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.TOO_EARLY,
                HTTPStatus.TOO_MANY_REQUESTS,
            }
            or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            pause = _retry_after(response)
            if pause is not None and pause > _LONGEST_PAUSE:
                msg = f"{said}; it asks to wait {pause:.0f} seconds"
                raise PausedError(msg)
            raise ServerBusyError(said, retry_after=pause)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise (CccAgentError if self.ccc_only else CredentialsError)(said)
        raise RefusedError(said)

    def read(self, response: requests.Response) -> Table:
        """Read the rows of an answer that was judged to be one.

        Raises:
            TapCobrowserError: If its body is not what it should be.
        """
        if response.status_code == HTTPStatus.NO_CONTENT:
            return Table()
        charset = re.search(
            r"charset=[\"']?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE
        )
        with self._run.reading:
            return self._reader.read(response.content, charset[1] if charset else None)

    # Retries, by the SDK's machinery

    @override
    def request_decorator(self, func: Any) -> Any:
        # As the SDK's own, but for the errors, which are ours, and the logger: what backoff would
        # log by itself quotes the arguments.
        return backoff.on_exception(
            self.backoff_wait_generator,
            RetriableError,
            max_tries=self.backoff_max_tries,
            on_backoff=self.backoff_handler,
            jitter=self.backoff_jitter,
            logger=None,
        )(func)

    @override
    def backoff_max_tries(self) -> int:
        return self._settings.max_retries + 1

    @override
    def backoff_wait_generator(self) -> Generator[float, Any, None]:
        growing = backoff.expo(max_value=60)
        next(growing)  # backoff's own convention: the first value is for its own start

        parked = 0.0

        def wait(error: RetriableError) -> float:
            nonlocal parked
            usual = next(growing)
            if error.retry_after is None:
                return usual
            parked += error.retry_after
            if parked > _LONGEST_PAUSE:
                msg = f"{error.what}; it asks to wait {parked:.0f} seconds in all"
                raise PausedError(msg, where=error.where)
            return error.retry_after

        return self.backoff_runtime(value=wait)

    @override
    def backoff_handler(self, details: Details) -> None:
        error, wait = cast("RetriableError", details.get("exception")), details.get("wait", 0.0)
        self._progress.retried()
        if isinstance(error, ServerBusyError):
            self._run.pause(wait)
        self.log(
            "%s: %s Trying again in %.1f seconds (retry %d of %d).",
            error.where,
            error.what if error.what.endswith((".", "…")) else f"{error.what}.",
            wait,
            details["tries"],
            self._settings.max_retries,
            level=logging.WARNING,
        )

    # From answers to messages

    @override
    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        return _records(self.read(response))

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the records, without bookmarks; what a run emits goes by `_sync_records`."""
        for answer in self._answers():
            yield from _records(answer.table)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """No signpost: a bookmark here is a day that is done, never a value seen in a row."""

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Nothing to finalize: every STATE that was sent is final."""

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """False for the SDK, which sends the message before there is an answer to replace by."""
        return False

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK logs a line on any error, which says nothing that the error's own does not.
        if level < logging.ERROR or not isinstance(sys.exc_info()[1], TapCobrowserError):
            super().log(message, *args, level=level, **kwargs)

    def _answers(self) -> Iterator[Answer]:
        """Yield the answers in order.

        If the server's clock turns out to be on another day than the machine's, what was planned
        on that guess is planned again, from where this stream is.
        """
        run = self._run
        planned_on = run.clock.run_day
        dry = self.ABORT_AT_RECORD_COUNT is not None
        self._done_until = None
        pending = True
        with self.get_http_request_counter() as counter:
            while pending:
                pending = False
                for answer in run.ahead.answers(self, one_by_one=dry):
                    counter.increment()
                    self._tell(answer.table)
                    if answer.window:
                        self._done_until = answer.window.last
                    if answer.window or not self.windowed:
                        yield answer
                    if run.clock.run_day != planned_on:
                        planned_on, pending = run.clock.run_day, self.windowed
                        run.ahead.plan_again(self)
                        break
        if self.bookmark and self.bookmark > run.clock.today() + ONE_DAY:
            self.log(
                "The bookmark of stream '%s' (%s) is after the server's today (%s): days until "
                "then are not read, unless you set it back or remove it.",
                self.name,
                self.bookmark,
                run.clock.today(),
                level=logging.WARNING,
            )
        elif self.windowed and self._done_until is None:
            self.log(
                "Nothing to read: the first day (%s) is after the last one (%s).",
                self._first_day,
                self._last_day,
            )

    def _tell(self, table: Table) -> None:
        """Warn of what an answer has unusual about it, once."""
        notes = {(self.name, note): note for note in table.notes}
        if table.blank and not self.windowed:
            note = "The answer is empty, not even a header; the table is taken to have no rows."
            notes[self.name, note] = note
        if table.foreign:
            notes["", ""] = table.foreign
        for key, note in notes.items():
            if key not in self._run.told:
                self._run.told.add(key)
                self.log("%s.", note.rstrip("."), level=logging.WARNING)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Emit window by window: its records, then its STATE."""
        writer = cast("LineWriter", self._tap.message_writer)
        self._begin_version()
        left = self.ABORT_AT_RECORD_COUNT
        progress = nullcontext() if left else self._progress
        with progress, self.get_record_counter() as counter, self.get_sync_timer():
            for answer in self._answers():
                table = self._recent(answer.table)
                if left is not None and len(table):
                    # `--test` wants the first records, and no bookmark behind what is left out
                    self._write_records(writer, table, answer.extracted, left)
                    counter.increment(min(left, len(table)))
                    self._write_state()
                    break
                self._write_records(writer, table, answer.extracted)
                counter.increment(len(table))
                self._finish(answer, len(table))
            else:
                self._activate_version()
        yield from ()

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Emit window by window: a BATCH of what its RECORDs would hold, then its STATE."""
        self._begin_version()
        with (
            self._progress,
            self.get_batch_counter() as batches,
            self.get_record_counter() as counter,
        ):
            for answer in self._answers():
                table = self._recent(answer.table)
                for stream_map in self._kept_maps:
                    names, columns = table.names, table.columns
                    if not _is_identity(stream_map):
                        mapped = map(stream_map.transform, _records(table))
                        names, columns = in_columns([each for each in mapped if each is not None])
                    name = f"{self.tap_name}--{stream_map.stream_alias}"
                    for url in batch_files(
                        batch_config, name, names, columns, version=self._stream_version
                    ):
                        self._tap.write_message(
                            SDKBatchMessage(
                                stream=stream_map.stream_alias,
                                encoding=batch_config.encoding,
                                manifest=[url],
                                version=self._stream_version,
                            )
                        )
                        batches.increment()
                counter.increment(len(table))
                self._finish(answer, len(table))
            self._activate_version()

    @property
    def _kept_maps(self) -> list[StreamMap]:
        return [each for each in self.stream_maps if not isinstance(each, RemoveRecordTransform)]

    def _recent(self, table: Table) -> Table:
        """Leave out what a command without a range repeats from before bookmark and look-back."""
        if self.windowed or not self.bookmark or not len(table):
            return table
        least = self._midnight(self._look_back(self.bookmark))
        return table.since(cast("str", self.replication_key), least)

    def _write_records(
        self, writer: LineWriter, table: Table, extracted: datetime, most: int | None = None
    ) -> None:
        maps = self._kept_maps
        if len(maps) == 1 and _is_identity(maps[0]):
            # As it is in most runs: nothing is mapped, so the rows need not become dicts at all.
            for lines in record_lines(
                maps[0].stream_alias,
                table.names,
                [values[:most] for values in table.columns],
                time_extracted=extracted,
                version=self._stream_version,
            ):
                writer.write_lines(lines)
            return
        for record in islice(_records(table), most):
            for stream_map in maps:
                mapped = stream_map.transform(record)
                if mapped is not None:
                    writer.write_message(
                        singer.RecordMessage(
                            stream=stream_map.stream_alias,
                            record=mapped,
                            version=self._stream_version,
                            time_extracted=extracted,
                        )
                    )

    def _finish(self, answer: Answer, rows: int) -> None:
        """Move the bookmark to the first day that is not finished, and send a STATE.

        Never past the server's today, whose rows are still to come, and never back, which a
        look-back longer than a window would do.
        """
        self._blank = self._blank and answer.table.blank
        if self.is_incremental:
            day = answer.today
            if answer.window:
                day = min(day, answer.window.last + ONE_DAY)
            if not self.bookmark or day > self.bookmark:
                self.stream_state["replication_key"] = self.replication_key
                self.stream_state["replication_key_value"] = self._midnight(day)
            self.stream_state.pop(_BEGAN, None)
            if answer.window and self._run.clock.run_day < answer.today:
                self.stream_state[_BEGAN] = self._midnight(self._run.clock.run_day)
        self._write_state()
        self._progress.done(
            self._run.progress,
            answer.window,
            rows,
            last=self._last_day if answer.window else None,
            bookmark=self.stream_state.get("replication_key_value"),
        )

    def _midnight(self, day: date) -> str:
        return midnight(day, self._settings.timezone).isoformat()

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))
        self.state_manager.is_flushed = True

    def _begin_version(self) -> None:
        if not self.is_incremental and self.config.get("emit_activate_version_messages"):
            self._stream_version = self._initialized_at // 1000
        self._blank = True

    def _activate_version(self) -> None:
        """Let the target drop what older full tables left, now that the new one is there.

        The SDK would send this before the first record, and so before it is known that there is
        one. An answer without even a header replaces nothing.
        """
        if self._stream_version is not None and not self._blank:
            self._write_activate_version_message(self._stream_version)
            self._write_state()


def _is_identity(stream_map: StreamMap) -> bool:
    return type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled


def _records(table: Table) -> Iterator[dict[str, Any]]:
    for row in zip(*table.columns, strict=True):
        yield dict(zip(table.names, row, strict=True))


def _kind(definition: Mapping[str, Any]) -> str:
    """Return the kind of a column by its JSON Schema, as the catalog has it."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")


def _http_date(text: str | None) -> datetime | None:
    """Return the moment of an HTTP date, which is in GMT; None if it is not one."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _date_header(response: requests.Response) -> datetime | None:
    return _http_date(response.headers.get("Date"))


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for; as a date it counts from `Date`."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _http_date(text)
    if until is None:
        return None
    now = _date_header(response) or datetime.now(timezone.utc)
    return max((until - now).total_seconds(), 0.0)


def _trouble(error: Exception, timeout: int) -> TapCobrowserError:
    """Say why a request failed in words of our own and the system's, never the library's.

    The library's quote the URL, and the API's URL has the key in it.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message.rstrip(".")
            return CertificateError(f"The server's certificate is not trusted: {reason}")
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # `requests` checks by itself that there is a file of certificates
        return CertificateError(f"The request could not be sent: {quote(error)}")
    system = (each.strerror for each in causes if isinstance(each, OSError) and each.errno)
    if isinstance(error, requests.exceptions.Timeout):
        said = f"The server did not answer within {timeout} seconds"
    elif isinstance(error, _CUT_SHORT):
        said = "The answer was cut short"
    elif any(isinstance(each, ConnectionResetError) for each in causes):
        said = "The server closed the connection before it answered"
    elif isinstance(error, requests.exceptions.ProxyError):
        said = "The proxy could not be reached or refused the connection"
    elif reason := next((each for each in system if each), ""):
        said = f"The server could not be reached: {quote(reason, 100)}"
    else:
        said = f"The request failed ({type(error).__name__})"
    return ConnectionFailedError(said)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made from, which libraries keep in different places."""
    found: deque[object] = deque([error])
    seen: set[int] = set()
    while found:
        cause = found.popleft()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            reason = getattr(cause, "reason", None)
            found += [reason, cause.__cause__, cause.__context__, *cause.args]
