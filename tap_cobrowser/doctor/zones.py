"""Where do the days of the server begin? Pure, from the date-times of the rows of its days."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tap_cobrowser.checks.days import rows_outside
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import WrongDaysError

if TYPE_CHECKING:
    from tap_cobrowser.doctor.asking import Seen
    from tap_cobrowser.doctor.examination import Examination

# One zone for each UTC offset in use, the likely ones first, and for each rule of summer time.
_ZONES = """UTC Europe/Amsterdam Europe/London Europe/Athens Europe/Istanbul America/New_York
America/Chicago America/Denver America/Los_Angeles Asia/Kolkata Asia/Singapore Asia/Tokyo
Australia/Sydney Australia/Brisbane Africa/Lagos Asia/Dubai Asia/Karachi Asia/Dhaka Asia/Bangkok
America/Bogota America/Sao_Paulo America/Anchorage America/Halifax America/St_Johns Asia/Tehran
Atlantic/Azores Atlantic/South_Georgia Asia/Kabul Asia/Kathmandu Asia/Yangon Australia/Adelaide
Australia/Darwin Australia/Eucla Australia/Lord_Howe Pacific/Auckland Pacific/Chatham
Pacific/Noumea Pacific/Honolulu Pacific/Marquesas America/Mexico_City America/Phoenix
America/Caracas Atlantic/Cape_Verde Pacific/Fiji Pacific/Tongatapu"""


def fits(made: Examination) -> bool:
    """Return whether all rows are of the days requested, if these are days of `timezone`.

    The tap's check accepts rows exactly at the closing midnight, which are of this zone only if all
    rows fit no other zone better.
    """
    zone = made.settings.timezone
    if all(_fits(each, zone) for each in made.dated):
        return True
    try:
        outside = [
            rows_outside(each.command, each.response, zone) for each in made.dated if each.response
        ]
    except WrongDaysError:
        return False
    return not any(outside) and not other_zones(made)


def other_zones(made: Examination) -> dict[str, ZoneInfo]:
    """Return zones whose days all rows fit, by their UTC offsets, if these are not the own."""
    own = _offsets(made, made.settings.timezone)
    found: dict[str, ZoneInfo] = {}
    for zone in map(ZoneInfo, _ZONES.split()):
        offsets = _offsets(made, zone)
        if offsets not in {own, *found} and all(_fits(each, zone) for each in made.dated):
            found[offsets] = zone
    return found


def _offsets(made: Examination, zone: ZoneInfo) -> str:
    """Return the UTC offsets of a zone on the days of all responses."""
    days = {day.first for each in made.dated for day in _days(each, zone).days}
    found = sorted({f"{datetime.combine(day, time(12), zone):%z}" for day in days})
    return ", ".join(f"{each[:3]}:{each[3:]}" for each in found)


def _days(seen: Seen, zone: ZoneInfo) -> DateWindow:
    """Return the days that were requested, if they are days of a zone."""
    assert seen.exchange  # noqa: S101 - a response with rows has one
    today = (seen.date or seen.exchange.received).astimezone(zone).date()
    return DateWindow(today - max(seen.numbers) * ONE_DAY, today - min(seen.numbers) * ONE_DAY)


def _fits(seen: Seen, zone: ZoneInfo) -> bool:
    """Return whether all rows are within the requested days, if they are days of a zone."""
    days = _days(seen, zone)
    begin, end = midnight(days.first, zone), midnight(days.last + ONE_DAY, zone)
    return begin.isoformat() <= min(seen.moments) and max(seen.moments) < end.isoformat()
