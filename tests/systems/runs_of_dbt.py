"""Runs dbt several times in one process, in the environment of dbt.

dbt takes every module whose name begins with `dbt_` for a plugin of its own: this one does not.

The argument is the URI of a PostgreSQL or the path of a DuckDB file. Standard input has a JSON list
of steps: a text is SQL, a list has the arguments of dbt. Writes a JSON list of their results: rows,
or the names of nodes by status. The project is parsed once, at the first step for dbt.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

import duckdb
import psycopg2
from dbt.cli.main import dbtRunner


def ask(database: str, statement: str) -> list[tuple]:
    """Execute SQL, and return its rows."""
    if database.startswith("postgresql:"):
        connection = psycopg2.connect(database)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found
    with duckdb.connect(database) as connection:
        found = connection.execute(statement).fetchall()
    return found if statement.startswith("SELECT") else []


def run(dbt: dbtRunner, arguments: list[str]) -> dict[str, list[str]]:
    """Run dbt, and return what it ran, by status."""
    done = dbt.invoke(["--quiet", *arguments])
    if done.exception:
        raise done.exception
    found = defaultdict(list)
    for each in getattr(done.result, "results", []):
        found[str(each.status)].append(each.node.name)
    return found


def main(database: str) -> None:
    """Do each step."""
    found, dbt = [], None
    for step in json.load(sys.stdin):
        if isinstance(step, str):
            found.append(ask(database, step))
        elif step == ["deps"]:
            found.append(run(dbtRunner(), step))
        else:
            dbt = dbt or dbtRunner(manifest=dbtRunner().invoke(["--quiet", "parse"]).result)
            found.append(run(dbt, step))
    sys.stdout.write(json.dumps(found, default=str) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
