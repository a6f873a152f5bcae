"""The tap: its settings, its streams, and the plan of requests over all of them."""

from __future__ import annotations

import logging
import os
import sys
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers.capabilities import EMIT_ACTIVATE_VERSION_CONFIG
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_cobrowser import settings
from tap_cobrowser.ahead import FetchAhead, Planned
from tap_cobrowser.api import Api
from tap_cobrowser.cli import CommandLineTap
from tap_cobrowser.clock import SYSTEM_TIME
from tap_cobrowser.errors import (
    ConnectionFailedError,
    SettingError,
    StateError,
    TapCobrowserError,
)
from tap_cobrowser.progress import Progress
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.stream import CobrowserStream, Extraction
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
    """This machine's time. A subclass may live in another one."""

    @cached_property
    def extraction(self) -> Extraction:
        """What the streams of this run share.

        Raises:
            SettingError: If a setting is missing or wrong.
        """
        checked = settings.check(self.config)
        in_flight = checked.max_concurrent_requests
        api = Api(checked, time=self.time, on_request=self._requested, on_retry=self._retried)

        def fetch(stream: CobrowserStream, window: DateWindow | None) -> Response:
            return api.fetch(stream.command, window)

        return Extraction(
            checked,
            api,
            # One more, so that a response is read while all requests are in flight; but whoever
            # wants them one at a time gets just that.
            FetchAhead(self._plan, fetch, 1 if in_flight == 1 else in_flight + 1),
            Progress(self.time.monotonic),
            lambda: [each for each in self._streams_in_order() if each.selected and each.windowed],
        )

    def _plan(
        self, first: CobrowserStream, after: date | None
    ) -> Iterator[Planned[CobrowserStream, DateWindow | None]]:
        """Yield the requests from a stream on, in the order in which streams are synced."""
        due = False
        for stream in self._streams_in_order():
            due = due or stream is first
            if stream is first or (due and stream.selected):
                for window in stream.windows(after if stream is first else None):
                    yield Planned(stream, window)
                yield Planned(stream, end=True)

    def _streams_in_order(self) -> Iterator[CobrowserStream]:
        for stream in self.streams.values():
            if isinstance(stream, CobrowserStream):  # as the SDK's type cannot say: all are
                yield stream

    def _stream(self, name: str) -> CobrowserStream:
        stream = self.streams[name]
        assert isinstance(stream, CobrowserStream)  # noqa: S101 - what `discover_streams` makes
        return stream

    def _requested(self, command: str) -> None:
        self._stream(command).progress.requested()

    def _retried(self, retry: Retry) -> None:
        stream = self._stream(retry.command)
        stream.progress.retried()
        what = retry.error.what
        stream.log(
            "%s: %s Trying again in %.1f seconds (retry %d of %d).",
            retry.place,
            what if what.endswith((".", "…")) else f"{what}.",
            retry.wait,
            retry.number,
            retry.most,
            # What is repeated at once is nobody's failure: a midnight, or a doubt about the end.
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
                "The streams that the API gives to CCC agents alone are left out (%s): "
                "set `ccc_agent` to true to have them.",
                names,
            )
        return super().run_discovery()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state, and see that every stream can continue from it.

        Raises:
            StateError: If one cannot.
        """
        if state.get("type") == "STATE":  # the whole message was saved, not its value alone
            state = state.get("value") or {}
        bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
        if not isinstance(bookmarks, dict) or not all(
            isinstance(bookmark, dict) for bookmark in bookmarks.values()
        ):
            msg = "The state is not an object with an object 'bookmarks' of objects"
            raise StateError(msg, advice="Give a state as this tap sent it, or none to start anew.")
        super().load_state(state)
        for stream in self._streams_in_order():
            if stream.selected and bookmarks:
                _ = stream.bookmark
        if self.input_catalog:
            for name, entry in self.input_catalog.items():
                if name not in self.streams and entry.metadata.root.selected:
                    self.logger.warning(
                        "The catalog selects a stream '%s' that this tap does not have%s.",
                        name,
                        " without `ccc_agent: true`"
                        if name in {stream.name for stream in STREAMS}
                        else "",
                    )

    @override
    def try_streams(self) -> None:
        troubles: dict[str, TapCobrowserError] = {}
        for name, stream in self.streams.items():
            try:
                self.run_sync_dry_run(streams=[stream])
            except TapCobrowserError as error:  # noqa: PERF203 - each stream has its own
                if isinstance(error, ConnectionFailedError):
                    raise
                troubles[name] = error
        for name in self.streams:
            trouble = troubles.get(name)
            self.logger.info(
                "Stream '%s' %s", name, f"does not work: {trouble}" if trouble else "works."
            )
        if troubles:
            raise next(iter(troubles.values()))

    # Settings

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # The SDK knows this setting, but leaves it to the tap to say so.
        for name, schema in EMIT_ACTIVATE_VERSION_CONFIG["properties"].items():
            config_jsonschema["properties"].setdefault(name, schema)

    @property
    def _env_var_config(self) -> dict[str, Any]:
        """Settings from the environment, ours as the text they are: `settings` types them.

        Raises:
            SettingError: If one of the SDK's settings is not of its type.
        """
        prefix = f"{self.name.upper().replace('-', '_')}_"
        own = {
            name: os.environ[variable]
            for name in settings.OWN
            if (variable := f"{prefix}{name.upper()}") in os.environ
        }
        self.append_builtin_config(self.config_jsonschema)
        theirs: dict[str, Any] = {}
        for name, schema in self.config_jsonschema["properties"].items():
            if name not in settings.OWN and os.environ.get(f"{prefix}{name.upper()}"):
                try:
                    theirs |= parse_environment_config({"properties": {name: schema}}, prefix)
                except ValueError:
                    msg = f"Setting '{name}' cannot be read from {prefix}{name.upper()}"
                    raise SettingError(msg, advice="Give it as JSON.") from None
        return own | theirs

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        key = self._config.get("api_key")
        if isinstance(key, str):
            protect(key)
        for name, schema in settings.OWN.items():
            if "default" in schema and self._config.get(name) in {None, ""}:
                self._config[name] = schema["default"]
        if not raise_errors:
            return []
        settings.check(self._config)
        self.append_builtin_config(self.config_jsonschema)
        theirs = {
            name: schema
            for name, schema in self.config_jsonschema["properties"].items()
            if name not in settings.OWN
        }
        # Of the SDK's own settings only: the messages quote values.
        values = {name: value for name, value in self._config.items() if name in theirs}
        for error in DEFAULT_JSONSCHEMA_VALIDATOR({"properties": theirs}).iter_errors(values):
            msg = f"Setting '{error.json_path[2:]}' is not valid: {quote(error.message)}"
            raise SettingError(msg, advice="See `tap-cobrowser --about` for what it may be.")
        encoding = (self._config.get("batch_config") or {}).get("encoding", {})
        if encoding.get("format") == "parquet" and not find_spec("pyarrow"):
            msg = "Setting 'batch_config.encoding.format' is 'parquet', which needs an extra"
            raise SettingError(msg, advice="Install `tap-cobrowser[parquet]`, or take 'jsonl'.")
        return []
