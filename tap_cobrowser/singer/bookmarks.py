"""Pure: which days does a run read, and how does a finished window change the bookmark?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from tap_cobrowser.days import ONE_DAY, DateWindow, before_today, midnight, parse_day, whole_day
from tap_cobrowser.errors import StateError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

_KEY = "replication_key"
_VALUE = "replication_key_value"
_LOOKBACK_FROM = "lookback_from"
_COMPLETE = "complete_from"
_KNOWN = {
    _KEY,
    _VALUE,
    _LOOKBACK_FROM,
    _COMPLETE,
    "replication_key_signpost",
    "starting_replication_value",
    "progress_markers",
    "partitions",
}


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The position of a stream: `day` is the first day that is not finished.

    `complete_from` is the first of the days that were read without a gap up to it; None if that is
    not known, in a state of an older version or set by hand, and for a stream without days.
    `lookback_from` is the day from which the look-back counts, if that is not `day`. Only states of
    earlier versions have it, after a run over midnight.
    """

    day: date
    complete_from: date | None = None
    lookback_from: date | None = None

    @property
    def begin(self) -> date:
        """The first complete day; `day` if none is complete."""
        return min(self.complete_from or self.day, self.day)


def read(
    state: Mapping[str, Any], *, stream: str, replication_key: str, zone: ZoneInfo
) -> Bookmark | None:
    """Return the bookmark in the state of a stream, None if there is none.

    Raises:
        StateError: If the state is not valid.
    """

    def reject(what: str) -> NoReturn:
        raise StateError(what, where=f"State of stream '{stream}'")

    def day_of(name: str) -> date | None:
        # In another zone than that of the run that wrote it, it is no midnight: the rest of a day
        # does not make that day complete.
        parse = whole_day if name == _COMPLETE else parse_day
        with suppress(ValueError, TypeError, AttributeError):
            return None if state.get(name) is None else parse(state[name], zone)
        reject(f"Its '{name}' is {quote(state[name], 60)}, which is not a date")

    if strange := state.keys() - _KNOWN:
        reject(f"It has {quote(min(strange), 60)}, which is not part of a bookmark")
    if state.get("partitions"):
        reject("It has 'partitions', but this stream has none")
    day = day_of(_VALUE)
    if day is None:
        # Markers of the SDK without a value are neither a bookmark nor an empty state.
        if marks := [name for name in state if state[name] and name != _KEY]:
            reject(f"It has '{min(marks)}', but no '{_VALUE}'")
        return None
    if state.get(_KEY, replication_key) != replication_key:
        reject(f"Its replication key is {quote(state[_KEY], 60)}, not '{replication_key}'")
    return Bookmark(day, day_of(_COMPLETE), day_of(_LOOKBACK_FROM))


def put(state: dict[str, Any], bookmark: Bookmark, *, replication_key: str, zone: ZoneInfo) -> None:
    """Set the bookmark in the state of a stream: midnights in UTC, under the SDK's own keys."""
    for name in (_LOOKBACK_FROM, _COMPLETE):
        state.pop(name, None)
    state |= {_KEY: replication_key, _VALUE: midnight(bookmark.day, zone).isoformat()}
    if bookmark.complete_from:
        state[_COMPLETE] = midnight(bookmark.complete_from, zone).isoformat()


def add_complete_from(
    state: dict[str, Any],
    bookmark: Bookmark,
    *,
    start: date | None,
    run_day: date,
    zone: ZoneInfo,
) -> None:
    """Add the first complete day to the state of a stream, if an older version has written it.

    The stream counts as complete from the start of the first run that uses the state.
    """
    if not bookmark.complete_from:
        day = min(start or before_today(run_day), bookmark.day)
        state[_COMPLETE] = midnight(day, zone).isoformat()


def after_window(
    bookmark: Bookmark | None,
    window: DateWindow | None,
    *,
    today: date,
    since: date | None = None,
) -> Bookmark:
    """Return the bookmark after a window whose rows were emitted; None for a whole table.

    It is never past `today`, which is not over, and never before the old one: not after a window
    of the look-back, nor of earlier days. `today` is the server's day when the run began; without
    windows, when the response was made. `since` is the first of the days that the run has read
    without a gap up to this window, if it is not that of the window.
    """
    if window is None:
        return Bookmark(max(today, bookmark.day) if bookmark else today)
    day = min(today, window.last + ONE_DAY)
    return Bookmark(
        max(day, bookmark.day) if bookmark else day,
        _complete_from(bookmark, DateWindow(since or window.first, window.last)),
    )


def _complete_from(bookmark: Bookmark | None, read: DateWindow) -> date:
    """Return the first complete day after all days of `read` were read."""
    if bookmark is None or read.first > bookmark.day:
        return read.first  # the days before a gap no longer count
    if read.last + ONE_DAY < bookmark.begin:
        return bookmark.begin
    return min(bookmark.begin, read.first)


def look_back(bookmark: Bookmark, days: int) -> date:
    """Return the first day that is read again, `days` before the bookmark."""
    # Meltano merges states, and entries that are no longer written stay: an older `lookback_from`
    # belongs to an earlier bookmark.
    day = min(bookmark.day, max(bookmark.lookback_from or bookmark.day, bookmark.day - ONE_DAY))
    # The margin of a year keeps every later calculation within the calendar.
    return day - timedelta(days=min(days, day.toordinal() - 366))


def first_day(
    bookmark: Bookmark | None, *, start: date | None, lookback_days: int, run_day: date
) -> date:
    """Return the first day that a run reads.

    `start` is the setting `start_date`, `run_day` the server's day when the run began.
    """
    if bookmark:
        # The default start must not skip days that were missed while no run took place.
        return max(start or date.min, look_back(bookmark, lookback_days))
    return start or before_today(run_day)


def last_day(*, end: date | None, run_day: date) -> date:
    """Return the last day that a run reads: the setting `end_date`, or the day of the run."""
    return min(end or run_day, run_day)


def earlier_days(
    bookmark: Bookmark | None, daily: DateWindow, *, start: date | None
) -> DateWindow | None:
    """Return the days that a run fills in after its daily work, None if there are none.

    They are the days from `start_date` to the complete ones, but not after the last day of the run
    (`end_date`), even if that leaves a gap. `daily` are the days of the daily work: none, if its
    `last` is before its `first`.
    """
    if bookmark is None or start is None or bookmark.complete_from is None:
        return None
    begin = bookmark.begin
    if daily.first <= daily.last:
        begin = min(_complete_from(bookmark, daily), daily.first)
    last = min(begin - ONE_DAY, daily.last)
    return DateWindow(start, last) if start <= last else None
