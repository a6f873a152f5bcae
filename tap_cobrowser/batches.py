"""Writes the files of BATCH messages from columns, where the SDK's writers take a dict per row.

The form is theirs: a JSON object a line, or Parquet, `batch_size` rows at most in a file.
"""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, cast
from uuid import uuid4

from singer_sdk.contrib.msgspec import encoder

from tap_cobrowser.errors import BatchFileError
from tap_cobrowser.messages import RECORDS_AT_ONCE, encodable
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.helpers._batch import BatchConfig

_COMPRESSION = 3  # a third larger than by 9, Python's default, in a sixth of the time


def batch_files(
    config: BatchConfig,
    name: str,
    names: tuple[str, ...],
    columns: Sequence[Sequence[Any]],
    *,
    version: int | None,
) -> Iterator[str]:
    """Write rows into files, and yield the URL of each.

    Args:
        config: What to write, and where to.
        name: What the names of the files begin with.
        names: Names of the columns.
        columns: Values of each column, all of one length.
        version: Version of the table, for ACTIVATE_VERSION. Targets give it to records that come in
            messages, and take those of files as they are: without it, all of them would be old.

    Raises:
        BatchFileError: If a file cannot be written.
    """
    form = config.encoding.format
    zipped = config.encoding.compression == "gzip"
    write = _write_parquet if form == "parquet" else _write_lines
    ending = "parquet" if form == "parquet" else "json.gz" if zipped else "json"
    batch = f"{config.storage.prefix or ''}{name}-{uuid4()}"
    rows = len(columns[0]) if columns else 0
    if version is not None:
        names, columns = (*names, "_sdc_table_version"), [*columns, [version] * rows]
    for number, start in enumerate(range(0, rows, config.batch_size), 1):
        part = [values[start : start + config.batch_size] for values in columns]
        file_name = f"{batch}-{number}.{ending}"
        try:
            with config.storage.open(file_name, "wb") as file:
                write(file, names, part, zipped=zipped)
        except (OSError, ValueError, ImportError) as error:
            msg = f"Setting 'batch_config.storage': a file cannot be written: {quote(error)}"
            raise BatchFileError(msg) from None
        yield config.storage.get_url(file_name)


def in_columns(
    records: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], tuple[list[Any], ...]]:
    """Return the names and values of the columns of records; what one lacks is null."""
    names = tuple(dict.fromkeys(chain.from_iterable(records)))
    return names, tuple([record.get(name) for record in records] for name in names)


def _write_lines(
    file: IO[Any], names: tuple[str, ...], columns: Sequence[Sequence[Any]], *, zipped: bool
) -> None:
    with ExitStack() as stack:
        if zipped:
            file = cast("IO[Any]", stack.enter_context(gzip.GzipFile("", "wb", _COMPRESSION, file)))
        records = encodable(names, columns)
        while block := list(islice(records, RECORDS_AT_ONCE)):
            file.write(encoder.encode_lines(block))


def _write_parquet(
    file: IO[Any], names: tuple[str, ...], columns: Sequence[Sequence[Any]], *, zipped: bool
) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
    from pyarrow import parquet  # noqa: PLC0415

    table = pa.table(dict(zip(names, columns, strict=True)))
    parquet.write_table(table, file, compression="gzip" if zipped else "snappy")
