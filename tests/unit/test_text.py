"""From bytes to text: encodings, pieces, separators, and the words for nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.reading.text import (
    decode,
    head_of,
    open_text,
    says_nothing,
    text_of,
)


def pieces(body: bytes, size: int, skip: int = 0) -> list[str]:
    """Return the pieces of a body that arrives in chunks of a size."""
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return list(open_text(lambda: chunks).pieces(skip))


# Encodings


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "no such charset", "undefined", None])
def test_valid_utf_8_is_utf_8_whatever_the_charset_says(charset: str | None) -> None:
    assert decode("Zoë 😀".encode(), charset) == "Zoë 😀"


def test_utf_16_is_known_by_its_mark() -> None:
    for mark, codec in (("", "utf-16"), ("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")):
        assert decode(f'{mark}"id";"é"'.encode(codec)) == '"id";"é"'


def test_the_charset_decides_what_is_no_utf_8_and_windows_1252_is_the_last_resort() -> None:
    assert decode("Łódź € 5".encode("iso-8859-2", "replace"), "iso-8859-2") == "Łódź ? 5"
    assert decode("€ 5 “é”".encode("cp1252")) == "€ 5 “é”"
    assert decode("Zoë, José, André".encode("latin-1"), "utf-8") == "Zoë, José, André"
    assert decode("Zoë".encode("latin-1"), "hex") == "Zoë"  # a codec, but none of text
    for charset in (None, "no such charset", "undefined"):
        assert decode(b"\x81", charset) == "\ufffd"
    assert text_of(b"\x81").is_damaged


def test_a_few_broken_bytes_do_not_turn_the_rest_into_other_letters() -> None:
    text = open_text(lambda: ["Müller Zoë é@".encode().replace(b"@", b"\xc3")])
    assert "".join(text.pieces()) == "Müller Zoë é\ufffd"
    assert (text.encoding, text.is_damaged) == ("UTF-8", True)
    assert decode(b"Zo\xc3", "utf-8") == "Zo\ufffd"


def test_a_mark_of_utf_8_before_another_encoding_is_left_out() -> None:
    assert decode(b"\xef\xbb\xbf" + "Zoë".encode("latin-1")) == "Zoë"


# Pieces


@given(
    text=st.text('a;"\\\n\ré😀 \t', max_size=60),
    size=st.integers(1, 12),
    codec=st.sampled_from(["utf-8", "utf-16"]),
)
def test_pieces_are_the_text_between_its_blanks_and_end_with_lines(
    text: str, size: int, codec: str
) -> None:
    text = f"ab{text}"
    found = pieces(text.encode(codec), max(size, 4))
    assert "".join(found).rstrip(" \t\r\n") == text.rstrip(" \t\r\n")
    assert text.startswith("".join(found))
    assert all(piece[-1] in "\r\n" for piece in found[:-1])
    assert not any(a.endswith("\r") and b.startswith("\n") for a, b in pairwise(found))
    for skip in range(len(text)):
        rest = "".join(pieces(text.encode(codec), max(size, 4), skip))
        assert rest.rstrip() == "".join(found)[skip:].rstrip()


def test_blank_lines_around_a_text_and_nul_characters_are_left_out() -> None:
    assert "".join(pieces(b"\n \n" * 9 + b"a\0b\n  \n \t\r\n", 5)).strip() == "ab"
    assert pieces(b"\n \n" * 9, 5) == []


def test_a_body_is_cut_into_chunks() -> None:
    body = bytes(range(256)) * 1024
    chunks = list(text_of(body).chunks())
    assert b"".join(chunks) == body
    assert len(chunks) > 1


# The first line


@pytest.mark.parametrize("separator", [";", ",", ":", "|", "\t"])
@pytest.mark.parametrize("above", ["", "sep=;\n", ' \n\ufeff\r\n\t"sep=," \n\ufeff'])
def test_the_separator_is_the_one_under_which_most_columns_are_named(
    separator: str, above: str
) -> None:
    line = separator.join(['"id"', " Begin ", '"x;y"', "z,z", "end"]) + "\n"
    head = head_of(f"{above}{line}1;2", {"id", "begin", "end"}, ";")
    assert (head.separator, head.begin, head.end) == (separator, len(above), len(above + line))
    assert head.names[:2] == ("id", "Begin")
    assert head.names[-1] == "end"


def test_a_line_without_columns_has_the_separator_that_was_requested() -> None:
    assert head_of('"a,id";"b"', {"id", "begin"}, ";").separator == ";"
    assert head_of('sep=|\n"a,id"|"b"', {"id", "begin"}, ";").separator == "|"


# Nothing


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \r\n\ufeff\n",
        "No results found",
        "  NO DATA\r\n",
        "Geen gegevens.",
        '"Geen resultaten"',
        "There were no results",
        "Er werden geen  resultaten gevonden",
        "No data to export<br />",
        "Sorry, no statistics available for 2026-11-21",
        "Helaas, geen gesprekken op 21-11-2026",
        "No activity found between 21-11-2026 and 22-11-2026.",
    ],
)
def test_a_line_that_begins_with_a_phrase_says_that_there_is_nothing(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        "No access",
        "No such user",
        "No database selected",
        "No data-source",
        "No results: timeout",
        "Geen toegang",
        "There is no such command",
        "No data\nfound",
        "No data " + "x" * 100,
    ],
)
def test_what_may_be_an_error_does_not_say_that_there_is_nothing(text: str) -> None:
    assert not says_nothing(text)
