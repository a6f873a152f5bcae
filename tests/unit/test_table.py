"""From the text of a response to typed rows: what is accepted, and what is rejected."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    MissingColumnError,
    NotCsvError,
    TapCobrowserError,
)
from tap_cobrowser.reading.table import Column, Table, TableReader, decode

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
COLUMNS = (
    Column("id", "string", key=True),
    Column("begin", "date-time", key=True),
    Column("end", "date-time"),
    Column("count", "integer"),
    Column("length", "number"),
    Column("disabled", "boolean"),
    Column("text", "string"),
)
NAMES = tuple(column.name for column in COLUMNS)
BEGIN = "Wed, 14 Mar 2012 16:16:11 +0100"
ROW = ("007", BEGIN, "", "5", "1.5", "1", "hallo")
READ = ("007", "2012-03-14T15:16:11+00:00", None, 5, 1.5, True, "hallo")


def read(
    body: str | bytes, *, charset: str | None = None, zone: ZoneInfo = AMSTERDAM, sep: str = ";"
) -> Table:
    body = body.encode() if isinstance(body, str) else body
    return TableReader(COLUMNS, sep, zone).read(body, charset)


def rows(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*table.columns, strict=True))


def answer(*body: tuple[str, ...], header: tuple[str, ...] = NAMES, sep: str = ";") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=sep, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [header, *body]
    )
    return out.getvalue()


def rows_or_error(body: str | bytes) -> list[tuple[Any, ...]] | TapCobrowserError:
    try:
        return rows(read(body))
    except TapCobrowserError as error:
        return error


def cell(column: str, text: str) -> Any:
    """Return the value of a text in a column."""
    row = tuple(text if name == column else value for name, value in zip(NAMES, ROW, strict=True))
    return rows(read(answer(row)))[0][NAMES.index(column)]


# How a body may be written


@pytest.mark.parametrize("sep", [";", ",", ":", "|"])
def test_a_plain_answer_is_read(sep: str) -> None:
    table = read(answer(ROW, ROW, sep=sep), sep=sep)
    assert table.names == NAMES
    assert rows(table) == [READ, READ]
    assert table.notes == ()


def test_columns_are_found_by_name_in_any_order_and_letter_case() -> None:
    order = [3, 0, 6, 1, 5, 2, 4]
    body = answer(
        tuple(ROW[at] for at in order), header=tuple(f" {NAMES[at].upper()}" for at in order)
    )
    table = read(body)
    assert (table.names, rows(table)) == (NAMES, [READ])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: "sep=;\n" + text,
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
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
        "UTF-16LE without a mark",
        "UTF-16BE without a mark",
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
    assert rows(read(change(answer(ROW, ROW)))) == [READ, READ]


def test_a_mark_of_utf_8_before_another_encoding_is_left_out() -> None:
    body = b"\xef\xbb\xbf" + answer((*ROW[:6], "Zoë")).encode("latin-1")
    assert rows(read(body))[0][6] == "Zoë"


def test_lines_above_the_header_are_counted() -> None:
    with pytest.raises(CellError, match="line 5"):
        read(" \n\nsep=;\n" + answer((*ROW[:3], "x", *ROW[4:])))


def test_a_header_alone_is_no_rows_and_no_byte_at_all_is_told_apart() -> None:
    empty = read(answer())
    assert (len(empty), empty.names, empty.blank) == (0, NAMES, False)
    for nothing in ("", "\n", "\ufeff"):
        assert read(nothing).blank
        assert len(read(nothing)) == 0


def test_rows_without_header_are_taken_by_position_and_noted() -> None:
    table = read(answer(ROW, ROW).split("\n", 1)[1])
    assert rows(table) == [READ, READ]
    assert "no header" in table.notes[0]


@pytest.mark.parametrize(
    "body",
    [
        answer(ROW).split("\n", 1)[1].replace('"007"', "007"),  # not all quoted
        answer((*ROW, "more")).split("\n", 1)[1],  # of another width
    ],
)
def test_rows_without_header_are_refused_unless_quoted_and_of_the_documented_width(
    body: str,
) -> None:
    with pytest.raises(NotCsvError):
        read(body)


def test_valid_utf_8_is_utf_8_whatever_the_charset_says() -> None:
    body = answer((*ROW[:6], "Zoë 😀")).encode()
    for charset in ("iso-8859-1", "utf-8", "no such charset", "undefined", None):
        assert rows(read(body, charset=charset))[0][6] == "Zoë 😀"


def test_the_charset_is_believed_next_and_windows_1252_is_the_last_resort() -> None:
    body = answer((*ROW[:6], "Łódź € 5")).encode("iso-8859-2", "replace")
    assert rows(read(body, charset="iso-8859-2"))[0][6] == "Łódź ? 5"
    assert rows(read(answer((*ROW[:6], "€ 5 “é”")).encode("cp1252")))[0][6] == "€ 5 “é”"
    assert decode("Zoë, José, André".encode("latin-1"), "utf-8") == "Zoë, José, André"
    assert decode(b"Zo\xc3", "utf-8") == "Zo\ufffd"
    for charset in (None, "no such charset", "undefined"):
        assert decode(b"\x81", charset) == "\\x81"


# Quoting

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.text(
    ';,:|"\\\n\r ab', max_size=12
)
SEPARATORS = st.sampled_from(";,:|")
STRINGS = tuple(Column(f"column_{at}", "string", key=at == 0) for at in range(3))


def strings(body: str, sep: str) -> list[tuple[Any, ...]]:
    table = TableReader(STRINGS, sep, AMSTERDAM).read(body.encode())
    return [tuple(value or "" for value in row) for row in rows(table)]


@given(
    table=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=8), sep=SEPARATORS, crlf=st.booleans()
)
def test_any_table_written_by_python_s_csv_module_is_read_back(
    table: list[tuple[str, str, str]], sep: str, *, crlf: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=sep, quoting=csv.QUOTE_ALL, lineterminator="\r\n" if crlf else "\n"
    )
    writer.writerows([[column.name for column in STRINGS], *table])
    assert strings(out.getvalue(), sep) == table


def fputcsv(row: tuple[str, ...], sep: str) -> str:
    """Write a row as PHP's fputcsv does: no doubling of a quote after a backslash."""
    cells = []
    for text in row:
        escaped, out = False, []
        for character in text:
            if character == "\\":
                escaped = True
            elif character == '"' and not escaped:
                out.append('"')
                escaped = False
            else:
                escaped = False
            out.append(character)
        special = set(text) & set(f'{sep}"\\\n\r\t ')
        cells.append('"' + "".join(out) + '"' if special else text)
    return sep.join(cells) + "\n"


# A backslash before a quote that closes a cell is ambiguous in PHP's way: it is decided by what
# gives every row the same width, which these texts leave no doubt about.
PHP_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters='\0\\"'), max_size=9).flatmap(
    lambda text: st.sampled_from([text, text + '\\"' + text + ".", 'a "quoted" ' + text + ".", ""])
)


@given(table=st.lists(st.tuples(PHP_TEXTS, PHP_TEXTS, PHP_TEXTS), max_size=8), sep=SEPARATORS)
def test_any_table_written_by_php_s_fputcsv_is_read_back(
    table: list[tuple[str, str, str]], sep: str
) -> None:
    body = fputcsv(tuple(column.name for column in STRINGS), sep)
    body += "".join(fputcsv(row, sep) for row in table)
    # where doubling alone explains the text too, the first reading is as good as the second
    assert strings(body, sep) in [table, _doubled(body, sep)]


def _doubled(body: str, sep: str) -> list[tuple[str, ...]] | None:
    try:
        found = list(csv.reader(io.StringIO(body, newline=""), delimiter=sep, strict=True))[1:]
    except csv.Error:
        return None
    return [tuple(row) for row in found] if {len(row) for row in found} <= {3} else None


@given(ending=st.text("ab ;\n\\", max_size=6), sep=SEPARATORS)
def test_a_text_may_end_in_a_backslash(ending: str, sep: str) -> None:
    table = [(f"C:\\{ending}\\", "x", 'say \\"so\\" now'), ("1", f"{ending}\\", "2")]
    body = "".join(fputcsv(row, sep) for row in [("column_0", "column_1", "column_2"), *table])
    assert len(strings(body, sep)) == len(table)


@given(cut=st.integers(1, 400))
def test_a_body_cut_short_never_has_a_row_that_is_not_whole(cut: int) -> None:
    whole = answer(*[(str(at), *ROW[1:6], f'a "text"; of\nlines {at}') for at in range(8)])
    full = rows(read(whole))
    found = rows_or_error(whole[:-cut])
    if isinstance(found, list):
        # It ends between two rows, or in a text behind a quote: no CSV tells that it went on.
        assert found[:-1] == full[: len(found)][:-1]
        assert found == full[: len(found)] or whole[:-cut].endswith('"')
    else:
        assert isinstance(found, (BrokenResponseError, NotCsvError))


@pytest.mark.parametrize(
    "body",
    [
        answer(ROW)[:-3],
        answer(ROW) + '"008";"' + BEGIN,
        answer(ROW, ROW[:5]),
        answer(ROW, (*ROW, "one more")),
        answer(ROW) + "<br />\n<b>Fatal error</b>: Out of memory in <b>x</b> on line <b>1</b>",
        answer(ROW) + "\nFatal error: Allowed memory size exhausted in /srv/csv.php on line 41\n",
        "<!DOCTYPE html><html><body>Maintenance</body></html>",
        "  <br />\n<b>Warning</b>: x in <b>y</b> on line <b>1</b>",
        "PHP Fatal error: Uncaught Exception in /srv/csv.php on line 5",
    ],
)
def test_a_broken_answer_may_be_asked_for_again(body: str) -> None:
    with pytest.raises(BrokenResponseError):
        read(body)


@pytest.mark.parametrize(
    "body",
    ['{"error": "no"}', "[]", "Unknown command", "no;such;thing\n1;2;3\n", "\x00\x01\x02", "id"],
)
def test_what_is_no_csv_is_an_error_that_quotes_it(body: str) -> None:
    with pytest.raises(NotCsvError) as caught:
        read(body)
    assert "not CSV" in str(caught.value)
    assert "\n" not in str(caught.value)


# Columns


def test_a_column_that_is_not_known_is_noted_and_left_out() -> None:
    table = read(answer((*ROW, "x"), header=(*NAMES, "brand new")))
    assert rows(table) == [READ]
    assert "'brand new'" in table.notes[0]


def test_a_documented_column_that_is_missing_is_noted_and_left_out() -> None:
    table = read(answer(ROW[:6], header=NAMES[:6]))
    assert (table.names, rows(table)) == (NAMES[:6], [READ[:6]])
    assert "'text'" in table.notes[0]


@pytest.mark.parametrize("key", ["id", "begin"])
def test_a_key_column_that_is_missing_is_an_error(key: str) -> None:
    header = tuple("other" if name == key else name for name in NAMES)
    with pytest.raises(MissingColumnError, match=f"'{key}'"):
        read(answer(ROW, header=header))


def test_a_header_that_is_hardly_known_is_not_taken_for_a_row() -> None:
    header = (*NAMES[:3], *(f"new_{name}" for name in NAMES[3:]))
    with pytest.raises(MissingColumnError, match="only 3 of 7 documented columns"):
        read(answer(ROW, header=header))


def test_a_column_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(MissingColumnError, match="'id' twice"):
        read(answer((*ROW, "9"), header=(*NAMES, "ID")))


def test_a_deselected_column_is_not_even_converted() -> None:
    columns = [Column(each.name, each.kind, each.key, each.name != "count") for each in COLUMNS]
    body = answer((*ROW[:3], "no number", *ROW[4:])).encode()
    table = TableReader(columns, ";", AMSTERDAM).read(body)
    assert "count" not in table.names
    assert rows(table) == [READ[:3] + READ[4:]]


# Cells


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("count", "", None),
        ("count", "0", 0),
        ("count", "007", 7),
        ("count", " 5", 5),
        ("length", "1.5 ", 1.5),
        ("count", "-3", -3),
        ("count", "5.0", 5),
        ("count", "1e3", 1000),
        ("count", "9223372036854775807", 2**63 - 1),
        ("length", "", None),
        ("length", "3", 3.0),
        ("length", "3.25", 3.25),
        ("length", "-0.5", -0.5),
        ("length", ".5", 0.5),
        ("length", "1E-2", 0.01),
        ("disabled", "", None),
        ("disabled", "0", False),
        ("disabled", "true", True),
        ("disabled", "FALSE", False),
        ("text", "", None),
        ("text", " ", " "),
        ("text", "NULL", "NULL"),
        ("id", "", ""),
        ("id", "00012345678901234567890", "00012345678901234567890"),
    ],
)
def test_a_cell_gets_its_column_s_type(column: str, text: str, value: object) -> None:
    found = cell(column, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(
            ("count", text)
            for text in (
                "1.5",
                "1,000",
                "1_0",
                "٣",
                "\N{FULLWIDTH DIGIT THREE}",
                "five",
                "0x1",
            )
        ),
        ("count", "9" * 5_000),
        *(("count", text) for text in ("9223372036854775808", "99999999999999999999", "1e400")),
        *(("length", text) for text in ("NaN", "Infinity", "-inf", "1,5", "1_0.5", "1e400", "²")),
        *(("length", text) for text in ("1.2.3", ".", "--1")),
        *(("disabled", text) for text in ("2", "yes", "-1", "ja")),
        *(("end", text) for text in ("yesterday", "2026-13-01 00:00:00", "14 Mar", "12:00")),
        *(("end", text) for text in ("Wed, 32 Mar 2012 16:16:11 +0100", "5", "99999999999999")),
        *(("end", text) for text in ("Wed, 14 Foo 2012 16:16:11 +0100", "14 Mar 2012 25:00 +0100")),
        *(("end", text) for text in ("1 Jan 0001 00:00:00 +1400", "14 Mar 2012 16:16:11 XYZ")),
        *(("begin", text) for text in ("", "0000-00-00 00:00:00", "x")),
    ],
)
def test_a_cell_that_does_not_fit_is_an_error_with_line_column_and_cell(
    column: str, text: str
) -> None:
    row = tuple(text if name == column else value for name, value in zip(NAMES, ROW, strict=True))
    before = (*ROW[:6], "three\nlines\nlong")
    with pytest.raises(CellError) as caught:
        read(answer(ROW, before, row))
    error = caught.value
    assert error.where == f"line 6, column '{column}'"
    assert text.strip()[:60] in str(error)
    assert ("deselect it in the catalog" in error.advice) == (column != "begin")


def test_a_long_cell_is_shortened_in_the_error() -> None:
    with pytest.raises(CellError) as caught:
        cell("count", "x" * 5000)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text",
    [
        "0000-00-00 00:00:00",
        "0000-00-00",
        "Wed, 30 Nov -0001 00:00:00 +0000",
        "-0001-11-30T00:00:00+00:00",
        "0",
    ],
)
def test_a_zero_date_is_an_empty_cell(text: str) -> None:
    assert cell("end", text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Wed, 14 Mar 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("14 Mar 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("wo, 14 mrt 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("woensdag 14 maart 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("za 5 mei 2012 16:16:11 +0200", "2012-05-05T14:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16 +0100", "2012-03-14T15:16:00+00:00"),
        ("Sun, 4 Mar 2012 06:00:01 +0100", "2012-03-04T05:00:01+00:00"),
        ("Sun,  4 Mar 2012 06:00:01 +0100", "2012-03-04T05:00:01+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 GMT", "2012-03-14T16:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 CET", "2012-03-14T15:16:11+00:00"),
        ("Sat, 14 Jul 2012 16:16:11 CEST", "2012-07-14T14:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 +0530", "2012-03-14T10:46:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 MET", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11", "2012-03-14T15:16:11+00:00"),
        # What else RFC 2822 allows, and PHP's own variations of it
        ("Wed,14 Mar 2012  16:16:11 +0100 (CET)", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 12 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 +01:00", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 6:16:11+0100", "2012-03-14T05:16:11+00:00"),
        ("2012-03-14T16:16:11+01:00", "2012-03-14T15:16:11+00:00"),
        ("2012-03-14 16:16:11", "2012-03-14T15:16:11+00:00"),
        ("2012-07-14 16:16:11", "2012-07-14T14:16:11+00:00"),
        ("2012-03-14T16:16:11Z", "2012-03-14T16:16:11+00:00"),
        ("2012-03-14T16:16:11.250+0100", "2012-03-14T15:16:11.250000+00:00"),
        ("2012-03-14 16:16:11 CET", "2012-03-14T15:16:11+00:00"),
        ("1331738171", "2012-03-14T15:16:11+00:00"),
        # twice that night: the first one, as the zone's offset before the change has it
        ("2012-10-28 02:30:00", "2012-10-28T00:30:00+00:00"),
        ("Sun, 28 Oct 2012 02:30:00 CEST", "2012-10-28T00:30:00+00:00"),
        ("Sun, 28 Oct 2012 02:30:00 CET", "2012-10-28T01:30:00+00:00"),
    ],
)
def test_date_times_of_all_kinds_become_one_format_in_utc(text: str, moment: str) -> None:
    assert cell("end", text) == moment


INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)


@given(
    instants=st.lists(INSTANTS, min_size=1, max_size=20),
    zone=st.sampled_from(
        ["Europe/Amsterdam", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "UTC"]
    ),
)
@example(instants=[datetime(2026, 3, 29, 1, tzinfo=timezone.utc)], zone="Europe/Amsterdam")
def test_any_moment_written_in_rfc_2822_is_read_back(instants: list[datetime], zone: str) -> None:
    local = [moment.astimezone(ZoneInfo(zone)) for moment in instants]
    body = answer(
        *[(str(at), format_datetime(moment), *ROW[2:]) for at, moment in enumerate(local)]
    )
    reader = TableReader(COLUMNS, ";", ZoneInfo(zone))
    table = reader.read(body.encode())
    assert list(table.columns[1]) == [moment.isoformat() for moment in instants]
    assert reader.foreign_offset is None


def test_a_dutch_zone_name_is_known_in_any_zone() -> None:
    body = answer((ROW[0], "Sat, 14 Jul 2012 16:16:11 CEST", *ROW[2:]))
    table = read(body, zone=ZoneInfo("America/New_York"))
    assert table.columns[1] == ["2012-07-14T14:16:11+00:00"]


def test_an_offset_that_is_not_the_zone_s_is_noted_as_it_was_written() -> None:
    reader = TableReader(COLUMNS, ";", ZoneInfo("America/New_York"))
    reader.read(answer(ROW).encode())
    assert reader.foreign_offset
    assert reader.foreign_offset.date() == date(2012, 3, 14)
    assert reader.foreign_offset.utcoffset() == timedelta(hours=1)


def test_a_day_around_the_clock_change_notes_no_offset() -> None:
    night = datetime(2026, 10, 24, 2, tzinfo=timezone.utc)
    for hour in range(46):
        for offset in (1, 2):  # whichever the server still or already has
            moment = (night + timedelta(hours=hour)).astimezone(timezone(timedelta(hours=offset)))
            reader = TableReader(COLUMNS, ";", ZoneInfo("Europe/Amsterdam"))
            reader.read(answer((ROW[0], format_datetime(moment), *ROW[2:])).encode())
            assert reader.foreign_offset is None


# Anything at all


@given(body=st.binary(max_size=300) | st.text('ab;,"\\\n\r\0<{é', max_size=80).map(str.encode))
@example(body=b'"')
@example(body=b"\xff\xfe")
@example(body=b"id;begin;end;count;length;disabled;text\n" + b'"' * 9)
def test_arbitrary_bytes_give_our_own_error_or_no_more_rows_than_lines(body: bytes) -> None:
    header = answer().encode()
    for prefix in (b"", header):
        found = rows_or_error(prefix + body)
        if isinstance(found, list):
            assert len(found) <= len(re.split(rb"\r\n|\r|\n", body))
        else:
            assert "\n" not in str(found)


def test_rows_since_a_moment_are_kept() -> None:
    other = ("008", "Wed, 14 Mar 2012 16:16:12 +0100", *ROW[2:])
    table = read(answer(ROW, other))
    assert rows(table.since("begin", "2012-03-14T15:16:12+00:00"))[0][0] == "008"
    assert len(table.since("begin", "2013-01-01T00:00:00+00:00")) == 0


def test_words_for_nothing_are_no_rows_with_a_note() -> None:
    for text in (
        "No results found",
        "Geen gegevens.",
        "There were no results",
        "Er werden geen  resultaten gevonden",
        "No data to export<br />",
        "Sorry, no statistics available for 2026-11-21",
        "No activity found between 21-11-2026 and 22-11-2026.",
    ):
        table = read(text)
        assert table.blank
        assert " ".join(text.split()) in table.notes[0]


@pytest.mark.parametrize(
    "text", ["No access", "No such user", "No agent found", "No results: timeout", "No data\nfound"]
)
def test_what_may_be_an_error_is_not_taken_for_no_rows(text: str) -> None:
    with pytest.raises(NotCsvError):
        read(text)


def test_single_broken_bytes_do_not_turn_the_rest_into_other_letters() -> None:
    body = answer((*ROW[:6], "Müller Zoë é@")).encode().replace(b"@", b"\xc3")
    table = read(body)
    assert rows(table)[0][6] == "Müller Zoë é\ufffd"
    assert "invalid characters" in table.notes[0]
