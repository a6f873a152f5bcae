"""Builds the dbt project with subsets of the streams. Runs in the environment of dbt.

Reads a JSON list of subsets from standard input, and prints a JSON list of what dbt said about each:
the nodes and sources by status. The project is parsed once. Tables of the other streams are renamed
meanwhile, in the database that the profile names.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict

import duckdb
import psycopg2
from dbt.cli.main import dbtRunner

PREFIX = "not_loaded_"


def execute(statements: list[str]) -> list[tuple]:
    """Execute statements, and return the rows of the last one."""
    if os.environ.get("DBT_TARGET") == "postgres":
        names = {"host": "HOST", "user": "USER", "dbname": "DATABASE"}
        settings = {
            ours: os.environ[f"TARGET_POSTGRES_{theirs}"]
            for ours, theirs in names.items()
            if f"TARGET_POSTGRES_{theirs}" in os.environ
        }
        with psycopg2.connect(**settings) as connection, connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return cursor.fetchall() if cursor.description else []
    with duckdb.connect(os.environ["TARGET_DUCKDB_FILEPATH"]) as database:
        for each in statements:
            database.execute(each)
        return database.fetchall() if statements else []


def outcome(dbt: dbtRunner, *arguments: str) -> dict[str, list[str]]:
    """Run dbt, and return what it ran, by status."""
    done = dbt.invoke([*arguments])
    if done.exception:
        raise done.exception
    found = defaultdict(list)
    for each in done.result.results:
        found[str(each.status)].append(each.node.name)
    return found


def main() -> None:
    """Build each subset."""
    found = []
    manifest = dbtRunner().invoke(["--quiet", "parse"]).result
    dbt = dbtRunner(manifest=manifest)
    streams = [each.name for each in manifest.sources.values()]
    for subset in json.load(sys.stdin):
        others = sorted({*streams} - {*subset})
        execute([f"ALTER TABLE cobrowser.{each} RENAME TO {PREFIX}{each}" for each in others])
        try:
            built = outcome(dbt, "--quiet", "build", "--full-refresh")
            fresh = outcome(dbt, "--quiet", "source", "freshness")
            coverage = execute(["SELECT DISTINCT stream FROM cobrowser_report.coverage_daily"])
        finally:
            execute([f"ALTER TABLE cobrowser.{PREFIX}{each} RENAME TO {each}" for each in others])
        found.append({"build": built, "freshness": fresh, "coverage": [row for (row,) in coverage]})


if __name__ == "__main__":  # dbt starts processes of its own, which import this file
    main()
