"""Bookmarks, pure: which days a run reads, and how a finished window changes the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tap_cobrowser.days import ONE_DAY, before_today, midnight, parse_day
from tap_cobrowser.errors import StateError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tap_cobrowser.days import DateWindow

_KEY = "replication_key"
_VALUE = "replication_key_value"
_BEGAN = "lookback_from"
_KNOWN = {
    _KEY,
    _VALUE,
    _BEGAN,
    "replication_key_signpost",
    "starting_replication_value",
    "progress_markers",
    "partitions",
}


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a stream is.

    Attributes:
        day: The first day that is not finished.
        lookback_from: The day from which the look-back counts, where that is not `day`: a run over
            midnight moves the bookmark by its last response, and what it read before that midnight
            may have changed since. So it is the day on which that run began.
    """

    day: date
    lookback_from: date | None = None


def read(
    state: Mapping[str, Any], *, stream: str, replication_key: str, zone: ZoneInfo
) -> Bookmark | None:
    """Return the bookmark in the state of a stream, None if there is none.

    Args:
        state: The state of the stream: what `bookmarks` holds under its name.
        stream: The name of the stream.
        replication_key: Its replication key.
        zone: The zone of its days.

    Raises:
        StateError: If the state is not one to continue from.
    """
    where = f"State of stream '{stream}'"

    def day_of(name: str) -> date:
        try:
            return parse_day(state[name], zone)
        except (ValueError, TypeError, AttributeError):
            msg = f"Its '{name}' is {quote(state[name], 60)}, which is no date"
        raise StateError(msg, where=where)

    if strange := state.keys() - _KNOWN:
        msg = f"It has {quote(min(strange), 60)}, but no '{_VALUE}'"
        if state.get(_VALUE) is not None:
            msg = f"It has {quote(min(strange), 60)}, which is not part of a bookmark"
        raise StateError(msg, where=where)
    if state.get("partitions"):
        msg = "It has 'partitions', but this stream has none"
        raise StateError(msg, where=where)
    if state.get(_VALUE) is None:
        # What the SDK marks on the way to a value cannot be continued from, nor is it no state.
        if marks := [name for name in _KNOWN - {_KEY} if state.get(name)]:
            msg = f"It has '{min(marks)}', but no '{_VALUE}'"
            raise StateError(msg, where=where)
        return None
    if state.get(_KEY, replication_key) != replication_key:
        msg = f"It is of {quote(state[_KEY], 60)}, not of '{replication_key}'"
        raise StateError(msg, where=where)
    return Bookmark(day_of(_VALUE), None if state.get(_BEGAN) is None else day_of(_BEGAN))


def write(bookmark: Bookmark, *, replication_key: str, zone: ZoneInfo) -> dict[str, str]:
    """Return the entries of a stream's state that hold a bookmark.

    The day is written as its midnight, an ISO 8601 instant in UTC, under the SDK's own keys.
    """
    entries = {_KEY: replication_key, _VALUE: midnight(bookmark.day, zone).isoformat()}
    if bookmark.lookback_from:
        entries[_BEGAN] = midnight(bookmark.lookback_from, zone).isoformat()
    return entries


def put(state: dict[str, Any], bookmark: Bookmark, *, replication_key: str, zone: ZoneInfo) -> None:
    """Put a bookmark into the state of a stream, in place of the one that it has."""
    state.pop(_BEGAN, None)
    state |= write(bookmark, replication_key=replication_key, zone=zone)


def advance(
    bookmark: Bookmark | None, window: DateWindow | None, *, today: date, run_day: date
) -> Bookmark:
    """Return the bookmark behind a window whose rows were emitted.

    It is never past the server's today, whose rows are still to come, and never before the old one,
    which a look-back longer than a window would make it.

    Args:
        bookmark: The bookmark before it.
        window: The window; None for a stream without windows.
        today: The server's day when the response was made.
        run_day: The server's day when the run began.
    """
    day = min(today, window.last + ONE_DAY) if window else today
    return Bookmark(
        max(day, bookmark.day) if bookmark else day,
        run_day if window and run_day < today else None,
    )


def look_back(bookmark: Bookmark, days: int) -> date:
    """Return the first day that is read again, `days` before the bookmark."""
    day = min(bookmark.day, bookmark.lookback_from or bookmark.day)
    # A year is left before the first day of the calendar, so that no offset leads out of it.
    return day - timedelta(days=min(days, day.toordinal() - 366))


def first_day(
    bookmark: Bookmark | None, *, start: date | None, lookback_days: int, run_day: date
) -> date:
    """Return the first day that a run reads.

    Args:
        bookmark: How far earlier runs have come.
        start: The setting `start_date`.
        lookback_days: The setting of that name.
        run_day: The server's day when the run began.
    """
    if bookmark:
        # A default start must not skip what was not read while no run took place.
        return max(start or date.min, look_back(bookmark, lookback_days))
    return start or before_today(run_day)


def last_day(*, end: date | None, run_day: date) -> date:
    """Return the last day that a run reads.

    Args:
        end: The setting `end_date`.
        run_day: The server's day when the run began.
    """
    return min(end or run_day, run_day)
