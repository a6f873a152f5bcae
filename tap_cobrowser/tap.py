"""The tap: its settings, its streams, and the plan of requests over all of them."""

from __future__ import annotations

import logging
import os
import sys
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.helpers.capabilities import EMIT_ACTIVATE_VERSION_CONFIG
from singer_sdk.singerlib import Catalog

from tap_cobrowser import sdk_settings, settings
from tap_cobrowser.ahead import FetchAhead, Planned
from tap_cobrowser.api import Api
from tap_cobrowser.catalog import parse as parse_catalog
from tap_cobrowser.cli import CommandLineTap
from tap_cobrowser.clock import SYSTEM_TIME
from tap_cobrowser.errors import (
    ConnectionFailedError,
    SettingError,
    TapCobrowserError,
)
from tap_cobrowser.progress import Progress
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.state import bookmarks_of
from tap_cobrowser.stream import CobrowserStream, Extraction, Pass
from tap_cobrowser.streams import STREAMS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from tap_cobrowser.api import Retry
    from tap_cobrowser.audit import Response
    from tap_cobrowser.clock import Time
    from tap_cobrowser.days import DateWindow


class TapCobrowser(CommandLineTap):
    """Singer tap for the CSV export API of CoBrowser.net, a chat and co-browsing service."""

    name = "tap-cobrowser"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA

    time: ClassVar[Time] = SYSTEM_TIME
    """This machine's time. A subclass may replace it."""

    _emits = False

    def __init__(
        self,
        *,
        catalog: object = None,
        state: object = None,
        setup_mapper: bool = True,
        **kwargs: Any,
    ) -> None:
        """Check the settings, the catalog, the stream maps and the state, before any request.

        Args:
            catalog: The catalog, as parsed JSON.
            state: The state, as parsed JSON.
            setup_mapper: Whether to prepare the stream maps.
            kwargs: Other arguments of the SDK.

        Raises:
            TapCobrowserError: If one of them is not valid.
        """
        super().__init__(setup_mapper=False, **kwargs)
        if catalog is not None:
            catalog = catalog.to_dict() if isinstance(catalog, Catalog) else catalog
            streams = {stream.name: stream for stream in self.discover_streams()}
            absent = {stream.name: " without `ccc_agent: true`" for stream in STREAMS}
            self._input_catalog = parse_catalog(catalog, streams, absent, self.logger.warning)
            if not any(stream.selected for stream in self._streams_in_order()):
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
            super().setup_mapper()
        except Exception as error:  # noqa: BLE001 - an expression can fail in any way
            reason = quote(error)
        else:
            bare = [
                stream_map.stream_alias
                for stream_maps in self.mapper.stream_maps.values()
                for stream_map in stream_maps
                if stream_map.raw_schema["properties"]  # empty if the stream is deselected
                and not stream_map.transformed_schema["properties"]
            ]
            if not bare:
                return
            reason = (
                f"it leaves no column of {quote(bare[0], 60)}; to remove a stream, set it to null"
            )
        msg = f"Setting 'stream_maps' cannot be used: {reason}"
        raise SettingError(msg, advice="See the SDK's documentation of stream maps.")

    @cached_property
    def extraction(self) -> Extraction:
        """The objects that the streams of this run share.

        Raises:
            SettingError: If a setting is missing or invalid.
        """
        checked = settings.check(self.config)
        in_flight = checked.max_concurrent_requests
        api = Api(
            checked,
            time=self.time,
            on_request=self._requested,
            on_retry=self._retried,
            on_bytes=self._received,
        )

        def fetch(each: Pass, window: DateWindow | None) -> Response:
            response = api.fetch(each.stream.command, window)
            # Whoever asks a stream for its records wants its rows.
            return self.extraction.encode(each.stream, response) if self._emits else response

        # One more, so that a response is parsed while all requests are in flight. With a maximum
        # of one, there is only one.
        most = 1 if in_flight == 1 else in_flight + 1
        return Extraction(
            checked,
            api,
            FetchAhead(self._plan, fetch, most),
            Progress(self.time.monotonic),
            lambda: [each for each in self._streams_in_order() if each.selected and each.windowed],
        )

    def _plan(self, first: Pass, after: date | None) -> Iterator[Planned[Pass, DateWindow | None]]:
        """Yield the requests of a pass and of those after it, in the order of `sync_all`."""
        streams = [
            each for each in self._streams_in_order() if each.selected or each is first.stream
        ]
        passes = [Pass(stream, earlier) for earlier in (False, True) for stream in streams]
        for each in passes[passes.index(first) :]:
            if each.earlier and each != first and not each.stream.earlier_days:
                continue
            read = after if each == first else None
            for window in self.extraction.windows(each, read):
                yield Planned(each, window)
            yield Planned(each, end=True)

    # The SDK marks it as final, but has no hook for work after that of all streams.
    @override  # type: ignore[misc]
    def sync_all(self) -> None:
        """Do the daily work of all streams, then fill in earlier days."""
        self._emits = True
        try:
            super().sync_all()
            for stream in self._streams_in_order():
                if stream.selected:
                    stream.fill_in()
        finally:
            self._emits = False

    def _streams_in_order(self) -> Iterator[CobrowserStream]:
        for stream in self.streams.values():
            if isinstance(stream, CobrowserStream):  # all are, which the SDK's type does not say
                yield stream

    def _requested(self, _: str) -> None:
        self.extraction.ahead.source.progress.requested()

    def _received(self, size: int) -> None:
        self.extraction.ahead.received(size)

    def _retried(self, retry: Retry) -> None:
        ahead = self.extraction.ahead
        ahead.dropped()
        ahead.source.progress.retried()
        stream = ahead.source.stream
        what = retry.error.what
        stream.log(
            "%s: %s Retrying in %.1f s (%d of %d).",
            retry.place,
            what if what.endswith((".", "…")) else f"{what}.",
            retry.wait,
            retry.number,
            retry.most,
            # A retry without a wait (midnight, or a missing line end) is no failure of the server.
            level=logging.WARNING if retry.wait else logging.INFO,
        )

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

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Load the state, and check that every selected stream can continue from it.

        Raises:
            StateError: If one cannot.
        """
        bookmarks = bookmarks_of(state, {stream.name for stream in STREAMS})
        super().load_state({"bookmarks": bookmarks})
        # Streams use the catalog as soon as they are created, and the SDK passes an empty state
        # before there is a catalog.
        for stream in self._streams_in_order() if bookmarks else ():
            if stream.selected:
                _ = stream.bookmark

    @override
    def _reset_state_progress_markers(self) -> None:
        """Do nothing: this tap sends no markers, and keeps those of others."""

    @override
    def try_streams(self) -> None:
        errors: dict[str, TapCobrowserError] = {}
        for name, stream in self.streams.items():
            try:
                self.run_sync_dry_run(streams=[stream])
            except TapCobrowserError as error:  # noqa: PERF203 - each stream has its own
                if isinstance(error, ConnectionFailedError):
                    raise
                errors[name] = error
        for name in self.streams:
            found = errors.get(name)
            self.logger.info(
                "Stream '%s' %s", name, f"does not work: {found}" if found else "works."
            )
        if errors:
            raise next(iter(errors.values()))

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
        prefix = f"{self.name.upper().replace('-', '_')}_"
        return {
            name: os.environ[variable]
            for name in self._schemas()
            if (variable := f"{prefix}{name.upper()}") in os.environ
        }

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
        settings.check(self._config)
        schemas = self._schemas()
        theirs = {name: schemas[name] for name in schemas.keys() - settings.OWN.keys()}
        checked = sdk_settings.check(self._config, theirs, [stream.name for stream in STREAMS])
        for name in self._config.keys() - schemas.keys():
            self.logger.warning(
                "Setting %s is unknown and has no effect%s.",
                quote(name, 60),
                "".join(
                    f" (did you mean '{like}'?)" for like in get_close_matches(name, schemas, 1)
                ),
            )
        # The SDK reads its own settings from here, and would take a null for a value.
        ours = {name: value for name, value in self._config.items() if name not in theirs}
        self._config = ours | checked
        return []
