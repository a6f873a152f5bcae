"""The files of BATCH messages: one set of types for all files of a stream, from its schema."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import duckdb
import pyarrow.dataset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from singer_sdk.helpers._batch import BatchConfig

from tap_cobrowser.errors import BatchFileError
from tap_cobrowser.singer.batches import batch_files
from tests.expected import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROPERTIES: dict[str, Any] = {
    "id": {"type": ["string"]},
    "number": {"type": ["number", "null"]},
    "count": {"type": ["integer", "null"]},
    "flag": {"type": ["boolean", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
}
ROWS: list[tuple[Any, ...]] = [
    ("a", None, None, None, None),
    ("b", 12.75, 3, True, "2026-11-22T23:00:00+00:00"),
    ("c", 13, None, None, None),
    ("d", None, -5, False, None),
]


def files(
    folder: Path,
    rows: Sequence[tuple[Any, ...]],
    properties: dict[str, Any] | None = None,
    **options: Any,
) -> list[str]:
    """Write rows into files, and return their paths."""
    properties = properties or PROPERTIES
    config = BatchConfig.from_dict(
        {
            "encoding": {"format": options.pop("format", "parquet")},
            "storage": {"root": folder.as_uri()},
            "batch_size": options.pop("batch_size", 1),
        }
    )
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = options.pop("names", tuple(properties))
    version = options.pop("version", None)
    written = list(batch_files(config, "t", names, columns, version=version, properties=properties))
    assert sum(of_file for _, of_file in written) == len(rows)
    return [url2pathname(urlsplit(url).path) for url, _ in written]


def test_files_of_a_stream_are_read_as_one_table_whatever_their_rows_hold(tmp_path: Path) -> None:
    paths = files(tmp_path, ROWS)
    assert len(paths) == len(ROWS)
    assert len({str(parquet.read_schema(path)) for path in paths}) == 1
    for order in (paths, paths[::-1]):
        found = duckdb.sql("SELECT * FROM read_parquet($paths)", params={"paths": order})
        assert [str(kind) for kind in found.types] == [
            *("VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN", "VARCHAR")
        ]
        assert sorted(found.fetchall(), key=str) == sorted(ROWS, key=str)
        table = pyarrow.dataset.dataset(order).to_table()
        assert sorted(map(str, table.to_pylist())) == sorted(
            str(
                dict(
                    zip(
                        PROPERTIES,
                        [*row[:1], None if row[1] is None else float(row[1]), *row[2:]],
                        strict=True,
                    )
                )
            )
            for row in ROWS
        )


def test_a_column_that_a_response_lacks_is_there_and_null(tmp_path: Path) -> None:
    (path,) = files(tmp_path, [("a",)], names=("id",), version=5)
    (row,) = parquet.read_table(path).to_pylist()
    assert row == {**dict.fromkeys(PROPERTIES), "id": "a", "_sdc_table_version": 5}


@pytest.mark.parametrize(
    ("definition", "value", "read"),
    [
        ({"type": "string"}, 12.75, "12.75"),
        ({"type": "string"}, True, "true"),
        ({"type": "string"}, {"a": [1]}, '{"a":[1]}'),
        ({}, 5, "5"),
        ({"type": "integer"}, 5.0, 5),
        ({"type": "integer"}, Decimal(5), 5),
        ({"type": ["integer", "string"]}, 5, "5"),
        ({"type": ["number", "integer", "null"]}, 5, 5.0),
        ({"type": "object"}, {"a": 1}, '{"a":1}'),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2], "[1,2]"),
        (
            {"type": "string", "format": "date-time"},
            datetime(2026, 11, 22, tzinfo=timezone.utc),
            "2026-11-22T00:00:00Z",
        ),
    ],
)
def test_what_a_stream_map_makes_has_the_type_of_its_schema(
    tmp_path: Path, definition: dict[str, Any], value: object, read: object
) -> None:
    properties = {"x": definition}
    (path,) = files(tmp_path, [(None,), (value,)], properties, batch_size=2)
    assert parquet.read_table(path).to_pylist() == [{"x": None}, {"x": read}]


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, 1.5),
        ({"type": "integer"}, Decimal("1.5")),
        ({"type": "integer"}, "five"),
        ({"type": "number"}, "five"),
        ({"type": "number"}, 10**400),
        ({"type": "boolean"}, "yes"),
        ({"type": "string"}, "\ud800"),
    ],
)
def test_a_value_that_cannot_be_written_is_an_error_that_names_the_column(
    tmp_path: Path, definition: dict[str, Any], value: object
) -> None:
    with pytest.raises(BatchFileError, match=r"^Column 'x' has a value of another type"):
        files(tmp_path, [(value,)], {"x": definition})
    with pytest.raises(BatchFileError, match="'y' is not in the schema"):
        files(tmp_path, [("a",)], {"x": {}}, names=("y",))


def test_a_line_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BatchFileError, match="a file cannot be written"):
        files(tmp_path, [("\ud800",)], {"x": {}}, format="jsonl")


@given(
    rows=st.lists(st.tuples(st.text(), st.none() | st.integers(0, 9)), max_size=12),
    size=st.integers(1, 5),
    form=st.sampled_from(["jsonl", "parquet"]),
)
def test_all_rows_are_in_the_files_and_no_file_has_more_than_it_may(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]], size: int, form: str
) -> None:
    folder = tmp_path_factory.mktemp("files")
    properties = {"a": {"type": "string"}, "b": {"type": "integer"}}
    found: list[dict[str, Any]] = []
    for path in files(folder, rows, properties, batch_size=size, format=form):
        if form == "parquet":
            read = parquet.read_table(path).to_pylist()
        else:
            lines = Path(path).read_bytes().split(b"\n")
            read = [json.loads(line) for line in lines if line]
        assert len(read) <= size
        found += read
    assert found == [dict(zip(properties, row, strict=True)) for row in rows]


@pytest.mark.parametrize("name", STREAMS)
def test_the_types_of_every_stream_are_known_to_arrow(tmp_path: Path, name: str) -> None:
    properties = STREAMS[name].schema["properties"]
    (path,) = files(tmp_path, [(None,) * len(properties)], properties)
    wanted = {"integer": "int64", "number": "double", "boolean": "bool", "string": "string"}
    assert {field.name: str(field.type) for field in parquet.read_schema(path)} == {
        column: next(wanted[kind] for kind in definition["type"] if kind != "null")
        for column, definition in properties.items()
    }
