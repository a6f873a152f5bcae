"""The key is removed from all output, in any encoding."""

from __future__ import annotations

import io
import logging
import re
import sys
from contextlib import redirect_stderr
from string import ascii_letters, digits
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from tap_cobrowser import redaction
from tap_cobrowser.redaction import guard_outputs, protect, quote, redact
from tests.keys import ENCODINGS, shown_pieces, spellings

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = 'Ä+k/e&y "=%42\\'


@pytest.fixture(autouse=True)
def _nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_masks", {})


KEYS = st.text(st.characters(codec="utf-8"), min_size=4, max_size=40).map(str.strip)
ANY_KEYS = st.text(st.characters(), min_size=4, max_size=40).map(str.strip)
HARD_KEYS = st.text("%+*#~.x\\ '\"&=;/[](){}^$|25é€😀", min_size=4, max_size=20).map(str.strip)
USUAL_KEYS = st.text(ascii_letters + digits + "+/=&%_-", min_size=6, max_size=40)
BREAKS = st.sampled_from(["\n", "\r\n", " ", "\t", "\\n", "<br />", "=\n", "\u200b", "\x00"])


@given(key=(KEYS | HARD_KEYS).filter(lambda key: len(key) >= 4))
@example(key=KEY)
@example(key="****")
@example(key="%2525")
@example(key="a b+c%20d")
@example(key="ÿþ\x80é")
def test_no_spelling_of_the_key_survives(key: str) -> None:
    redaction._masks.clear()
    protect(key)
    for spelling in spellings(key):
        before, after = "GET /csv.php?user=a&apiKey=", "&c=agents failed"
        line = redact(f"{before}{spelling}{after}")
        assert spelling not in line
        assert key not in line
        if redact(before + after) == before + after:  # it may be a word of them
            # and begin or end like what stands beside it
            assert line.startswith(before[:-1])
            assert line.endswith(after[1:])


@given(key=ANY_KEYS.filter(lambda key: len(key) >= 4))
@example(key="\udcffhalf of a \ud83d")
def test_a_key_that_cannot_even_be_sent_is_struck_out(key: str) -> None:
    redaction._masks.clear()
    protect(key)
    assert key not in redact(f"<{key}>")
    assert key not in quote(f"<{key}>")


@pytest.mark.parametrize("number", ["1764000000", "0.000000125", "2026-11-22T00:00:00.000000"])
def test_zeros_are_no_piece_of_a_key_without_them(number: str) -> None:
    protect("quite-A-Hidden-4242")
    assert quote(number) == f"'{number}'"
    protect("a000000b")
    assert "000000" not in quote(number)


def test_the_key_beside_itself_leaves_nothing() -> None:
    protect("abab")
    assert "abab" not in redact("ababab" * 3)


@given(
    key=USUAL_KEYS,
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
    redaction._masks.clear()
    protect(key)
    spelled = encode(key)
    begin, end = sorted(round(len(spelled) * part) for part in cut)
    said = quote(f"Not for <{case(spelled[begin:end])}>, whoever it is")
    assert not shown_pieces(said, key)
    assert said.startswith("'Not for <")
    assert said.endswith(">, whoever it is'")


@given(key=USUAL_KEYS, data=st.data())
def test_a_key_that_is_broken_over_lines_is_struck_out_too(key: str, data: st.DataObject) -> None:
    redaction._masks.clear()
    protect(key)
    spelled = data.draw(st.sampled_from([*ENCODINGS.values()]))(key)
    rows = data.draw(st.integers(1, 8))
    gap = data.draw(BREAKS)
    said = quote(f"<{gap.join(spelled[at : at + rows] for at in range(0, len(spelled), rows))}>")
    # what is left of it is at its ends, where a break may look like a part of it
    left = re.sub(r"[^!-~]", "", said.replace(gap, "").replace("<br />", "").replace("\\n", ""))
    assert not shown_pieces(left, key)


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("key", ["k3y!", "a+b=c"])
def test_a_short_key_is_struck_out_whole(key: str, encode: Callable[[str], str]) -> None:
    protect(key)
    for text in (encode(key), encode(key).upper()):
        assert text not in redact(f"GET /?apiKey={text}&c=x")
        assert text not in quote(f"GET /?apiKey={text}&c=x")


@pytest.mark.parametrize("key", ["", " ", "a", "abc", "  a \t", "a  "])
def test_what_is_too_short_for_a_key_is_not_struck_out(key: str) -> None:
    protect(key)
    assert redact("a line about abc") == "a line about abc"
    assert quote("a line about abc") == "'a line about abc'"


def test_words_of_the_tap_are_not_garbled_by_pieces_of_the_key() -> None:
    protect("windows-of-the-server")
    formatter = redaction.RedactingFormatter(logging.Formatter("%(message)s"))
    own, other = (
        logging.LogRecord(name, logging.INFO, "", 0, "window of the server", (), None)
        for name in ("tap-cobrowser.emails", "urllib3.connectionpool")
    )
    assert formatter.format(own) == "window of the server"
    assert formatter.format(other) == "*** of the ***"
    assert redact("window 2026-11-15..2026-11-16") == "window 2026-11-15..2026-11-16"


def test_a_text_is_redacted_before_it_is_shortened() -> None:
    protect(KEY)
    text = quote("x" * 195 + KEY + "y" * 50)
    assert KEY[:3] not in text
    assert text.endswith("…")
    assert "\n" not in quote("two\nlines")
    assert quote("x" * 50 + KEY, 3, end=True) == "…'***'"


def test_a_quoted_text_is_as_it_was_received() -> None:
    assert quote("a \\ b") == "'a \\ b'"
    assert quote("it's") == '"it\'s"'


def test_every_handler_is_guarded_tracebacks_and_structured_logs_included() -> None:
    protect(KEY)
    logger = logging.getLogger("a logger of its own")
    outputs: list[io.StringIO] = []
    for formatter in (None, logging.Formatter("%(message)s"), StructuredFormatter()):
        output = io.StringIO()
        handler = logging.StreamHandler(output)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
        outputs.append(output)
    try:
        with redirect_stderr(io.StringIO()) as stderr:
            guard_outputs()
            guard_outputs()  # once more does no harm
            try:
                _fail()
            except ValueError:
                logger.exception("Failed with %s", KEY)
            sys.stderr.write(f"a library that prints {KEY}\n")
            assert not sys.stderr.isatty()
    finally:
        del logging.root.manager.loggerDict["a logger of its own"]
        for guarded in logging.root.handlers:
            if isinstance(guarded.formatter, redaction.RedactingFormatter):
                guarded.setFormatter(guarded.formatter._inner)
    outputs.append(stderr)
    for output in outputs:
        said = output.getvalue()
        assert said
        assert all(spelling not in said for spelling in spellings(KEY))


def _fail() -> None:
    raise ValueError(KEY)
