"""`tap-cobrowser-doctor`: examines a server, and prints a report that can be shown to others."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_cobrowser import settings
from tap_cobrowser.api.clock import SYSTEM_TIME
from tap_cobrowser.doctor.asking import MOST_REQUESTS, RecordingApi, StoppedError
from tap_cobrowser.doctor.case import Case
from tap_cobrowser.doctor.digests import new_salt
from tap_cobrowser.doctor.examination import Examination
from tap_cobrowser.doctor.late import days_of, read_report
from tap_cobrowser.doctor.questions import findings_of, reason_of
from tap_cobrowser.doctor.report import Report
from tap_cobrowser.errors import (
    CredentialsError,
    ExaminationError,
    InputFileError,
    SettingError,
    TapCobrowserError,
)
from tap_cobrowser.redaction import quote
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.api.retries import Retry
    from tap_cobrowser.client import CobrowserStream
    from tap_cobrowser.doctor.late import Days
    from tap_cobrowser.models import Command

_NAME = "tap-cobrowser-doctor"
_HELP = (
    "Find out how a CoBrowser.net account's CSV exports work, and which settings fit. It makes at "
    f"most {MOST_REQUESTS} requests. The report has no customer data and no credentials, so it can "
    "be attached to an issue."
)


def commands() -> dict[str, Command]:
    """Return all commands of the API, by name, with all their columns."""
    tap = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
    streams: dict[str, CobrowserStream] = tap.streams  # type: ignore[assignment]
    return {name: stream.command for name, stream in streams.items()}


def examine(
    checked: settings.Settings,
    *,
    time: Time = SYSTEM_TIME,
    earlier: Days | None = None,
    on_request: Callable[[int, str], None] = lambda *_: None,
    on_retry: Callable[[Retry], None] = lambda _: None,
) -> tuple[Report, TapCobrowserError | None]:
    """Examine a server.

    Args:
        checked: The settings of the tap.
        time: This machine's time.
        earlier: Digests from an earlier report.
        on_request: Called with the number of a request and its command.
        on_retry: Called before a retry.

    Returns:
        The report, and the error that ended the examination early, if one did.

    Raises:
        TapCobrowserError: If there is nothing to report, because no request succeeded.
    """
    salt = new_salt()
    salts = {salt, earlier.salt} if earlier else {salt}
    api = RecordingApi(checked, time=time, salts=salts, on_request=on_request, on_retry=on_retry)
    case = Case(checked, commands(), api.seen)
    failure: TapCobrowserError | None = None
    try:
        Examination(api, case, time=time, earlier=earlier).make()
    except StoppedError as stopped:
        failure = stopped.error
    if failure and not api.worked and not isinstance(failure, CredentialsError):
        raise failure
    report = Report(
        settings.version(),
        findings_of(case, earlier),
        api.requests,
        reason_of(failure) if failure and api.worked else "",
        days_of(case, salt),
    )
    return report, failure


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
    if not (tap.settings.user and tap.settings.api_key):
        msg = "Settings 'user' and 'api_key' are missing"
        raise SettingError(msg, advice="The doctor asks the API, and reads no `history_files`.")
    earlier = read_report(against) if against else None
    if output:
        _write(output, "", "a")  # before anything is requested
    progress = _Progress()
    _stop_on_signals(tap, progress)

    def retried(retry: Retry) -> None:
        progress.clear()
        reason = reason_of(retry.error)
        tap.logger.warning("%s: %s Sent again in %.1f s.", retry.place, reason, retry.wait)

    try:
        report, error = examine(
            tap.settings, earlier=earlier, on_request=progress.show, on_retry=retried
        )
    finally:
        progress.clear()
    text = report.to_json() if form == "json" else report.to_text()
    if output:
        _write(output, text, "w")
    else:
        _print(text)
    if error:
        raise error
    if report.problem:
        raise ExaminationError(report.problem)


def _stop_on_signals(tap: TapCobrowser, progress: _Progress) -> None:
    """Stop at once on a signal: the tap's own handler speaks of a target."""

    def stop(number: int, _: object) -> None:
        progress.clear()
        tap.logger.warning("Stopped by %s, without a report.", signal.Signals(number).name)
        os._exit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        reason = error.strerror or "unknown reason"
        with suppress(OSError, ValueError):  # Python flushes it at exit, and would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        return
    msg = f"The report cannot be printed: {reason}"
    raise InputFileError(msg, advice="Use `--output` to write it to a file.")


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
        is_terminal = terminal and terminal.isatty() and not os.environ.get("CI")
        self._terminal = terminal if is_terminal else None
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
