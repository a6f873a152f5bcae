"""Reads the catalog of a run with the SDK, and checks what would lose rows.

The SDK ignores what it does not understand in a catalog, and lets key columns be deselected.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk.singerlib import Catalog, CatalogEntry, Metadata, Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_cobrowser.errors import CatalogError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.streams import Stream

_SCALARS = {"string", "integer", "number", "boolean", "null"}


def parse(
    catalog: object,
    streams: Mapping[str, Stream],
    absent: Mapping[str, str],
    warn: Callable[..., None],
) -> Catalog:
    """Return a catalog, given as parsed JSON, in which each selected stream has its key columns.

    `absent` says, by name, why other streams are not among those of the tap. `warn` takes
    arguments as the functions of `logging` do.

    Raises:
        CatalogError: If the catalog is not valid, or requires what the tap cannot do.
    """
    try:
        return _parse(copy.deepcopy(catalog), streams, absent, warn)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = quote(f"{type(error).__name__}: {error}", 100)
    msg = f"The catalog is not valid ({reason})"
    raise CatalogError(msg)


def _parse(
    catalog: Any,
    streams: Mapping[str, Stream],
    absent: Mapping[str, str],
    warn: Callable[..., None],
) -> Catalog:
    if not catalog["streams"]:
        msg = "it has no streams"
        raise ValueError(msg)
    found = Catalog()
    names: set[str] = set()
    for each in catalog["streams"]:
        raw = {name: value for name, value in each.items() if value is not None}
        entry = CatalogEntry.from_dict(raw)
        name, root = entry.tap_stream_id, entry.metadata.root
        if name in names:
            msg = f"The catalog has the stream {quote(name, 60)} more than once"
            raise CatalogError(msg)
        names.add(name)
        if root.selected is None and not root.selected_by_default:
            # As in the SDK, a stream without metadata is selected. Old catalogs say it here.
            root.selected = raw.get("selected", not raw.get("metadata"))
        if stream := streams.get(name):
            found.add_stream(_complete(entry, raw, stream, warn))
        elif entry.metadata.resolve_selection()[()]:
            text = "The catalog selects the stream %s, which this tap does not have%s."
            warn(text, quote(name, 60), absent.get(name, ""))
    return found


def _complete(
    entry: CatalogEntry, raw: dict[str, Any], stream: Stream, warn: Callable[..., None]
) -> CatalogEntry:
    """Give the entry the keys, the method and the columns that the stream needs."""
    root = entry.metadata.root
    times = {stream.replication_key} if stream.replication_key else set()
    entry.stream, entry.replication_key = stream.name, stream.replication_key
    entry.replication_method = _method(entry, raw, stream)
    entry.key_properties = _key(entry, stream)
    root.replication_key = root.table_key_properties = root.forced_replication_method = None
    forced = {*stream.primary_keys, *entry.key_properties, *times}
    mask = entry.metadata.resolve_selection()
    for name in sorted(forced):
        if mask[()] and not mask["properties", name]:
            text = "Catalog, stream '%s': '%s' is a key column, which cannot be deselected."
            warn(text, stream.name, name)
        entry.metadata["properties", name].inclusion = Metadata.InclusionType.AUTOMATIC
    entry.schema = Schema.from_dict(
        {
            **stream.schema,
            "properties": _columns(entry, raw, stream, forced, warn),
            "required": [name for name in stream.schema.get("required", []) if name in forced],
        }
    )
    return entry


def _reject(stream: Stream, what: str) -> NoReturn:
    raise CatalogError(what, where=f"Catalog, stream '{stream.name}'")


def _method(entry: CatalogEntry, raw: dict[str, Any], stream: Stream) -> str:
    """Return the replication method. Discovery sets one of three places, users any of them."""
    methods = {
        each["metadata"].get("replication-method")
        for each in raw.get("metadata", [])
        if not each["breadcrumb"]
    }
    methods |= {entry.replication_method, entry.metadata.root.forced_replication_method}
    if strange := methods - {None, "", REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL}:
        method = quote(next(iter(strange)), 40)
        _reject(stream, f"The replication method {method} is not supported")
    full = REPLICATION_FULL_TABLE in methods or not stream.replication_key
    return REPLICATION_FULL_TABLE if full else REPLICATION_INCREMENTAL


def _key(entry: CatalogEntry, stream: Stream) -> list[str]:
    """Return the documented key, or another in the entry or its metadata."""
    documented = list(stream.primary_keys)
    places = (entry.key_properties, entry.metadata.root.table_key_properties)
    key = next((list(key) for key in places if key and {*key} != {*documented}), documented)
    if unknown := {*key} - stream.schema["properties"].keys():
        _reject(stream, f"Its key has an unknown column: {quote(min(unknown), 60)}")
    return key


def _columns(
    entry: CatalogEntry,
    raw: dict[str, Any],
    stream: Stream,
    forced: set[str],
    warn: Callable[..., None],
) -> dict[str, Any]:
    """Return the columns: those of the catalog that exist, and those that are needed."""
    mask = entry.metadata.resolve_selection()
    documented: dict[str, Any] = stream.schema["properties"]
    given = raw.get("schema", {}).get("properties") if mask[()] else documented
    if not given:
        _reject(stream, "Its schema has no columns")
    columns: dict[str, Any] = {}
    for name in given:
        if name in documented:
            types = given[name]["type"]
            if not {*([types] if isinstance(types, str) else types)} <= _SCALARS:
                _reject(stream, f"The column '{name}' has the type {quote(types, 60)}")
            columns[name] = given[name]
        elif mask["properties", name]:
            text = "Catalog, stream '%s': the selected column %s does not exist."
            warn(text, stream.name, quote(name, 60))
    for name, definition in documented.items():
        if name == stream.replication_key:  # which bookmarks need as a date-time
            columns[name] = definition
        elif name in forced or entry.metadata["properties", name].selected:
            columns.setdefault(name, definition)
    return columns
