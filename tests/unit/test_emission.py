"""Rows are encoded where they were read, if they go out as they are and are few."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.singer.emission import Encoded, encode, write_records
from tap_cobrowser.singer.messages import LineWriter
from tap_cobrowser.reading.table import Table
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=timezone.utc)


class Kept(LineWriter):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.text = b""

    def _write_all(self, lines: bytes) -> None:
        self.text += lines


def maps_of(**stream_maps: Any) -> list[StreamMap]:
    config = {"user": "somebody", "api_key": "a key that is secret", "stream_maps": stream_maps}
    return TapCobrowser(config=config).streams["emails"].stream_maps


def table_of(rows: int) -> Table:
    columns = [f"{at}" for at in range(rows)], ["ü\n"] * rows
    return Table(("id", "subject"), tuple(columns))


def written(maps: list[StreamMap], table: Table) -> bytes:
    writer = Kept()
    assert write_records(writer, maps, table, NOW, version=None) == len(table)
    writer.flush()
    return writer.text


@pytest.mark.parametrize("rows", [1, 250, 9_999])
def test_encoded_rows_are_the_same_messages(rows: int) -> None:
    maps, table = maps_of(), table_of(rows)
    encoded = encode(maps, table, NOW)
    assert isinstance(encoded, Encoded)
    assert len(encoded) == rows
    assert not encoded.columns
    assert written(maps, encoded) == written(maps, table)


@pytest.mark.parametrize(
    ("stream_maps", "rows"),
    [({}, 0), ({}, 10_001), ({"emails": {"subject": None}}, 1), ({"emails": None}, 1)],
)
def test_rows_that_are_mapped_or_many_stay_rows(stream_maps: dict[str, Any], rows: int) -> None:
    table = table_of(rows)
    assert encode(maps_of(**stream_maps), table, NOW) is table
