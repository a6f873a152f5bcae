"""What all streams share: a stream of the SDK, from responses to records, bookmarks and STATE.

A stream's days are cut into windows. Each window is one request; its response is read and checked
whole before its first record goes out, then the bookmark moves behind it and a STATE goes out.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC
from collections import deque
from dataclasses import dataclass, field
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
from tap_cobrowser.emission import records_of, write_batches, write_records
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

_NOT_ALL = (
    "No ACTIVATE_VERSION: without `start_date`, or with an `end_date`, the target may have rows "
    "that this run does not read, and would delete them."
)
# What the SDK logs on any error says nothing that the error's own line does not.
_LOGGED_BY_SDK = "An unhandled error occurred while syncing '%s'"


@dataclass(frozen=True, slots=True)
class Pass:
    """What a run does with a stream in one go.

    Attributes:
        stream: The stream.
        earlier: Whether the days before those that are complete are filled in, newest first. If
            not, it is the daily work. That of all streams comes first.
    """

    stream: CobrowserStream
    earlier: bool = False

    @property
    def progress(self) -> StreamProgress:
        """How far it is; it counts the requests that are made ahead, too."""
        return self.stream.progress[self.earlier]

    @property
    def days(self) -> DateWindow | None:
        """The days to read, None if there are none or the stream has no days."""
        return self.stream.earlier_days if self.earlier else self.stream.daily_days


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the streams of one run share.

    Attributes:
        settings: The checked settings.
        api: The API client.
        ahead: The requests in flight, of all streams.
        progress: How far the run is.
        windowed: Returns the selected streams with days, in the order in which they are synced.
        warned: What the run has warned of, by stream and warning.
    """

    settings: Settings
    api: Api
    ahead: FetchAhead[Pass, DateWindow | None, date, Response]
    progress: Progress
    windowed: Callable[[], Sequence[CobrowserStream]]
    warned: set[tuple[str, str]] = field(default_factory=set)

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

    def announce(self, stream: CobrowserStream, days: DateWindow) -> None:
        """Log which earlier days of a stream are filled in, and why."""
        bookmark = stream.bookmark
        assert bookmark  # noqa: S101 - without one no day is earlier than another
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

        While the server's clock is a guess, a start that lies in its future is requested all the
        same: only the response shows whether it is one.

        Args:
            of: The pass.
            after: The last day, or of earlier days the first, that it has read already.
        """
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
        if paginator.finished and guessed and (not end or days.first <= end):
            yield DateWindow(days.first, days.first)
        while not paginator.finished:
            yield paginator.current_value
            paginator.advance()

    def days_since(self, begun: DateWindow, of: Pass) -> DateWindow:
        """Return all days of a pass, by its first window."""
        if of.earlier:
            return DateWindow(self.settings.start_date or begun.first, begun.last)
        return DateWindow(begun.first, of.days.last if of.days else begun.last)

    def meet(self) -> None:
        """Note for all streams from which day on they are complete, where their state lacks it.

        Streams whose turn is still to come are met by this run, too, even if it does not get there.
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
        """Log what shows at the end of a stream's daily work, or only behind that of the last one.

        Args:
            stream: The stream.
            read: Whether it had a window.
            dry: Whether the run only tries its streams.
        """
        bookmark, days, today = stream.bookmark, stream.daily_days, self.api.clock.today()
        if bookmark and bookmark.day > today + ONE_DAY:
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
    """Whether rows may begin before the days that are requested, and reach into them."""

    ends: ClassVar[str | None] = None
    """The column that holds when such a row ended, if there is one."""

    owner: ClassVar[str | None] = None
    """The column that says whose state or session such a row is."""

    ccc_only: ClassVar[bool] = False
    """Whether the command is for CCC agents alone."""

    def __init__(self, tap: Tap, *args: Any, **kwargs: Any) -> None:
        """Take part in the tap's run."""
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
        """How far the stream is with its daily work, and with earlier days."""
        run = self._shared.progress
        return (
            StreamProgress(self.name, self.log, run),
            StreamProgress(self.name, self.log, run, earlier=True),
        )

    @cached_property
    def command(self) -> Command:
        """The command, with its documented columns as the catalog wants them."""
        return _command(self)

    @property
    def is_incremental(self) -> bool:
        """Whether there is a bookmark: it is ignored if the catalog forces FULL_TABLE."""
        return bool(self.replication_key) and self.replication_method != REPLICATION_FULL_TABLE

    @property
    def bookmark(self) -> bookmarks.Bookmark | None:
        """How far earlier runs, and this one, have come; None if there is no bookmark.

        Raises:
            StateError: If the state is not one to continue from.
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
        """The days of the daily work, none if `last` is the earlier; None without windows."""
        if not self.windowed:
            return None
        settings, run_day = self._settings, self._shared.api.clock.run_day
        first = bookmarks.first_day(
            self.bookmark,
            start=settings.start_date,
            lookback_days=settings.lookback_days,
            run_day=run_day,
        )
        return DateWindow(first, bookmarks.last_day(end=settings.end_date, run_day=run_day))

    @property
    def earlier_days(self) -> DateWindow | None:
        """The days to fill in after the daily work, None if there are none."""
        daily, start = self.daily_days, self._settings.start_date
        return daily and bookmarks.earlier_days(self.bookmark, daily, start=start)

    def fill_in(self) -> None:
        """Emit the days before those that are complete, where `start_date` asks for them."""
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
        """Yield the records, without bookmarks; what a run emits goes by `_sync_records`."""
        for response in self._responses():
            yield from records_of(response.table)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """No signpost: a bookmark here is a day that is done, never a value seen in a row."""

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Nothing to finalize: every STATE that was sent is final."""

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """False for the SDK, which sends the message before there is a response to replace by."""
        return False

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        if message != _LOGGED_BY_SDK:
            super().log(message, *args, level=level, **kwargs)

    def _responses(self) -> Iterator[Response]:
        """Yield the responses in order.

        If the server's clock turns out to be on another day than the machine's, what was planned
        on that guess is planned again, from where this stream is.
        """
        api, ahead = self._shared.api, self._shared.ahead
        planned_on = api.clock.run_day
        dry = self.ABORT_AT_RECORD_COUNT is not None
        earlier = self._pass.earlier
        read: date | None = None
        pending = True
        with metrics.http_request_counter(self.name, endpoint=self.name) as counter:
            while pending:
                pending = False
                for response in ahead.responses(self._pass, read, one_by_one=dry):
                    counter.increment()
                    self._shared.warn(self, response)
                    self._pass.progress.checked(response.extra)
                    if response.window:
                        read = response.window.first if earlier else response.window.last
                    if response.window or not self.windowed:
                        yield response
                    if api.clock.run_day != planned_on:
                        planned_on, pending = api.clock.run_day, self.windowed
                        ahead.plan_again()
                        break
                    del response  # which can be large, before the next one is read
        if not earlier:
            self._shared.finish(self, read=read is not None, dry=dry)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Emit window by window: its records, then its STATE."""
        version = self._new_version()
        emit = partial(
            write_records,
            cast("LineWriter", self._tap.message_writer),
            self.stream_maps,
            version=version,
        )
        if (most := self.ABORT_AT_RECORD_COUNT) is not None:
            # `--test` wants the first records, and no bookmark behind what is left out
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
        """Emit window by window: a BATCH of what its RECORDs would hold, then its STATE."""
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
        # `--test` wants a record, not a file
        return super().get_batch_config(config) if self.ABORT_AT_RECORD_COUNT is None else None

    def _emit(
        self,
        emit: Callable[[Table, datetime], int],
        counter: metrics.Counter,
        version: int | None,
    ) -> None:
        """Emit the rows of each window, then move the bookmark behind it."""
        blank: list[DateWindow | None] = []
        windows = 0
        begun: DateWindow | None = None
        for response in self._responses():
            begun = begun or response.window
            table = self._recent(response.table)
            emitted = emit(table, response.extracted)
            counter.increment(emitted)
            self._finish(response, table, emitted, begun)
            windows += 1
            blank += [response.window] if table.blank else []
            del response, table  # which can be large, before the next one is read
        version = version and self._new_version()  # by the server's clock, which is known now
        if version is not None and windows and not blank:
            # Now that the new table is there, the target can drop what older ones left. The SDK
            # would say so before it is known that there is one.
            self._write_activate_version_message(version)
            self._write_state()
        elif version is not None and any(blank):  # of a whole table that is said in any case
            text = "No ACTIVATE_VERSION: the response to %s is empty, without even a header."
            self.log(text, blank[0], level=logging.WARNING)

    def _recent(self, table: Table) -> Table:
        """Leave out what a command without a range repeats from before bookmark and look-back."""
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
        """Move the bookmark behind a window whose rows were emitted, and send a STATE.

        Here alone a bookmark moves, so that no path can move it past rows that went nowhere.

        Args:
            response: The response to the window.
            table: Its rows that are to be emitted.
            emitted: How many were.
            begun: The first window of this pass.
        """
        if emitted != len(table) or not (table.names or table.blank):
            msg = f"{len(table)} rows of stream '{self.name}' came, {emitted} were emitted"
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
            bookmark=state.get("replication_key_value"),
            complete_from=state.get("complete_from"),
        )

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))
        self.state_manager.is_flushed = True

    def _new_version(self) -> int | None:
        """Return the version of the table that this run makes, None if it makes no whole one."""
        if self.is_incremental or not self.config.get("emit_activate_version_messages"):
            return None
        days = self.daily_days
        if days and (
            self._settings.start_date is None or days.last < self._shared.api.clock.run_day
        ):
            self.log(_NOT_ALL, level=logging.WARNING)
            return None
        return self._initialized_at // 1000


def _command(stream: CobrowserStream) -> Command:
    keys = {*stream.primary_keys, stream.replication_key}
    wanted = stream.effective_schema.get("properties", {})
    columns = tuple(
        Column(
            name,
            # Days and bookmarks are read from the replication key, whatever it is emitted as.
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
    """Return the kind of a column by its JSON Schema, as the catalog has it."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")
