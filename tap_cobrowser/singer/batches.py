"""Writes the files of BATCH messages from columns; the SDK's writers need a dict per row.

The format is the SDK's: one JSON object per line, or Parquet, with at most `batch_size` rows per
file. All Parquet files of a stream have the columns and types of its schema, whatever their rows
contain, so that they can be read as one table.
"""

from __future__ import annotations

import gzip
from contextlib import nullcontext
from decimal import Decimal
from itertools import islice
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from singer_sdk.contrib.msgspec import encoder

from tap_cobrowser.errors import BatchFileError
from tap_cobrowser.redaction import quote
from tap_cobrowser.singer.messages import RECORDS_AT_ONCE, encodable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from singer_sdk.helpers._batch import BatchConfig

_ADVICE = (
    "Give the column its type in the stream map, as with `float(…)`, or use the format `jsonl`."
)
_VERSION = "_sdc_table_version"
_COMPRESSION = 3  # a third larger than by 9, Python's default, in a sixth of the time


def batch_files(  # noqa: PLR0913 - a file is made of as many things
    config: BatchConfig,
    name: str,
    names: tuple[str, ...],
    columns: Sequence[Sequence[Any]],
    *,
    version: int | None,
    properties: Mapping[str, Any],
) -> Iterator[tuple[str, int]]:
    """Write rows into files, and yield the URL and the number of rows of each file.

    `name` is the prefix of the file names, `properties` the JSON Schema of each column of the
    stream. Targets add the version of a table to RECORDs, but not to the records of files. Without
    it, these would count as those of an older version.

    Raises:
        BatchFileError: If a file cannot be written.
    """
    zipped = config.encoding.compression == "gzip"
    batch = f"{config.storage.prefix or ''}{name}-{uuid4()}"
    rows = len(columns[0]) if columns else 0
    if version is not None:
        names, columns = (*names, _VERSION), [*columns, [version] * rows]
        properties = {**properties, _VERSION: {"type": "integer"}}
    is_parquet = config.encoding.format == "parquet"
    ending = "parquet" if is_parquet else "json.gz" if zipped else "json"
    for number, start in enumerate(range(0, rows, config.batch_size), 1):
        part = [values[start : start + config.batch_size] for values in columns]
        file_name = f"{batch}-{number}.{ending}"
        try:
            with config.storage.open(file_name, "wb") as file:
                if is_parquet:
                    _write_parquet(file, names, part, properties=properties, zipped=zipped)
                else:
                    _write_lines(file, names, part, zipped=zipped)
        except BatchFileError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has errors of its own
            msg = f"Setting 'batch_config.storage': a file cannot be written: {quote(error)}"
            raise BatchFileError(msg) from None
        yield config.storage.get_url(file_name), len(part[0])


def _write_lines(
    file: IO[Any], names: tuple[str, ...], columns: Sequence[Sequence[Any]], *, zipped: bool
) -> None:
    records = encodable(names, columns)
    with gzip.GzipFile("", "wb", _COMPRESSION, file) if zipped else nullcontext(file) as out:
        while block := list(islice(records, RECORDS_AT_ONCE)):
            out.write(encoder.encode_lines(block))


def _write_parquet(
    file: IO[Any],
    names: tuple[str, ...],
    columns: Sequence[Sequence[Any]],
    *,
    properties: Mapping[str, Any],
    zipped: bool,
) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
    from pyarrow import parquet  # noqa: PLC0415

    values = dict(zip(names, columns, strict=True))
    if strange := values.keys() - properties.keys():
        msg = f"The column {quote(min(strange), 60)} is not in the schema of its stream"
        raise BatchFileError(msg, advice=_ADVICE)
    arrays = {}
    for name, definition in properties.items():
        of_column = values.get(name, [None] * len(columns[0]))
        try:
            arrays[name] = _arrow_array(of_column, _arrow_type(definition))
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
            msg = f"Column '{name}' has a value of another type: {quote(error, 100)}"
            raise BatchFileError(msg, advice=_ADVICE) from None
    parquet.write_table(pa.table(arrays), file, compression="gzip" if zipped else "snappy")


def _arrow_type(definition: Mapping[str, Any]) -> pa.DataType:
    """Return the Arrow type of a column: text for a date-time, as in a RECORD, and for objects."""
    import pyarrow as pa  # noqa: PLC0415

    types = definition.get("type", "string")
    kinds = {*([types] if isinstance(types, str) else types)} - {"null"}
    if kinds and kinds <= {"integer", "number"}:
        return pa.float64() if "number" in kinds else pa.int64()
    return pa.bool_() if kinds == {"boolean"} else pa.string()


def _arrow_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return the values as an array. Values of a stream map may have to be converted."""
    import pyarrow as pa  # noqa: PLC0415

    for value in values if kind == pa.int64() else ():
        if isinstance(value, float | Decimal) and value % 1:  # which Arrow would cut off
            msg = f"{value} is not an integer"
            raise ValueError(msg)
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError):
        if kind == pa.string():
            return pa.array([_text(value) for value in values], kind)
        raise


def _text(value: Any) -> str | None:
    """Return a value as text: text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return encoder.encode(value).decode().strip('"')  # around a date-time
