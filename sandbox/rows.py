"""Prints the number of rows in each table of a DuckDB file, at the end of the demo."""

from __future__ import annotations

import sys

import duckdb


def main(path: str) -> None:
    """Print a line for each table of the file."""
    with duckdb.connect(path, read_only=True) as database:
        tables = database.execute(
            "SELECT database_name, schema_name, table_name FROM duckdb_tables() ORDER BY ALL"
        ).fetchall()
        print(f"{path} has {len(tables)} tables:")
        for names in tables:
            # All three names: a file and its schema may have the same one.
            table = ".".join(f'"{name}"' for name in names)
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
            print(f"{count:>9} rows in {names[1]}.{names[2]}")


main(*sys.argv[1:])
