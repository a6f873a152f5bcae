"""The tap: its settings, its streams, and the plan over all of them."""

from __future__ import annotations

import logging
import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import EMIT_ACTIVATE_VERSION_CONFIG
from singer_sdk.singerlib import Catalog, StateMessage

from tap_cobrowser import settings
from tap_cobrowser.api.clock import SYSTEM_TIME
from tap_cobrowser.api.fetch import Api
from tap_cobrowser.api.preflight import Preflight
from tap_cobrowser.api.windows import Windows, Work
from tap_cobrowser.cli import CommandLineTap
from tap_cobrowser.days import ONE_DAY
from tap_cobrowser.errors import (
    CredentialsError,
    SettingError,
    StreamsFailedError,
    TapCobrowserError,
)
from tap_cobrowser.reading.files import find as find_files
from tap_cobrowser.reading.files import recognize
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.singer import maps, sdk_settings
from tap_cobrowser.singer.catalog import parse as parse_catalog
from tap_cobrowser.singer.progress import Progress
from tap_cobrowser.singer.state import bookmarks_of
from tap_cobrowser.streams import STREAMS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.api.retries import Retry
    from tap_cobrowser.client import CobrowserStream
    from tap_cobrowser.models import Notice
    from tap_cobrowser.reading.files import Source


class TapCobrowser(CommandLineTap):
    """Singer tap for the CSV export API of CoBrowser.net, a chat and co-browsing service."""

    name = "tap-cobrowser"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA

    time: ClassVar[Time] = SYSTEM_TIME
    """This machine's time. A subclass may replace it."""

    def __init__(
        self,
        *,
        catalog: object = None,
        state: object = None,
        setup_mapper: bool = True,
        **kwargs: Any,
    ) -> None:
        """Check the settings, the catalog, the stream maps and the state, before any request.

        Catalog and state are parsed JSON.

        Raises:
            TapCobrowserError: If one of them is not valid.
        """
        self._logged: set[tuple[str, str]] = set()
        super().__init__(setup_mapper=False, **kwargs)
        if catalog is not None:
            catalog = catalog.to_dict() if isinstance(catalog, Catalog) else catalog
            streams = {stream.name: stream for stream in self.discover_streams()}
            absent = {stream.name: " without `ccc_agent: true`" for stream in STREAMS}
            self._input_catalog = parse_catalog(catalog, streams, absent, self.logger.warning)
            if not self._selected:
                self.logger.warning(
                    "The catalog selects no stream of this tap, so nothing is read."
                )
        if setup_mapper:
            self.setup_mapper()
        self.load_state({} if state is None else cast("dict[str, Any]", state))

    @override
    def setup_mapper(self) -> None:
        """Prepare the stream maps.

        Raises:
            SettingError: If one of them cannot be used.
        """
        try:
            # That of `Tap` also registers deselected streams, which have no columns.
            super(Tap, self).setup_mapper()
            selected = Catalog()
            for entry in self.catalog.streams:
                if entry.metadata.resolve_selection()[()]:
                    selected.add_stream(entry)
            self.mapper.register_raw_streams_from_catalog(selected)
        except Exception as error:  # noqa: BLE001 - an expression can fail in any way
            reason = quote(error)
        else:
            if not (reason := maps.problem(self.mapper.stream_maps)):
                return
        msg = f"Setting 'stream_maps' cannot be used: {reason}"
        raise SettingError(msg, advice="See the SDK's documentation of stream maps.")

    @cached_property
    def settings(self) -> settings.Settings:
        """The checked settings.

        Raises:
            SettingError: If one is missing or invalid.
        """
        return settings.check(self.config)

    @cached_property
    def progress(self) -> Progress:
        """The progress of the run."""
        return Progress(self.logger, self.settings.timezone, self.time.monotonic)

    @cached_property
    def preflight(self) -> Preflight:
        """The first requests of this run, which the first use makes.

        Raises:
            TapCobrowserError: If the first request is rejected, or the server cannot be reached.
        """
        api = Api(
            self.settings,
            time=self.time,
            on_request=self.progress.requested,
            on_retry=self._log_retry,
        )
        commands = [stream.command for stream in self._selected if stream.windowed]
        preflight = Preflight(api, commands, self.settings)
        preflight.ask_for_today()
        return preflight

    @cached_property
    def windows(self) -> Windows:
        """The windows of this run, as planned. The first use makes the first requests.

        Raises:
            TapCobrowserError: If the first request is rejected, or the server cannot be reached.
        """
        preflight = self.preflight
        if preflight.today:
            for stream in self._selected:
                stream.upgrade_state(preflight.today)
        # The daily work of all streams comes first, then earlier days.
        plan = [
            (Work(stream.command, earlier), window)
            for earlier in (False, True)
            for stream in self._selected
            for window in stream.plan(preflight.today, earlier=earlier)
        ]
        planned = [window for _, window in plan if window]
        if preflight.today:
            self._warn_of_days(preflight.today, is_empty=not planned)
        preflight.ask_for_ranges(max((window.length for window in planned), default=0))
        if preflight.notice:
            self.log_notice("", preflight.notice)
        return Windows(self.settings, plan, preflight)

    def _log_retry(self, retry: Retry) -> None:
        if retry.number:
            self.progress.retried(retry.command)
        what = "Retrying" if retry.number else "Asking once more"
        count = f" ({retry.number} of {retry.most})" if retry.number else ""
        self.logger.log(
            # A retry without a wait (midnight, a missing line end) is no failure of the server.
            logging.WARNING if retry.number and retry.wait else logging.INFO,
            "%s: %s %s in %.1f s%s.",
            *(retry.place, _sentence(retry.error.what), what, retry.wait, count),
        )

    @property
    def _selected(self) -> list[CobrowserStream]:
        """The selected streams, in the order in which they are synced."""
        return [
            cast("CobrowserStream", stream) for stream in self.streams.values() if stream.selected
        ]

    # The SDK marks it as final, but stops at the first stream that fails, and has no hook for work
    # after that of all streams.
    @override  # type: ignore[misc]
    def sync_all(self) -> None:
        """Do the daily work of all streams, then fill in earlier days.

        Raises:
            TapCobrowserError: At once, if it concerns every stream; otherwise at the end.
        """
        windows = None if self.settings.history_files else self.windows
        if self.state:
            self.write_message(StateMessage(value=self.state))
        if windows is None:
            self._read_files()
            return
        failed: dict[str, TapCobrowserError] = {}
        try:
            for stream in self._selected:
                self._try(stream.name, stream.sync, failed)
                if stream.name in failed:
                    windows.drop(Work(stream.command, earlier=True))
            for stream in self._selected:
                if stream.name not in failed:
                    self._try(stream.name, stream.fill_in, failed)
        finally:
            for name, notice in windows.at_end():
                self.log_notice(name, notice)
            self.progress.finish(failed)
        if failed:
            raise _summary(failed, len(self._selected))

    def _try(
        self, name: str, read: Callable[[], None], failed: dict[str, TapCobrowserError]
    ) -> None:
        """Read a stream. If it fails, keep the error, so that the others are read."""
        try:
            read()
        except TapCobrowserError as error:
            if self._ends_run(error) or len(self._selected) == 1:
                raise
            # Without its traceback, which keeps the rows of the window that failed.
            failed[name] = error.with_traceback(None)
            self.logger.error("%s", error)  # noqa: TRY400 - in one line

    def _ends_run(self, error: TapCobrowserError) -> bool:
        """Return whether an error of a stream is one of all: no other is worth trying then."""
        rejected = isinstance(error, CredentialsError) and not self.windows.responded
        return error.ends_run or rejected

    def _warn_of_days(self, today: date, *, is_empty: bool) -> None:
        """Log what is odd about the days that are to be read; `is_empty` if there are none."""
        windowed = [stream for stream in self._selected if stream.windowed]
        is_ahead = False
        for stream in windowed:
            if (bookmark := stream.bookmark) and bookmark.day > today + ONE_DAY:
                is_ahead = True
                self.logger.warning(
                    "%s: the bookmark (%s) is after the server's today (%s): days until then are "
                    "not read, unless you set it back or remove it.",
                    *(stream.name, bookmark.day, today),
                )
        if windowed and is_empty and not is_ahead:
            days = windowed[0].daily_days(today)
            self.logger.warning(
                "No stream with days has anything to read: the first day (%s) is after the last "
                "one (%s).",
                *(days.first, days.last),
            )

    def log_notice(self, stream: str, notice: Notice) -> None:
        """Log a notice, once per stream and kind; the name is empty for one about the run."""
        if (stream, notice.kind) not in self._logged:
            self._logged.add((stream, notice.kind))
            text = f"{stream}: {notice.text}" if stream else notice.text
            self.logger.log(notice.level, "%s", _sentence(text))

    def _read_files(self, most: int | None = None) -> None:
        """Read `history_files` instead of the API, at most `most` records of each file."""
        zone = self.settings.timezone
        files = self._files()
        failed: dict[str, TapCobrowserError] = {}
        try:
            for stream in self._selected:
                if stream.name in files:
                    emit = partial(stream.emit_files, files[stream.name], zone, most)
                    self._try(stream.name, emit, failed)
        finally:
            self.progress.finish(failed)
        if failed:
            raise _summary(failed, sum(stream.name in files for stream in self._selected))

    def _files(self) -> dict[str, list[Source]]:
        """Return the files of `history_files` by stream, and log which are left out."""
        sources, left_out = find_files(self.settings.history_files)
        for name in left_out:
            self.logger.info("%s is not a CSV file, and is left out.", quote(name))
        selected = {stream.name for stream in self._selected}
        commands = [stream.documented() for stream in STREAMS]
        files: dict[str, list[Source]] = {}
        for source in sources:
            files.setdefault(recognize(source, commands).name, []).append(source)
        for name, sources in files.items():
            if name not in selected:
                named = ", ".join(map(str, sources))
                self.logger.info("%s: the stream is not selected; left out: %s.", name, named)
        for stream in self._selected:
            if stream.name not in files:
                self.logger.info("%s: no file.", stream.name)
        return files

    @override
    def discover_streams(self) -> list[CobrowserStream]:
        ccc = settings.wants_ccc_streams(self.config)
        return [stream(tap=self) for stream in STREAMS if ccc or not stream.ccc_only]

    @override
    def run_discovery(self) -> str:
        if not settings.wants_ccc_streams(self.config):
            names = ", ".join(stream.name for stream in STREAMS if stream.ccc_only)
            self.logger.info(
                "Skipped the streams that only CCC agents may read (%s). "
                "Set `ccc_agent` to true to include them.",
                names,
            )
        return super().run_discovery()

    # Catalog and state

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Load the state, and check that every selected stream can continue from it.

        Raises:
            StateError: If one cannot.
        """
        known = bookmarks_of(state, {stream.name for stream in STREAMS})
        for name in known:  # also an empty one, which the SDK leaves out
            self.state.setdefault("bookmarks", {}).setdefault(name, {})
        super().load_state({"bookmarks": known})
        # Streams use the catalog as soon as they are created, and the SDK passes an empty state
        # before there is a catalog.
        for stream in self._selected if known else ():
            _ = stream.bookmark

    @override
    def _reset_state_progress_markers(self) -> None:
        """Do nothing: this tap sends no markers, and keeps those of others."""

    @override
    def try_streams(self) -> None:
        if self.settings.history_files:
            self._read_files(most=1)
            self.logger.info("The files can be read.")
            return
        failed: dict[str, TapCobrowserError] = {}
        _ = self.windows  # whose first request may be rejected
        for stream in self.streams.values():
            try:
                self.run_sync_dry_run(streams=[stream])
            except TapCobrowserError as error:  # noqa: PERF203 - each stream has its own
                if self._ends_run(error):
                    raise
                failed[stream.name] = error
        for name in self.streams:
            found = failed.get(name)
            self.logger.info(
                "Stream '%s' %s", name, f"does not work: {found}" if found else "works."
            )
        if failed:
            raise _summary(failed, len(self.streams))

    # Settings

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # The SDK has this setting, but does not add it by itself.
        for name, schema in EMIT_ACTIVATE_VERSION_CONFIG["properties"].items():
            config_jsonschema["properties"].setdefault(name, schema)

    @classmethod
    def _schemas(cls) -> dict[str, Any]:
        """Return the JSON Schema of each setting, the tap's own and the SDK's."""
        cls.append_builtin_config(cls.config_jsonschema)
        schemas: dict[str, Any] = cls.config_jsonschema["properties"]
        return schemas

    @property
    def _env_var_config(self) -> dict[str, str]:
        """Settings from the environment, as text. The checks give them their types."""
        return settings.from_environment(self._schemas())

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        key = self._config.get("api_key")
        if isinstance(key, str):
            protect(key)
        for name, schema in settings.OWN.items():
            if "default" in schema and self._config.get(name) in (None, ""):
                self._config[name] = schema["default"]
        if not raise_errors:
            return []
        schemas = self._schemas()
        for sentence in settings.unknown(self._config, schemas):
            self.logger.warning("%s", sentence)
        settings.check(self._config)
        theirs = {name: schemas[name] for name in schemas.keys() - settings.OWN.keys()}
        checked = sdk_settings.check(self._config, theirs, [stream.name for stream in STREAMS])
        # The SDK reads its own settings from here, and would take a null for a value.
        ours = {name: value for name, value in self._config.items() if name not in theirs}
        self._config = ours | checked
        return []


def _summary(failed: dict[str, TapCobrowserError], streams: int) -> StreamsFailedError:
    """Return the last line of a run in which streams failed: which, and why."""
    reasons = "; ".join(
        f"'{name}' ({_sentence(error.what)[:-1]})" for name, error in failed.items()
    )
    return StreamsFailedError(
        f"{len(failed)} of {streams} streams failed: {reasons}",
        advice="The others were read. What to do is in the line of each error above.",
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
