"""What Meltano has loaded into a database, in the form of the tap's records."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb

from tests.expected import STREAMS

if TYPE_CHECKING:
    from pathlib import Path


def rows_in_duckdb(path: Path, stream: str) -> list[dict[str, Any]]:
    """Return the rows of a table, in the form and with the names of the tap's records."""
    with duckdb.connect(str(path), read_only=True) as database:
        found = database.execute(f'SELECT * FROM cobrowser.cobrowser."{stream}"')
        columns = [column[0] for column in found.description or []]
        rows = found.fetchall()
    names = {name.lower(): name for name in STREAMS[stream].schema["properties"]}
    return [
        {
            names[column]: _as_record(value)
            for column, value in zip(columns, row, strict=True)
            if not column.startswith("_sdc_")
        }
        for row in rows
    ]


def _as_record(value: object) -> object:
    if isinstance(value, datetime):
        # DuckDB hands out a date-time with zone in the zone of the machine
        return value.astimezone(timezone.utc).isoformat()
    return value


def latest(stream: str, *runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an upserting target has after some runs."""
    rows = {
        tuple(row[name] for name in STREAMS[stream].primary_keys): row
        for records in runs
        for row in records
    }
    return list(rows.values())


class Database:
    """A database of its own on the PostgreSQL server that all tests share."""

    def __init__(self, server: Any) -> None:
        """Create it."""
        self._server = server
        self.name = f"test_{uuid4().hex[:12]}"
        server.psql(f"CREATE DATABASE {self.name};")
        self.uri: str = server.get_uri(database=self.name)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        query = f"SELECT row_to_json(t) FROM ({query}) t;"
        before = f"\\connect {self.name}\n\\pset format unaligned\n\\t on\nSET TIME ZONE 'UTC';"
        said: str = self._server.psql(f"{before}\n{query}\n")
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def run(self, command: str) -> None:
        """Run a command.

        Raises:
            AssertionError: If it fails.
        """
        before = f"\\set ON_ERROR_STOP on\n\\connect {self.name}\n"
        said: str = self._server.psql(f"{before}{command}\n\\echo done\n")
        assert said.rstrip().endswith("done"), command

    def rows(self, stream: str, schema: str = "cobrowser") -> list[dict[str, Any]]:
        """Return the rows of a table in the form of the tap's records."""
        properties = STREAMS[stream].schema["properties"]
        return [
            {name: as_record(row[name], properties[name]) for name in properties}
            for row in self.ask(f'SELECT * FROM {schema}."{stream}"')
        ]


def as_record(value: Any, definition: dict[str, Any]) -> Any:
    """Return a value as the tap's records have it: the target's columns are in UTC without zone."""
    if value is not None and definition.get("format") == "date-time":
        return f"{value}+00:00"
    return float(value) if value is not None and "number" in definition["type"] else value
