"""From the rows of a table to RECORD messages, or to the files of BATCH messages.

The functions return how many rows were handled: written, or removed by a stream map.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from tap_cobrowser.errors import SettingError
from tap_cobrowser.redaction import quote
from tap_cobrowser.singer.batches import batch_files
from tap_cobrowser.singer.messages import record_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.mapper import StreamMap

    from tap_cobrowser.models import Table
    from tap_cobrowser.singer.messages import LineWriter

_ROWS_AT_ONCE = 10_000  # a stream map makes a dict of each


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
    maps = list(stream_maps)
    handled = 0
    for part in table.parts(_ROWS_AT_ONCE):
        least = len(part)
        for stream_map, names, columns, removed in _outgoing(maps, part):
            rows = removed
            blocks = record_lines(
                stream_map.stream_alias, names, columns, time_extracted=extracted, version=version
            )
            try:
                for lines in blocks:
                    writer.write_lines(lines)
                    rows += lines.count(b"\n")
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                raise _map_error(stream_map, error) from None
            least = min(least, rows)
        handled += least
    return handled


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
    for stream_map, names, columns, removed in _outgoing(stream_maps, table):
        rows = removed
        alias, properties = stream_map.stream_alias, stream_map.transformed_schema["properties"]
        files = batch_files(
            config, f"{tap}--{alias}", names, columns, version=version, properties=properties
        )
        for url, of_file in files:
            send(
                SDKBatchMessage(
                    stream=alias, encoding=config.encoding, manifest=[url], version=version
                )
            )
            rows += of_file
        least = min(least, rows)
    return least


def _outgoing(
    stream_maps: Iterable[StreamMap], table: Table
) -> Iterator[tuple[StreamMap, tuple[str, ...], Sequence[Sequence[Any]], int]]:
    """Yield, for each map, what it makes of a table in columns, and how many rows it removes."""
    for stream_map in stream_maps:
        if isinstance(stream_map, RemoveRecordTransform):
            continue
        # The usual case: without a stream map, rows need not become dicts.
        if type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled:
            yield stream_map, table.names, table.columns, 0
            continue
        try:
            mapped = [stream_map.transform(record) for record in records_of(table)]
        except Exception as error:  # noqa: BLE001 - an expression can fail in any way
            raise _map_error(stream_map, error) from None
        records = [each for each in mapped if each is not None]
        names = tuple(dict.fromkeys(chain.from_iterable(records)))
        columns = [[record.get(name) for record in records] for name in names]
        yield stream_map, names, columns, len(mapped) - len(records)


def _map_error(stream_map: StreamMap, error: Exception) -> SettingError:
    reason = quote(f"{type(error).__name__}: {error}")
    return SettingError(
        f"Setting 'stream_maps': the map of '{stream_map.stream_alias}' failed: {reason}",
        advice="Correct its expressions. A value may be None.",
    )
