"""The command line: errors end in one line, and signals end it with whole lines."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from abc import abstractmethod
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click
from singer_sdk import Tap
from singer_sdk._logging import _setup_console_logging
from singer_sdk.cli import plugin_cli
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue

from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tap_cobrowser.redaction import protect, quote
from tap_cobrowser.settings import parse_json
from tap_cobrowser.singer.messages import LineWriter, target_gone

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_OF_STANDARD_OUTPUT = {errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}
"""Errors of the system that only printing leaves as they are: everything else has its own type."""
_PATIENCE = 0.3
_ADDS_NOTHING = {"Parsing env var for settings config...", "Skipping parse of env var settings..."}
"""Lines of the SDK, one in each run."""


class CommandLineTap(Tap):
    """A tap of the SDK whose command line prints any error as one line.

    It is the base class of the tap, because the SDK makes the command from the class.
    """

    message_writer_class = LineWriter

    def __init__(self, **kwargs: Any) -> None:
        """Initialize the tap, with metrics in the log at level DEBUG only."""
        super().__init__(**kwargs)
        if not self.logger.isEnabledFor(logging.DEBUG):
            self.metrics_logger.setLevel(logging.WARNING)

    @abstractmethod
    def try_streams(self) -> None:
        """Request the first record of each stream, and log whether the stream works."""

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator passes the class
        """The command. An invalid log level or logging configuration ends it at once."""
        if sys.stdout is None:  # it was closed when the process started
            sys.exit("Standard output is closed. Connect it to a target or a file.")
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
        cls.logger.addFilter(lambda record: record.msg not in _ADDS_NOTHING)
        return cls.get_singer_command()

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        found = _ConfigInput(parse_env="ENV" in value)
        for number, path in enumerate(value, 1):
            if path != "ENV":
                which = f", file {number} of {len(value)}" if len(value) > 1 else ""
                found.config |= _json_object(path, f"configuration (--config{which})")
        if isinstance(key := found.config.get("api_key"), str):
            protect(key)
        return found

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value not in {option.value for option in CliTestOptionValue}:
            raise click.BadParameter("", ctx, param)  # noqa: EM101 - the text is not used
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
        state: str | None = None,
        catalog: str | None = None,
    ) -> None:
        # The rows of a response are thousands of containers without cycles. With the default
        # thresholds, the garbage collector takes a tenth of a backfill's time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
        tap = cls(
            config=config.config,
            state=None if state is None else _json_object(state, "state file (--state)"),
            catalog=None if catalog is None else _json_object(catalog, "catalog file (--catalog)"),
            parse_env_config=config.parse_env,
        )
        tap.sync_all()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for param in command.params:
            if isinstance(param.type, click.File):
                param.type = click.STRING  # whose file is opened where its errors are reported
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

        No STATE covers rows that were not written, so nothing has to be saved.
        """

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


class _Command(SingerCommand):
    """Ends with one line and exit code 1 on any error; prints a traceback only at level DEBUG."""

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reporting_closed_pipes():  # options print, too
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with _reporting_closed_pipes():
            return super().invoke(ctx)

    @override
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        _end_on_second_signal()
        protect(os.environ.get("TAP_COBROWSER_API_KEY", ""))
        logging.raiseExceptions = False  # a log that cannot be written does not end the run
        # Requests in flight are abandoned. Meltano shows warnings, so warnings about their sockets
        # would follow an error.
        warnings.simplefilter("ignore", ResourceWarning)
        code: Any
        try:
            try:
                code = super().main(*args, **{**kwargs, "standalone_mode": False})
            except SystemExit as leaving:
                code = leaving.code
            sys.stdout.flush()
        except click.UsageError as error:
            if error.ctx is not None:
                with suppress(OSError):
                    click.echo(error.ctx.get_usage(), err=True)
            self.logger.error("%s. Try `%s --help`.", _usage_problem(error), self.name)  # noqa: TRY400
            code = 1
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except Exception as error:  # noqa: BLE001 - reported in one line
            self._report(error)
            code = 1
        sys.exit(code)

    def _report(self, error: Exception) -> None:
        # Only where it was raised: libraries have the URL in the texts of their errors.
        frames = "".join(traceback.format_tb(error.__traceback__))
        self.logger.debug("Traceback:\n%s%s", frames, type(error).__name__)
        if isinstance(error, OSError) and error.errno in _OF_STANDARD_OUTPUT:
            error = target_gone(error)
        if isinstance(error, TapCobrowserError):
            self.logger.error("%s", error)
        else:
            self.logger.error(
                "This is a defect of tap-cobrowser (%s: %s). Please report it, with the traceback "
                "that TAP_COBROWSER_LOGLEVEL=DEBUG logs.",
                *(type(error).__name__, quote(error)),
            )


@contextmanager
def _reporting_closed_pipes() -> Iterator[None]:
    """Report a pipe that nobody reads, for which click ends without a line."""
    try:
        yield
    except BrokenPipeError as error:
        gone = target_gone(error)
    else:
        return
    raise gone


def _usage_problem(error: click.UsageError) -> str:
    """Return what is wrong with a command line, without quoting it: it may contain the key."""
    if isinstance(error, click.NoSuchOption):
        return "No such option; settings belong in the file that --config names"
    if isinstance(error, click.BadParameter) and error.param:
        return f"Invalid value for {error.param.opts[0]}"
    return "An option has no value, or an argument belongs to no option"


def _json_object(path: str, what: str) -> dict[str, Any]:
    """Return the JSON object in a file. The path is not quoted: it may be the JSON itself."""
    reason = "it is not a JSON object"
    try:
        with click.open_file(path, "rb") as file:
            raw = file.read()
        if what.startswith("state") and not raw.strip():
            text = "The state file is empty, so the run begins at `start_date`."
            logging.getLogger("tap-cobrowser").warning(text)
            return {}
        if isinstance(found := parse_json(raw), dict):
            return found
    except OSError as error:
        reason = error.strerror or "the system does not allow it"
    except ValueError as error:
        reason = str(error)
    msg = f"The {what} cannot be read: {reason}"
    or_env = ", or ENV for environment variables" if what.startswith("configuration") else ""
    raise InputFileError(msg, advice=f"Give the path of a JSON file{or_env}.")


def _end_on_second_signal() -> None:
    """End the process on the second SIGINT or SIGTERM, whatever the main thread waits for.

    Python runs signal handlers between two instructions of the main thread, so not while a library
    waits for a name server, or a target does not read. It writes the number of a signal to a
    socket at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # noqa: FBT003 - its only parameter
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)

    def watch() -> None:
        stopping = False
        while received := reader.recv(1):
            if received[0] in {signal.SIGINT, signal.SIGTERM}:
                if stopping:
                    # Ctrl-C in a terminal comes twice, from Meltano, too: the signal handler ends
                    # the process earlier, with a whole line, if it can run.
                    time.sleep(_PATIENCE)
                    os._exit(128 + received[0])
                stopping = True

    threading.Thread(target=watch, name="signals", daemon=True).start()
