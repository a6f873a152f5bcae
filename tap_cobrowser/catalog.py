"""Checks the catalog of a run, and completes it with what every stream needs.

The SDK ignores what it does not understand in a catalog. Here that is an error. The result says
the same in each place where the SDK may look.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk.singerlib import Catalog, CatalogEntry, MetadataMapping
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_cobrowser.errors import CatalogError
from tap_cobrowser.redaction import quote
from tap_cobrowser.shape import mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from singer_sdk.streams import Stream

_FLAG = {"type": ["boolean", "null"]}
_TEXT = {"type": ["string", "null"]}
_TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}
_SCALAR = {"enum": ["string", "integer", "number", "boolean", "null"]}
_METADATA = {
    "type": "object",
    "required": ["breadcrumb", "metadata"],
    "properties": {
        "breadcrumb": {"type": "array", "items": {"type": "string"}},
        "metadata": {
            "type": "object",
            "properties": {
                "selected": _FLAG,
                "selected-by-default": _FLAG,
                "inclusion": {"enum": ["available", "automatic", "unsupported", None]},
                "replication-method": _TEXT,
                "forced-replication-method": _TEXT,
                "replication-key": _TEXT,
                "table-key-properties": _TEXTS,
            },
        },
    },
}
_SHAPE = {
    "type": "object",
    "required": ["streams"],
    "properties": {
        "streams": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tap_stream_id"],
                "properties": {
                    "tap_stream_id": {"type": "string"},
                    "stream": _TEXT,
                    "selected": _FLAG,
                    "key_properties": _TEXTS,
                    "replication_key": _TEXT,
                    "replication_method": _TEXT,
                    "schema": {
                        "type": ["object", "null"],
                        "properties": {"properties": {"type": "object"}},
                    },
                    "metadata": {"type": ["array", "null"], "items": _METADATA},
                },
            },
        }
    },
}
_COLUMN = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"anyOf": [_SCALAR, {"type": "array", "minItems": 1, "items": _SCALAR}]},
        "format": {"type": "string"},
        # All columns are scalars. The SDK would fail on other forms of these two.
        "items": False,
        "properties": False,
    },
}


def parse(
    catalog: object,
    streams: Mapping[str, Stream],
    absent: Mapping[str, str],
    warn: Callable[..., None],
) -> Catalog:
    """Return a catalog whose entries are complete and consistent.

    Args:
        catalog: The catalog, as parsed JSON.
        streams: The streams of this tap, by name.
        absent: The reasons why other streams are not among them, by name.
        warn: Logs a warning; takes arguments as the functions of `logging` do.

    Raises:
        CatalogError: If the catalog is not valid, or requires what the tap cannot do.
    """
    catalog = json.loads(json.dumps(catalog))  # a catalog from Python may have tuples
    if found := mismatch(_SHAPE, catalog):
        place = f" at '{found[0]}'" if found[0] else ""
        msg = f"The catalog is not valid{place}: {found[1]}"
        raise CatalogError(msg)
    assert isinstance(catalog, dict)  # noqa: S101 - the schema requires it
    result = Catalog()
    names: set[str] = set()
    for raw in catalog["streams"]:
        name = raw["tap_stream_id"]
        if name in names:
            msg = f"The catalog has the stream {quote(name, 60)} more than once"
            raise CatalogError(msg)
        names.add(name)
        entry = _Entry(raw, streams.get(name))
        if entry.stream is None:
            if entry.selected:
                text = "The catalog selects the stream %s, which this tap does not have%s."
                warn(text, quote(name, 60), absent.get(name, ""))
            continue
        result.add_stream(entry.complete(entry.stream, warn))
    return result


class _Entry:
    """The entry of a stream, as it was passed in."""

    def __init__(self, raw: Mapping[str, Any], stream: Stream | None) -> None:
        self.stream = stream
        self._raw = raw
        self._where = f"Catalog, stream {quote(raw['tap_stream_id'], 60)}"
        self._metadata: dict[tuple[str, ...], dict[str, Any]] = {}
        for item in raw.get("metadata") or []:
            breadcrumb = tuple(item["breadcrumb"])
            if breadcrumb in self._metadata:
                self._reject(
                    f"The metadata has the breadcrumb {quote(list(breadcrumb), 80)} more than once"
                )
            self._metadata[breadcrumb] = dict(item["metadata"])
        if self._metadata and () not in self._metadata:
            self._reject("The metadata has no entry for the stream itself (breadcrumb [])")
        # As in the SDK: a stream whose entry has no metadata is selected.
        root = self._metadata.setdefault((), {"selected": True})
        if raw.get("selected") is not None and (
            not raw.get("metadata") or root.get("selected") is None
        ):
            root["selected"] = raw["selected"]  # where older catalogs have it
        self._root = root

    @property
    def selected(self) -> bool:
        """Whether the stream is selected."""
        return self._mapping().resolve_selection()[()]

    def complete(self, stream: Stream, warn: Callable[..., None]) -> CatalogEntry:
        """Return the complete entry.

        Raises:
            CatalogError: If the entry requires what the tap cannot do.
        """
        if self._raw.get("stream") not in {None, stream.name}:
            self._reject(
                f"Its `stream` is {quote(self._raw['stream'], 60)}, another name",
                advice="To rename a stream, set `__alias__` in a stream map.",
            )
        method = self._replication_method(stream, warn)
        keys = self._key_properties(stream)
        forced = {*stream.primary_keys, *keys, *filter(None, [stream.replication_key])}
        for name in sorted(forced):
            self._force(name, warn)
        return CatalogEntry.from_dict(
            {
                "tap_stream_id": stream.name,
                "stream": stream.name,
                "key_properties": keys,
                "replication_key": stream.replication_key,
                "replication_method": method,
                "schema": self._schema(stream, forced, warn),
                "metadata": self._mapping().to_list(),
            }
        )

    def _reject(self, what: str, advice: str | None = None) -> NoReturn:
        raise CatalogError(what, where=self._where, advice=advice)

    def _mapping(self) -> MetadataMapping:
        return MetadataMapping.from_iterable(
            {"breadcrumb": breadcrumb, "metadata": metadata}
            for breadcrumb, metadata in self._metadata.items()
        )

    def _is_selected(self, column: str) -> bool:
        return self._mapping().resolve_selection()["properties", column]

    def _force(self, column: str, warn: Callable[..., None]) -> None:
        """Select a column of the key, or the replication key, in any case."""
        if self.selected and not self._is_selected(column):
            warn("%s: '%s' is a key column, which cannot be deselected.", self._where, column)
        self._metadata.setdefault(("properties", column), {})["inclusion"] = "automatic"

    def _replication_method(self, stream: Stream, warn: Callable[..., None]) -> str:
        """Return the replication method. Discovery sets one of three places, users any of them."""
        names = ("replication-method", "forced-replication-method")
        places = [self._raw.get("replication_method"), *map(self._root.get, names)]
        methods = set(filter(None, places))
        for method in sorted(methods - {REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL}):
            self._reject(
                f"The replication method {quote(method, 40)} is not supported",
                advice=f"Give {REPLICATION_FULL_TABLE} or {REPLICATION_INCREMENTAL}.",
            )
        wanted = [self._raw.get("replication_key"), self._root.get("replication-key")]
        for key in filter(None, wanted):
            if key != stream.replication_key:
                what = f"'{stream.replication_key}'" if stream.replication_key else "none"
                self._reject(
                    f"The replication key {quote(key, 40)} cannot be used: the stream has {what}",
                    advice="Use the one that `--discover` prints.",
                )
        if stream.replication_key is None:
            if REPLICATION_INCREMENTAL in methods and self.selected:
                text = "%s: the stream has no replication key, so it is read whole in each run."
                warn(text, self._where)
            return REPLICATION_FULL_TABLE
        full = REPLICATION_FULL_TABLE in methods
        return REPLICATION_FULL_TABLE if full else REPLICATION_INCREMENTAL

    def _key_properties(self, stream: Stream) -> list[str]:
        """Return the key: the documented one, or another in the entry or its metadata."""
        documented = list(stream.primary_keys)
        places = [self._raw.get("key_properties"), self._root.get("table-key-properties")]
        others = [list(dict.fromkeys(key)) for key in places if key and set(key) != set(documented)]
        for key in others:
            if unknown := set(key) - _columns(stream).keys():
                self._reject(f"Its key has an unknown column: {quote(min(unknown), 60)}")
            if set(key) != set(others[0]):
                self._reject("It has two different keys")
        return others[0] if others else documented

    def _schema(
        self, stream: Stream, forced: Iterable[str], warn: Callable[..., None]
    ) -> dict[str, Any]:
        """Return the schema, with existing columns only, and with all key columns."""
        documented = _columns(stream)
        properties = (self._raw.get("schema") or {}).get("properties")
        if not self.selected:
            properties = documented
        if not properties:
            self._reject("Its schema has no columns")
        kept = self._known_columns(properties, documented, warn)
        for name in documented:
            if name in forced:
                kept.setdefault(name, documented[name])
            elif name not in kept and self._metadata.get(("properties", name), {}).get("selected"):
                self._reject(f"The column '{name}' is selected, but is not in the schema")
        if stream.replication_key and "string" not in kept[stream.replication_key]["type"]:
            self._reject(f"The column '{stream.replication_key}' must be of type string")
        return {
            **stream.schema,
            "properties": kept,
            "required": [name for name in stream.schema.get("required", []) if name in kept],
        }

    def _known_columns(
        self,
        properties: Mapping[str, Any],
        documented: Mapping[str, Any],
        warn: Callable[..., None],
    ) -> dict[str, Any]:
        mask = self._mapping().resolve_selection()
        kept: dict[str, Any] = {}
        for name, definition in properties.items():
            if name in documented:
                if found := mismatch(_COLUMN, definition, f"schema.properties.{name}"):
                    self._reject(f"It is not valid at '{found[0]}': {found[1]}")
                kept[name] = definition
            elif mask["properties", name]:
                warn("%s: the selected column %s does not exist.", self._where, quote(name, 60))
        return kept


def _columns(stream: Stream) -> dict[str, Any]:
    properties: dict[str, Any] = stream.schema["properties"]
    return properties
