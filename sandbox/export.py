"""Writes files as CoBrowser.net might send them: a CSV file per command and year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sandbox.page import COMMANDS
from sandbox.writing import csv_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sandbox.page import Command
    from sandbox.readings import Readings
    from sandbox.world import Row, World

_ONE_DAY = timedelta(days=1)
_SUFFIXES = {"no": ".csv", "gzip": ".csv.gz", "zip": ".zip"}


@dataclass(frozen=True)
class Export:
    """What to export: all rows of some days.

    Attributes:
        world: The data, with `most_days` of None.
        readings: How they are written; `row_limit` does not apply.
        now: The time of the export: later rows do not exist yet.
        first: The first day.
        last: The last day, included.
        ccc: Whether the commands for CCC agents are included.

    Raises:
        ValueError: If the last day is before the first.
    """

    world: World
    readings: Readings
    now: datetime
    first: date
    last: date
    ccc: bool = True

    def __post_init__(self) -> None:
        """Check the days."""
        if self.last < self.first:
            raise ValueError(f"the last day, {self.last}, is before the first, {self.first}")

    def write(self, folder: Path) -> Iterator[tuple[Path, int]]:
        """Write the files row by row, and yield the path and the number of rows of each.

        Raises:
            OSError: If a file cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for command in COMMANDS.values():
            if command.ccc and not self.ccc:
                continue
            suffix = _SUFFIXES[self.readings.of(command.name).packed]
            if not command.day:
                yield self._file(folder / f"{command.name}{suffix}", command, self.first, self.last)
                continue
            for year in range(self.first.year, self.last.year + 1):
                first, last = max(self.first, date(year, 1, 1)), min(self.last, date(year, 12, 31))
                yield self._file(folder / f"{command.name}-{year}{suffix}", command, first, last)

    def _file(self, path: Path, command: Command, first: date, last: date) -> tuple[Path, int]:
        written = 0

        def rows() -> Iterator[Row]:
            nonlocal written
            for row in self._rows(command, first, last):
                written += 1
                yield row

        readings = self.readings.of(command.name)
        with path.open("wb") as file:
            file.writelines(csv_of(command.name, ";", rows(), readings))
        return path, written

    def _rows(self, command: Command, first: date, last: date) -> Iterator[Row]:
        # day by day, because some readings collect the rows of all days that they get
        days = (last - first).days + 1 if command.day else 1
        rows_of_days = self.readings.of(command.name).rows_of_days
        for number in range(days):
            day = first + number * _ONE_DAY
            yield from rows_of_days(self.world, command.name, day, day, self.now)
