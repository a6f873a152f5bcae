"""However the server writes its responses, the rows of all commands arrive."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World
from tap_cobrowser.api.fetch import Api
from tap_cobrowser.days import DateWindow
from tap_cobrowser.settings import check
from tests.expected import COMMANDS, NOW, TODAY, days_ago, expected, ordered
from tests.made_up import Waits
from tests.outputs import run
from tests.worlds import config_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORLD = World(rows_per_day=10)
DAYS = DateWindow(days_ago(2), TODAY)
# How responses are written, and words of the one notice that says so, if one does.
WRITTEN: dict[str, tuple[dict[str, Any], str]] = {
    "fputcsv": ({"quoting": "fputcsv"}, ""),
    "RFC 4180": ({"quoting": "rfc"}, ""),
    "addslashes": ({"quoting": "slashes"}, "addslashes"),
    "bare quotes": ({"quoting": "bare"}, "without escaping the quotes in them"),
    "Dutch dates": ({"dates": "dutch"}, ""),
    "ISO 8601": ({"dates": "iso"}, ""),
    "Unix seconds": ({"dates": "unix"}, ""),
    "no offsets": ({"dates": "naive"}, ""),
    "no offsets in RFC 2822": ({"dates": "naive_rfc2822"}, ""),
    "decimal commas": ({"numbers": "comma"}, "decimal comma"),
    "blanks around numbers": ({"numbers": "blank"}, ""),
    "NULL": ({"empty": "null"}, ""),
    r"\N": ({"empty": "backslash_n"}, ""),
    "NUL characters": ({"nul": True}, "NUL"),
    "UTF-16": ({"encoding": "utf-16"}, ""),
    "Windows-1252": ({"encoding": "windows-1252"}, ""),
    "broken bytes": ({"encoding": "broken-bytes"}, "invalid characters"),
    "CRLF": ({"line_end": "crlf"}, ""),
    "no last line end": ({"last_line_ended": False}, ""),
    "sep= line": ({"sep_line": True}, ""),
    "trailing separators": ({"trailing_separator": True}, ""),
    "commas": ({"separator": "comma"}, "separates its cells with ','"),
    "tabs": ({"separator": "tab"}, "separates its cells with"),
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


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD, clock=NOW, frozen=True, window_days=3) as server:
        yield server


def kept(records: list[dict[str, Any]]) -> list[str]:
    """Return records without what another encoding than UTF-8 has no place for."""
    return sorted(
        re.sub(r"[^\x00-\x7f]|\?", "", json.dumps(record, sort_keys=True, ensure_ascii=False))
        for record in records
    )


@pytest.mark.parametrize("written", WRITTEN)
def test_every_row_of_every_command_arrives_however_it_is_written(
    sandbox: Sandbox, written: str
) -> None:
    readings, words = WRITTEN[written]
    sandbox.readings = Readings(**readings)
    api = Api(check({**config_for(sandbox), "max_retries": 0}), time=Waits().of_tap())
    form = kept if "encoding" in readings else ordered
    notices = set()
    for name, command in COMMANDS.items():
        table = api.fetch(command, DAYS if command.windowed else None).table
        rows = [
            dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)
        ]
        assert form(rows) == form(expected(WORLD, name, days_ago(2))), name
        assert len({notice.kind for notice in table.notices}) == len(table.notices)
        notices |= {notice.text for notice in table.notices}
    assert any(words in text for text in notices) == bool(notices)
    assert bool(notices) == bool(words), notices


@pytest.mark.parametrize("written", ["all at once", "all of fputcsv"])
def test_batches_have_the_same_rows(sandbox: Sandbox, tmp_path: Path, written: str) -> None:
    sandbox.readings = Readings(**WRITTEN[written][0])
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    more = {"start_date": days_ago(2).isoformat(), "ccc_agent": True, "batch_config": batches}
    output = run({**config_for(sandbox), **more}, time=Waits().of_tap())
    for stream in COMMANDS:
        rows = expected(WORLD, stream, days_ago(2))
        assert kept(output.records(stream)) == kept(rows), stream
