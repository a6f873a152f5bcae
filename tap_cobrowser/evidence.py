"""What the responses of a run have shown about the server so far, for all streams together."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cobrowser import wording
from tap_cobrowser.audit import (
    LEAST_LIMIT,
    Response,
    Subject,
    Warned,
    bounds,
    disproves_offset,
    moments_of,
)
from tap_cobrowser.days import DateWindow

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

_MOST_PROBES = 8
# Fewer days without any row are a weekend.
_SILENT_DAYS = 3
_SAME_ON_DAYS = 3
_MOST_COMPARISONS = 4
_HOURS_OF_A_DAY = 24


@dataclass
class Ranges:
    """What the run knows about ranges of days. A proof holds for all streams.

    Attributes:
        proven: A response to several days had rows on the first and on the last of them.
        broken: A day without rows in such a response had rows when it was requested alone.
        probes: Number of requests made in search of a proof.
    """

    proven: bool = False
    broken: bool = False
    probes: int = 0
    next_turn: int = 0
    pending: set[int] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self) -> int:
        """Return the turn of a window whose range is requested."""
        with self.changed:
            turn = self.next_turn
            self.next_turn += 1
            self.pending.add(turn)
            return turn

    def end(self, turn: int) -> None:
        """End the turn of a window."""
        with self.changed:
            self.pending.discard(turn)
            self.changed.notify_all()

    def settle(self, *, proven: bool = False, broken: bool = False) -> None:
        """Record what was seen."""
        with self.changed:
            self.proven = self.proven or proven
            self.broken = self.broken or broken
            self.changed.notify_all()

    def wait(self, turn: int) -> None:
        """Wait until the windows with earlier turns have found a proof, or have ended."""
        with self.changed:
            self.changed.wait_for(
                lambda: self.proven or self.broken or all(each >= turn for each in self.pending)
            )

    @property
    def settled(self) -> bool:
        """Whether it is known if ranges work."""
        return self.proven or self.broken

    def takes_probe(self) -> bool:
        """Return whether one more request may be made in search of a proof, and count it."""
        with self.changed:
            self.probes += 1
            return self.probes <= _MOST_PROBES


class Days:
    """What the run knows about the server's days. Thread-safe.

    Attributes:
        shown: Whether rows have shown where the server's days begin.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        """Start without any evidence.

        Args:
            zone: The zone of the days.
        """
        self.shown = False
        self._zone = zone
        self._lock = threading.Lock()
        self._stamp: datetime | None = None
        self._rows = False
        self._wanted: DateWindow | None = None

    def see_rows(self, subject: Subject, response: Response) -> None:
        """Record whether any response had rows of its days.

        Rows that began earlier count if it is known that they lasted.
        """
        moments = moments_of(subject, response.table)
        if self._rows or not response.window or not moments:
            return
        begin, _ = bounds(response.window, self._zone)
        lasts = not subject.reaches_back or subject.ends in response.table.names
        self._rows = lasts or max(moments) >= begin

    def see_window(self, window: DateWindow) -> None:
        """Record the days that the run reads."""
        with self._lock:
            before = self._wanted or window
            self._wanted = DateWindow(
                min(before.first, window.first), max(before.last, window.last)
            )

    def see_offset(self, subject: Subject, response: Response, stamp: datetime | None) -> None:
        """Record a date-time whose UTC offset is not that of the zone; None if there is none yet.

        Rows close to midnight may show that the offset does not affect the days.
        """
        stamp = self._stamp = self._stamp or stamp
        if stamp is None or self.shown or not response.window:
            return
        moments = moments_of(subject, response.table)
        if disproves_offset(
            moments, response.window, self._zone, stamp, reaches_back=subject.reaches_back
        ):
            self.shown = True

    def hints(self) -> list[Warned]:
        """Return warnings that need the whole run."""
        hints = []
        if self._stamp and not self.shown:
            hints.append(wording.of_offset(self._stamp, self._zone))
        window = self._wanted
        if window and not self._rows and (window.last - window.first).days >= _SILENT_DAYS:
            hints.append(wording.of_silence(window))
        return hints


class Limits:
    """What the run knows about row limits. Thread-safe."""

    def __init__(self) -> None:
        """Start without any evidence."""
        self._lock = threading.Lock()
        self._found: set[int] = set()
        self._most: Counter[str] = Counter()
        self._excluded: set[tuple[str, int]] = set()
        self._tables: dict[str, int] = {}
        self._days: defaultdict[tuple[str, int], set[date]] = defaultdict(set)
        self._compared: defaultdict[tuple[str, int], set[DateWindow]] = defaultdict(set)

    def see(self, name: str, rows: int, *, table: bool = False) -> None:
        """Record the number of rows of a response to a command.

        Args:
            name: The command.
            rows: The number of rows.
            table: Whether the response is a full table.
        """
        with self._lock:
            self._most[name] = max(self._most[name], rows)
            if table:
                self._tables[name] = rows

    def find(self, rows: int) -> None:
        """Record that a number of rows is a limit."""
        with self._lock:
            self._found.add(rows)

    def has(self, rows: int) -> bool:
        """Return whether a number of rows is a limit."""
        with self._lock:
            return rows in self._found

    def exclude(self, name: str, rows: int) -> None:
        """Record that a number of rows is not a limit of a command."""
        with self._lock:
            self._excluded.add((name, rows))

    def excludes(self, name: str, rows: int) -> bool:
        """Return whether a number of rows is not a limit of a command: a response had more."""
        with self._lock:
            return self._most[name] > rows or (name, rows) in self._excluded

    def compares(self, name: str, rows: int, day: DateWindow) -> bool:
        """Return whether a day may be requested to see if a number is a limit, and count it."""
        with self._lock:
            days = self._compared[name, rows]
            if day in days or len(days) >= _MOST_COMPARISONS or self._most[name] > rows:
                return False
            days.add(day)
            return True

    def repeats(self, name: str, rows: int, day: date) -> bool:
        """Return whether so many days have the same number of rows that it seems to be a limit.

        It is not if it is a round number because each hour has as many rows.
        """
        if rows < LEAST_LIMIT or rows % 100 or not rows % _HOURS_OF_A_DAY:
            return False
        with self._lock:
            self._days[name, rows].add(day)
            return len(self._days[name, rows]) >= _SAME_ON_DAYS

    def cut_off(self) -> list[tuple[str, int]]:
        """Return the full tables that have as many rows as a limit allows, and how many."""
        with self._lock:
            return [(name, rows) for name, rows in self._tables.items() if rows in self._found]
