"""Tables as PHP writes them (`php/answers.jsonl`), any table in each way, and any cut of one."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Readings
from sandbox.writing import csv_lines
from tap_cobrowser.errors import BrokenResponseError, TapCobrowserError
from tap_cobrowser.reading import text as text_module
from tests.unit.tables import TEXT_NAMES, TEXTS, kinds, read

PHP = Path(__file__).parent / "php" / "answers.jsonl"
HEADER = '"id";"name";"postfix";"reseller_id"\n'

Rows = list[list[str]]


def write(way: str, rows: Rows, separator: str = ";") -> str:
    """Write a table as PHP does; test_readings.py holds these writers against PHP's own output."""
    lines = csv_lines(TEXT_NAMES, separator, [tuple(row) for row in rows], Readings(quoting=way))
    return b"".join(lines).decode()


def read_texts(body: str) -> tuple[Rows, str]:
    """Return the rows of a table of texts, and how it is quoted."""
    table = read(body, command=TEXTS)
    rows = [[str(cell or "") for cell in row] for row in zip(*table.columns, strict=True)]
    return rows, table.form.quoting


PIECES = [*('"', "\\", '\\"', "\\\\", ";", ",", "|", ":", "\n", "\r\n", " ", "a", "x y", "'", '""')]
PIECES += ["é", "0", '";"', 'he said "hallo"', "C:\\map\\"]
CELLS = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5).map(
    lambda texts: [[str(1000 + at), *row] for at, row in enumerate(texts)]
)
SEPARATORS = st.sampled_from(";,:|")


@pytest.mark.parametrize(
    ("way", "least"), [("fputcsv", 1), ("rfc", 1), ("doubled", 1), ("slashes", 1), ("bare", 0.9)]
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
            rows, _ = read_texts(written["body"])
        except TapCobrowserError:
            found["error"] += 1
            continue
        assert len(rows) == len(written["rows"])
        found["same" if rows == written["rows"] else "other"] += 1
    assert found["same"] >= least * found.total() > 0


@given(rows=TABLES, separator=SEPARATORS)
@pytest.mark.parametrize("way", ["rfc", "doubled", "slashes"])
def test_any_table_is_read_back_unless_an_earlier_way_fits(
    way: str, rows: Rows, separator: str
) -> None:
    found, quoting = read_texts(write(way, rows, separator))
    # Backslashes in pairs may be those of `addslashes`.
    assert found == rows or (quoting == "addslashes" and way == "doubled")


@given(rows=TABLES, separator=SEPARATORS)
def test_any_table_of_fputcsv_is_read_back_or_rejected(rows: Rows, separator: str) -> None:
    body = write("fputcsv", rows, separator)
    try:
        found, quoting = read_texts(body)
    except BrokenResponseError:
        assert any("\\" in cell and '"' in cell for row in rows for cell in row)
        return
    # Within a value, `\";` looks like its end, and rarely gives as many cells.
    ends = any(f'\\"{end}' in cell for row in rows for cell in row for end in (separator, "\n"))
    assert found == rows or quoting == "doubled" or ends
    assert found == rows or write("rfc", found, separator).count("\n") == body.count("\n")


def test_each_way_but_doubled_quotes_is_noted() -> None:
    rows = [["1000", 'he said "hallo" \\ it\'s', 'a\\"b" x', "a"]]
    for way in ("fputcsv", "slashes", "bare"):
        table = read(write(way, rows), command=TEXTS)
        assert kinds(table) == ["quoting"]
        assert table.form.quoting == {"slashes": "addslashes"}.get(way, way)
    assert kinds(read(write("doubled", rows), command=TEXTS)) == []


def test_values_without_escapes_are_read_as_they_are() -> None:
    rows = [["1000", 'he said "hallo"', '"a"\n"b"', "\r\n"], ["1001", "\\", "'", 'x "y" z']]
    rows += [[str(at), 'a "b"', "c" * 50, "d\n"] for at in range(5_000)]
    assert read_texts(write("bare", rows)) == (rows, "bare")


def test_a_table_in_a_text_is_not_taken_apart() -> None:
    text = write("doubled", [["1", "2", "3", "4"]])
    for way in ("doubled", "rfc", "fputcsv", "slashes"):
        rows = [["1000", text, "a\\b'", text], ["1001", text * 2, "b", ""]]
        assert read_texts(write(way, rows))[0] == rows


def test_one_unquoted_cell_or_one_doubled_quote_is_not_addslashes() -> None:
    for cell in ("", "x", '"say ""so"""'):
        body = f'{HEADER}"1";"\\\\\\\\server";{cell};"y"\n'
        assert read_texts(body)[1] == "doubled"
    body = f'{HEADER}"1";"\\\\\\\\server";;"say ""s"\n'  # which make up for each other
    assert read_texts(body)[1] == "doubled"


@pytest.mark.parametrize("way", ["doubled", "rfc", "slashes", "bare"])
@pytest.mark.parametrize(
    ("header", "more"), [(";\n", ""), (";\r\n", ""), ("\n", ";"), (";\n", ";"), ("\r\n\n", "")]
)
def test_a_separator_may_end_the_header_or_each_row(way: str, header: str, more: str) -> None:
    rows = [["1000", 'x "y" z', "a", "b"], ["1001", "c", 'd "e"', "g"]]
    first, rest = write(way, rows).split("\n", 1)
    assert read_texts(first + header + rest.replace("\n", f"{more}\n"))[0] == rows


@pytest.mark.parametrize("short", ['"1001"\n', '"1001";"x"\n', '"1001";"x";"y";"z";"more"\n'])
def test_a_row_of_another_width_never_becomes_part_of_a_text(short: str) -> None:
    body = write("doubled", [["1000", "a", "b", "c"], ["1002", "d", "e", "f"]])
    head, tail = body.rsplit('"1002"', 1)
    for whole in (f'{head}{short}"1002"{tail}', body + short):
        with pytest.raises(BrokenResponseError):
            read_texts(whole)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_rows_are_the_same_however_the_text_is_cut_into_pieces(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[str(at), 'he said "hallo" \\"so\\"', "é\r\n;\n'", "C:\\x\\"] for at in range(9)]
    monkeypatch.setattr(text_module, "CHUNK", size)
    for way in ("doubled", "rfc", "fputcsv", "slashes", "bare"):
        assert read_texts(write(way, rows))[0] == rows


# Cuts


def check_cut(way: str, rows: Rows, separator: str, at: int) -> None:
    """A table that is cut is an error, lacks its last line end, or has whole rows only."""
    body = write(way, rows, separator)[:at]
    try:
        found, quoting = read_texts(body)
    except BrokenResponseError:
        return
    assert len(found) <= len(rows)
    if found == rows[: len(found)] or body[-1] not in "\r\n":
        return
    # Before a separator or a line end, nothing shows whether the quote in `\"` closes the cell.
    assert re.search(r'\\"+[;,:|\r\n]', body) or (way, quoting) == ("doubled", "addslashes")


@given(rows=TABLES, separator=SEPARATORS, data=st.data())
@pytest.mark.parametrize("way", ["doubled", "rfc", "fputcsv", "slashes"])
def test_a_cut_is_never_read_as_a_complete_table_in_another_way(
    way: str, rows: Rows, separator: str, data: st.DataObject
) -> None:
    body = write(way, rows, separator)
    check_cut(way, rows, separator, data.draw(st.integers(body.index("\n") + 1, len(body))))


@pytest.mark.long
def test_no_cut_of_many_tables_is_read_as_a_complete_table_in_another_way() -> None:
    made = random.Random(1)
    for _ in range(500):
        rows = [
            [str(at), *("".join(made.choices(PIECES, k=made.randrange(5))) for _ in range(3))]
            for at in range(1000, 1000 + made.randrange(1, 5))
        ]
        for way in ("doubled", "rfc", "fputcsv", "slashes"):
            body = write(way, rows)
            for at in range(body.index("\n") + 1, len(body)):
                check_cut(way, rows, ";", at)


@pytest.mark.parametrize("text", ['Verkoop "extra"', 'a"";"b', '"\n"', '\\"\n', '";"', '\\";"\n'])
def test_a_cut_in_doubled_quotes_stays_broken_or_lacks_its_line_end(text: str) -> None:
    rows = [["1000", text, "a", text], ["1001", "b", text, text]]
    body = write("doubled", rows)
    for at in range(body.index("\n") + 1, len(body)):
        try:
            found, quoting = read_texts(body[:at])
        except BrokenResponseError:
            continue
        assert quoting == "doubled"
        assert found[:-1] == rows[: len(found[:-1])]
        assert found == rows[: len(found)] or body[at - 1] not in "\r\n"


# Anything at all


@given(
    header=st.sampled_from([HEADER, HEADER.replace('"', "")]),
    text=st.text('\\";\r\nab', max_size=60),
)
def test_no_text_of_quotes_and_backslashes_ends_in_another_kind_of_exception(
    header: str, text: str
) -> None:
    try:
        read_texts(header + text)
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    "pattern", ['"', "\\", '\\";', '";', '\\"\n', '"\\"', '\\"";', '\\";"";', '"1";2;3;"\\"\n']
)
def test_time_is_bounded_whatever_the_quotes_and_backslashes(pattern: str) -> None:
    begun = time.process_time()
    try:
        read_texts(f'{HEADER}"{pattern * (300_000 // len(pattern))}')
    except TapCobrowserError as error:
        assert str(error)  # noqa: PT017 - only the time matters
    assert time.process_time() - begun < 6


def test_a_quote_that_is_not_closed_does_not_take_all_the_memory() -> None:
    row = '"1";"a";"b";"c"\n'
    with pytest.raises(BrokenResponseError):
        read_texts(f'{HEADER}{row}"2;3;4;5\n' + "1;2;3;4\n" * 1_000_000)
