"""Tables written by PHP itself (`php/answers.jsonl`), and texts that nobody wrote."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.errors import TapCobrowserError
from tap_cobrowser.table import Column, TableReader

PHP = Path(__file__).parent / "php" / "answers.jsonl"
COLUMNS = tuple(Column(name, "string", key=name == "id") for name in ("id", "name", "text"))
HEADER = '"id";"name";"text"\n'


def read(body: str, columns: tuple[Column, ...], separator: str) -> list[list[str]]:
    table = TableReader(columns, separator, ZoneInfo("UTC")).read(body.encode())
    return [[str(cell or "") for cell in row] for row in zip(*table.columns, strict=True)]


@pytest.mark.parametrize(
    ("mode", "least"),
    [("fputcsv", 1), ("rfc", 1), ("doubled", 1), ("slashes", 1), ("bare", 0.85)],
)
def test_what_php_writes_is_read_back_and_never_in_another_number_of_rows(
    mode: str, least: float
) -> None:
    found: Counter[str] = Counter()
    for line in PHP.read_text(encoding="utf-8").splitlines():
        written = json.loads(line)
        if written["mode"] != mode:
            continue
        separator = written["separator"]
        names = written["body"].split("\n", 1)[0].replace('"', "").split(separator)
        columns = tuple(Column(name, "string", key=name == "id") for name in names)
        try:
            rows = read(written["body"], columns, separator)
        except TapCobrowserError:
            found["error"] += 1
            continue
        assert len(rows) == len(written["rows"])
        found["same" if rows == written["rows"] else "other"] += 1
    assert found["same"] >= least * found.total() > 0


@given(st.text('\\";\r\nab', max_size=60))
def test_no_text_of_quotes_and_backslashes_ends_in_another_kind_of_exception(text: str) -> None:
    try:
        read(HEADER + text, COLUMNS, ";")
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize("pattern", ['"', "\\", '"\\', '\\";', '"\\";', '";', '\\"\n"', '"\\"'])
def test_a_megabyte_of_quotes_and_backslashes_takes_seconds(pattern: str) -> None:
    begun = time.monotonic()
    try:
        read(f'{HEADER}"{pattern * (1_000_000 // len(pattern))}', COLUMNS, ";")
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - only the time matters
    assert time.monotonic() - begun < 30
