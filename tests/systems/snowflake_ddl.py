"""Prints the statements that target-snowflake would send. Runs in that target's own environment.

Reads SCHEMA messages from standard input and prints a JSON object with each stream's statements, as
the target's own code generates them.
"""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import Any

import sqlalchemy
from sqlalchemy.sql.compiler import RESERVED_WORDS
from target_snowflake.connector import SnowflakeConnector

ADDRESS = "snowflake://user:password@account/database"


class Connector(SnowflakeConnector):
    """The target's connector, over an engine that records the statements."""

    @cached_property
    def _engine(self) -> Any:
        self.asked: list[str] = []
        engine = sqlalchemy.create_mock_engine(
            ADDRESS,
            lambda sql, *_, **__: self.asked.append(str(sql.compile(dialect=engine.dialect))),
        )
        # as the target does once it is connected
        engine.dialect.identifier_preparer.reserved_words |= RESERVED_WORDS
        return engine


def statements(message: dict[str, Any]) -> dict[str, str]:
    """Return the statements for a SCHEMA message, by the names that the target's sink gives."""
    connector = Connector({"database": "database"})
    name, keys = message["stream"].upper(), message["key_properties"]
    properties = message["schema"]["properties"]
    named = {connector.format_identifier(column): each for column, each in properties.items()}
    own_keys = [connector.format_identifier(key) for key in keys]
    connector.create_empty_table(f"COBROWSER.{name}", {"properties": named}, own_keys)
    merge, _ = connector._get_merge_from_stage_statement(
        name, message["schema"], "batch", "json_format", keys
    )
    return {"create": "\n".join(connector.asked), "merge": str(merge)}


if __name__ == "__main__":
    messages = map(json.loads, sys.stdin)
    found = {each["stream"]: statements(each) for each in messages if each["type"] == "SCHEMA"}
    json.dump(found, sys.stdout)
