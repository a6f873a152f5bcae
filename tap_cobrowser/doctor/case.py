"""What the requests of an examination show together about days, ranges and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tap_cobrowser.api.preflight import Preflight
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cobrowser.doctor.asking import Seen
    from tap_cobrowser.errors import TapCobrowserError
    from tap_cobrowser.models import Command
    from tap_cobrowser.settings import Settings

# One zone for each UTC offset in use, the likely ones first, and for each rule of summer time.
_ZONES = """UTC Europe/Amsterdam Europe/London Europe/Athens Europe/Istanbul America/New_York
America/Chicago America/Denver America/Los_Angeles Asia/Kolkata Asia/Singapore Asia/Tokyo
Australia/Sydney Australia/Brisbane Africa/Lagos Asia/Dubai Asia/Karachi Asia/Dhaka Asia/Bangkok
America/Bogota America/Sao_Paulo America/Anchorage America/Halifax America/St_Johns Asia/Tehran
Atlantic/Azores Atlantic/South_Georgia Asia/Kabul Asia/Kathmandu Asia/Yangon Australia/Adelaide
Australia/Darwin Australia/Eucla Australia/Lord_Howe Pacific/Auckland Pacific/Chatham
Pacific/Noumea Pacific/Honolulu Pacific/Marquesas America/Mexico_City America/Phoenix
America/Caracas Atlantic/Cape_Verde Pacific/Fiji Pacific/Tongatapu"""


@dataclass
class Case:
    """Everything that an examination has seen.

    Attributes:
        settings, commands: The settings of the tap, and the commands of the API by name.
        seen: What came of each request, in order.
        start: What the preflight has shown.
        limits: The row limits that the tap's own checks have found.
        failed: By command, why the tap cannot extract it.
        seconds: Seconds per request, by the number of concurrent requests.
        busy_at: The number of concurrent requests that the server did not accept.
    """

    settings: Settings
    commands: Mapping[str, Command]
    seen: list[Seen]
    start: Preflight = field(default_factory=Preflight)
    limits: set[int] = field(default_factory=set)
    failed: dict[str, TapCobrowserError] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    busy_at: int = 0

    @property
    def width(self) -> int:
        """The number of days that the tap would request at once, at most 2."""
        return 2 if self.start.ranges and not self.limits else 1

    def of(self, name: str) -> list[Seen]:
        """Return the requests for a command."""
        return [each for each in self.seen if each.command.name == name]

    # Days

    @property
    def dated(self) -> list[Seen]:
        """The responses whose rows must all be of the days that were requested."""
        return [each for each in self._without_reach if each.rows]

    @property
    def _without_reach(self) -> list[Seen]:
        return [each for each in self.seen if each.numbers and not each.command.reaches_back]

    def own_zone_fits(self) -> bool:
        """Return whether all rows are of the days requested, if these are days of `timezone`.

        The tap's check accepts rows exactly at the closing midnight, which are of this zone only if
        all rows fit no other zone better.
        """
        if all(_fits(each, self.settings.timezone) for each in self.dated):
            return True
        return all(each.passes for each in self.dated) and not self.other_zones()

    def other_zones(self) -> dict[str, ZoneInfo]:
        """Return zones whose days all rows fit, by their UTC offsets, if these are not the own."""
        own = self._offsets(self.settings.timezone)
        found: dict[str, ZoneInfo] = {}
        for zone in map(ZoneInfo, _ZONES.split()):
            offsets = self._offsets(zone)
            if offsets not in {own, *found} and all(_fits(each, zone) for each in self.dated):
                found[offsets] = zone
        return found

    def _offsets(self, zone: ZoneInfo) -> str:
        """Return the UTC offsets of a zone on the days of all responses."""
        days = {day.first for each in self.dated for day in _days(each, zone).days}
        found = sorted({f"{datetime.combine(day, time(12), zone):%z}" for day in days})
        return ", ".join(f"{each[:3]}:{each[3:]}" for each in found)

    def ignored(self) -> tuple[Seen, Seen] | None:
        """Return two responses to different single days that have the same rows."""
        alone = [each for each in self.dated if each.span == 1 and not each.passes]
        for one in alone:
            for other in alone:
                if other.command == one.command and other.numbers < one.numbers:
                    # Rows exactly at midnight may be of both days.
                    if 2 * len(one.keys & other.keys) > min(len(one.keys), len(other.keys)):
                        return other, one
        return None

    # Ranges

    @property
    def known(self) -> dict[tuple[str, int], Seen]:
        """The completed days, by command and days ago, that have rows when requested alone."""
        return {
            (each.command.name, each.numbers[0]): each
            for each in self.dated
            if each.span == 1 and each.numbers[0] and any(each.begins)
        }

    def ranges(self, *, stop_older: bool) -> list[Seen]:
        """Return the requests of two days, in the order of their ends, that may show something."""
        return [
            each
            for each in self._without_reach
            if each.span == 2 and (each.error is None or each.rejected)  # noqa: PLR2004 - days
            if (each.numbers[1] > each.numbers[0]) == stop_older
        ]

    def ends(self, *, stop_older: bool) -> Iterator[tuple[Seen, str, bool]]:
        """Yield what requests of two days show: `older` or `younger` end, and if it has rows.

        Only ends whose day has rows when it is requested alone show anything.
        """
        known = self.known
        for each in self.ranges(stop_older=stop_older):
            for end, ago in zip(("younger", "older"), sorted(each.numbers), strict=True):
                if alone := known.get((each.command.name, ago)):
                    yield each, end, bool(alone.keys & each.keys)

    def order_works(self, *, stop_older: bool) -> bool | None:
        """Return whether an order of the two ends has rows; None if that is not known."""
        found = [(end, has) for _, end, has in self.ends(stop_older=stop_older)]
        if any(has for _, has in found):
            return True
        # A range may exclude one of its ends. Only one without both does not work.
        return False if {end for end, _ in found} == {"older", "younger"} else None

    def end_included(self, wanted: str) -> bool | None:
        """Return whether ranges include one of their ends; None if that is not known."""
        found = [
            (each, has)
            for order in (False, True)
            if self.order_works(stop_older=order)
            for each, end, has in self.ends(stop_older=order)
            if end == wanted
        ]
        if not found or any(has for _, has in found):
            return True if found else None
        # The largest number of rows of all may be a limit that cuts the other end off.
        return None if all(self.may_be_cut(each) for each, _ in found) else False

    def may_be_cut(self, each: Seen) -> bool:
        """Return whether a limit may have cut a response off: none has more rows."""
        return each.rows >= max(one.rows for one in self.seen)

    def limit(self) -> int:
        """Return a number of rows that is certainly a limit, 0 if there is none.

        A range had so many rows, none has more, and it lacks a part of the rows of one of its days
        that was requested before it.
        """
        for at, each in enumerate(self.seen):
            same = [one for one in self._without_reach if one.command == each.command]
            if each.span < 2 or not each.rows or each.rows < max(one.rows for one in same):  # noqa: PLR2004
                continue
            for one in same:
                is_part = one.span == 1 and one.numbers[0] in each.numbers and one in self.seen[:at]
                if is_part and one.keys & each.keys and one.keys - each.keys:
                    return each.rows
        return min(self.limits, default=0)


def _days(seen: Seen, zone: ZoneInfo) -> DateWindow:
    """Return the days that were requested, if they are days of a zone."""
    assert seen.exchange  # noqa: S101 - a response with rows has one
    today = (seen.date or seen.exchange.received).astimezone(zone).date()
    return DateWindow(today - max(seen.numbers) * ONE_DAY, today - min(seen.numbers) * ONE_DAY)


def _fits(seen: Seen, zone: ZoneInfo) -> bool:
    """Return whether all rows are within the requested days, if they are days of a zone."""
    days = _days(seen, zone)
    begin, end = midnight(days.first, zone), midnight(days.last + ONE_DAY, zone)
    return begin.isoformat() <= seen.low and seen.high < end.isoformat()
