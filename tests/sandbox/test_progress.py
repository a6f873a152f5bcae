"""The progress of a run: in log lines, in fields of a structured log, and in a progress bar."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.api.clock import Time
from tap_cobrowser.singer.progress import Progress
from tests.expected import NOW, TODAY, days_ago
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


def test_a_summary_tells_what_a_stream_took(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sandbox.fail("status-503", command="emails", times=1)
    output = run({**config, "max_retries": 2}, catalog=select("emails", "hosts"))
    said = {record.name.rpartition(".")[2]: record.getMessage() for record in caplog.records}
    rows = len(output.records("emails"))
    # eight days before today and today; the sandbox counts one request more for the retry
    asked = [each for each in sandbox.requests if each.command == "emails"]
    assert len(asked) == 6
    assert said["emails"] == (
        f"{rows} rows in 5 windows, {days_ago(8)} to {TODAY}; 6 requests, 1 retry; "
        f"the bookmark is {output.bookmark('emails')}."
    )
    assert said["hosts"] == f"{len(output.records('hosts'))} rows; 1 request."


@pytest.mark.parametrize("form", ["RECORD", "BATCH"])
def test_each_window_tells_share_rows_and_rate_when_a_line_is_due(
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    form: str,
) -> None:
    ticks = count(0, 20)  # seconds, more than from one line to the next
    caplog.set_level(logging.INFO)
    if form == "BATCH":
        storage = {"root": tmp_path.as_uri()}
        config["batch_config"] = {"encoding": {"format": "jsonl"}, "storage": storage}
    output = run(config, catalog=select("emails"), time=Time(lambda: NOW, lambda: next(ticks)))
    told: list[Any] = [record for record in caplog.records if hasattr(record, "share_done")]
    assert [record.share_done for record in told] == pytest.approx(
        [2 / 9, 4 / 9, 6 / 9, 8 / 9, 1], abs=1e-4
    )
    assert told[-1].rows == len(output.records("emails"))
    assert told[-1].seconds_left == 0
    assert told[0].window == f"{days_ago(8)}..{days_ago(7)}"
    assert told[0].getMessage().startswith(f"Window {days_ago(8)}..{days_ago(7)}: 22 % done")


def test_a_line_is_due_when_its_time_has_passed() -> None:
    now = 100.0
    progress = Progress(lambda: now)
    due = []
    for _ in range(50):
        now += 1
        due.append(progress.is_due())
    assert [second for second, is_due in enumerate(due, 1) if is_due] == [10, 20, 30, 40, 50]


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


@pytest.mark.skipif(os.name == "nt", reason="has no pseudo-terminals")
@pytest.mark.parametrize("ci", ["", "true"])
def test_a_terminal_gets_a_bar_and_nothing_of_it_is_on_standard_output(
    config: dict[str, Any], tmp_path: Path, ci: str
) -> None:
    path, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    # the machine's day is another than the sandbox's, which the first response tells
    path.write_text(json.dumps({**config, "max_retries": 1}))
    catalog.write_text(json.dumps(select("emails")))
    ours, theirs = os.openpty()
    words = [
        sys.executable,
        "-m",
        "tap_cobrowser",
        "--config",
        str(path),
        "--catalog",
        str(catalog),
    ]
    with (
        (tmp_path / "stdout").open("wb") as stdout,
        subprocess.Popen(words, stdout=stdout, stderr=theirs, env={**os.environ, "CI": ci}) as tap,
    ):
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux tells that nobody has the other end any more
            pass
    os.close(ours)
    messages = [json.loads(line) for line in (tmp_path / "stdout").read_text().splitlines()]
    assert tap.returncode == 0
    assert any(message["type"] == "RECORD" for message in messages)
    assert (b"day/s]" in shown) == (not ci)
    assert b"rows in 5 windows" in shown


def test_the_dry_run_tells_of_each_stream_whether_it_works(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.fail("text", command="hosts")
    sandbox.fail("status-400", command="emails")
    output = command(config, "--test")
    assert output.code == 1
    assert "Stream 'conversations' works." in output.stderr
    assert "Stream 'hosts' does not work: " in output.stderr
    assert "Stream 'emails' does not work: " in output.stderr
    assert output.stderr.count(" works.") == len(sandbox_streams()) - 2
    assert "ERROR" in output.last_line
    assert "Stream 'emails'" in output.last_line
    assert "Traceback" not in output.stderr


def sandbox_streams() -> list[str]:
    """Return the names of all streams."""
    return [entry["stream"] for entry in select()["streams"]]
