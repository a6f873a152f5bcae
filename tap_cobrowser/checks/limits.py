"""May a response have been cut off by a limit on the number of rows?

The API's page mentions no such limit, and a response that was cut off looks like any other. Its
number of rows is the only trace: it is round, or it returns, and no response has more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cobrowser.models import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_cobrowser.days import DateWindow
    from tap_cobrowser.models import Command

_LEAST = 100
_TIMES = 3
_MOST_NAMED = 10


@dataclass(slots=True)
class RowCounts:
    """The numbers of rows of the responses to one command in a run.

    Attributes:
        most: The largest number.
        windows: The days that had a number that may be a limit, by that number.
        harmless: Numbers of which requests of single days have shown that they are no limit.
    """

    most: int = 0
    windows: defaultdict[int, list[DateWindow | None]] = field(
        default_factory=lambda: defaultdict(list)
    )
    harmless: set[int] = field(default_factory=set)

    def add(self, rows: int, window: DateWindow | None) -> None:
        """Count a response; None is a full table."""
        self.most = max(self.most, rows)
        if rows and (rows % 10 == 0 or _is_round(rows)):
            self.windows[rows].append(window)

    def single_days(self, rows: int) -> list[DateWindow | None]:
        """Return the single days, or the full table, that had a number of rows."""
        return [each for each in self.windows[rows] if each is None or each.first == each.last]

    def is_suspicious(self, rows: int, command: Command) -> bool:
        """Return whether the number of rows of the last window of several days may be a limit.

        It was counted already. An hourly command often has the same number by itself.
        """
        if not rows or rows < self.most or rows in self.harmless:
            return False
        return _is_round(rows) or (not command.hourly and self._recurs(rows))

    def limit_of_days(self, command: Command) -> int | None:
        """Return a number at which single days seem to be cut off, at the end of a run."""
        rows = self.most
        if command.hourly or command.regular or rows in self.harmless or not self._recurs(rows):
            return None
        return rows if self.single_days(rows) else None

    def _recurs(self, rows: int) -> bool:
        return rows % 10 == 0 and len(self.windows[rows]) >= _TIMES


def limit_notice(rows: int, window: DateWindow, earlier: Sequence[DateWindow | None]) -> Notice:
    """Return the notice that there is a limit, found by a window, and what it may have cut off.

    The `earlier` windows had that number of rows, too, and were emitted.
    """
    text = (
        f"The response to {window} has {rows} rows, but its days have more when they are requested "
        f"alone: the server returns at most {rows} rows. The rows of the single days are emitted "
        "as well, and the rest of this run requests one day at a time."
    )
    if earlier:
        text += (
            f" {_named(earlier)} had {rows} rows as well and may lack rows: read these days again "
            "with `window_days` 1."
        )
    return Notice(
        "limit", f"{text} Set `window_days` to 1, and ask CoBrowser.net to raise the limit."
    )


def cut_off_notice(rows: int, windows: Sequence[DateWindow | None]) -> Notice:
    """Return the notice that single days, or a full table, may be cut off by a limit."""
    what = _named(windows) if any(windows) else "The full table"
    return Notice(
        "cut off",
        f"{what} had exactly {rows} rows, which may be a limit of the server: rows may be missing, "
        "and no smaller request can show it. Ask CoBrowser.net whether there is a limit on rows.",
    )


def _is_round(rows: int) -> bool:
    """Return whether a number is round, or next to a round one, if the header counts as a row."""
    return rows >= _LEAST and rows % 100 in {0, 1, 99}


def _named(windows: Sequence[DateWindow | None]) -> str:
    more = len(windows) - _MOST_NAMED
    names = ", ".join(str(window) for window in windows[:_MOST_NAMED] if window)
    return f"{names} and {more} more" if more > 0 else names
