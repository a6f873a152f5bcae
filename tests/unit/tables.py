"""A small command, and what the tests of `reading/` make of its responses."""

from __future__ import annotations

import csv
import io
from typing import Any
from zoneinfo import ZoneInfo

from tap_cobrowser.errors import TapCobrowserError
from tap_cobrowser.models import Column, Command, Table
from tap_cobrowser.reading.table import TableReader

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
COMMAND = Command(
    "conversations",
    (
        Column("id", "string", key=True),
        Column("begin", "date-time", key=True),
        Column("end", "date-time"),
        Column("count", "integer"),
        Column("length", "number"),
        Column("disabled", "boolean"),
        Column("text", "string"),
    ),
    ("id", "begin"),
    "begin",
    windowed=True,
)
NAMES = tuple(column.name for column in COMMAND.columns)
BEGIN = "Wed, 14 Mar 2012 16:16:11 +0100"
ROW = ("007", BEGIN, "", "5", "1.5", "1", "hallo")
READ = ("007", "2012-03-14T15:16:11+00:00", None, 5, 1.5, True, "hallo")

TEXT_NAMES = ("id", "name", "postfix", "reseller_id")
TEXTS = Command(
    "accounts", tuple(Column(name, "string", key=name == "id") for name in TEXT_NAMES), ("id",)
)


def csv_of(*rows: tuple[str, ...], header: tuple[str, ...] = NAMES, sep: str = ";") -> str:
    """Return a response with all cells quoted."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([header, *rows])
    return out.getvalue()


def read(
    body: str | bytes,
    *,
    command: Command = COMMAND,
    charset: str | None = None,
    zone: ZoneInfo = AMSTERDAM,
) -> Table:
    body = body.encode() if isinstance(body, str) else body
    return TableReader(command, ";", zone).read(body, charset)


def rows(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*table.columns, strict=True))


def kinds(table: Table) -> list[str]:
    """Return the kinds of the notices of a table."""
    return [notice.kind for notice in table.notices]


def replaced(column: str, text: str) -> tuple[str, ...]:
    """Return the usual row with another text in a column."""
    return tuple(text if name == column else cell for name, cell in zip(NAMES, ROW, strict=True))


def cell(column: str, text: str, zone: ZoneInfo = AMSTERDAM) -> Any:
    """Return the value of a text in a column."""
    return rows(read(csv_of(replaced(column, text)), zone=zone))[0][NAMES.index(column)]


def rows_or_error(
    body: str | bytes, command: Command = COMMAND
) -> list[tuple[Any, ...]] | TapCobrowserError:
    try:
        return rows(read(body, command=command))
    except TapCobrowserError as error:
        return error
