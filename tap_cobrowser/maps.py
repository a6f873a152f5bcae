"""Pure: do stream maps keep the rows of each stream in a table of its own?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.mapper import RemoveRecordTransform

from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.mapper import StreamMap


def problem(maps: Mapping[str, Iterable[StreamMap]]) -> str:
    """Return why stream maps cannot be used, "" if they can.

    Args:
        maps: The maps of each selected stream, by its name.
    """
    sources: dict[str, str] = {}
    for source, of_stream in maps.items():
        for each in of_stream:
            if isinstance(each, RemoveRecordTransform):
                continue
            # An alias is an expression, and may have a value of any type.
            name: object = each.stream_alias
            if not isinstance(name, str) or not name.strip():
                return f"the name of stream '{source}' would be {quote(name, 60)}"
            if name in sources:
                # In one table, rows of the one stream would replace rows of the other that have the
                # same key, and its ACTIVATE_VERSION would delete them.
                both = " and ".join(sorted({f"'{sources[name]}'", f"'{source}'"}))
                return f"the name {quote(name, 60)} would be used twice, for rows of {both}"
            sources[name] = source
            columns = each.transformed_schema["properties"]
            if not columns:
                return (
                    f"it leaves no column of {quote(name, 60)}; to remove a stream, set it to null"
                )
            if lost := set(each.transformed_key_properties or ()) - columns.keys():
                return f"stream {quote(name, 60)} would lack its key column {quote(min(lost), 60)}"
    return ""
