"""The API key is in no quotation, and nothing else is altered."""

from __future__ import annotations

import logging
from random import Random
from string import ascii_letters, digits
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cobrowser import redaction
from tap_cobrowser.redaction import one_line, protect, quote, quote_exactly
from tests.keys import ENCODINGS, shown_pieces

if TYPE_CHECKING:
    from collections.abc import Callable

OMITTED = "(not quoted: it contains a part of the API key)"
KEYS = st.text(ascii_letters + digits + "+/=&%_- ", min_size=6, max_size=40).filter(
    lambda key: len(key.strip()) >= 6
)


@pytest.fixture(autouse=True)
def _nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_forms", {})


@given(
    key=KEYS.map(str.strip),
    encode=st.sampled_from([*ENCODINGS.values()]),
    case=st.sampled_from([str, str.upper, str.lower, str.swapcase]),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@example(key="+" * 20, encode=str, case=str, cut=(0, 1))
def test_no_piece_of_the_key_is_quoted_in_any_encoding_cut_anywhere(
    key: str,
    encode: Callable[[str], str],
    case: Callable[[str], str],
    cut: tuple[float, float],
) -> None:
    redaction._forms.clear()
    protect(key)
    encoded = encode(key)
    begin, end = sorted(round(len(encoded) * part) for part in cut)
    text = f"<{case(encoded[begin:end])}>"
    for quoted in (quote(text), one_line(text), quote_exactly(text, 200)):
        assert quoted == OMITTED or not shown_pieces(quoted, key)
        assert quoted == OMITTED or text.replace("\\", "") in quoted.replace("\\", "")


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("key", ["k3y!", "a+b=c"])
def test_a_short_key_is_not_quoted_whole(key: str, encode: Callable[[str], str]) -> None:
    protect(key)
    for text in (encode(key), encode(key).upper()):
        assert quote(f"GET /?apiKey={text}&c=x") == OMITTED
    assert quote(f"GET {key[:3]}") == f"'GET {key[:3]}'"


@given(
    key=KEYS.map(lambda key: key.replace(" ", "x")),
    gap=st.sampled_from(["\n", "\r\n", " ", "\t", "\x00"]),
)
def test_a_key_that_is_broken_over_lines_is_not_quoted(key: str, gap: str) -> None:
    redaction._forms.clear()
    protect(key)
    text = gap.join(key[at : at + 4] for at in range(0, len(key), 4))
    assert quote(text) == quote_exactly(text, 200) == OMITTED


def test_an_ordinary_key_hides_no_number_by_the_way_escapes_are_written() -> None:
    for seed in range(3):
        redaction._forms.clear()
        protect("".join(Random(seed).choices(ascii_letters + digits, k=32)))
        numbers = [str(10_000_000 + step * 7) for step in range(2_000)]
        assert [quote(number) for number in numbers] == [f"'{number}'" for number in numbers]


@pytest.mark.parametrize("text", ["1764000000", "0.000000125", "2026-11-22T00:00:00.000000"])
def test_zeros_are_no_part_of_a_key_without_them(text: str) -> None:
    protect("quite-A-Hidden-4242")
    assert quote(text) == f"'{text}'"
    protect("a000000b")
    assert quote(text) == (OMITTED if "000000" in text else f"'{text}'")


def test_only_the_part_that_is_shown_counts() -> None:
    key = "quite-A-Hidden-4242"
    protect(key)
    assert quote(f"{'x' * 50}{key}", 10) == "'xxxxxxxxxx'…"
    assert quote(f"{key}{'x' * 50}", 10, end=True) == "…'xxxxxxxxxx'"
    assert quote_exactly(f"{'x' * 50}{key}", 10) == "'xxxxxxxxxx'…"


@pytest.mark.parametrize("key", ["", " ", "a", "abc", "  a \t"])
def test_what_is_too_short_for_a_key_hides_nothing(key: str) -> None:
    protect(key)
    assert quote("a line about abc") == "'a line about abc'"


def test_a_quotation_is_one_line_as_it_was_received() -> None:
    assert quote("a \\ b") == "'a \\ b'"
    assert quote("it's") == '"it\'s"'
    assert quote("two\nlines") == "'two lines'"
    assert quote_exactly("two\nlines", 20) == r"'two\nlines'"
    assert one_line("two\n lines") == "two lines"


@given(key=st.text(st.characters(), min_size=4, max_size=40))
@example(key="\udcffhalf of a \ud83d")
def test_a_key_that_cannot_be_sent_is_not_quoted_either(key: str) -> None:
    redaction._forms.clear()
    protect(key)
    if len(key.strip()) >= 4:
        assert key not in quote_exactly(f"<{key}>", 200).replace("\\\\", "\\")


def test_the_loggers_of_http_libraries_are_silent_at_any_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    protect("quite-A-Hidden-4242")
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        logger = logging.getLogger("urllib3.connectionpool")
        logger.debug("GET /csv.php?apiKey=quite-A-Hidden-4242")
        logger.warning("Failed to parse headers (url=%s)", "quite-A-Hidden-4242")
    assert not caplog.records
