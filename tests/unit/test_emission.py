"""Rows become RECORD messages, through the stream maps of their stream."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.errors import SettingError
from tap_cobrowser.models import Table
from tap_cobrowser.singer.emission import write_records
from tap_cobrowser.singer.maps import key_columns
from tap_cobrowser.singer.messages import LineWriter
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=timezone.utc)
TABLE = Table(("id", "subject"), (["1", "2"], ["ü\n", None]))


def maps_of(stream_maps: dict[str, Any]) -> list[StreamMap]:
    config = {"user": "somebody", "api_key": "a key that is secret", "stream_maps": stream_maps}
    return TapCobrowser(config=config).streams["emails"].stream_maps


def written(stream_maps: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    writer, lines = LineWriter(), bytearray()
    monkeypatch.setattr(writer, "_write", lines.extend)
    assert write_records(writer, maps_of(stream_maps), TABLE, NOW, version=None) == len(TABLE)
    writer.flush()
    return [json.loads(line) for line in lines.splitlines()]


def test_rows_without_a_stream_map_are_the_same_messages_as_those_with_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = written({}, monkeypatch)
    assert [message["record"] for message in plain] == [
        {"id": "1", "subject": "ü\n"},
        {"id": "2", "subject": None},
    ]
    assert written({"emails": {"id": "id"}}, monkeypatch) == plain


def test_rows_that_a_map_removes_are_handled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written({"emails": {"__filter__": "id == '2'"}}, monkeypatch)[0]["record"]["id"] == "2"
    assert written({"emails": None}, monkeypatch) == []


def test_a_map_that_fails_on_a_row_is_an_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingError, match=r"^Setting 'stream_maps': the map of 'emails' failed"):
        written({"emails": {"subject": "subject.upper()"}}, monkeypatch)


@pytest.mark.parametrize(
    ("stream_maps", "keys"),
    [
        ({}, {"id"}),
        ({"emails": {"__key_properties__": ["agent_id", "timestamp"]}}, {"agent_id", "timestamp"}),
        ({"emails": {"who": "agent_id", "__key_properties__": ["who"]}}, {"who", "agent_id"}),
        (
            {"e*": {"who": "agent_id + to", "__key_properties__": ["who"]}},
            {"who", "agent_id", "to"},
        ),
        ({"copy": {"__source__": "emails", "__key_properties__": ["to"]}}, {"id", "to"}),
        ({"emails": {"__key_properties__": None}}, set()),
        ({"emails": None}, set()),
    ],
)
def test_the_key_columns_are_those_of_the_schemas_that_go_out(
    stream_maps: dict[str, Any], keys: set[str]
) -> None:
    assert key_columns("emails", maps_of(stream_maps), stream_maps) == keys
