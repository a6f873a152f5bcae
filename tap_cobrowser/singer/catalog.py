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

    `absent` has the reasons why streams are not among those of this tap, by name. `warn` takes
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
    for raw in catalog["streams"]:
        entry = _Entry({name: value for name, value in raw.items() if value is not None})
        if entry.name in names:
            msg = f"The catalog has the stream {quote(entry.name, 60)} more than once"
            raise CatalogError(msg)
        names.add(entry.name)
        if stream := streams.get(entry.name):
            found.add_stream(entry.complete(stream, warn))
        elif entry.selected:
            text = "The catalog selects the stream %s, which this tap does not have%s."
            warn(text, quote(entry.name, 60), absent.get(entry.name, ""))
    return found


class _Entry:
    """The entry of a stream, as the SDK reads it."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._root: dict[str, Any] = next(
            (each["metadata"] for each in raw.get("metadata", []) if not each["breadcrumb"]), {}
        )
        self._entry = CatalogEntry.from_dict(raw)
        self._metadata = self._entry.metadata
        self.name = self._entry.tap_stream_id
        if self._metadata.root.selected is None and not self._root.get("selected-by-default"):
            # As in the SDK, a stream without metadata is selected. Old catalogs say it here.
            self._metadata.root.selected = raw.get("selected", not raw.get("metadata"))

    @property
    def selected(self) -> bool:
        """Whether the stream is selected."""
        return bool(self._metadata.resolve_selection()[()])

    def complete(self, stream: Stream, warn: Callable[..., None]) -> CatalogEntry:
        """Return the entry with the keys, the method and the columns that the stream needs.

        Raises:
            CatalogError: If it requires what the tap cannot do.
        """
        entry, root = self._entry, self._metadata.root
        entry.stream, entry.replication_key = stream.name, self._replication_key(stream)
        entry.replication_method = self._method(stream)
        entry.key_properties = self._key(stream)
        root.replication_key = root.table_key_properties = root.forced_replication_method = None
        times = [stream.replication_key] if stream.replication_key else []
        forced = {*stream.primary_keys, *entry.key_properties, *times}
        for name in sorted(forced):
            if self.selected and not self._metadata.resolve_selection()["properties", name]:
                text = "Catalog, stream '%s': '%s' is a key column, which cannot be deselected."
                warn(text, stream.name, name)
            self._metadata["properties", name].inclusion = Metadata.InclusionType.AUTOMATIC
        entry.schema = Schema.from_dict(
            {
                **stream.schema,
                "properties": self._columns(stream, forced, warn),
                "required": [name for name in stream.schema.get("required", []) if name in forced],
            }
        )
        return entry

    def _reject(self, what: str, advice: str | None = None) -> NoReturn:
        raise CatalogError(what, where=f"Catalog, stream '{self.name}'", advice=advice)

    def _replication_key(self, stream: Stream) -> str | None:
        for key in (self._raw.get("replication_key"), self._root.get("replication-key")):
            if key not in {None, stream.replication_key}:
                has = f"'{stream.replication_key}'" if stream.replication_key else "none"
                self._reject(
                    f"The replication key {quote(key, 40)} cannot be used: the stream has {has}"
                )
        return stream.replication_key

    def _method(self, stream: Stream) -> str:
        """Return the replication method. Discovery sets one of three places, users any of them."""
        names = ("replication-method", "forced-replication-method")
        places = [self._raw.get("replication_method"), *map(self._root.get, names)]
        methods = set(filter(None, places))
        for method in sorted(methods - {REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL}):
            self._reject(
                f"The replication method {quote(method, 40)} is not supported",
                advice=f"Give {REPLICATION_FULL_TABLE} or {REPLICATION_INCREMENTAL}.",
            )
        full = REPLICATION_FULL_TABLE in methods or not stream.replication_key
        return REPLICATION_FULL_TABLE if full else REPLICATION_INCREMENTAL

    def _key(self, stream: Stream) -> list[str]:
        """Return the documented key, or another in the entry or its metadata."""
        documented = list(stream.primary_keys)
        places = (self._raw.get("key_properties"), self._root.get("table-key-properties"))
        key = next((list(key) for key in places if key and {*key} != {*documented}), documented)
        if unknown := {*key} - stream.schema["properties"].keys():
            self._reject(f"Its key has an unknown column: {quote(min(unknown), 60)}")
        return key

    def _columns(
        self, stream: Stream, forced: set[str], warn: Callable[..., None]
    ) -> dict[str, Any]:
        """Return the columns: those of the catalog that exist, and those that are needed."""
        documented: dict[str, Any] = stream.schema["properties"]
        given = self._raw.get("schema", {}).get("properties") if self.selected else documented
        if not given:
            self._reject("Its schema has no columns")
        columns: dict[str, Any] = {}
        mask = self._metadata.resolve_selection()
        for name in given:
            if name in documented:
                types = given[name]["type"]
                if not {*([types] if isinstance(types, str) else types)} <= _SCALARS:
                    self._reject(f"The column '{name}' has the type {quote(types, 60)}")
                columns[name] = given[name]
            elif mask["properties", name]:
                text = "Catalog, stream '%s': the selected column %s does not exist."
                warn(text, stream.name, quote(name, 60))
        for name, definition in documented.items():
            if name == stream.replication_key:  # which bookmarks need as a date-time
                columns[name] = definition
            elif name in forced or self._metadata["properties", name].selected:
                columns.setdefault(name, definition)
        return columns
