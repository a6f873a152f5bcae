"""The tap: its settings, its streams, and a command line that ends in one line on any trouble."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import sys
import warnings
from functools import cached_property
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Tap
from singer_sdk._logging import _setup_console_logging
from singer_sdk.cli import plugin_cli
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers.capabilities import EMIT_ACTIVATE_VERSION_CONFIG
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.tap_base import CliTestOptionValue
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_cobrowser import settings
from tap_cobrowser.client import CobrowserStream, Run
from tap_cobrowser.errors import (
    ConnectionFailedError,
    InputFileError,
    SettingError,
    StateError,
    TapCobrowserError,
)
from tap_cobrowser.messages import LineWriter
from tap_cobrowser.redaction import guard_outputs, protect, quote, redact
from tap_cobrowser.streams import STREAMS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType


class TapCobrowser(Tap):
    """Singer tap for the CSV export API of CoBrowser.net, a chat and co-browsing service."""

    name = "tap-cobrowser"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    message_writer_class = LineWriter

    @cached_property
    def run(self) -> Run:
        """What the requests of this run share.

        Raises:
            SettingError: If a setting is missing or wrong.
        """
        return Run(settings.check(self.config), self._commands)

    def _commands(self) -> Iterator[CobrowserStream]:
        for stream in self.streams.values():
            if isinstance(stream, CobrowserStream):  # as the SDK's type cannot say: all are
                yield stream

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
        for stream in self.streams.values():
            if stream.selected and isinstance(stream, CobrowserStream) and bookmarks:
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

    def try_streams(self) -> None:
        """Ask for a first record of each stream, and tell of each whether that works.

        Raises:
            TapCobrowserError: The first error, when all streams were tried; at once if it is one
                that all of them would wait for in vain.
        """
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
        if key is not None:
            protect(str(key))
            protect(str(key).strip())
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

    # The command line

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - what it decorates gets the class
        """The command; a log level that is none ends it at once."""
        name = f"{cls.name.upper().replace('-', '_')}_LOGLEVEL"
        level = os.environ.get(name) or os.environ.get("LOGLEVEL") or "INFO"
        if not isinstance(logging.getLevelName(level.upper()), int):
            sys.exit(f"The log level ({name}) is {level!r}. Give DEBUG, INFO, WARNING or ERROR.")
        _setup_console_logging(log_level=level.upper())
        return cls.get_singer_command()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            reason = "it is not a JSON object"
            if isinstance(error, OSError):
                reason = error.strerror or "there is no such file"
            msg = f"The configuration ({', '.join(value)}) cannot be read: {reason}"
        raise InputFileError(msg, advice="Name a JSON file, or ENV for environment variables.")

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value == CliTestOptionValue.All.value:
            config = ctx.params["config"]
            cls(config=config.config, parse_env_config=config.parse_env).try_streams()
            ctx.exit()
        super().cb_test(ctx, param, value)

    @classmethod
    @override
    def invoke(
        cls,
        *,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # The rows of an answer are thousands of containers with no cycle among them. By the usual
        # thresholds the collector goes through them over and over, a tenth of a backfill's time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        # A request in flight needs its turn for moments only, and often: 5 ms each add up to a
        # twentieth of a backfill from a server that is far.
        sys.setswitchinterval(0.001)
        super().invoke(
            state=_json_object(state, "state"), catalog=_json_object(catalog, "catalog"), **kwargs
        )

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        return _Command(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop on a signal: at once, with whole lines on standard output and a telling exit code.

        What was not written yet is not claimed by any STATE either, so nothing has to be saved.
        """

        def leave() -> None:
            logging.raiseExceptions = False  # this may interrupt another line being logged
            self.logger.warning(
                "Stopped by %s. Run again to continue from the last state that the target kept.",
                signal.Signals(signum).name,
            )
            os._exit(128 + signum)

        writer = getattr(self, "message_writer", None)
        if isinstance(writer, LineWriter):
            writer.stop(leave)
        else:
            leave()


class _Command(SingerCommand):
    """Ends in one line and exit code 1 on any trouble; with a traceback at level DEBUG alone."""

    @override
    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        *,
        standalone_mode: bool = True,
        **kwargs: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **kwargs)
        guard_outputs()
        try:
            code = super().main(args, standalone_mode=False, **kwargs)
        except TapCobrowserError as error:
            code = self._fail(str(error))
        except click.UsageError as error:
            if error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            problem = redact(" ".join(error.format_message().split())).rstrip(".")
            code = self._fail(f"{problem}. Try `tap-cobrowser --help`.")
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except Exception as error:  # noqa: BLE001 - nobody is helped by a traceback on a terminal
            code = self._fail(
                f"{type(error).__name__}: {quote(error)}. With TAP_COBROWSER_LOGLEVEL=DEBUG "
                "the log shows where; please report it if the settings are right."
            )
        sys.exit(code)

    def _fail(self, line: str) -> int:
        # Requests still in flight are of no use and are left as they are. Under Meltano, which
        # shows warnings, their sockets would have the last word.
        warnings.simplefilter("ignore", ResourceWarning)
        self.logger.error(line, exc_info=self.logger.isEnabledFor(logging.DEBUG))
        return 1


def _json_object(file: IO[str] | None, kind: str) -> IO[str] | None:
    """Return a file that is sure to be a JSON object; an empty state is one without bookmarks."""
    if file is None:
        return None
    try:
        text = file.read().strip() or ("{}" if kind == "state" else "")
        found = json.loads(text)
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or (kind == "catalog" and not found.get("streams")):
        what = "a JSON object with streams" if kind == "catalog" else "a JSON object"
        msg = f"The {kind} file '{file.name}' is not {what}"
        raise InputFileError(msg, advice=f"Give a {kind} as Singer has it, or leave it out.")
    return io.StringIO(text)
