"""`tap-cobrowser-doctor`: examines a server, and prints a report that can be shown to others."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_cobrowser import errors, settings
from tap_cobrowser.api.clock import SYSTEM_TIME
from tap_cobrowser.doctor import examination
from tap_cobrowser.doctor.late import days_of, read_report
from tap_cobrowser.doctor.questions import findings_of, reason_of
from tap_cobrowser.doctor.report import Report
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from tap_cobrowser.api.clock import Time

_NAME = "tap-cobrowser-doctor"
_QUOTES_ROWS = (errors.BrokenResponseError, errors.CellError, errors.NotCsvError)
_HELP = (
    "Find out how a CoBrowser.net account's CSV exports work, and which settings fit. It makes at "
    f"most {examination.MOST_REQUESTS} requests. The report has no customer data and no "
    "credentials, so it can be attached to an issue."
)


def report_of(
    checked: settings.Settings, earlier: dict[str, Any] | None = None, time: Time = SYSTEM_TIME
) -> tuple[Report, errors.TapCobrowserError | None]:
    """Examine a server, and return the report and the error that ended it early, if one did.

    The error is raised if there is nothing to report, because no request succeeded.
    """
    tap: Any = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
    commands = {name: stream.command for name, stream in tap.streams.items()}
    api, why = examination.RecordingApi(checked, time), ""
    made, failure = examination.Examination(checked, commands, api, time, earlier), None
    try:
        made.make()
    except examination.StoppedError as stopped:
        failure = stopped.args[0]
        why = reason_of(failure) if api.works else ""
        if isinstance(failure, _QUOTES_ROWS):
            failure.what = reason_of(failure)
        if not api.works and not isinstance(failure, errors.CredentialsError):
            raise failure from None
    report = Report(settings.version(), findings_of(made), api.requests, why, days_of(made))
    return report, failure


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
    """Examine, and print the report. It is an error if an extraction would fail or lose rows."""
    tap = TapCobrowser(config=config.config, parse_env_config=config.parse_env, setup_mapper=False)
    earlier = read_report(against) if against else None
    if output:
        _write(output, "", mode="a")  # before anything is requested
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tap's own speaks of a target
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tap.logger.info("Examining the server, with at most %d requests.", examination.MOST_REQUESTS)
    report, error = report_of(tap.settings, earlier)
    _write(output, report.to_json() if form == "json" else report.to_text())
    if error:
        raise error
    if report.problem:
        raise errors.ExaminationError(report.problem)


def _write(path: str | None, text: str, mode: str = "w") -> None:
    """Write to a file, or to standard output."""
    try:
        if path:
            with Path(path).open(mode, encoding="utf-8", newline="\n") as file:
                file.write(text)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as error:
        reason = error.strerror or "unknown reason"
        with suppress(OSError, ValueError):  # Python flushes it at exit, and would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        return
    msg = f"The report cannot be written: {reason}"
    raise errors.InputFileError(msg, advice="Give `--output` a file that can be written to.")
