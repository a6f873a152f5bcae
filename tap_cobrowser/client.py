"""What all streams share: windows become records, then the bookmark moves, then a STATE goes out.

A window is one or more whole days. Each of its responses is read and checked whole before its first
record is emitted, and the bookmark moves when all are emitted, so it never runs ahead of records.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import singer_sdk.singerlib as singer
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from tap_cobrowser.api.windows import Work
from tap_cobrowser.checks.keys import keys_notice
from tap_cobrowser.checks.silence import bookmark_notice, nothing_notice, reach_notice
from tap_cobrowser.days import ONE_DAY, DateWindow, days_of, midnight
from tap_cobrowser.models import Column, Command, Notice
from tap_cobrowser.reading.files import check as check_file
from tap_cobrowser.singer import bookmarks
from tap_cobrowser.singer.emission import records_of, write_batches, write_records
from tap_cobrowser.singer.maps import key_columns
from tap_cobrowser.singer.paginator import WindowPaginator

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context

    from tap_cobrowser.models import Response, Table
    from tap_cobrowser.reading.files import HistoryFile, Source
    from tap_cobrowser.settings import Settings
    from tap_cobrowser.singer.messages import LineWriter
    from tap_cobrowser.singer.progress import StreamProgress
    from tap_cobrowser.tap import TapCobrowser

_TESTED_WINDOWS = 3
_ROWS_MAY_BE_MISSING = {"days", "limit", "ranges"}  # kinds of notices
_NOTHING = "No ACTIVATE_VERSION: the response was empty, without even a header."
_DOUBTFUL = "No ACTIVATE_VERSION: rows may be missing, as a warning above says."
_NOT_ALL = (
    "No ACTIVATE_VERSION: without `start_date`, with an `end_date`, or without a range of days, "
    "the target may have rows that this run does not read, and would delete them."
)


class CobrowserStream(Stream, ABC):
    """A command of the API."""

    name: str

    windowed: ClassVar[bool] = False
    """Whether the command takes a range of days."""

    reaches_back: ClassVar[bool] = False
    """Whether rows may begin before the requested days, and last into them."""

    ccc_only: ClassVar[bool] = False
    """Whether only CCC agents may use the command."""

    regular: ClassVar[bool] = False
    """Whether days often have the same number of rows."""

    @property
    def _own_tap(self) -> TapCobrowser:
        return cast("TapCobrowser", self._tap)

    @property
    def _settings(self) -> Settings:
        return self._own_tap.settings

    @property
    def _today(self) -> date | None:
        """The server's day when the run began; None for a stream without windows."""
        return self._own_tap.preflight.today if self.windowed else None

    @property
    def _writer(self) -> LineWriter:
        return cast("LineWriter", self._tap.message_writer)

    @classmethod
    def documented(cls) -> Command:
        """Return the command, with all its columns as the API's page has them."""
        stream: Any = cls  # whose attributes are properties for the SDK, and plain values here
        keys = {*stream.primary_keys, stream.replication_key}
        columns = (
            Column(name, _kind(schema), key=name in keys)
            for name, schema in stream.schema["properties"].items()
        )
        return Command(
            cls.name,
            tuple(columns),
            tuple(stream.primary_keys),
            stream.replication_key,
            cls.windowed,
            cls.reaches_back,
            cls.ccc_only,
            cls.regular,
        )

    @cached_property
    def command(self) -> Command:
        """The command, with its columns as the catalog selects them.

        Key columns are those of the SCHEMA that goes out: their empty texts stay empty texts.
        """
        maps = self.config.get("stream_maps") or {}
        keys = {*self.primary_keys, *key_columns(self.name, self.stream_maps, maps)}
        wanted = self.effective_schema.get("properties", {})

        def selected(column: Column) -> Column:
            name, kind = column.name, column.kind
            # Days and bookmarks need the replication key as a date-time, whatever the catalog says.
            if name in wanted and name != self.replication_key:
                kind = _kind(wanted[name])
            wants = name in wanted and self.mask["properties", name]
            return Column(name, kind, key=column.key or name in keys, wanted=wants)

        command = self.documented()
        names = {column.name for column in command.columns}
        outgoing = {tuple(each.transformed_key_properties or ()) for each in self.stream_maps}
        merged: tuple[str, ...] | None = None
        if outgoing != {tuple(self.primary_keys)}:
            only = outgoing.pop() if len(outgoing) == 1 else ()
            merged = only if {*only} <= names else ()
        return replace(
            command,
            columns=tuple(map(selected, command.columns)),
            keys=tuple(self.primary_keys),
            target_keys=merged,
        )

    # Days

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

    def daily_days(self, today: date) -> DateWindow:
        """Return the days of the daily work; none, if `last` is before `first`."""
        settings = self._settings
        first = bookmarks.first_day(
            self.bookmark,
            start=settings.start_date,
            lookback_days=settings.lookback_days,
            run_day=today,
        )
        return DateWindow(first, bookmarks.last_day(end=settings.end_date, run_day=today))

    def earlier_days(self, today: date) -> DateWindow | None:
        """Return the days to fill in after the daily work, None if there are none."""
        daily, start = self.daily_days(today), self._settings.start_date
        return bookmarks.earlier_days(self.bookmark, daily, start=start)

    def plan(self, today: date | None, *, earlier: bool) -> list[DateWindow | None]:
        """Return the windows of the daily work, or of earlier days (newest first), in order.

        Without the server's day, nothing can be planned, except a full table (None).
        """
        if not self.windowed:
            return [] if earlier else [None]
        days = today and (self.earlier_days(today) if earlier else self.daily_days(today))
        if not days:
            return []
        size = self._settings.window_days
        windows = [*WindowPaginator(days.first, days.last, size).windows()]
        return [*reversed(windows)] if earlier else [*windows]

    # Records

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the records, without bookmarks. A run emits them through `sync`."""
        for part in self._own_tap.windows.of(Work(self.command)):
            if part.response:
                yield from records_of(part.response.table)

    # The SDK's own, marked as final, writes records one by one, and a bookmark for each.
    @override  # type: ignore[misc]
    def sync(self, context: Context | None = None) -> None:
        """Emit the SCHEMA, then the daily work.

        Raises:
            TapCobrowserError: If it cannot be read to its end.
        """
        if self.windowed and self._today is None:  # the preflight has tried this stream, too
            raise self._own_tap.preflight.errors[self.name]
        self._write_schema_message()
        if self.ABORT_AT_RECORD_COUNT is None:
            self._emit_windows(earlier=False)
        else:
            self._emit_first_records(self.ABORT_AT_RECORD_COUNT)

    def fill_in(self) -> None:
        """Emit the days from `start_date` to the complete ones, if there are any."""
        if self._today and (days := self.earlier_days(self._today)):
            self._announce(days)
            self._emit_windows(earlier=True)

    def _emit_first_records(self, most: int) -> None:
        """Emit a few records of the last days, and no bookmark: `--test` needs no more."""
        for window in self.plan(self._today, earlier=False)[-_TESTED_WINDOWS:]:
            for part in self._own_tap.windows.read(self.command, window):
                self._log_notices(*part.notices)
                if part.response and len(part.response.table):
                    table = part.response.table.first(most)
                    self._emit(table, part.response.extracted, None, None)
                    self._writer.flush()
                    return

    def _emit_windows(self, *, earlier: bool) -> None:
        """Emit each window, then move the bookmark past it."""
        version, batch_config = self._new_version(), self.get_batch_config(self.config)
        today, days = self._today, None
        if today:
            days = self.earlier_days(today) if earlier else self.daily_days(today)
        nothing: list[str] = []
        rows, completed, is_doubtful = 0, False, False
        try:
            with (
                self._own_tap.progress.of(self.name, days, earlier=earlier) as progress,
                self.get_record_counter() as counter,
                self.get_sync_timer(),
            ):
                for part in self._own_tap.windows.of(Work(self.command, earlier)):
                    self._log_notices(*part.notices)
                    is_doubtful |= any(each.kind in _ROWS_MAY_BE_MISSING for each in part.notices)
                    if part.response:
                        recent, extracted = self._recent(part.response), part.response.extracted
                        rows += self._emit(recent, extracted, version, batch_config)
                        if part.response.table.nothing:
                            nothing.append(str(part.response.window or "the full table"))
                        today = today or part.response.today  # of a table without windows
                        del part, recent  # before the next ones take as much memory
                        continue
                    # Without a window, nothing at all does not show that there are no rows.
                    if self.is_incremental and today and (part.window or not nothing):
                        since = days.first if days and not earlier else None
                        self._move_bookmark(part.window, since, today)
                    self._write_state()
                    counter.increment(rows)
                    progress.done(part.window, rows, bookmark=self.bookmark, checks=part.checks)
                    rows, completed = 0, True
        finally:
            if nothing:
                self._log_notices(nothing_notice(nothing))
        if version is not None and not nothing and completed and not is_doubtful:
            # Only now may the target delete the rows of older versions. The SDK would send the
            # message before the new version is complete.
            self._write_activate_version_message(version)
            self._write_state()
        elif version is not None:
            reason = _DOUBTFUL if is_doubtful else _NOTHING
            self.log("%s: %s", self.name, reason, level=logging.WARNING)

    def emit_files(self, files: Sequence[Source], zone: ZoneInfo, most: int | None = None) -> None:
        """Emit the SCHEMA, then the rows of files, at most `most` of each.

        The bookmark does not move.

        Raises:
            TapCobrowserError: If a file cannot be read to its end.
        """
        self._write_schema_message()
        whole = 2 * sum(file.size for file in files)  # each is read twice
        before = 0
        seen: set[date] = set()
        with self._own_tap.progress.of(self.name) as progress:
            try:
                for number, source in enumerate(files, 1):
                    place = {"whole": whole, "file": number, "files": len(files)}
                    counting = _counting(progress, before, place)
                    file = check_file(source, self.command, zone, counting)
                    counting = _counting(progress, before + source.size, place)
                    days = self._emit_file(file, zone, most, progress, counting)
                    self._log_file(source, file.rows, days, seen)
                    seen |= days
                    before += 2 * source.size
            finally:
                self._writer.flush()

    def _emit_file(
        self,
        file: HistoryFile,
        zone: ZoneInfo,
        most: int | None,
        progress: StreamProgress,
        on_bytes: Callable[[int], None],
    ) -> set[date]:
        """Emit the rows of a file, and return their days."""
        batch_config = self.get_batch_config(self.config)
        days: set[date] = set()
        for table in file.tables(on_bytes):
            self._log_notices(*table.notices)
            if shared := keys_notice(self.command, table):
                self._log_notices(shared)
            extracted = datetime.now(timezone.utc)
            if most is not None:
                progress.rows += self._emit(table.first(most), extracted, None, None)
                break
            progress.rows += self._emit(table, extracted, None, batch_config)
            days |= days_of(table.moments(self.command), zone)
        return days

    def _log_file(self, source: Source, rows: int, days: set[date], seen: set[date]) -> None:
        again = len(days & seen)
        self.log(
            "%s, %s: %s rows%s%s",
            self.name,
            source,
            f"{rows:,}",
            f" of {DateWindow(min(days), max(days))}" if days else "",
            f", {again} of whose {len(days)} days were in files before" if again else "",
        )

    def _emit(
        self,
        table: Table,
        extracted: datetime,
        version: int | None,
        batch_config: BatchConfig | None,
    ) -> int:
        """Emit the rows of a table, as files with a `batch_config`, and return their number."""
        maps = self.stream_maps
        if batch_config:
            send, tap = self._writer.write_message, self.tap_name
            emitted = write_batches(batch_config, send, tap, maps, table, version=version)
        else:
            emitted = write_records(self._writer, maps, table, extracted, version=version)
        if emitted != len(table):  # no bookmark may move past a row that was not emitted
            msg = f"Of {len(table)} rows of stream '{self.name}', {emitted} were emitted"
            raise RuntimeError(msg)
        return emitted

    def _recent(self, response: Response) -> Table:
        """Skip rows before the bookmark and look-back, which a command without a range repeats."""
        table, bookmark = response.table, None if self.windowed else self.bookmark
        if not bookmark or not len(table):
            return table
        if bookmark.day > response.today + ONE_DAY:
            self._log_notices(bookmark_notice(bookmark.day, response.today))
            return table
        zone = self._settings.timezone
        reached, oldest = midnight(bookmark.day, zone).isoformat(), min(table.moments(self.command))
        if oldest > reached:
            self._log_notices(reach_notice(oldest, reached))
        least = bookmarks.look_back(bookmark, self._settings.lookback_days)
        return table.since(cast("str", self.replication_key), midnight(least, zone).isoformat())

    # Bookmarks

    def _move_bookmark(self, window: DateWindow | None, since: date | None, today: date) -> None:
        """Move the bookmark past a window whose rows were emitted; see `bookmarks.after_window`."""
        bookmarks.put(
            self.stream_state,
            bookmarks.after_window(self.bookmark, window, today=today, since=since),
            replication_key=cast("str", self.replication_key),
            zone=self._settings.timezone,
        )

    def upgrade_state(self, today: date) -> None:
        """Add the first complete day to a state of an older version, which does not have it."""
        if self.windowed and (bookmark := self.bookmark):
            bookmarks.add_complete_from(
                self.stream_state,
                bookmark,
                start=self._settings.start_date,
                run_day=today,
                zone=self._settings.timezone,
            )

    def _write_state(self) -> None:
        _ = self.stream_state  # so that every stream has its place in the state
        self._tap.write_message(singer.StateMessage(value=self.tap_state))

    def _new_version(self) -> int | None:
        """Return the version of the full table that this run makes, None if it makes none."""
        if self.is_incremental or not self.config.get("emit_activate_version_messages"):
            return None
        today, settings = self._today, self._settings
        if self.replication_key and (
            # A command without a range may reach back less far than the target's rows.
            not self.windowed
            or settings.start_date is None
            or today is None
            or self.daily_days(today).last < today
        ):
            self.log(_NOT_ALL, level=logging.WARNING)
            return None
        return self._initialized_at // 1000

    # Log

    def _announce(self, days: DateWindow) -> None:
        """Log which earlier days are filled in, and why."""
        bookmark = self.bookmark
        assert bookmark  # noqa: S101 - only a stream with a bookmark has earlier days
        self.log(
            "Filling in %d earlier day%s of stream '%s', %s, newest first: it is complete from %s "
            "on, and `start_date` is before that.",
            *(days.length, "s"[: days.length > 1], self.name, days, bookmark.begin),
        )
        if days.last + ONE_DAY < bookmark.begin:
            self.log(
                "The days of stream '%s' from %s to %s are not read, so the state cannot record "
                "the earlier days, and each such run reads them again. Set `end_date` to %s or "
                "later, or remove it.",
                *(self.name, days.last + ONE_DAY, *[bookmark.begin - ONE_DAY] * 2),
                level=logging.WARNING,
            )

    def _log_notices(self, *notices: Notice) -> None:
        for notice in notices:
            self._own_tap.log_notice(self.name, notice)

    # The SDK's bookkeeping of bookmarks, which this tap does not use

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return no signpost: a bookmark is a finished day, never a value from a row."""

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Nothing to finalize: every STATE that was sent is final."""


def _counting(
    progress: StreamProgress, before: int, place: Mapping[str, int]
) -> Callable[[int], None]:
    """Return a function that shows how many bytes of a file are read."""
    return lambda size: progress.done_in_file(read=before + size, **place)


def _kind(definition: Mapping[str, Any]) -> str:
    """Return the kind of a column by its JSON Schema in the catalog."""
    if definition.get("format") == "date-time":
        return "date-time"
    types = definition.get("type", "string")
    types = [types] if isinstance(types, str) else types
    return next((kind for kind in ("integer", "number", "boolean") if kind in types), "string")
