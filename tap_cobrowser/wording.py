"""Pure: the texts of the warnings about responses that do not fit their requests.

Each says what was requested, what came, what the tap does about it, and what the user should do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_cobrowser.audit import Collision, Outside, Subject, Warned, bounds
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

_HOURS_OF_TWO_DAYS = 48


def of_ranges(window: DateWindow, day: date) -> Warned:
    """Return the warning that a range lacks rows that one of its days has alone."""
    return Warned(
        "ranges",
        f"The response to {window} lacked rows of {day} that are there when the day is "
        "requested alone: ranges of days do not work as documented. The rest of this run "
        "requests one day at a time, so no row is lost. Set `window_days` to 1, and ask "
        "CoBrowser.net which of `start` and `stop` is the older day and whether both are "
        "included.",
    )


def of_missing(window: DateWindow, day: date, zone: ZoneInfo) -> Warned:
    """Return the warning that a day lacks rows alone that a range has."""
    return Warned(
        "days",
        f"The response to {window} has rows of {day} that are not there when the day is requested "
        "alone. They are emitted. The server may have returned a cached response, or its days may "
        f"begin at another midnight than those of `timezone` ({zone.key}), so rows of these days "
        "may be missing. Check any cache or proxy in between, and ask CoBrowser.net for the time "
        "zone of the account.",
    )


def of_outside(
    window: DateWindow,
    found: Outside,
    zone: ZoneInfo,
    shift: tuple[timedelta, timedelta] | None,
    *,
    reaches_back: bool,
) -> Warned:
    """Return the warning that a response has rows of other days.

    Args:
        window: The days that were requested.
        found: The rows outside.
        zone: The zone of the days.
        shift: The shifts of the server's days that explain the rows, None if none does.
        reaches_back: Whether rows before the window are right.
    """
    begins = datetime.fromisoformat(bounds(window, zone)[0])
    parts = []
    if found.before:
        parts.append(f"{found.before} rows up to {_hours(found.earliest)} before")
    if found.after:
        parts.append(f"{found.after} rows up to {_hours(found.latest)} after")
    text = f"The response to {window} has {' and '.join(parts)} these days. They are emitted. "
    if shift:
        text += (
            f"The server's days seem to begin {_begin_of_days(zone, begins, *shift)}. "
            "Ask CoBrowser.net for the time zone of the account, and set `timezone` to it; the "
            "first day and today may lack rows until then."
        )
    elif found.after and not found.latest and found.first == begins:
        text += (
            "They are of the midnight at which these days end, which the server seems to include. "
            "No row is missing, so there is nothing to do."
        )
    elif found.latest < ONE_DAY and found.after and reaches_back:
        text += (
            f"The server's days may begin at another midnight than those of `timezone` "
            f"({zone.key}). Ask CoBrowser.net for the time zone of the account."
        )
    else:
        text += (
            "The server may have returned a cached response, or may not use `start` and `stop` "
            "as documented, so rows of these days may be missing. Check any cache or proxy in "
            "between, and ask CoBrowser.net."
        )
    return Warned("days", text)


def of_limit(window: DateWindow, rows: int, total: int) -> Warned:
    """Return the warning that a response was cut off at a row limit."""
    return Warned(
        "limit",
        f"The response to {window} had {rows} rows, but its days, requested one by one, have "
        f"{total}. The server seems to limit a response to {rows} rows. The rest "
        "of this run requests one day at a time, so no row is lost unless one day has more. "
        "Ask CoBrowser.net for the row limit per request.",
    )


def of_limited_day(day: DateWindow, rows: int) -> Warned:
    """Return the warning that a day has as many rows as a limit allows."""
    return Warned(
        "limit-of-day",
        f"The response to {day} has exactly {rows} rows, which seems to be the "
        "server's row limit per request. The day may have more rows, and the API does not "
        "accept a smaller range. The rows are emitted. Ask CoBrowser.net for the limit, and "
        "for the rows of that day.",
    )


def of_limited_table(name: str, rows: int) -> Warned:
    """Return the warning that a full table has as many rows as a limit allows."""
    return Warned(
        "limit-of-table",
        f"The response to '{name}' has exactly {rows} rows, which seems to be the server's row "
        "limit per request. The table may have more rows. The rows are emitted. Ask CoBrowser.net "
        "for the limit, and for the rest of the table.",
    )


def of_keys(subject: Subject, collision: Collision) -> Warned:
    """Return the warning that rows share their key and differ elsewhere."""
    names = ", ".join(f"'{name}'" for name in subject.keys)
    example = ", ".join(quote(value, 40) for value in collision.example)
    return Warned(
        "keys",
        f"{collision.keys} keys ({names}) have several different rows; the first is "
        f"({example}). All rows are emitted, but a target that upserts keeps one per key. Set "
        "another key with "
        f"`__key_properties__` in a stream map for '{subject.name}', and ask CoBrowser.net "
        "what makes a row unique.",
    )


def of_offset(stamp: datetime, zone: ZoneInfo) -> Warned:
    """Return the warning that rows have a UTC offset that may be that of the server's days."""
    return Warned(
        "offset",
        f"Rows have the UTC offset {stamp.isoformat()[-6:]}, which `timezone` "
        f"({zone.key}) does not have on {stamp.date()}. No row is close enough to "
        "midnight to show where the server's days begin. If they begin at another midnight, "
        "the first day and today may lack rows. Ask CoBrowser.net for the time zone of the "
        "account, and set `timezone` to it.",
    )


def of_silence(window: DateWindow) -> Warned:
    """Return the warning that no stream has a row."""
    return Warned(
        "silence",
        f"No stream has a row in {window}. If the account was in use on these days, the server "
        "does not use `start` and `stop` as documented. Ask CoBrowser.net, then read these days "
        "again (in Meltano: `--full-refresh`).",
    )


def _hours(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return f"{hours:.1f} hours" if hours < _HOURS_OF_TWO_DAYS else f"{hours / 24:.0f} days"


def _begin_of_days(zone: ZoneInfo, begins: datetime, least: timedelta, most: timedelta) -> str:
    """Return between which times of the day the server's days begin, in whole half hours."""
    half_hour = timedelta(minutes=30)
    low = begins + (least // half_hour + 1) * half_hour
    high = begins + max(most // half_hour * half_hour, (least // half_hour + 1) * half_hour)
    local = [each.astimezone(zone) for each in (low, high)]
    # Rows of whole hours show the hour at which the first of them begins.
    if low == high or (high - low <= 2 * half_hour and not most % half_hour):
        return f"at {local[1]:%H:%M} in {zone.key} ({high:%H:%M} UTC)"
    return f"between {local[0]:%H:%M} and {local[1]:%H:%M} in {zone.key}"
