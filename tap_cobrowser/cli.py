"""The command line: errors end in one line, signals in whole lines, and the process is tuned."""

from __future__ import annotations

import ctypes
import gc
import io
import json
import logging
import os
import signal
import sys
import warnings
from abc import abstractmethod
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import click
from singer_sdk import Tap
from singer_sdk._logging import _setup_console_logging
from singer_sdk.cli import plugin_cli
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.tap_base import CliTestOptionValue

from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tap_cobrowser.messages import LineWriter
from tap_cobrowser.redaction import guard_outputs, quote, redact

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_M_MMAP_THRESHOLD = -3  # of the C library's malloc.h
_LARGE = 2**18


class CommandLineTap(Tap):
    """A tap of the SDK whose command line ends in one line on any error.

    It stands below the tap, not above it: the SDK makes the command from the class.
    """

    message_writer_class = LineWriter

    @abstractmethod
    def try_streams(self) -> None:
        """Request a first record of each stream, and log of each whether that works.

        Raises:
            TapCobrowserError: The first error, when all streams were tried; at once if it is one
                that all of them would wait for in vain.
        """

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
        if value not in {option.value for option in CliTestOptionValue}:
            msg = f"{quote(value, 40)} is not one of all, schema and disabled"
            raise click.BadParameter(msg, ctx, param)
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
        _return_memory()
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


def _return_memory() -> None:
    """Have large pieces of memory go back to the system as soon as they are free.

    The C library of Linux keeps those of each thread for that thread's next one: with responses of
    tens of megabytes, read by one thread after the other, that is more than they take themselves.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


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
            code = self._fail(f"{problem}. Try `{self.name} --help`.")
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
