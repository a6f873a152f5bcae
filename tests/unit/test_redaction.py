"""The key is struck out of everything that is put out, however it is spelled."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import redirect_stderr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from tap_cobrowser import redaction
from tap_cobrowser.redaction import guard_outputs, protect, quote, redact
from tests.conftest import spellings

KEY = 'Ä+k/e&y "=%42\\'


@pytest.fixture(autouse=True)
def _nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_masks", {})


KEYS = st.text(st.characters(codec="utf-8"), min_size=4, max_size=40)
HARD_KEYS = st.text("%+*#~.x\\ '\"&=;/[](){}^$|25é€😀", min_size=4, max_size=20)


@given(key=KEYS | HARD_KEYS)
@example(key=KEY)
@example(key="****")
@example(key="%2525")
@example(key="a b+c%20d")
@example(key="ÿþ\x80é")
def test_no_spelling_of_the_key_survives(key: str) -> None:
    redaction._masks.clear()
    protect(key)
    for spelling in spellings(key):
        line = redact(f"GET /csv.php?user=a&apiKey={spelling}&c=agents failed")
        assert spelling not in line
        assert key not in line
        assert line.startswith("GET /csv.php?user=a&apiKey=")
        assert line.endswith("&c=agents failed")


def test_the_key_beside_itself_leaves_nothing() -> None:
    protect("abab")
    assert "abab" not in redact("ababab" * 3)


def test_a_text_is_redacted_before_it_is_shortened() -> None:
    protect(KEY)
    text = quote("x" * 195 + KEY + "y" * 50)
    assert KEY[:3] not in text
    assert text.endswith("…")
    assert "\n" not in quote("two\nlines")


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
