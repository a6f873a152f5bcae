"""Do windows of several days have the rows of all their days? What a run's windows show of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cobrowser.checks.days import begins_on
from tap_cobrowser.models import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.days import DateWindow

_ENOUGH = 8


@dataclass(slots=True)
class Ends:
    """Which ends of the windows of several days of a stream have had rows in a run.

    Attributes:
        windows: The number of such windows that had rows.
        oldest: Whether one of their rows began on the oldest day of its window.
        newest: The same for the newest day.
    """

    windows: int = 0
    oldest: bool = False
    newest: bool = False

    def count(
        self, moments: Sequence[str], window: DateWindow, zone: ZoneInfo
    ) -> DateWindow | None:
        """Count a window, and return its day at the end that has never had rows, if that is odd.

        It is odd after eight windows. One request of that day alone then shows which it is: a day
        that happens to be quiet each time, or one that the server leaves out. `moments` are the
        date-times of the window's rows, ISO 8601 in UTC.
        """
        if not moments:
            return None
        oldest, *_, newest = window.days
        self.windows += 1
        self.oldest = self.oldest or begins_on(moments, oldest, zone)
        self.newest = self.newest or begins_on(moments, newest, zone)
        if self.windows < _ENOUGH or (self.oldest and self.newest):
            return None
        return oldest if self.newest else newest


def no_ranges_notice(window: DateWindow, what: str) -> Notice:
    """Return the notice that ranges do not work; `what` says so, as the end of a sentence."""
    return Notice(
        "ranges",
        f"Ranges of days do not work as documented: the response to {window} {what}. The tap "
        "requests one day at a time instead. Set `window_days` to 1, and ask "
        "CoBrowser.net which of `start` and `stop` is the older day, whether both are "
        "included, and whether there is a limit on rows.",
    )


def odd_ranges_notice(window: DateWindow, day: DateWindow) -> Notice:
    """Return the notice that the windows of a stream seem to lack the rows of one of their days."""
    return Notice(
        "ranges",
        f"Ranges of days may not work for this stream: none of its windows so far has rows of its "
        f"{'newest' if day.last == window.last else 'oldest'} day, but {day} has rows when it is "
        "requested alone. Those are emitted, and the rest of this run requests one day at a time. "
        "Read the days before again with `window_days` 1, and ask CoBrowser.net whether both ends "
        "of a range are included.",
    )
