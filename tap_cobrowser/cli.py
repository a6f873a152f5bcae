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
from singer_sdk.helpers._util import read_json_file
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue

from tap_cobrowser import outputs
from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tap_cobrowser.messages import LineWriter, told_if_gone
from tap_cobrowser.redaction import guard_outputs, protect, quote

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_M_MMAP_THRESHOLD = -3  # of the C library's malloc.h
_LARGE = 3 * 2**18  # more than the usual window takes, which need not be cleared each time


class CommandLineTap(Tap):
    """A tap of the SDK whose command line ends in one line on any error.

    It stands below the tap, not above it: the SDK makes the command from the class.
    """

    message_writer_class = LineWriter
    _stopping = False

    @abstractmethod
    def try_streams(self) -> None:
        """Request a first record of each stream, and log of each whether that works.

        Raises:
            TapCobrowserError: The first error, when all streams were tried; at once if it is one
                that all of them would wait for in vain.
        """

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - what it decorates gets the class
        """The command; a log level or configuration that is none ends it at once."""
        outputs.prepare()
        name = f"{cls.name.upper().replace('-', '_')}_LOGLEVEL"
        level = (os.environ.get(name) or os.environ.get("LOGLEVEL") or "INFO").upper()
        if not isinstance(logging.getLevelName(level), int):
            sys.exit(f"The log level ({name}) is not valid. Give DEBUG, INFO, WARNING or ERROR.")
        try:
            _setup_console_logging(log_level=level)
        except Exception as error:  # noqa: BLE001 - it may call anything
            sys.exit(
                f"The logging configuration (SINGER_SDK_LOG_CONFIG) cannot be used: "
                f"{type(error).__name__}. Give a YAML or JSON file for Python's `logging.config` "
                "takes it, or leave the variable out."
            )
        return cls.get_singer_command()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        found = _ConfigInput()
        for number, path in enumerate(value, 1):
            try:
                # The SDK would take a list for an object.
                one: object = {} if path == "ENV" else read_json_file(path)
            except (OSError, ValueError, RuntimeError) as error:
                reason = _why_not_read(path, error)
            else:
                if isinstance(one, dict):
                    found.config |= one
                    found.parse_env = found.parse_env or path == "ENV"
                    continue
                reason = "it is not a JSON object"
            which = f", file {number} of {len(value)}" if len(value) > 1 else ""
            msg = f"The configuration (--config{which}) cannot be read: {reason}"
            raise InputFileError(
                msg, advice="Give the path of a JSON file, or ENV for environment variables."
            )
        if isinstance(key := found.config.get("api_key"), str):
            protect(key)
        return found

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value not in {option.value for option in CliTestOptionValue}:
            msg = f"{quote(value, 40)} must be all, schema or disabled"
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
        for param in command.params:
            if isinstance(param.type, click.File):
                param.type = _InputFile()
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

        What was not written yet is not claimed by any STATE either, so nothing has to be saved. If
        a target that has stopped reading holds up a line, a second signal does not wait for it.
        """
        if self._stopping:
            os._exit(128 + signum)
        self._stopping = True

        def leave() -> None:
            logging.raiseExceptions = False  # this may interrupt another line being logged
            self.logger.warning(
                "Stopped by %s. Run again to continue from the last state that the target stored.",
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
    """Ends in one line and exit code 1 on any error; with a traceback at level DEBUG alone."""

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
        protect(os.environ.get("TAP_COBROWSER_API_KEY", ""))
        guard_outputs()
        logging.raiseExceptions = False  # a log that cannot be written is no reason to stop
        try:
            code = self._run(args, **kwargs)
        except TapCobrowserError as error:
            code = self._fail(str(error))
        except click.UsageError as error:
            if error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            line = f"{_usage_problem(error)}. Try `{self.name} --help`."
            code = self._fail(line, traceback=False)  # which would repeat the command line
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except Exception as error:  # noqa: BLE001 - nobody is helped by a traceback on a terminal
            code = self._fail(_unforeseen(error))
        sys.exit(code)

    def _run(self, args: Sequence[str] | None, **kwargs: Any) -> Any:
        """Run the command, and see that all that it printed arrived.

        Raises:
            TargetGoneError: If it did not.
        """
        stdout, stderr = sys.stdout, sys.stderr
        code: Any
        with told_if_gone():
            try:
                code = super().main(args, standalone_mode=False, **kwargs)
            except SystemExit as leaving:
                code = leaving.code
                sys.stdout, sys.stderr = stdout, stderr  # click replaces them if a pipe is broken
            sys.stdout.flush()
        return code

    def _fail(self, line: str, *, traceback: bool = True) -> int:
        # Requests still in flight are of no use and are left as they are. Under Meltano, which
        # shows warnings, their sockets would have the last word.
        warnings.simplefilter("ignore", ResourceWarning)
        self.logger.error(line, exc_info=traceback and self.logger.isEnabledFor(logging.DEBUG))
        return 1


class _InputFile(click.File):
    """A file to read, whose path is not quoted if there is none: it may be the text itself."""

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IO[Any]:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            msg = f"{param.opts[0] if param else 'A file'} cannot be read: {_why_not_read(value)}"
        raise InputFileError(msg, advice="Give the path of a JSON file.")


def _why_not_read(path: str, error: Exception | None = None) -> str:
    """Return why a file cannot be read, without a word of it or of its path."""
    if path.lstrip().startswith(("{", "[", '"')):
        return "it must be a path, not the JSON itself"
    if error is None or isinstance(error, FileNotFoundError):
        return "there is no such file, or no permission to read it"
    if isinstance(error, OSError):
        return error.strerror or "the system does not allow it"
    return "it is not a JSON object"


def _usage_problem(error: click.UsageError) -> str:
    """Return what is wrong with a command line without a word of it: a key may stand anywhere."""
    if isinstance(error, click.NoSuchOption):
        alike = ", ".join(error.possibilities or ())
        meant = f" (did you mean {alike}?)" if alike else ""
        return f"No such option{meant}; settings belong in the file that --config names"
    if isinstance(error, click.BadOptionUsage):  # names an option that there is
        return error.format_message().rstrip(".")
    if isinstance(error, click.BadParameter) and error.param:
        return f"Invalid value for {error.param.opts[0]}"
    return "There is an argument without an option"


def _unforeseen(error: Exception) -> str:
    """Return the line for an error that nothing was prepared for."""
    what = f"{type(error).__name__}: {quote(error)}"
    return (
        f"This is a defect of tap-cobrowser ({what}). Please report it, with the traceback that "
        "TAP_COBROWSER_LOGLEVEL=DEBUG logs."
    )


def _json_object(file: IO[str] | None, kind: str) -> IO[str] | None:
    """Return a file that is sure to be a JSON object; an empty state is one without bookmarks."""
    if file is None:
        return None
    try:
        text = file.read().strip() or ("{}" if kind == "state" else "")
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or (kind == "catalog" and not found.get("streams")):
        what = "a JSON object with streams" if kind == "catalog" else "a JSON object"
        msg = f"The {kind} file {quote(file.name)} is not {what}"
        raise InputFileError(msg, advice=f"Give a {kind} in Singer's format, or leave it out.")
    return io.StringIO(text)
