"""What the responses of a run have shown about the server so far, for all streams together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cobrowser.audit import Response, Subject, Warned, disproves_offset, moments_of
from tap_cobrowser.days import DateWindow

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

_MOST_PROBES = 8
# Fewer days without any row are a weekend.
_SILENT_DAYS = 3


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

    def see_rows(self, response: Response) -> None:
        """Record whether any response had rows with dates."""
        self._rows = self._rows or (response.window is not None and len(response.table) > 0)

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
            hints.append(_of_offset(self._stamp, self._zone))
        window = self._wanted
        if window and not self._rows and (window.last - window.first).days >= _SILENT_DAYS:
            hints.append(_of_silence(window))
        return hints


def _of_offset(stamp: datetime, zone: ZoneInfo) -> Warned:
    return Warned(
        "offset",
        f"Rows have the UTC offset {stamp.isoformat()[-6:]}, which `timezone` "
        f"({zone.key}) does not have on {stamp.date()}. No row is close enough to "
        "midnight to show where the server's days begin. If they begin at another midnight, "
        "the first day and today may lack rows. Ask CoBrowser.net for the time zone of the "
        "account, and set `timezone` to it.",
    )


def _of_silence(window: DateWindow) -> Warned:
    return Warned(
        "silence",
        f"No stream has a row in {window}. If the account was in use on these days, the server "
        "does not use `start` and `stop` as documented. Ask CoBrowser.net, then read these days "
        "again (in Meltano: `--full-refresh`).",
    )
