"""Do rows of a response share their key, although they differ?"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tap_cobrowser.models import Notice
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from tap_cobrowser.models import Command, Row, Table


def colliding_keys(command: Command, table: Table) -> list[Row]:
    """Return the keys of rows that share their key and differ elsewhere."""
    rows, keys = len(table), _keys(command)
    if not rows or not keys or not {*keys} <= {*table.names}:
        return []
    if len(set(zip(*map(table.values, keys), strict=True))) == rows:
        return []
    variants: defaultdict[Row, set[Row]] = defaultdict(set)
    of_keys = zip(*map(table.values, keys), strict=True)
    for key, row in zip(of_keys, zip(*table.columns, strict=True), strict=True):
        variants[key].add(row)
    return [key for key, of_key in variants.items() if len(of_key) > 1]


def keys_notice(command: Command, table: Table) -> Notice | None:
    """Return a notice if rows share their key and differ elsewhere, None if none do.

    A target keeps one row per key, so such rows would replace each other.
    """
    shared = colliding_keys(command, table)
    if not shared:
        return None
    example = ", ".join(
        f"{name} {quote(value, 60)}" for name, value in zip(_keys(command), shared[0], strict=True)
    )
    columns = ", ".join(f"`{name}`" for name in _keys(command))
    several = "s are" if len(shared) > 1 else " is"
    return Notice(
        "keys",
        f"{len(shared)} key{several} shared by rows that differ elsewhere, the first by {example}. "
        f"All are emitted, but a target keeps one row per key ({columns}). If they are different "
        "rows, set a longer key: `table-key-properties` in the catalog (Meltano: `metadata`), or "
        "`__key_properties__` in a stream map.",
    )


def _keys(command: Command) -> tuple[str, ...]:
    """Return the columns by which a target merges rows."""
    return command.keys if command.target_keys is None else command.target_keys
