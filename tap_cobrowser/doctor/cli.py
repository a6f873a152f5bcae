"""`tap-cobrowser-doctor`: examines a server, and prints a report that can be shown to others."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tap_cobrowser import settings
from tap_cobrowser.api.clock import SYSTEM_TIME
from tap_cobrowser.doctor.asking import MOST_REQUESTS, RecordingApi, StoppedError
from tap_cobrowser.doctor.case import Case
from tap_cobrowser.doctor.examination import examine
from tap_cobrowser.doctor.late import days_of, new_salt, read_report
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

_NAME = "tap-cobrowser-doctor"
_HELP = (
    "Find out how a CoBrowser.net account's CSV exports work, and which settings fit. It makes at "
    f"most {MOST_REQUESTS} requests. The report has no customer data and no credentials, so it can "
    "be attached to an issue."
)


def report_of(
    checked: settings.Settings,
    *,
    time: Time = SYSTEM_TIME,
    earlier: dict[str, Any] | None = None,
    on_request: Callable[[str], None] = lambda _: None,
    on_retry: Callable[[Retry], None] = lambda _: None,
) -> tuple[Report, TapCobrowserError | None]:
    """Examine a server, and return the report and the error that ended it early, if one did.

    Raises:
        TapCobrowserError: If there is nothing to report, because no request succeeded.
    """
    salts = {salt := new_salt()} | ({earlier["salt"]} if earlier else set())
    api = RecordingApi(checked, salts, time=time, on_request=on_request, on_retry=on_retry)
    tap: Any = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
    commands = {name: stream.command for name, stream in tap.streams.items()}
    case, failure = Case(checked, commands, api.seen), None
    try:
        examine(api, case, time, earlier)
    except StoppedError as stopped:
        failure = stopped.error
        if not api.works and not isinstance(failure, CredentialsError):
            raise failure from None
    findings, days = findings_of(case, earlier), days_of(case, salt)
    why = reason_of(failure) if failure and api.works else ""
    return Report(settings.version(), findings, api.requests, why, days), failure


def main() -> None:
    """Run the command."""
    # The tap's own command line: its configuration, and errors that end in one line.
    command = TapCobrowser.cli
    given = {each.name: each for each in command.params}
    command.name, command.help, command.callback = _NAME, _HELP, _run
    form = click.Choice(["text", "json"])
    text = "Format of the report: text for people (default) or JSON for programs."
    against = "Earlier report in JSON to compare with: how late do rows still change?"
    command.params = [
        given["version"],
        given["config"],
        click.Option(["--format", "form"], type=form, default="text", help=text),
        click.Option(["--output"], help="File to write the report to, instead of printing it."),
        click.Option(["--against"], help=against),
    ]
    command.main(prog_name=_NAME)


def _run(config: Any, form: str, output: str | None, against: str | None) -> None:
    """Examine, and print the report.

    Raises:
        TapCobrowserError: If an extraction would fail or lose rows, or if there is no report.
    """
    tap = TapCobrowser(config=config.config, parse_env_config=config.parse_env, setup_mapper=False)
    if not (tap.settings.user and tap.settings.api_key):
        msg = "The doctor needs the settings 'user' and 'api_key', and reads no `history_files`"
        raise SettingError(msg, advice="Give both.")
    earlier = read_report(against) if against else None
    if output:
        _write(output, "", "a")  # before anything is requested
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _stop)  # the tap's own handler speaks of a target

    def retried(retry: Retry) -> None:
        tap.logger.warning("%s: %s. Sent again.", retry.place, reason_of(retry.error))

    report, error = report_of(
        tap.settings,
        earlier=earlier,
        on_request=lambda name: tap.logger.info("Requesting %s", name),
        on_retry=retried,
    )
    text = report.to_json() if form == "json" else report.to_text()
    if output:
        _write(output, text, "w")
    else:
        _print(text)
    if error:
        raise error
    if report.problem:
        raise ExaminationError(report.problem)


def _stop(number: int, _: object) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"Stopped by {signal.Signals(number).name}, without a report.\n".encode())
    os._exit(128 + number)


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
