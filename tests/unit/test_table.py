"""From the body of a response to typed rows: what is accepted, and what is rejected."""

from __future__ import annotations

import csv
import io
import logging
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cobrowser.checks.keys import keys_notice
from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    MissingColumnError,
    NotCsvError,
)
from tap_cobrowser.models import Column, Command, Form
from tests.unit.tables import (
    BEGIN,
    COMMAND,
    NAMES,
    READ,
    ROW,
    TEXT_NAMES,
    TEXTS,
    csv_of,
    kinds,
    read,
    replaced,
    rows,
    rows_or_error,
)

# How a body may be written


def test_a_usual_response_is_read_without_a_notice() -> None:
    table = read(csv_of(ROW, ROW))
    assert (table.names, rows(table)) == (NAMES, [READ, READ])
    assert table.notices == ()
    assert table.form == Form("UTF-8", ";", "doubled")


def test_columns_are_found_by_name_in_any_order_and_letter_case() -> None:
    order = [3, 0, 6, 1, 5, 2, 4]
    header = tuple(f" {NAMES[at].upper()}" for at in order)
    table = read(csv_of(tuple(ROW[at] for at in order), header=header))
    assert (table.names, rows(table)) == (NAMES, [READ])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: "sep=;\n" + text,
        lambda text: text.encode("utf-16"),
        lambda text: " \n\ufeff\ufeff\r\n\tsep=; \n\ufeff" + text,
        lambda text: text + " \t\r\n \n ",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace('"', ""),
        lambda text: text.replace("\n", "\r"),
    ],
    ids=[
        "byte-order mark",
        "sep=",
        "UTF-16",
        "marks and blanks above",
        "blanks below",
        "CRLF",
        "no last line end",
        "blank lines",
        "no quotes",
        "CR",
    ],
)
def test_the_usual_variations_of_csv_are_read(change: Any) -> None:
    assert rows(read(change(csv_of(ROW, ROW)))) == [READ, READ]


@pytest.mark.parametrize("sep", [",", ":", "|", "\t"])
def test_another_separator_than_requested_is_read_and_noted(sep: str) -> None:
    table = read(csv_of(ROW, sep=sep))
    assert rows(table) == [READ]
    assert [(notice.kind, notice.level) for notice in table.notices] == [
        ("separator", logging.INFO)
    ]
    assert table.form.separator == sep


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    table=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), max_size=8),
    sep=st.sampled_from(";,:|"),
    line_end=st.sampled_from(["\r\n", "\n"]),
)
def test_any_table_written_by_python_s_csv_module_is_read_back(
    table: list[tuple[str, str, str, str]], sep: str, line_end: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerows([TEXT_NAMES, *table])
    found = read(out.getvalue(), command=TEXTS)
    if found.form.quoting == "doubled":  # rather than backslashes in pairs
        assert [tuple(value or "" for value in row) for row in rows(found)] == table


# No rows


@pytest.mark.parametrize("body", ["", "\n", " \r\n ", "No results found", "Geen gegevens"])
def test_nothing_is_told_apart_from_a_header_alone(body: str) -> None:
    table = read(body)
    assert (table.nothing, len(table), table.notices) == (True, 0, ())
    header = read(csv_of() + body)
    assert (header.nothing, len(header), header.names) == (False, 0, NAMES)


# No header


def test_rows_without_header_are_taken_by_position_and_noted() -> None:
    table = read(csv_of(ROW, ROW).split("\n", 1)[1])
    assert rows(table) == [READ, READ]
    assert kinds(table) == ["no header"]


@pytest.mark.parametrize(
    "body",
    [
        csv_of(ROW).split("\n", 1)[1].replace('"007"', "007"),
        csv_of(ROW).split("\n", 1)[1].replace('"hallo"', "hallo"),
        csv_of((*ROW, "more")).split("\n", 1)[1],
    ],
    ids=["the first cell is not quoted", "another is not", "another width"],
)
def test_rows_without_header_have_to_be_quoted_and_of_the_documented_width(body: str) -> None:
    with pytest.raises(NotCsvError):
        read(body)


def test_a_header_in_another_language_never_becomes_a_row() -> None:
    other = ("nummer", "naam", "achtervoegsel", "wederverkoper")
    with pytest.raises(MissingColumnError, match="header in another language"):
        read(csv_of(("1", "a", "b", "c"), header=other), command=TEXTS)
    with pytest.raises(CellError, match="line 1, column 'begin': 'aanvang'"):
        read(csv_of(ROW, header=("nummer", "aanvang", *"abcde")))


# Broken responses


@pytest.mark.parametrize(
    "body",
    [
        csv_of(ROW)[:-3],
        csv_of(ROW) + '"008";"' + BEGIN,
        csv_of(ROW, ROW[:5]),
        csv_of(ROW, (*ROW, "one more")),
        csv_of(ROW) + "<br />\n<b>Fatal error</b>: Out of memory in <b>x</b> on line <b>1</b>",
        csv_of(ROW) + "\nFatal error: Allowed memory size exhausted in /srv/csv.php on line 41\n",
        "<!DOCTYPE html><html><body>Maintenance</body></html>",
        "  <br />\n<b>Warning</b>: x in <b>y</b> on line <b>1</b>",
        "PHP Fatal error: Uncaught Exception in /srv/csv.php on line 5",
        csv_of(ROW) + csv_of(ROW),
    ],
)
def test_a_broken_response_may_be_retried(body: str) -> None:
    with pytest.raises(BrokenResponseError):
        read(body)


def test_a_body_that_is_cut_never_has_a_row_that_is_not_whole() -> None:
    whole = csv_of(*[(str(at), *ROW[1:6], f'a "text"; of\nlines {at}') for at in range(8)])
    full = rows(read(whole))
    for at in range(len(csv_of()), len(whole)):
        found = rows_or_error(whole[:at])
        if isinstance(found, list):
            # It ends between two rows, or has no line end, which is for the caller to judge.
            assert found[:-1] == full[: len(found)][:-1]
            assert found == full[: len(found)] or whole[at - 1] not in "\r\n"
        else:
            assert isinstance(found, BrokenResponseError)


@pytest.mark.parametrize(
    "body",
    [
        *('{"error": "no"}', "[]", "Unknown command", "no;such;thing\n1;2;3\n", "\x00\x01\x02"),
        *("id", "\0\0\0", '"No access"', "No database selected"),
    ],
)
def test_what_is_no_csv_is_an_error_that_quotes_it(body: str) -> None:
    with pytest.raises(NotCsvError) as caught:
        read(body)
    assert "not CSV" in str(caught.value)
    assert "\n" not in str(caught.value)


# Columns


def test_a_column_that_is_not_known_is_noted_and_left_out() -> None:
    table = read(csv_of((*ROW, "x"), header=(*NAMES, "brand new")))
    assert rows(table) == [READ]
    assert kinds(table) == ["unknown columns"]
    assert "'brand new'" in table.notices[0].text
    assert kinds(read(csv_of((*ROW, "x"), header=(*NAMES, "")))) == ["unknown columns"]


def test_a_documented_column_that_is_missing_is_noted_and_left_out() -> None:
    table = read(csv_of(ROW[:6], header=NAMES[:6]))
    assert (table.names, rows(table)) == (NAMES[:6], [READ[:6]])
    assert kinds(table) == ["missing columns"]
    assert "'text'" in table.notices[0].text


@pytest.mark.parametrize("key", ["id", "begin"])
def test_a_key_column_that_is_missing_is_an_error(key: str) -> None:
    at = NAMES.index(key)
    with pytest.raises(MissingColumnError, match=key):
        read(csv_of(ROW[:at] + ROW[at + 1 :], header=NAMES[:at] + NAMES[at + 1 :]))


def test_a_column_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(MissingColumnError, match="twice"):
        read(csv_of((*ROW, "x"), header=(*NAMES, "TEXT")))


def test_a_header_with_few_documented_columns_is_an_error() -> None:
    with pytest.raises(MissingColumnError, match="only 2 of 7"):
        read(csv_of(ROW, header=("id", "begin", *"abcde")))


def test_a_column_that_is_not_wanted_is_not_checked() -> None:
    columns = tuple(
        Column(column.name, column.kind, key=column.key, wanted=column.name != "count")
        for column in COMMAND.columns
    )
    table = read(
        csv_of(replaced("count", "no number")), command=Command("x", columns, COMMAND.keys)
    )
    assert "count" not in table.names
    assert rows(table) == [READ[:3] + READ[4:]]


# Cells


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("count", "1,5"),
        ("length", "x" * 5_000),
        ("disabled", "ja"),
        ("end", "yesterday"),
        *(("begin", text) for text in ("", "NULL", "0000-00-00 00:00:00")),
    ],
)
def test_a_cell_that_does_not_fit_is_an_error_with_line_column_cell_and_advice(
    column: str, text: str
) -> None:
    before = (*ROW[:6], "three\nlines\nlong")
    with pytest.raises(CellError) as caught:
        read("\n\nsep=;\n" + csv_of(ROW, before, replaced(column, text)) + "\n\n")
    error = caught.value
    assert error.where == f"line 9, column '{column}'"
    assert text[:60] in str(error)
    assert len(str(error)) < 250
    assert ("deselect it in the catalog" in error.advice) == (column != "begin")


@pytest.mark.parametrize("quoting", ["addslashes", "fputcsv", "bare"])
def test_lines_are_counted_in_every_way_of_quoting(quoting: str) -> None:
    text = {"addslashes": 'a \\\' \\"b\\"\n', "fputcsv": 'it\'s \\"b\\" x\n', "bare": 'a "b" \\\n'}
    lines = "".join(f'"{at}";"{BEGIN}";"";"5";"";"";"{text[quoting]}"\n' for at in range(3))
    body = csv_of() + lines + f'"3";"{BEGIN}";"";"x";"";"";""\n'
    with pytest.raises(CellError, match="line 8, column 'count'"):
        read(body)
    assert read(csv_of() + lines).form.quoting == quoting


def test_decimal_commas_are_read_and_noted_where_a_number_proves_them() -> None:
    table = read(csv_of(replaced("length", "0,5"), replaced("length", "1,234")))
    assert table.values("length") == [0.5, 1.234]
    assert kinds(table) == ["decimal comma"]
    with pytest.raises(CellError):
        read(csv_of(replaced("length", "1,234")))


def test_nul_characters_are_left_out_and_noted() -> None:
    with_nul = csv_of(replaced("text", "a@b")).replace("a@b", "a\0b")  # Python 3.10 writes none
    for body in (
        with_nul,
        csv_of(replaced("text", "a\\0b")).replace("\\\\0", "\\0"),
        with_nul.encode("utf-16"),
    ):
        table = read(body)
        assert table.values("text")[0] == "ab"
        assert "NUL" in kinds(table)


def test_invalid_characters_are_shown_and_noted() -> None:
    body = csv_of(replaced("text", "Müller Zoë é@")).encode().replace(b"@", b"\xc3")
    table = read(body)
    assert table.values("text")[0] == "Müller Zoë é\ufffd"
    assert kinds(table) == ["invalid characters"]


def test_an_hour_that_a_clock_change_repeats_is_noted_once() -> None:
    night = ("2026-10-25 02:30:00", "2026-10-25 02:40:00")
    table = read(csv_of((ROW[0], *night, *ROW[3:])))
    assert kinds(table) == ["repeated hour"]
    assert "key" not in table.notices[0].text


def test_rows_per_hour_that_a_clock_change_makes_alike_share_their_key() -> None:
    columns = (
        Column("host_id", "string", key=True),
        Column("hourBegin_time", "date-time", key=True),
        Column("number", "integer"),
    )
    command = Command(
        "hostspecshourly", columns, ("host_id", "hourBegin_time"), "hourBegin_time", windowed=True
    )
    night = [("a", f"2026-10-25 0{hour}:00:00", str(at)) for at, hour in enumerate((1, 2, 2, 3), 1)]
    table = read(csv_of(*night, header=tuple(c.name for c in columns)), command=command)
    assert kinds(table) == ["repeated hour"]
    shared = keys_notice(command, table)
    assert shared
    assert "the first by host_id 'a', hourBegin_time '2026-10-25T00:00:00+00:00'" in shared.text


# Anything at all


@given(body=st.binary(max_size=300) | st.text('ab;,"\\\n\r\0<{é', max_size=80).map(str.encode))
@example(body=b'"')
@example(body=b"\xff\xfe")
@example(body=b"id;begin;end;count;length;disabled;text\n" + b'"' * 9)
def test_arbitrary_bytes_give_our_own_error_or_no_more_rows_than_lines(body: bytes) -> None:
    for prefix in (b"", csv_of().encode()):
        found = rows_or_error(prefix + body)
        if isinstance(found, list):
            assert len(found) <= len(re.split(rb"\r\n|\r|\n", body))
        else:
            assert "\n" not in str(found)
