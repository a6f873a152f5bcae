"""The command line: errors in one line, signals, and tuning of the process."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import warnings
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from singer_sdk import Tap
from singer_sdk._logging import _setup_console_logging
from singer_sdk.cli import plugin_cli
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue

from tap_cobrowser import outputs, signals
from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tap_cobrowser.messages import LineWriter, output_errors
from tap_cobrowser.redaction import guard_outputs, protect, quote
from tap_cobrowser.shape import NotJsonError, parse

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_M_MMAP_THRESHOLD = -3  # of the C library's malloc.h
_LARGE = 3 * 2**18  # more than a usual window needs, whose memory is then reused


class CommandLineTap(Tap):
    """A tap of the SDK whose command line prints any error as one line.

    It is the base class of the tap, because the SDK makes the command from the class.
    """

    message_writer_class = LineWriter
    _stopping = False

    @abstractmethod
    def try_streams(self) -> None:
        """Request the first record of each stream, and log whether the stream works.

        Raises:
            TapCobrowserError: The first error, after all streams were tried; at once if the server
                cannot be reached.
        """

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator passes the class
        """The command. An invalid log level or logging configuration ends it at once."""
        outputs.prepare()
        name = f"{cls.name.upper().replace('-', '_')}_LOGLEVEL"
        level = (os.environ.get(name) or os.environ.get("LOGLEVEL") or "INFO").upper()
        if not isinstance(logging.getLevelName(level), int):
            sys.exit(f"The log level ({name}) is not valid. Give DEBUG, INFO, WARNING or ERROR.")
        os.environ[name] = level  # the SDK does not accept an empty one
        if not os.environ.get("SINGER_SDK_LOG_CONFIG", "x").strip():
            del os.environ["SINGER_SDK_LOG_CONFIG"]
        try:
            _setup_console_logging(log_level=level)
        except Exception as error:  # noqa: BLE001 - a configuration may call anything
            sys.exit(
                f"The logging configuration (SINGER_SDK_LOG_CONFIG) cannot be used: "
                f"{type(error).__name__}. Give a YAML or JSON file for Python's `logging.config`, "
                "or unset the variable."
            )
        library = logging.getLogger("urllib3")
        if logging.getLevelName(level) > logging.DEBUG and library.level == logging.NOTSET:
            # Its warnings, some of them with tracebacks, are about what the tap handles itself.
            library.setLevel(logging.ERROR)
        return cls.get_singer_command()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        found = _ConfigInput()
        for number, path in enumerate(value, 1):
            try:
                one: object = {} if path == "ENV" else parse(Path(path).read_bytes())
            except (OSError, ValueError) as error:
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
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[Any] | None = None,
        catalog: IO[Any] | None = None,
    ) -> None:
        # The rows of a response are thousands of containers without cycles. With the default
        # thresholds, the garbage collector takes a tenth of a backfill's time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        # Threads with a request in flight need the interpreter often, but only for moments. With
        # the default interval of 5 ms, a backfill from a distant server takes longer; with 1 ms,
        # each row takes a twentieth more CPU time.
        sys.setswitchinterval(0.003)
        _return_memory()
        state_found, catalog_found = _json_object(state, "state"), _json_object(catalog, "catalog")
        # As in the SDK, except that the files are parsed already.
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
        tap = cls(
            config=config.config,
            state=state_found,
            catalog=catalog_found,
            parse_env_config=config.parse_env,
        )
        tap.sync_all()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for param in command.params:
            if isinstance(param.type, click.File):
                param.type = _InputFile("rb")
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
        """Stop on a signal: at once, with whole lines on standard output and exit code 128 + n.

        No STATE covers rows that were not written, so nothing has to be saved. If the target does
        not read, and a line cannot be completed, a second signal does not wait for it.
        """
        if self._stopping:
            os._exit(128 + signum)
        self._stopping = True

        def leave() -> None:
            logging.raiseExceptions = False  # the signal may interrupt another log line
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
    """Return large blocks of memory to the system as soon as they are free.

    The C library of Linux keeps the blocks of each thread for that thread. With responses of tens
    of megabytes, read by one thread after the other, this takes more memory than the responses.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


class _Command(SingerCommand):
    """Ends with one line and exit code 1 on any error; prints a traceback only at level DEBUG."""

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
        signals.end_on_second()
        protect(os.environ.get("TAP_COBROWSER_API_KEY", ""))
        guard_outputs()
        logging.raiseExceptions = False  # a log that cannot be written does not end the run
        try:
            code = self._run(args, **kwargs)
        except TapCobrowserError as error:
            code = self._fail(str(error))
        except click.UsageError as error:
            if error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            line = f"{_usage_problem(error)}. Try `{self.name} --help`."
            code = self._fail(line, traceback=False)  # it would repeat the command line
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except Exception as error:  # noqa: BLE001 - reported in one line
            code = self._fail(_unforeseen(error))
        sys.exit(code)

    def _run(self, args: Sequence[str] | None, **kwargs: Any) -> Any:
        """Run the command, and flush standard output.

        Raises:
            TargetGoneError: If standard output cannot be written.
        """
        stdout, stderr = sys.stdout, sys.stderr
        code: Any
        with output_errors():
            try:
                code = super().main(args, standalone_mode=False, **kwargs)
            except SystemExit as leaving:
                code = leaving.code
                sys.stdout, sys.stderr = stdout, stderr  # click replaces them at a broken pipe
            sys.stdout.flush()
        return code

    def _fail(self, line: str, *, traceback: bool = True) -> int:
        # Requests in flight are abandoned. Meltano shows warnings, so warnings about their sockets
        # would follow the error.
        warnings.simplefilter("ignore", ResourceWarning)
        self.logger.error(line, exc_info=traceback and self.logger.isEnabledFor(logging.DEBUG))
        return 1


class _InputFile(click.File):
    """A file to read. If it does not exist, its path is not quoted: it may be the JSON itself."""

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
    """Return why a file cannot be read, without its content or path."""
    if path.lstrip().startswith(("{", "[", '"')):
        return "it must be a path, not the JSON itself"
    if error is None or isinstance(error, FileNotFoundError):
        return "there is no such file, or no permission to read it"
    if isinstance(error, OSError):
        return error.strerror or "the system does not allow it"
    return str(error) if isinstance(error, NotJsonError) else "there is no such file"


def _usage_problem(error: click.UsageError) -> str:
    """Return what is wrong with a command line, without quoting it: it may contain the key."""
    if isinstance(error, click.NoSuchOption):
        alike = ", ".join(error.possibilities or ())
        meant = f" (did you mean {alike}?)" if alike else ""
        return f"No such option{meant}; settings belong in the file that --config names"
    if isinstance(error, click.BadOptionUsage):  # its message names an existing option only
        return error.format_message().rstrip(".")
    if isinstance(error, click.BadParameter) and error.param:
        return f"Invalid value for {error.param.opts[0]}"
    return "Unexpected argument: all arguments must follow an option"


def _unforeseen(error: Exception) -> str:
    """Return the line for an unexpected error."""
    what = f"{type(error).__name__}: {quote(error)}"
    return (
        f"This is a defect of tap-cobrowser ({what}). Please report it, with the traceback that "
        "TAP_COBROWSER_LOGLEVEL=DEBUG logs."
    )


def _json_object(file: IO[bytes] | None, kind: str) -> dict[str, Any] | None:
    """Return the JSON object in a file. An empty state file counts as `{}`."""
    if file is None:
        return None
    what = "a JSON object with streams" if kind == "catalog" else "a JSON object"
    try:
        raw = file.read()
        found = {} if kind == "state" and not raw.strip() else parse(raw)
    except NotJsonError as error:
        problem = f"cannot be read: {error}"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or 'the system does not allow it'}"
    else:
        if isinstance(found, dict) and (kind == "state" or found.get("streams")):
            return found
        problem = f"is not {what}"
    msg = f"The {kind} file {quote(file.name)} {problem}"
    raise InputFileError(msg, advice=f"Give a {kind} in Singer's format, or leave it out.")
