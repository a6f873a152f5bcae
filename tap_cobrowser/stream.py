"""What all streams share: a stream of the SDK, from responses to records, bookmarks and STATE.

A stream's days are cut into windows. Each window is one request; its response is read and checked
whole before its first record goes out, then the bookmark moves behind it and a STATE goes out.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC
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
    ahead: FetchAhead[CobrowserStream, DateWindow | None, date, Response]
    progress: Progress
    windowed: Callable[[], Sequence[CobrowserStream]]
    warned: set[tuple[str, str]] = field(default_factory=set)

    def warn(self, stream: CobrowserStream, response: Response) -> None:
        """Log what is unusual about a response, once per stream and kind."""
        found = {warning.kind: warning.text for warning in response.warnings}
        found |= {note: note for note in response.table.notes}
        if response.table.blank and not stream.windowed:
            text = "The response is empty, not even a header; the table is taken to have no rows."
            found["blank"] = text
        for kind, text in found.items():
            if (stream.name, kind) not in self.warned:
                self.warned.add((stream.name, kind))
                stream.log("%s.", text.rstrip("."), level=logging.WARNING)

    def finish(self, stream: CobrowserStream) -> None:
        """Log what only the whole run shows, behind its last stream."""
        if stream is self.windowed()[-1]:
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

    ccc_only: ClassVar[bool] = False
    """Whether the command is for CCC agents alone."""

    @property
    def _shared(self) -> Extraction:
        return cast("_HasExtraction", self._tap).extraction

    @property
    def _settings(self) -> Settings:
        return self._shared.settings

    @cached_property
    def progress(self) -> StreamProgress:
        """How far the stream is; it counts the requests that are made ahead, too."""
        return StreamProgress(self.name, self.log, self._shared.progress)

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
    def _first_day(self) -> date:
        return bookmarks.first_day(
            self.bookmark,
            start=self._settings.start_date,
            lookback_days=self._settings.lookback_days,
            run_day=self._shared.api.clock.run_day,
        )

    @property
    def _last_day(self) -> date:
        run_day = self._shared.api.clock.run_day
        return bookmarks.last_day(end=self._settings.end_date, run_day=run_day)

    def get_new_paginator(self, after: date | None = None) -> WindowPaginator:
        """Return a paginator over the days that this run reads.

        Args:
            after: The last day that it has read already.
        """
        first = self._first_day
        if after:
            first = max(first, after + ONE_DAY)
        return WindowPaginator(first, self._last_day, self._settings.window_days)

    def windows(self, after: date | None = None) -> Iterator[DateWindow | None]:
        """Yield the windows that this stream still needs, in order; None is the whole table.

        While the server's clock is a guess, a start that lies in its future is requested all the
        same: only the response shows whether it is one.

        Args:
            after: The last day that this run has read already.
        """
        if not self.windowed:
            yield None
            return
        paginator = self.get_new_paginator(after)
        if paginator.finished and not self._shared.api.clock.known and not after:
            first = paginator.current_value.first
            if not self._settings.end_date or first <= self._settings.end_date:
                yield DateWindow(first, first)
            return
        while not paginator.finished:
            yield paginator.current_value
            paginator.advance()

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
        last_read: date | None = None
        pending = True
        with metrics.http_request_counter(self.name, endpoint=self.name) as counter:
            while pending:
                pending = False
                for response in ahead.responses(self, last_read, one_by_one=dry):
                    counter.increment()
                    self._shared.warn(self, response)
                    self.progress.checked(response.extra)
                    if response.window:
                        last_read = response.window.last
                    if response.window or not self.windowed:
                        yield response
                    if api.clock.run_day != planned_on:
                        planned_on, pending = api.clock.run_day, self.windowed
                        ahead.plan_again()
                        break
        bookmark, today = self.bookmark, api.clock.today()
        if bookmark and bookmark.day > today + ONE_DAY:
            self.log(
                "The bookmark of stream '%s' (%s) is after the server's today (%s): days until "
                "then are not read, unless you set it back or remove it.",
                *(self.name, bookmark.day, today),
                level=logging.WARNING,
            )
        elif self.windowed and last_read is None:
            days = self._first_day, self._last_day
            self.log("Nothing to read: the first day (%s) is after the last one (%s).", *days)
        if self.windowed and not dry:
            self._shared.finish(self)

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
            with self.progress, self.get_record_counter() as counter, self.get_sync_timer():
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
        with self.progress, self.get_record_counter() as counter:
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
        for response in self._responses():
            table = self._recent(response.table)
            emitted = emit(table, response.extracted)
            counter.increment(emitted)
            self._finish(response, table, emitted)
            windows += 1
            blank += [response.window] if table.blank else []
        if version is not None and windows and not blank:
            # Now that the new table is there, the target can drop what older ones left. The SDK
            # would say so before it is known that there is one.
            self._write_activate_version_message(version)
            self._write_state()
        elif version is not None and any(blank):  # of a whole table that is said in any case
            text = "No ACTIVATE_VERSION: the response to %s is empty, not even a header."
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

    def _finish(self, response: Response, table: Table, emitted: int) -> None:
        """Move the bookmark behind a window whose rows were emitted, and send a STATE.

        Here alone a bookmark moves, so that no path can move it past rows that went nowhere.
        """
        if emitted != len(table) or not (table.names or table.blank):
            msg = f"{len(table)} rows of stream '{self.name}' came, {emitted} were emitted"
            raise RuntimeError(msg)
        if self.is_incremental:
            bookmark = bookmarks.advance(
                self.bookmark,
                response.window,
                today=response.today,
                run_day=self._shared.api.clock.run_day,
            )
            bookmarks.put(
                self.stream_state,
                bookmark,
                replication_key=cast("str", self.replication_key),
                zone=self._settings.timezone,
            )
        self._write_state()
        self.progress.done(
            response.window,
            emitted,
            last=self._last_day if response.window else None,
            bookmark=self.stream_state.get("replication_key_value"),
        )

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))
        self.state_manager.is_flushed = True

    def _new_version(self) -> int | None:
        """Return the version of the table that this run makes, None if it makes no whole one."""
        if self.is_incremental or not self.config.get("emit_activate_version_messages"):
            return None
        if self.windowed and (
            self._settings.start_date is None or self._last_day < self._shared.api.clock.run_day
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
        stream.name, tuple(stream.primary_keys), stream.replication_key, stream.reaches_back
    )
    return Command(stream.name, columns, subject, stream.windowed, stream.ccc_only)


def _kind(definition: Mapping[str, Any]) -> str:
    """Return the kind of a column by its JSON Schema, as the catalog has it."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")
