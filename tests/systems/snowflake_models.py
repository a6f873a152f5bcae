"""Builds the dbt project for Snowflake over fakesnow. Runs in an environment that has both.

Reads a JSON object from standard input: of each stream its properties and records. fakesnow puts
DuckDB behind Snowflake's SQL: it shows that the models are written in it, not that they run there.
"""

from __future__ import annotations

import json
import sys

import fakesnow
import snowflake.connector
from dbt.cli.main import dbtRunner

TYPES = {"string": "VARCHAR", "integer": "DECIMAL(38,0)", "number": "FLOAT", "boolean": "BOOLEAN"}


def main(*arguments: str) -> int:
    """Load what is read, as target-snowflake names and types it, and run dbt."""
    streams = json.load(sys.stdin)
    with fakesnow.patch():
        with snowflake.connector.connect(database="RAW", schema="COBROWSER") as connection:
            for stream, content in streams.items():
                kinds = [_type(each) for each in content["properties"].values()]
                names = [f'"{name.upper()}"' for name in content["properties"]]
                listed = ", ".join(
                    f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)
                )
                connection.cursor().execute(
                    f"CREATE TABLE {stream} ({listed}, _SDC_BATCHED_AT TIMESTAMP_NTZ)"
                )
                # An INSERT for each row takes minutes there.
                marks = ", ".join("?" for _ in kinds)
                connection._duck_conn.executemany(
                    f"INSERT INTO RAW.COBROWSER.{stream.upper()} VALUES ({marks}, now())",
                    [[*row.values()] for row in content["rows"]],
                )
        done = dbtRunner().invoke([*arguments])
        if done.exception:
            raise done.exception
        return 0 if done.success else 1


def _type(definition: dict) -> str:
    if definition.get("format") == "date-time":
        return "TIMESTAMP_NTZ"
    (kind,) = set(definition["type"]) - {"null"}
    return TYPES[kind]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
