"""Shows what is in a DuckDB file: the end of the demo, or the result of a query.

`meltano invoke duckdb:rows` lists the tables; `meltano invoke duckdb:query SQL` runs a query.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLE = (
    "SELECT name, count(*) AS conversations, round(avg(firstResponseTime)) AS seconds_to_response "
    "FROM {schema}.conversations JOIN {schema}.accounts ON id = account_id GROUP BY 1 ORDER BY 1"
)


def main(path: str, query: str = "") -> None:
    """Print the result of a query, or the tables of the file and what to do next."""
    if not Path(path).exists():
        sys.exit(f"{path} does not exist: run `meltano run demo` first.")
    with duckdb.connect(path, read_only=True) as database:
        try:
            for line in _result(database, query) if query else _overview(database, path):
                print(line)
        except duckdb.Error as error:
            sys.exit(str(error))


def _overview(database: duckdb.DuckDBPyConnection, path: str) -> Iterator[str]:
    # Names have three parts: where a file and a schema have the same name, two are ambiguous.
    tables = database.execute(
        "SELECT database_name || '.' || schema_name || '.' || table_name "
        "FROM duckdb_tables() ORDER BY ALL"
    ).fetchall()
    yield f"{path} has {len(tables)} tables:"
    for (table,) in tables:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
        yield f"{count:>9} rows in {table}"
    if examples := [table for (table,) in tables if table.endswith(".conversations")]:
        query = _EXAMPLE.format(schema=examples[0].rpartition(".")[0])
        run = _run()
        # Meltano does not show blank lines.
        yield "To run this query, or another one:"
        yield f'{run}meltano invoke duckdb:query "{query}"'
        yield "Its result:"
        yield from _result(database, query)
        yield "To draw charts of these tables:"
        yield f"{run}python -m sandbox meltano run report"


def _run() -> str:
    """Return how README.md runs commands, where its environment is there."""
    for uv in (".venv/bin/uv", r".venv\Scripts\uv.exe"):
        if Path(uv).exists():
            return f"{uv} run --group demo "
    return ""


def _result(database: duckdb.DuckDBPyConnection, query: str) -> Iterator[str]:
    found = database.execute(query)
    header = tuple(name for name, *_ in found.description or ())
    rows = [tuple("" if each is None else str(each) for each in row) for row in found.fetchall()]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, tuple("-" * width for width in widths), *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


main(*sys.argv[1:])
