"""The base class of all streams: from responses to records, bookmarks and STATE messages.

A stream's days are divided into windows. Each window is one request. The whole response is parsed
and checked before its first record is emitted. Then the bookmark moves past the window, and a STATE
message is sent.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC
from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import singer_sdk.singerlib as singer
from singer_sdk import metrics
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from tap_cobrowser import bookmarks
from tap_cobrowser.api import Command
from tap_cobrowser.audit import Subject
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.emission import encode, records_of, write_batches, write_records
from tap_cobrowser.paginator import WindowPaginator
from tap_cobrowser.progress import StreamProgress
from tap_cobrowser.table import Column

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context
    from singer_sdk.tap_base import Tap

    from tap_cobrowser.ahead import FetchAhead
    from tap_cobrowser.api import Api
    from tap_cobrowser.audit import Response
    from tap_cobrowser.messages import LineWriter
    from tap_cobrowser.progress import Progress
    from tap_cobrowser.settings import Settings
    from tap_cobrowser.table import Table

_BLANK = "No ACTIVATE_VERSION: the response to %s is empty, without even a header."
_NOT_ALL = (
    "No ACTIVATE_VERSION: without `start_date`, or with an `end_date`, the target may have rows "
    "that this run does not read, and would delete them."
)
# The SDK logs this on any error. It adds nothing to the tap's own line about the error.
_LOGGED_BY_SDK = "An unhandled error occurred while syncing '%s'"


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a run over a stream: the daily work, or earlier days.

    Attributes:
        stream: The stream.
        earlier: Whether the pass fills in the days before the complete ones, newest first. The
            daily work of all streams comes first.
    """

    stream: CobrowserStream
    earlier: bool = False

    @property
    def progress(self) -> StreamProgress:
        """The progress of the pass. It counts requests that are made ahead, too."""
        return self.stream.progress[self.earlier]

    @property
    def days(self) -> DateWindow | None:
        """The days to read, None if there are none or the stream has no days."""
        return self.stream.earlier_days if self.earlier else self.stream.daily_days


@dataclass(frozen=True, slots=True)
class Extraction:
    """The objects that the streams of one run share.

    Attributes:
        settings: The checked settings.
        api: The API client.
        ahead: The requests in flight, of all streams.
        progress: The progress of the run.
        windowed: Returns the selected streams with days, in the order in which they are synced.
        warned: The warnings that were logged, as pairs of stream and kind.
        planned_on: The server's day, as far as it was known, on which each pass was planned.
    """

    settings: Settings
    api: Api
    ahead: FetchAhead[Pass, DateWindow | None, date, Response]
    progress: Progress
    windowed: Callable[[], Sequence[CobrowserStream]]
    warned: set[tuple[str, str]] = field(default_factory=set)
    planned_on: dict[Pass, date] = field(default_factory=dict)

    def warn(self, stream: CobrowserStream, response: Response) -> None:
        """Log what is unusual about a response, once per stream and kind."""
        found = {warning.kind: warning.text for warning in response.warnings}
        found |= {note: note for note in response.table.notes}
        if response.table.blank and not stream.windowed and not response.table.notes:
            text = "The response is empty, without even a header. The table counts as empty."
            found["blank"] = text
        for kind, text in found.items():
            if (stream.name, kind) not in self.warned:
                self.warned.add((stream.name, kind))
                stream.log("%s.", text.rstrip("."), level=logging.WARNING)

    def encode(self, stream: CobrowserStream, response: Response) -> Response:
        """Return a response with its rows as RECORD messages, where they go out as they are."""
        if not (stream.windowed and stream.is_incremental) or stream.get_batch_config(
            stream.config
        ):
            return response
        with self.api.turn:
            table = encode(stream.stream_maps, response.table, response.extracted)
            return replace(response, table=table)

    def announce(self, stream: CobrowserStream, days: DateWindow) -> None:
        """Log which earlier days of a stream are filled in, and why."""
        bookmark = stream.bookmark
        assert bookmark  # noqa: S101 - only a stream with a bookmark has earlier days
        count = (days.last - days.first).days + 1
        stream.log(
            "Filling in %d earlier day%s of stream '%s', %s, newest first: it is complete from %s "
            "on, and `start_date` is before that.",
            *(count, "s"[: count > 1], stream.name, days, bookmark.begin),
        )
        if days.last + ONE_DAY < bookmark.begin:
            stream.log(
                "The days of stream '%s' from %s to %s are not read, so the state cannot record "
                "the earlier days, and each such run reads them again. Set `end_date` to %s or "
                "later, or remove it.",
                *(stream.name, days.last + ONE_DAY, *[bookmark.begin - ONE_DAY] * 2),
                level=logging.WARNING,
            )

    def windows(self, of: Pass, after: date | None = None) -> Iterator[DateWindow | None]:
        """Yield the windows that a pass still needs, in order; None is the whole table.

        While the server's clock is a guess, a first day in its future is requested nevertheless:
        only the response shows whether it is in the future. The same holds for a default start.

        Args:
            of: The pass.
            after: The last day that it has read already; for earlier days, the first.
        """
        self.planned_on[of] = self.api.clock.run_day
        days, end = of.days, self.settings.end_date
        if not of.stream.windowed:
            yield None
        if days is None:
            return
        if after and of.earlier:
            days = DateWindow(days.first, min(days.last, after - ONE_DAY))
        elif after:
            days = DateWindow(max(days.first, after + ONE_DAY), days.last)
        paginator = WindowPaginator(
            days.first, days.last, self.settings.window_days, newest_first=of.earlier
        )
        guessed = not (self.api.clock.known or after or of.earlier)
        default = not (self.settings.start_date or of.stream.bookmark)
        if paginator.finished and guessed and (not end or days.first <= end or default):
            yield DateWindow(days.first, days.first)
        while not paginator.finished:
            yield paginator.current_value
            paginator.advance()

    def begins_elsewhere(self, of: Pass, window: DateWindow | None, after: date | None) -> bool:
        """Return whether the windows that a pass still needs do not begin with a window."""
        first = next(self.windows(of, after), None)
        if window is None or first is None:
            return first is not window
        return first.last != window.last if of.earlier else first.first != window.first

    def days_since(self, begun: DateWindow, of: Pass) -> DateWindow:
        """Return all days of a pass, given its first window."""
        if of.earlier:
            return DateWindow(self.settings.start_date or begun.first, begun.last)
        return DateWindow(begun.first, of.days.last if of.days else begun.last)

    def meet(self) -> None:
        """Add to the state of all streams the first complete day, if it is missing there.

        This includes streams that the run has not read yet, and may not reach.
        """
        for stream in self.windowed():
            if bookmark := stream.bookmark:
                bookmarks.meet(
                    stream.stream_state,
                    bookmark,
                    start=self.settings.start_date,
                    run_day=self.api.clock.run_day,
                    zone=self.settings.timezone,
                )

    def finish(self, stream: CobrowserStream, *, read: bool, dry: bool) -> None:
        """Log what is known only after a stream's daily work, or after that of the last stream.

        Args:
            stream: The stream.
            read: Whether it had a window.
            dry: Whether the run only tests its streams (`--test`).
        """
        bookmark, days, today = stream.bookmark, stream.daily_days, self.api.clock.today()
        if bookmark and bookmark.day > today + ONE_DAY and self.api.clock.known:
            stream.log(
                "The bookmark of stream '%s' (%s) is after the server's today (%s): days until "
                "then are not read, unless you set it back or remove it.",
                *(stream.name, bookmark.day, today),
                level=logging.WARNING,
            )
        elif days and not read and not stream.earlier_days:
            stream.log(
                "Nothing to read: the first day (%s) is after the last one (%s).",
                *(days.first, days.last),
            )
        if stream in self.windowed()[-1:] and not dry:
            for hint in self.api.hints():
                stream.log("%s", hint.text, level=logging.WARNING)


class _HasExtraction(Protocol):
    @property
    def extraction(self) -> Extraction: ...


class CobrowserStream(Stream, ABC):
    """A command of the API."""

    name: str

    windowed: ClassVar[bool] = False
    """Whether the command takes a range of days."""

    reaches_back: ClassVar[bool] = False
    """Whether rows may begin before the requested days, and last into them."""

    ends: ClassVar[str | None] = None
    """The column that holds when such a row ended, if there is one."""

    owner: ClassVar[str | None] = None
    """The column that says whose state or session such a row is."""

    ccc_only: ClassVar[bool] = False
    """Whether only CCC agents may use the command."""

    def __init__(self, tap: Tap, *args: Any, **kwargs: Any) -> None:
        """Initialize the stream."""
        super().__init__(tap, *args, **kwargs)
        self._pass = Pass(self)

    @property
    def _shared(self) -> Extraction:
        return cast("_HasExtraction", self._tap).extraction

    @property
    def _settings(self) -> Settings:
        return self._shared.settings

    @cached_property
    def progress(self) -> tuple[StreamProgress, StreamProgress]:
        """The progress of the daily work, and of earlier days."""
        run = self._shared.progress
        return (
            StreamProgress(self.name, self.log, run),
            StreamProgress(self.name, self.log, run, earlier=True),
        )

    @cached_property
    def command(self) -> Command:
        """The command, with its documented columns as the catalog selects them."""
        return _command(self)

    @property
    def is_incremental(self) -> bool:
        """Whether the stream has bookmarks: not if the catalog forces FULL_TABLE."""
        return bool(self.replication_key) and self.replication_method != REPLICATION_FULL_TABLE

    @property
    def bookmark(self) -> bookmarks.Bookmark | None:
        """The current bookmark, None if there is none.

        Raises:
            StateError: If the state is not valid.
        """
        if not self.is_incremental:
            return None
        return bookmarks.read(
            self.tap_state.get("bookmarks", {}).get(self.name) or {},
            stream=self.name,
            replication_key=cast("str", self.replication_key),
            zone=self._settings.timezone,
        )

    @property
    def daily_days(self) -> DateWindow | None:
        """The days of the daily work; empty if `last` is before `first`; None without windows."""
        if not self.windowed:
            return None
        settings, clock = self._settings, self._shared.api.clock
        run_day, end = clock.run_day, settings.end_date
        first = bookmarks.first_day(
            self.bookmark,
            start=settings.start_date,
            lookback_days=settings.lookback_days,
            run_day=run_day,
        )
        last = bookmarks.last_day(end=end, run_day=run_day)
        if end and last < end < first and not clock.known:
            last = end  # no response to these days will show that the server's day is a later one
        return DateWindow(first, last)

    @property
    def earlier_days(self) -> DateWindow | None:
        """The days to fill in after the daily work, None if there are none."""
        daily, start = self.daily_days, self._settings.start_date
        return daily and bookmarks.earlier_days(self.bookmark, daily, start=start)

    def fill_in(self) -> None:
        """Emit the days from `start_date` to the complete ones, if there are any."""
        if not (days := self.earlier_days):
            return
        self._pass = Pass(self, earlier=True)
        self._shared.announce(self, days)
        if batch_config := self.get_batch_config(self.config):
            self._sync_batches(batch_config)
        else:
            deque(self._sync_records(), maxlen=0)
        self._pass = Pass(self)

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the records, without bookmarks. A run emits them through `_sync_records`."""
        for response in self._responses():
            yield from records_of(response.table)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return no signpost: a bookmark is a finished day, never a value from a row."""

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Nothing to finalize: every STATE that was sent is final."""

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """False for the SDK, which would send the message before there is a response."""
        return False

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        if message != _LOGGED_BY_SDK:
            super().log(message, *args, level=level, **kwargs)

    def _responses(self) -> Iterator[Response]:
        """Yield the responses in order.

        If the server's day is not this machine's, the requests are planned again, from the current
        position of this stream. A first response that does not begin the new plan is dropped.
        """
        shared, ahead = self._shared, self._shared.ahead
        dry = self.ABORT_AT_RECORD_COUNT is not None
        earlier = self._pass.earlier
        read: date | None = None
        pending = True
        with metrics.http_request_counter(self.name, endpoint=self.name) as counter:
            while pending:
                pending = False
                for response in ahead.responses(self._pass, read, one_by_one=dry):
                    counter.increment()
                    shared.warn(self, response)
                    self._pass.progress.checked(response.extra)
                    pending = shared.api.clock.run_day != shared.planned_on[self._pass]
                    if not (pending and shared.begins_elsewhere(self._pass, response.window, read)):
                        if response.window:
                            read = response.window.first if earlier else response.window.last
                        if response.window or not self.windowed:
                            yield response
                    if pending:
                        pending = self.windowed
                        ahead.plan_again()
                        break
                    del response  # which can be large, before the next one is read
        if not earlier:
            shared.finish(self, read=read is not None, dry=dry)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Emit each window: its records, then its STATE."""
        version = self._new_version()
        emit = partial(
            write_records,
            cast("LineWriter", self._tap.message_writer),
            self.stream_maps,
            version=version,
        )
        if (most := self.ABORT_AT_RECORD_COUNT) is not None:
            # `--test` needs only the first records, and no bookmark past the others
            for response in self._responses():
                if emit(response.table.first(most), response.extracted):
                    break
            self._write_state()
        else:
            with self._pass.progress, self.get_record_counter() as counter, self.get_sync_timer():
                self._emit(emit, counter, version)
        yield from ()

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Emit each window: a BATCH instead of RECORDs, then its STATE."""
        version = self._new_version()
        emit = partial(
            write_batches,
            batch_config,
            self._tap.message_writer.write_message,
            self.tap_name,
            self.stream_maps,
            version=version,
        )
        with self._pass.progress, self.get_record_counter() as counter:
            self._emit(emit, counter, version)

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        # `--test` needs a record, not a file
        return super().get_batch_config(config) if self.ABORT_AT_RECORD_COUNT is None else None

    def _emit(
        self,
        emit: Callable[[Table, datetime], int],
        counter: metrics.Counter,
        version: int | None,
    ) -> None:
        """Emit the rows of each window, then move the bookmark past it."""
        blank: DateWindow | None = None
        whole: bool | None = None  # unless there is no window
        begun: DateWindow | None = None
        for response in self._responses():
            begun = begun or response.window
            table = self._recent(response.table)
            emitted = emit(table, response.extracted)
            counter.increment(emitted)
            self._finish(response, table, emitted, begun)
            blank = blank or response.blank
            whole = whole is not False and not (table.blank or blank)
            del response, table  # which can be large, before the next one is read
        version = version and self._new_version()  # by the server's clock, which is known now
        if version is not None and whole:
            # Only now may the target delete the rows of older versions. The SDK would send the
            # message before the new version is complete.
            self._write_activate_version_message(version)
            self._write_state()
        elif version is not None and blank:  # for a table without days, `warn` has logged it
            self.log(_BLANK, blank, level=logging.WARNING)

    def _recent(self, table: Table) -> Table:
        """Skip rows before the bookmark and look-back, which a command without a range repeats."""
        bookmark = None if self.windowed else self.bookmark
        if not bookmark or not len(table):
            return table
        least = bookmarks.look_back(bookmark, self._settings.lookback_days)
        return table.since(
            cast("str", self.replication_key), midnight(least, self._settings.timezone).isoformat()
        )

    def _finish(
        self, response: Response, table: Table, emitted: int, begun: DateWindow | None
    ) -> None:
        """Move the bookmark past a window whose rows were emitted, and send a STATE.

        A bookmark moves only here, so that nothing can move it past rows that were not emitted:
        `emitted` of the rows of `table`. `begun` is the first window of this pass.
        """
        if emitted != len(table) or not (table.names or table.blank):
            msg = f"Of {len(table)} rows of stream '{self.name}', {emitted} were emitted"
            raise RuntimeError(msg)
        self._shared.meet()
        window, earlier, bookmark = response.window, self._pass.earlier, self.bookmark
        if self.is_incremental:
            bookmark = (
                bookmarks.extend(bookmark, window)
                if earlier and bookmark and window
                else bookmarks.advance(
                    bookmark,
                    window,
                    today=response.today,
                    run_day=self._shared.api.clock.run_day,
                    since=begun.first if begun else None,
                )
            )
            bookmarks.put(
                self.stream_state,
                bookmark,
                replication_key=cast("str", self.replication_key),
                zone=self._settings.timezone,
            )
        self._write_state()
        state = self.stream_state
        self._pass.progress.done(
            window,
            emitted,
            days=begun and self._shared.days_since(begun, self._pass),
            bookmark=state.get("replication_key_value") if self.is_incremental else None,
            complete_from=state.get("complete_from"),
        )

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))
        self.state_manager.is_flushed = True

    def _new_version(self) -> int | None:
        """Return the version of the full table that this run makes, None if it makes none."""
        if self.is_incremental or not self.config.get("emit_activate_version_messages"):
            return None
        days, settings = self.daily_days, self._settings
        if days and (settings.start_date is None or days.last < self._shared.api.clock.run_day):
            self.log(_NOT_ALL, level=logging.WARNING)
            return None
        return self._initialized_at // 1000


def _command(stream: CobrowserStream) -> Command:
    keys = {*stream.primary_keys, stream.replication_key}
    wanted = stream.effective_schema.get("properties", {})
    columns = tuple(
        Column(
            name,
            # Days and bookmarks need the replication key as a date-time, whatever the catalog says.
            _kind(definition if name == stream.replication_key else wanted.get(name, definition)),
            key=name in keys,
            wanted=name in wanted and stream.mask["properties", name],
        )
        for name, definition in stream.schema["properties"].items()
    )
    subject = Subject(
        stream.name,
        tuple(stream.primary_keys),
        stream.replication_key,
        stream.reaches_back,
        stream.ends,
        stream.owner,
    )
    return Command(stream.name, columns, subject, stream.windowed, stream.ccc_only)


def _kind(definition: Mapping[str, Any]) -> str:
    """Return the kind of a column by its JSON Schema in the catalog."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")
