"""From the rows of a table to RECORD messages, or to the files of BATCH messages.

The functions return how many rows were handled: written, or removed by a stream map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import RecordMessage

from tap_cobrowser.errors import SettingError
from tap_cobrowser.redaction import quote
from tap_cobrowser.singer.batches import batch_files, in_columns
from tap_cobrowser.singer.messages import record_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.mapper import StreamMap

    from tap_cobrowser.models import Table
    from tap_cobrowser.singer.messages import LineWriter


def records_of(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as records."""
    for row in zip(*table.columns, strict=True):
        yield dict(zip(table.names, row, strict=True))


def write_records(
    writer: LineWriter,
    stream_maps: Iterable[StreamMap],
    table: Table,
    extracted: datetime,
    *,
    version: int | None,
) -> int:
    """Write the RECORD messages of a table, and return how many rows were handled.

    `version` is that of the table, for ACTIVATE_VERSION.

    Raises:
        SettingError: If a stream map fails.
    """
    maps = _kept(stream_maps)
    rows = 0
    # The usual case: without a stream map, rows need not become dicts.
    if len(maps) == 1 and _is_identity(maps[0]):
        for lines in record_lines(
            maps[0].stream_alias,
            table.names,
            table.columns,
            time_extracted=extracted,
            version=version,
        ):
            writer.write_lines(lines)
            rows += lines.count(b"\n")
        return rows
    for record in records_of(table):
        for stream_map in maps:
            mapped = _mapped(stream_map, record)
            if mapped is not None:
                message = RecordMessage(
                    stream=stream_map.stream_alias,
                    record=mapped,
                    version=version,
                    time_extracted=extracted,
                )
                try:
                    writer.write_message(message)
                except (ValueError, TypeError, OverflowError, RecursionError) as error:
                    raise _map_error(stream_map, error) from None
        rows += 1
    return rows


def write_batches(  # noqa: PLR0913 - a message is made of as many things
    config: BatchConfig,
    send: Callable[[SDKBatchMessage], None],
    tap: str,
    stream_maps: Iterable[StreamMap],
    table: Table,
    *,
    version: int | None,
) -> int:
    """Write the files of a table, and return how many rows were handled.

    `tap` is the prefix of the file names; `version` is that of the table, for ACTIVATE_VERSION.

    Raises:
        SettingError: If a stream map fails.
        BatchFileError: If a file cannot be written.
    """
    least = len(table)
    for stream_map in _kept(stream_maps):
        names, columns, rows = table.names, table.columns, 0
        if not _is_identity(stream_map):
            mapped = [_mapped(stream_map, record) for record in records_of(table)]
            rows = mapped.count(None)
            names, columns = in_columns([each for each in mapped if each is not None])
        for url, of_file in batch_files(
            config,
            f"{tap}--{stream_map.stream_alias}",
            names,
            columns,
            version=version,
            properties=stream_map.transformed_schema["properties"],
        ):
            send(
                SDKBatchMessage(
                    stream=stream_map.stream_alias,
                    encoding=config.encoding,
                    manifest=[url],
                    version=version,
                )
            )
            rows += of_file
        least = min(least, rows)
    return least


def _kept(stream_maps: Iterable[StreamMap]) -> list[StreamMap]:
    return [each for each in stream_maps if not isinstance(each, RemoveRecordTransform)]


def _is_identity(stream_map: StreamMap) -> bool:
    return type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled


def _mapped(stream_map: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return stream_map.transform(record)
    except Exception as error:  # noqa: BLE001 - an expression can fail in any way
        raise _map_error(stream_map, error) from None


def _map_error(stream_map: StreamMap, error: Exception) -> SettingError:
    reason = quote(f"{type(error).__name__}: {error}")
    return SettingError(
        f"Setting 'stream_maps': the map of '{stream_map.stream_alias}' failed: {reason}",
        advice="Correct its expressions. A value may be None.",
    )
