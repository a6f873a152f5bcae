"""The progress of a run: in log lines, and in fields of a structured log."""

from __future__ import annotations

import json
import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.api.clock import Time
from tests.expected import NOW, STREAMS, TODAY, days_ago
from tests.made_up import Waits
from tests.outputs import Command, run, select

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

JSON_LOG = """
version: 1
formatters: {json: {(): singer_sdk.logging.StructuredFormatter}}
handlers: {out: {class: logging.FileHandler, filename: PATH, formatter: json}}
root: {level: INFO, handlers: [out]}
"""


def test_a_summary_says_what_a_stream_took(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sandbox.fail("status-503", command="hosts", times=1)
    output = run(
        {**config, "max_retries": 2}, catalog=select("emails", "hosts"), time=Waits().of_tap()
    )
    requests = dict.fromkeys(("emails", "hosts"), 0)
    for each in sandbox.requests:
        requests[each.command] += 1
    rows = len(output.records("emails"))
    said = [line for line in caplog.messages if " rows" in line]
    assert said[:2] == [
        (
            f"emails: {rows} rows of {days_ago(8)}..{TODAY}, {requests['emails']} requests, "
            f"bookmark {TODAY}"
        ),
        f"hosts: {len(output.records('hosts'))} rows, 2 requests, 1 retry",
    ]
    assert said[2].startswith(
        f"Run: 2 streams, {rows + len(output.records('hosts'))} rows, "
        f"{sum(requests.values())} requests, 1 warning, "
    )
    assert len(said) == 3


def test_each_window_logs_share_rows_and_rate_when_a_line_is_due(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ticks = count(0, 20)  # seconds, more than from one line to the next
    caplog.set_level(logging.INFO)
    output = run(config, catalog=select("emails"), time=Time(lambda: NOW, lambda: next(ticks)))
    lines: list[Any] = [record for record in caplog.records if hasattr(record, "share_done")]
    assert [record.share_done for record in lines] == pytest.approx(
        [2 / 9, 4 / 9, 6 / 9, 8 / 9, 1], abs=1e-4
    )
    assert lines[-1].rows == len(output.records("emails"))
    assert lines[-1].seconds_left == 0
    assert lines[0].window == f"{days_ago(8)}..{days_ago(7)}"
    assert (
        lines[0].getMessage().startswith(f"emails, window {days_ago(8)}..{days_ago(7)}: 22 % done")
    )


def test_a_daily_run_logs_at_most_forty_lines_each_of_which_names_its_stream(
    config: dict[str, Any], command: Command
) -> None:
    output = command(config, catalog=select(*STREAMS))
    lines = [line.split(" | ", 3)[-1].strip() for line in output.stderr.splitlines()]
    assert len(lines) <= 40
    assert not any("METRIC" in line or "Skipping" in line for line in lines)
    for name in STREAMS:
        assert sum(line.startswith(f"{name}: ") for line in lines) == 1
    assert lines[-1].startswith("Run: 15 streams, ")
    shown = command(config, catalog=select("hosts"), TAP_COBROWSER_LOGLEVEL="DEBUG")
    assert "METRIC" in shown.stderr


def test_a_structured_log_has_the_summary_in_fields(
    config: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "log.json"
    settings = tmp_path / "logging.yaml"
    settings.write_text(JSON_LOG.replace("PATH", str(path)))
    output = command(config, catalog=select("emails"), SINGER_SDK_LOG_CONFIG=str(settings))
    assert output.code == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    summary = next(line for line in lines if "bookmark" in line["extra"])
    assert summary["stream_name"] == "emails"
    assert summary["extra"] == {
        "rows": len(output.records("emails")),
        "windows": 5,
        "requests": summary["extra"]["requests"],
        "retries": 0,
        "checks": 0,
        "first_day": str(days_ago(8)),
        "last_day": str(TODAY),
        "bookmark": output.bookmark("emails"),
    }


def test_the_dry_run_says_of_each_stream_whether_it_works(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.fail("text", command="hosts")
    sandbox.fail("status-400", command="emails")
    output = command(config, "--test")
    assert output.code == 1
    assert "Stream 'conversations' works." in output.stderr
    assert "Stream 'hosts' does not work: " in output.stderr
    assert "Stream 'emails' does not work: " in output.stderr
    assert output.stderr.count(" works.") == len(STREAMS) - 2
    assert "ERROR" in output.last_line
    assert "'emails'" in output.last_line
    assert "Traceback" not in output.stderr
