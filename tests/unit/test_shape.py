"""JSON that is handed in: read in each encoding that it may have, or rejected with the reason."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_cobrowser.shape import NotJsonError, parse, unwritable
from tests.strategies import JSON


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_json_is_read_in_each_encoding_with_and_without_a_byte_order_mark(encoding: str) -> None:
    value = {"user": "Zoë 😀", "window_days": 2, "share": 0.5, "none": None}
    assert parse(json.dumps(value, ensure_ascii=False).encode(encoding)) == value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"user: a", "it is not JSON (line 1, column 1)"),
        (b'{"a": 1}\n{"b": 2}', "it is not JSON (line 2, column 1)"),
        (b'{"a": 1,}', "it is not JSON (line 1"),
        (b'"\xe9"', "it is neither UTF-8 nor UTF-16"),
        (b'{"a": NaN}', "it contains NaN, which is not valid JSON"),
        (b"[-Infinity]", "it contains -Infinity, which is not valid JSON"),
        (b"[1e400]", "it contains a number that is too large"),
        (b"9" * 5000, "it contains a number that is too large"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "an object has a duplicate name"),
        (rb'["\ud83d"]', "it contains an unpaired surrogate"),
        (rb'{"\ude00": 1}', "it contains an unpaired surrogate"),
        (b"[" * 200 + b"]" * 200, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_json_is_rejected_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(NotJsonError) as raised:
        parse(raw)
    assert str(raised.value).startswith(reason)


@given(JSON | st.text(st.characters(), max_size=4))
@settings(max_examples=40)
def test_what_is_read_can_be_written_again(value: Any) -> None:
    try:
        found = parse(json.dumps(value))
    except NotJsonError:
        assert unwritable(value) or "NaN" in json.dumps(value)
        return
    assert found == value
    assert json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


@given(st.binary(max_size=20))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    with suppress(NotJsonError):
        parse(raw)
