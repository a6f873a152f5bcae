"""Pure: what stream maps do to the tables of the streams, and to their keys."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import RemoveRecordTransform

from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.mapper import StreamMap


def problem(maps: Mapping[str, Iterable[StreamMap]]) -> str:
    """Return why the stream maps of the selected streams cannot be used, "" if they can."""
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


def key_columns(
    stream: str, stream_maps: Iterable[StreamMap], definitions: Mapping[str, Any]
) -> set[str]:
    """Return the columns of a stream that are, or make, key columns of the SCHEMAs that go out.

    A cell of these columns is part of a key, so it must not become null. `definitions` is the
    setting `stream_maps`.
    """
    keys = {
        key
        for each in stream_maps
        if not isinstance(each, RemoveRecordTransform)
        for key in each.transformed_key_properties or ()
    }
    found = set(keys)
    for name, definition in definitions.items():
        if isinstance(definition, dict) and fnmatch(stream, definition.get("__source__", name)):
            for expression in filter(None, map(definition.get, keys)):
                parts = ast.walk(ast.parse(expression))
                found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found
