"""What the folders of this package hand to each other: commands, responses, tables, notices.

Days and windows of days are in `days.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from tap_cobrowser.days import DateWindow

Value = str | int | float | bool | None
"""The value of a cell; a date-time is ISO 8601 text in UTC: `2026-11-22T23:00:00+00:00`."""

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A documented column, as the API spells it.

    Attributes:
        kind: `string`, `integer`, `number`, `boolean` or `date-time`.
        key: Whether it is part of the key or is the replication key, so that it cannot be absent.
        wanted: Whether its cells are to be converted and returned.
    """

    name: str
    kind: str
    key: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the API, sent as `c`, and its columns in the order of the documentation.

    Attributes:
        keys: The names of the columns that identify a row.
        dated: The column that decides to which day a row belongs; None for a table without days.
        windowed: Whether it accepts a range of days.
        reaches_back: Whether rows may begin before the requested days, and last into them.
        ccc_only: Whether only CCC agents may use it.
        target_keys: The columns by which a target merges rows, where that is another key: that of a
            stream map. Empty if they are not known.
        regular: Whether many days have the same number of rows, as those of agents' states do.
    """

    name: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    dated: str | None = None
    windowed: bool = False
    reaches_back: bool = False
    ccc_only: bool = False
    regular: bool = False
    target_keys: tuple[str, ...] | None = None

    @property
    def hourly(self) -> bool:
        """Whether it has a row per hour, so that its number of rows is often the same."""
        return self.dated == "hourBegin_time"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something unusual about a response, although its rows can be used.

    Attributes:
        kind: What it is about. It is logged once per stream and kind.
        text: What was requested and received, what the tap does, and what to do, in sentences.
        level: The level of `logging` at which it is logged.
    """

    kind: str
    text: str
    level: int = logging.WARNING


@dataclass(frozen=True, slots=True)
class Form:
    """How a response is written: its charset, separator of cells, and way of quoting."""

    encoding: str = "UTF-8"
    separator: str = ""
    quoting: str = "doubled"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a response, by column: one sequence of values per name, all of the same length.

    `notices` says what is unusual about the response. It had `nothing` if it lacks even a header.
    """

    names: tuple[str, ...] = ()
    columns: tuple[Sequence[Value], ...] = ()
    notices: tuple[Notice, ...] = ()
    nothing: bool = False
    form: Form = Form()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def values(self, name: str) -> Sequence[Value]:
        """Return the values of a column, empty if the table does not have it."""
        return self.columns[self.names.index(name)] if name in self.names else ()

    def moments(self, command: Command) -> Sequence[str]:
        """Return the date-time that decides on the day of each row; empty without days."""
        return cast("Sequence[str]", self.values(command.dated)) if command.dated else ()

    def first(self, most: int) -> Table:
        """Return the first rows."""
        return replace(self, columns=tuple(values[:most] for values in self.columns))

    def parts(self, most: int) -> Iterator[Table]:
        """Yield the rows in tables of at most so many."""
        for at in range(0, len(self), most):
            whole = len(self) <= most
            columns = self.columns if whole else [each[at : at + most] for each in self.columns]
            yield replace(self, columns=tuple(columns))

    def since(self, column: str, least: str) -> Table:
        """Return the rows whose ISO 8601 date-time in a column is not before `least`."""
        recent = [str(value) >= least for value in self.values(column)]
        return replace(self, columns=tuple(list(compress(each, recent)) for each in self.columns))


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the API to one request, read.

    Attributes:
        command: The name of the command.
        window: The days that were requested; None for a command without windows.
        today: The server's day when it was made. Rows of that day may still be missing.
        extracted: When it was received, in UTC.
        size: The number of bytes of its body, decompressed.
    """

    command: str
    window: DateWindow | None
    table: Table
    today: date
    extracted: datetime
    size: int = 0
