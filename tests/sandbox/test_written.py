"""However the service writes its responses, the rows of all streams arrive, as records or files."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World
from sandbox.world import TABLES
from tap_cobrowser.api.clock import Time
from tests.expected import NOW, days_ago, expected, ordered
from tests.outputs import run

if TYPE_CHECKING:
    from pathlib import Path

WORLD = World(rows_per_day=10)
# How responses are written, and a word of the warning that says so, if one does.
WRITTEN: dict[str, tuple[dict[str, Any], str]] = {
    "fputcsv": ({"quoting": "fputcsv"}, ""),
    "RFC 4180": ({"quoting": "rfc"}, ""),
    "addslashes": ({"quoting": "slashes"}, ""),
    "bare quotes": ({"quoting": "bare"}, "quotes that are not escaped"),
    "Dutch dates": ({"dates": "dutch"}, ""),
    "ISO 8601": ({"dates": "iso"}, ""),
    "Unix seconds": ({"dates": "unix"}, ""),
    "decimal commas": ({"numbers": "comma"}, "decimal comma instead of a decimal point"),
    "blanks around numbers": ({"numbers": "blank"}, ""),
    "UTF-16": ({"encoding": "utf-16"}, ""),
    "Windows-1252": ({"encoding": "windows-1252"}, ""),
    "broken bytes": ({"encoding": "broken-bytes"}, "invalid characters"),
    "CRLF": ({"line_end": "crlf"}, ""),
    "no last line end": ({"last_line_ended": False}, ""),
    "sep= line": ({"sep_line": True}, ""),
    "trailing separators": ({"trailing_separator": True}, ""),
    "no rows in words": ({"nothing": "text", "silent": "odd"}, "No results found"),
    "no rows in Dutch": ({"nothing": "dutch_text", "silent": "odd"}, "Geen gegevens"),
    "no rows, no byte": ({"nothing": "no_bytes", "silent": "odd"}, "is empty"),
    "all at once": (
        {
            "quoting": "slashes",
            "dates": "dutch",
            "numbers": "comma",
            "sep_line": True,
            "trailing_separator": True,
            "line_end": "crlf",
            "encoding": "utf-16",
        },
        "comma",
    ),
    "all of fputcsv": (
        {"quoting": "fputcsv", "numbers": "comma", "last_line_ended": False, "sep_line": True},
        "comma",
    ),
}


def without_lost_characters(records: list[dict[str, Any]]) -> list[str]:
    """Return records without what another encoding than UTF-8 has no place for."""
    return sorted(
        re.sub(r"[^\x00-\x7f]|\?", "", json.dumps(record, sort_keys=True, ensure_ascii=False))
        for record in records
    )


@pytest.mark.parametrize("mode", ["RECORD", "BATCH"])
@pytest.mark.parametrize("written", WRITTEN)
def test_every_row_of_every_stream_arrives_however_it_is_written(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, written: str, mode: str
) -> None:
    readings, warning = WRITTEN[written]
    caplog.set_level(logging.WARNING)
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=Readings(**readings)) as sandbox:
        config = {
            "user": sandbox.user,
            "api_key": sandbox.api_key,
            "api_url": sandbox.url,
            "ccc_agent": True,
            "start_date": days_ago(2).isoformat(),
            "max_retries": 2,
        }
        if mode == "BATCH":
            config["batch_config"] = {
                "encoding": {"format": "jsonl", "compression": "gzip"},
                "storage": {"root": tmp_path.as_uri()},
            }
        output = run(config, time=Time(lambda: NOW, lambda: 0.0, lambda _: None))
    kept = without_lost_characters if "encoding" in readings else ordered
    for stream in TABLES:
        if not readings.get("silent"):
            first = days_ago(2)
            assert kept(output.records(stream)) == kept(expected(WORLD, stream, first)), stream
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    if warning:
        assert any(warning in line for line in said)
    quoting = [line for line in said if "way of quoting" in line]
    assert len(quoting) <= len(TABLES)
    assert bool(said) == bool(warning), said
