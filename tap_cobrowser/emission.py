"""From the rows of a table to RECORD messages, or to the files of BATCH messages."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import RecordMessage

from tap_cobrowser.batches import batch_files, in_columns
from tap_cobrowser.messages import record_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.mapper import StreamMap

    from tap_cobrowser.messages import LineWriter
    from tap_cobrowser.table import Table


def records_of(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as records."""
    for row in zip(*table.columns, strict=True):
        yield dict(zip(table.names, row, strict=True))


def write_records(  # noqa: PLR0913 - a message is made of as many things
    writer: LineWriter,
    stream_maps: Iterable[StreamMap],
    table: Table,
    extracted: datetime,
    *,
    version: int | None,
    most: int | None = None,
) -> None:
    """Write the RECORD messages of a table.

    Args:
        writer: Writes them.
        stream_maps: The maps of the stream.
        table: Its rows.
        extracted: When they were received, in UTC.
        version: Version of the table, for ACTIVATE_VERSION.
        most: How many rows to write; None for all.
    """
    maps = _kept(stream_maps)
    if len(maps) == 1 and _is_identity(maps[0]):
        # As it is in most runs: nothing is mapped, so the rows need not become dicts at all.
        for lines in record_lines(
            maps[0].stream_alias,
            table.names,
            [values[:most] for values in table.columns],
            time_extracted=extracted,
            version=version,
        ):
            writer.write_lines(lines)
        return
    for record in islice(records_of(table), most):
        for stream_map in maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                writer.write_message(
                    RecordMessage(
                        stream=stream_map.stream_alias,
                        record=mapped,
                        version=version,
                        time_extracted=extracted,
                    )
                )


def batch_messages(
    config: BatchConfig,
    tap: str,
    stream_maps: Iterable[StreamMap],
    table: Table,
    *,
    version: int | None,
) -> Iterator[SDKBatchMessage]:
    """Write the files of a table, and yield the BATCH message of each.

    Args:
        config: What to write, and where to.
        tap: Name of the tap, with which the names of the files begin.
        stream_maps: The maps of the stream.
        table: Its rows.
        version: Version of the table, for ACTIVATE_VERSION.
    """
    for stream_map in _kept(stream_maps):
        names, columns = table.names, table.columns
        if not _is_identity(stream_map):
            mapped = map(stream_map.transform, records_of(table))
            names, columns = in_columns([each for each in mapped if each is not None])
        name = f"{tap}--{stream_map.stream_alias}"
        for url in batch_files(config, name, names, columns, version=version):
            yield SDKBatchMessage(
                stream=stream_map.stream_alias,
                encoding=config.encoding,
                manifest=[url],
                version=version,
            )


def _kept(stream_maps: Iterable[StreamMap]) -> list[StreamMap]:
    return [each for each in stream_maps if not isinstance(each, RemoveRecordTransform)]


def _is_identity(stream_map: StreamMap) -> bool:
    return type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled
