"""Prints how many rows each table of a DuckDB file has: how the demo ends."""

from __future__ import annotations

import sys

import duckdb


def main(path: str) -> None:
    """Print a line for each table of the file."""
    with duckdb.connect(path, read_only=True) as database:
        tables = database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL"
        ).fetchall()
        print(f"{path} has {len(tables)} tables:")  # noqa: T201
        for schema, table in tables:
            (count,) = database.table(f'"{schema}"."{table}"').count("*").fetchone() or (0,)
            print(f"{count:>9} rows in {schema}.{table}")  # noqa: T201


main(*sys.argv[1:])
