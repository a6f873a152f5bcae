"""`tap-cobrowser-doctor`: examines a server, and prints a report that can be shown to others."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_cobrowser import settings
from tap_cobrowser.clock import SYSTEM_TIME
from tap_cobrowser.doctor.client import MOST_REQUESTS, Client
from tap_cobrowser.doctor.late import read_report
from tap_cobrowser.doctor.report import report_of
from tap_cobrowser.doctor.visit import Visit
from tap_cobrowser.errors import ExaminationError, InputFileError, TapCobrowserError
from tap_cobrowser.redaction import quote
from tap_cobrowser.singer.messages import output_errors
from tap_cobrowser.streams import STREAMS
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cobrowser.api import Command, Retry
    from tap_cobrowser.clock import Time
    from tap_cobrowser.doctor.late import Days
    from tap_cobrowser.doctor.report import Report

_NAME = "tap-cobrowser-doctor"
_HELP = (
    "Find out how a CoBrowser.net account's CSV exports work, and which settings fit. It makes at "
    f"most {MOST_REQUESTS} requests. The report has no customer data and no credentials, so it can "
    "be attached to an issue."
)


def commands(tap: TapCobrowser) -> dict[str, Command]:
    """Return all commands of the API, by name, as the tap reads them."""
    streams = [stream(tap=tap) for stream in STREAMS]
    return {stream.name: stream.command for stream in streams}


def examine(
    tap: TapCobrowser,
    *,
    time: Time = SYSTEM_TIME,
    earlier: Days | None = None,
    on_request: Callable[[int, str], None] = lambda *_: None,
    on_retry: Callable[[Retry], None] = lambda _: None,
) -> tuple[Report | None, TapCobrowserError | None]:
    """Examine a server.

    Args:
        tap: The tap, with its settings.
        time: This machine's time.
        earlier: Digests from an earlier report.
        on_request: Called with the number of a request and its command.
        on_retry: Called before a retry.

    Returns:
        The report, if there is one; and the error that ended the examination, if any.
    """
    client = Client(
        settings.check(tap.config),
        commands(tap),
        time=time,
        earlier=earlier,
        on_request=on_request,
        on_retry=on_retry,
    )
    failure: TapCobrowserError | None = None
    try:
        Visit(client, time=time, earlier=earlier).make()
    except TapCobrowserError as error:
        if not client.case.refused:
            return None, error
        failure = error
    report = report_of(client.case, settings.version(), client.ledger, earlier)
    return report, failure or client.failure


def main() -> None:
    """Run the command."""
    # The tap's own command line: its configuration, and errors that end in one line.
    command = TapCobrowser.cli
    given = {each.name: each for each in command.params}
    command.name, command.help, command.callback = _NAME, _HELP, _run
    command.params = [
        given["version"],
        given["config"],
        click.Option(
            ["--format", "form"],
            type=click.Choice(["text", "json"]),
            default="text",
            help="Format of the report: text for people (default) or JSON for programs.",
        ),
        click.Option(["--output"], help="File to write the report to, instead of printing it."),
        click.Option(
            ["--against"],
            help="Earlier report in JSON to compare with, to find out how late rows still change.",
        ),
    ]
    command.main(prog_name=_NAME)


def _run(config: Any, form: str, output: str | None, against: str | None) -> None:
    """Examine, and print the report.

    Raises:
        TapCobrowserError: If an extraction would fail or lose rows, or if there is no report.
    """
    tap = TapCobrowser(config=config.config, parse_env_config=config.parse_env, setup_mapper=False)
    earlier = read_report(against) if against else None
    if output:
        _write(output, "", "a")  # before anything is requested
    progress = _Progress()
    _stop_on_signals(tap, progress)

    def retried(retry: Retry) -> None:
        progress.clear()
        tap.logger.warning("%s: %s. Retrying in %.1f s.", *_why(retry))

    try:
        report, error = examine(
            tap,
            earlier=earlier,
            on_request=progress.show,
            on_retry=retried,
        )
    finally:
        progress.clear()
    if report:
        text = report.to_json() if form == "json" else report.to_text()
        if output:
            _write(output, text, "w")
        else:
            _print(text)
    if error:
        raise error
    if report and (problem := report.problem):
        raise ExaminationError(problem)


def _why(retry: Retry) -> tuple[str, str, float]:
    return retry.place, retry.error.what.rstrip("."), retry.wait


def _stop_on_signals(tap: TapCobrowser, progress: _Progress) -> None:
    """Stop at once on a signal: the tap's own handler speaks of a target."""

    def stop(number: int, _: object) -> None:
        progress.clear()
        tap.logger.warning("Stopped by %s, without a report.", signal.Signals(number).name)
        os._exit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _print(text: str) -> None:
    with output_errors():
        sys.stdout.write(text)
        sys.stdout.flush()


def _write(path: str, text: str, mode: str) -> None:
    try:
        with Path(path).open(mode, encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        reason = error.strerror or "unknown reason"
    else:
        return
    msg = f"The report ({quote(path)}) cannot be written: {reason}"
    raise InputFileError(msg, advice="Give `--output` a file that can be written to.")


class _Progress:
    """A line on a terminal that shows the progress of the examination."""

    def __init__(self) -> None:
        terminal = sys.__stderr__
        self._terminal = terminal if terminal and terminal.isatty() else None
        if os.environ.get("CI"):
            self._terminal = None
        self._length = 0

    def show(self, number: int, command: str) -> None:
        """Show a request."""
        if self._terminal:
            self.clear()
            line = f"Request {number} of at most {MOST_REQUESTS}: {command}"
            self._terminal.write(line)
            self._terminal.flush()
            self._length = len(line)

    def clear(self) -> None:
        """Clear the line."""
        if self._terminal and self._length:
            self._terminal.write("\r" + " " * self._length + "\r")
            self._terminal.flush()
            self._length = 0
