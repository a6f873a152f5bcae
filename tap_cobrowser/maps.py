"""Pure: do the stream maps lead to tables in which no row replaces one of another stream?"""

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
            # An alias is an expression, which may have any value.
            name: object = each.stream_alias
            if not isinstance(name, str) or not name.strip():
                return (
                    f"the name that it gives to '{source}' is {quote(name, 60)}, which is no name"
                )
            if name in sources:
                # Targets would put their rows into one table, where keys of the one replace those
                # of the other, and one ACTIVATE_VERSION deletes what is of the other.
                return (
                    f"it gives the name {quote(name, 60)} to rows of '{sources[name]}' and of "
                    f"'{source}'; give each its own name"
                    if sources[name] != source
                    else f"it gives the name {quote(name, 60)} to the rows of '{source}' twice"
                )
            sources[name] = source
            columns = each.transformed_schema["properties"]
            if not columns:
                return (
                    f"it leaves no column of {quote(name, 60)}; to remove a stream, set it to null"
                )
            if lost := set(each.transformed_key_properties or ()) - columns.keys():
                return f"it leaves {quote(name, 60)} without the key column {quote(min(lost), 60)}"
    return ""
