"""What all streams share: a stream of the SDK, from responses to records, bookmarks and STATE.

A stream's days are cut into windows. Each window is one request; its response is read and checked
whole before its first record goes out, then the bookmark moves behind it and a STATE goes out.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import singer_sdk.singerlib as singer
from singer_sdk import metrics
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from tap_cobrowser import bookmarks
from tap_cobrowser.api import Command
from tap_cobrowser.audit import Subject
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.emission import batch_messages, records_of, write_records
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

    def __init__(self, tap: Tap, *args: Any, **kwargs: Any) -> None:
        """Take part in the tap's run."""
        super().__init__(tap, *args, **kwargs)
        self._documented_replication_key = self.replication_key

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
    def command(self) -> Command:
        """The command, with its documented columns as the catalog wants them."""
        keys = {*self.primary_keys, self.replication_key}
        wanted = self.effective_schema.get("properties", {})
        columns = tuple(
            Column(
                name,
                _kind(wanted.get(name, definition)),
                key=name in keys,
                wanted=name in wanted and self.mask["properties", name],
            )
            for name, definition in self.schema["properties"].items()
        )
        subject = Subject(
            self.name, tuple(self.primary_keys), self._documented_replication_key, self.reaches_back
        )
        return Command(self.name, columns, subject, self.windowed, self.ccc_only)

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
        writer = cast("LineWriter", self._tap.message_writer)
        version = self._new_version()
        left = self.ABORT_AT_RECORD_COUNT
        progress = nullcontext() if left else self.progress
        with progress, self.get_record_counter() as counter, self.get_sync_timer():
            for table, extracted in self._tables(counter, version):
                write_records(
                    writer, self.stream_maps, table, extracted, version=version, most=left
                )
                if left is not None and len(table):
                    # `--test` wants the first records, and no bookmark behind what is left out
                    counter.increment(min(left, len(table)))
                    self._write_state()
                    break
        yield from ()

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Emit window by window: a BATCH of what its RECORDs would hold, then its STATE."""
        version = self._new_version()
        with (
            self.progress,
            self.get_batch_counter() as batches,
            self.get_record_counter() as counter,
        ):
            for table, _ in self._tables(counter, version):
                for message in batch_messages(
                    batch_config, self.tap_name, self.stream_maps, table, version=version
                ):
                    self._tap.write_message(message)
                    batches.increment()

    def _tables(
        self, counter: metrics.Counter, version: int | None
    ) -> Iterator[tuple[Table, datetime]]:
        """Yield the rows of each window, and when they were received.

        Whoever asks for the next ones has emitted these: then the bookmark moves behind them.
        """
        blank = True
        for response in self._responses():
            table = self._recent(response.table)
            yield table, response.extracted
            counter.increment(len(table))
            self._finish(response, len(table))
            blank = blank and response.table.blank
        if version is not None and not blank:
            # Now that the new table is there, the target can drop what older ones left. The SDK
            # would say so before it is known that there is one, and a response without even a
            # header replaces nothing.
            self._write_activate_version_message(version)
            self._write_state()

    def _recent(self, table: Table) -> Table:
        """Leave out what a command without a range repeats from before bookmark and look-back."""
        bookmark = None if self.windowed else self.bookmark
        if not bookmark or not len(table):
            return table
        least = bookmarks.look_back(bookmark, self._settings.lookback_days)
        return table.since(
            cast("str", self.replication_key), midnight(least, self._settings.timezone).isoformat()
        )

    def _finish(self, response: Response, rows: int) -> None:
        """Move the bookmark behind a window whose rows were emitted, and send a STATE."""
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
            rows,
            last=self._last_day if response.window else None,
            bookmark=self.stream_state.get("replication_key_value"),
        )

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))
        self.state_manager.is_flushed = True

    def _new_version(self) -> int | None:
        """Return the version of the table that this run makes, None if it only adds to it."""
        if not self.is_incremental and self.config.get("emit_activate_version_messages"):
            return self._initialized_at // 1000
        return None


def _kind(definition: Mapping[str, Any]) -> str:
    """Return the kind of a column by its JSON Schema, as the catalog has it."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")
