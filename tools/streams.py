"""Prints the reference of streams, from the catalog.

`python -m tools.streams > docs/streams.md`.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from tap_cobrowser.streams import STREAMS
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Stream

_TAP = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
_STREAMS = [_TAP.streams[stream.name] for stream in STREAMS]  # in the order of the API's page
_JOINS = re.compile(r"joins `(\w+)\.(\w+)`")
_HEAD = """\
# Streams

<!-- Generated from the catalog: change `tap_cobrowser/streams.py`, then run
     python -m tools.streams > docs/streams.md -->

One stream per command of CoBrowser.net's CSV export API. Ids are strings, date-times are in UTC,
and counts are integers. Only key columns and replication keys are never null. The
streams that begin with `ccc` need `ccc_agent: true`.

The API's page does not define what a preset is, nor when a slot or a chat is open, closed, new,
sleeping or burning. If the page gives no unit, the description says so.
"""


def reference() -> str:
    """Return the reference in Markdown."""
    parts = [_HEAD, "## How they join\n", *_diagram(), *_joins_table()]
    for stream in _STREAMS:
        parts += _section(stream)
    return "\n".join(parts)


def joins() -> list[tuple[str, str, str, str]]:
    """Return pairs of a stream's column and the column that it refers to."""
    return [
        (stream.name, column, *_JOINS.findall(definition["description"])[0])
        for stream in _STREAMS
        for column, definition in _columns(stream).items()
        if _JOINS.search(definition["description"])
    ]


def is_unique(stream: str, column: str) -> bool:
    """Return whether a column is the whole key of its stream, so that a value matches one row."""
    (found,) = [each for each in _STREAMS if each.name == stream]
    return tuple(found.primary_keys) == (column,)


def _columns(stream: Stream) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = stream.schema["properties"]
    return properties


def _type(definition: dict[str, Any]) -> str:
    if definition.get("format") == "date-time":
        return "date-time"
    (kind,) = set(definition["type"]) - {"null"}
    return str(kind)


def _marks(stream: Stream, column: str) -> str:
    keys = {"key": column in stream.primary_keys}
    keys["replication key"] = column == stream.replication_key
    return ", ".join(name for name, is_one in keys.items() if is_one)


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "erDiagram"
    for stream in _STREAMS:
        yield f"  {stream.name} {{"
        linked = {column for name, column, *_ in joins() if name == stream.name}
        for column, definition in _columns(stream).items():
            is_key = column in stream.primary_keys
            if is_key or column in linked:
                mark = ", ".join(["PK"] * is_key + ["FK"] * (column in linked))
                yield f"    {_type(definition)} {column} {mark}"
        yield "  }"
    for name, column, other, others in joins():
        # Only a key of one column is unique by itself.
        end = "|o" if is_unique(other, others) else "}o"
        yield f'  {other} {end}--o{{ {name} : "{column}"'
    yield "```\n"


def _joins_table() -> Iterator[str]:
    yield (
        "Where a value matches several rows, a join multiplies rows: aggregate first, or join on "
        "the whole key. A visit may have several conversations, for example.\n"
    )
    yield "| from | to | matching rows |\n|---|---|---|"
    for name, column, other, others in joins():
        rows = "at most one" if is_unique(other, others) else "several"
        yield f"| `{name}.{column}` | `{other}.{others}` | {rows} |"
    yield ""


def _section(stream: Stream) -> Iterator[str]:
    yield f"## {stream.name}\n"
    yield f"{cleandoc(stream.__doc__ or '')}\n"
    yield "| column | type | | description |\n|---|---|---|---|"
    for column, definition in _columns(stream).items():
        mark = _marks(stream, column)
        yield f"| `{column}` | {_type(definition)} | {mark} | {definition['description']} |"
    yield ""


if __name__ == "__main__":
    print(reference(), end="")
