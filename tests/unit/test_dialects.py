"""Tables as PHP writes them (`php/answers.jsonl`), any table in each way, and any cut of one."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox import Readings
from sandbox.writing import csv_lines
from tap_cobrowser.dialects import Quoting
from tap_cobrowser.errors import BrokenResponseError, TapCobrowserError
from tap_cobrowser.reading.table import Column, TableReader

PHP = Path(__file__).parent / "php" / "answers.jsonl"
NAMES = ("id", "name", "postfix", "reseller_id")
COLUMNS = tuple(Column(name, "string", key=name == "id") for name in NAMES)
UTC = ZoneInfo("UTC")

Rows = list[list[str]]


def write(way: str, rows: Rows, separator: str = ";") -> str:
    """Write a table as PHP does; test_readings.py holds these writers against PHP's own output."""
    lines = csv_lines(NAMES, separator, [tuple(row) for row in rows], Readings(quoting=way))
    return b"".join(lines).decode()


def read(body: str, separator: str = ";", quoting: Quoting | None = None) -> tuple[Rows, str]:
    table = TableReader(COLUMNS, separator, UTC, quoting).read(body.encode())
    rows = [[str(cell or "") for cell in row] for row in zip(*table.columns, strict=True)]
    return rows, " ".join(table.notes)


PIECES = st.sampled_from(
    [
        '"',
        "\\",
        '\\"',
        "\\\\",
        ";",
        ",",
        "|",
        ":",
        "\n",
        "\r\n",
        " ",
        "a",
        "x y",
        "'",
        '""',
        "é",
        "0",
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
TABLES = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5).map(
    lambda texts: [[str(1000 + at), *row] for at, row in enumerate(texts)]
)
SEPARATORS = st.sampled_from(";,:|")


@pytest.mark.parametrize(
    ("way", "least"), [("fputcsv", 1), ("rfc", 1), ("doubled", 1), ("slashes", 1), ("bare", 0.85)]
)
def test_what_php_writes_is_read_back_and_never_in_another_number_of_rows(
    way: str, least: float
) -> None:
    found: Counter[str] = Counter()
    for line in PHP.read_text(encoding="utf-8").splitlines():
        written = json.loads(line)
        if written["mode"] != way:
            continue
        try:
            rows, note = read(written["body"], written["separator"])
        except TapCobrowserError:
            found["error"] += 1
            continue
        assert len(rows) == len(written["rows"])
        found["same" if rows == written["rows"] else "other"] += 1
        assert not note or way in {"slashes", "bare"}
    assert found["same"] >= least * found.total() > 0


@given(rows=TABLES, separator=SEPARATORS)
@pytest.mark.parametrize("way", ["fputcsv", "rfc", "doubled", "slashes"])
def test_any_table_is_read_back_or_a_warning_names_another_way(
    way: str, rows: Rows, separator: str
) -> None:
    body = write(way, rows, separator)
    try:
        found, note = read(body, separator)
    except BrokenResponseError:
        # One way has rows where another has a text with line ends and all that makes a row.
        assert any("\n" in cell and '"' in cell for row in rows for cell in row)
        return
    assert found == rows or "ambiguous" in note


@given(rows=TABLES, separator=SEPARATORS, data=st.data())
@example(
    rows=[["1000", "a", "b", 'Verkoop "extra"'], ["1001", 'Verkoop "extra"', "a", "b"]],
    separator=";",
    data=None,
)
@pytest.mark.parametrize("way", ["doubled", "rfc", "fputcsv", "slashes"])
def test_no_cut_of_a_table_is_read_in_another_way(
    way: str, rows: Rows, separator: str, data: st.DataObject | None
) -> None:
    body = write(way, rows, separator)
    begin = body.index("\n") + 1
    cuts = [data.draw(st.integers(begin, len(body)))] if data else range(begin, len(body))
    for at in cuts:
        try:
            found, note = read(body[:at], separator)
        except BrokenResponseError:
            continue
        if found == rows[: len(found)] or "ambiguous" in note:
            continue
        # Cut behind a quote, or in a value without quotes: the line end that is missing shows it.
        # With a line end, what is left is what PHP writes of another table.
        assert found[:-1] == rows[: len(found[:-1])]
        assert body[at - 1] not in "\r\n" or any(
            write(other, found, separator) == body[:at] for other in ("rfc", "fputcsv", "doubled")
        )


@pytest.mark.parametrize("text", ['Verkoop "extra"', 'a"";"b', '"\n"', '\\"\n', '";"', '\\";"\n'])
def test_a_cut_in_doubled_quotes_stays_broken_or_lacks_its_line_end(text: str) -> None:
    rows = [["1000", text, "a", text], ["1001", "b", text, text]]
    body = write("doubled", rows)
    for at in range(body.index("\n") + 1, len(body)):
        try:
            found, note = read(body[:at])
        except BrokenResponseError:
            continue
        assert not note
        assert found[:-1] == rows[: len(found[:-1])]
        assert found == rows[: len(found)] or body[at - 1] == '"'


def test_a_table_in_a_text_is_not_taken_apart() -> None:
    text = write("doubled", [["1", "2", "3", "4"]])
    for way in ("doubled", "rfc", "fputcsv", "slashes"):
        rows = [["1000", text, "a\\b'", text], ["1001", text * 2, "b", ""]]
        assert read(write(way, rows)) == (rows, "")


def test_what_can_be_read_in_two_ways_is_read_as_an_earlier_response_was_written() -> None:
    plain, either = [["1", "C:\\map", "", ""]], [["2", "\\\\", "", ""]]
    quoting = Quoting()
    assert "addslashes" in read(write("doubled", either), quoting=quoting)[1]
    assert read(write("doubled", plain), quoting=quoting) == (plain, "")
    assert read(write("doubled", either), quoting=quoting) == (either, "")
    for way in ("slashes", "fputcsv"):
        quoting = Quoting()
        shows = [["1", 'a\\"b" \\x', "it's", "C:\\"]]
        assert read(write(way, shows), quoting=quoting) == (shows, "")
        assert read(write(way, either), quoting=quoting) == (either, "")


def test_values_without_escapes_are_read_as_they_are_with_a_warning() -> None:
    rows = [["1000", 'he said "hallo"', '"a"\n"b"', "\r\n"], ["1001", "\\", "'", 'x "y" z']]
    found, note = read(write("bare", rows))
    assert found == rows
    assert "quotes that are not escaped" in note


@pytest.mark.parametrize("way", ["doubled", "slashes", "bare"])
def test_rows_without_header_are_read_in_each_way_that_quotes_all(way: str) -> None:
    rows = [["1000", 'he said "hallo"', 'x "y" z', "a"], ["1001", "b", "c", 'd "e"']]
    found, note = read(write(way, rows).split("\n", 1)[1])
    assert found == rows
    assert "no header" in note


@pytest.mark.parametrize("way", ["fputcsv", "rfc"])
def test_a_last_row_without_end_need_not_be_quoted_where_others_are_not(way: str) -> None:
    rows = [["1000", "a b", "", 'c "d"'], ["1001", "e f", "", "57"]]
    body = '"id";"name";"postfix";"reseller_id"\n' + write(way, rows).split("\n", 1)[1].rstrip()
    assert read(body) == (rows, "")
    with pytest.raises(BrokenResponseError):
        read(write("doubled", rows).replace('"57"\n', "5"))


def test_quotes_and_backslashes_behind_backslashes_are_read_if_apostrophes_are_not() -> None:
    rows = [["1000", 'it\'s "so"', "C:\\map\\", '\\"'], ["1001", "'", "\0", 'a;"\n"b']]
    found, note = read(write("slashes", rows).replace("\\'", "'").replace("\\0", "\0"))
    assert found == rows
    assert "a backslash before quotes and backslashes" in note


def test_a_service_may_quote_all_values_as_fputcsv_does_some() -> None:
    body = '"id";"name";"postfix";"reseller_id"\n"1000";"say \\"so\\" ""now""";"a\\";"it\'s"\n'
    assert read(body)[0] == [["1000", 'say \\"so\\" "now"', "a\\", "it's"]]


@pytest.mark.parametrize("way", ["doubled", "rfc", "slashes", "bare"])
@pytest.mark.parametrize(
    ("header", "more"), [(";\n", ""), (";\r\n", ""), ("\n", ";"), ("\r\n", ";"), ("\r\n\n", "")]
)
def test_a_separator_or_another_line_end_may_end_the_header_alone(
    way: str, header: str, more: str
) -> None:
    rows = [["1000", 'x "y" z', "a", "b"], ["1001", "c", 'd "e"\nf', "g"]]
    first, rest = write(way, rows).split("\n", 1)
    ended = re.sub(r"(?<=[bg])(\"?)\n", rf"\1{more}\n", rest)
    assert read(first + header + ended)[0] == rows
    for at in range(len(ended) - 1):
        with suppress(BrokenResponseError):
            found = read(first + header + ended[:at])[0]
            assert found[:-1] == rows[: len(found[:-1])]
            # What is left is whole, or it is for its missing line end to show that it is not.
            assert found == rows[: len(found)] or ended[at - 1] not in "\r\n"


def test_rows_that_are_too_short_never_become_part_of_a_text() -> None:
    for short in ('"1001"\n', '"1001";"x"\n', '"1001";"x";"y";"z";"more"\n'):
        body = write("doubled", [["1000", "a", "b", "c"], ["1002", "d", "e", "f"]])
        head, tail = body.rsplit('"1002"', 1)
        with pytest.raises(BrokenResponseError):
            read(f'{head}{short}"1002"{tail}')


@given(
    header=st.sampled_from(
        ['"id";"name";"postfix";"reseller_id"\n', "id;name;postfix;reseller_id\n"]
    ),
    text=st.text('\\";\r\nab', max_size=60),
)
def test_no_text_of_quotes_and_backslashes_ends_in_another_kind_of_exception(
    header: str, text: str
) -> None:
    try:
        read(header + text)
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    "pattern", ['"', "\\", '\\";', '";', '\\"\n', '"\\"', '\\"";', '\\";"";', '"1";2;3;"\\"\n']
)
def test_time_is_bounded_whatever_the_quotes_and_backslashes(pattern: str) -> None:
    begun = time.process_time()
    try:
        read(f'id;name;postfix;reseller_id\n"{pattern * (300_000 // len(pattern))}')
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - only the time matters
    assert time.process_time() - begun < 6
