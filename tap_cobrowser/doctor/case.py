"""What the responses of an examination show together about days, ranges and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tap_cobrowser.api.preflight import Preflight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cobrowser.doctor.asking import Seen
    from tap_cobrowser.errors import TapCobrowserError
    from tap_cobrowser.models import Command
    from tap_cobrowser.settings import Settings

SEASON = 40
"""A day at least this many days ago was requested to see another part of the year."""

# One zone for each UTC offset in use, and for each rule of summer time.
_ZONES = (
    *("UTC", "Europe/Amsterdam", "Europe/London", "Europe/Athens", "Europe/Istanbul"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore"),
    *("Asia/Tokyo", "Australia/Sydney", "Australia/Brisbane", "Africa/Lagos", "America/Bogota"),
    *("America/Sao_Paulo", "America/Anchorage", "America/Halifax", "America/St_Johns"),
    *("Atlantic/Azores", "Atlantic/South_Georgia", "Asia/Tehran", "Asia/Kabul", "Asia/Kathmandu"),
    *("Asia/Yangon", "Australia/Adelaide", "Australia/Darwin", "Australia/Eucla"),
    *("Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Noumea"),
    *("Pacific/Honolulu", "Pacific/Marquesas", "America/Mexico_City", "America/Phoenix"),
    *("America/Caracas", "Atlantic/Cape_Verde", "Pacific/Fiji", "Pacific/Tongatapu"),
)
_LEAST_LIMIT = 100
_LEAST_SHARED = 10
_TIMES = 3


@dataclass
class Case:
    """Everything that an examination has seen.

    Attributes:
        settings: The settings of the tap.
        commands: The commands of the API, by name.
        seen: What came of each request, in order.
        start: What the preflight has shown.
        limits: The row limits that the tap's own checks have found.
        failed: By command, why the tap cannot extract it.
        stale: Whether a repeated request had an older `Date` than one before.
        seconds: Seconds per request, by the number of concurrent requests.
        busy_at: The number of concurrent requests that the server did not accept.
    """

    settings: Settings
    commands: Mapping[str, Command]
    seen: list[Seen]
    start: Preflight = field(default_factory=Preflight)
    limits: set[int] = field(default_factory=set)
    failed: dict[str, TapCobrowserError] = field(default_factory=dict)
    stale: bool = False
    seconds: dict[int, float] = field(default_factory=dict)
    busy_at: int = 0

    def of(self, name: str) -> list[Seen]:
        """Return what came of the requests for a command."""
        return [each for each in self.seen if each.command.name == name]

    @property
    def ranges_work(self) -> bool:
        """Whether the tap requests several days at once."""
        return self.start.ranges and not self.limits

    @property
    def has_rows(self) -> bool:
        """Whether a command with days had rows."""
        return any(each.rows and each.span for each in self.seen)

    # Days

    @property
    def dated(self) -> list[Seen]:
        """The responses whose rows must all be of the days that were requested."""
        return [each for each in self.seen if each.span and each.rows and not _reaches(each)]

    @property
    def recent(self) -> list[Seen]:
        """Those of the last days."""
        return [each for each in self.dated if (each.start or 0) < SEASON]

    def own_zone_fits(self, seen: list[Seen]) -> bool:
        """Return whether all rows are of the days requested, if these are days of `timezone`.

        The tap's check accepts rows exactly at the closing midnight, which are of this zone only if
        all rows fit no other zone better.
        """
        if all(each.fits(self.settings.timezone) for each in seen):
            return True
        return all(each.passes for each in seen) and not self.other_zones(seen)

    def other_zones(self, seen: list[Seen]) -> dict[str, ZoneInfo]:
        """Return zones with other UTC offsets than `timezone` whose days all rows fit.

        They are by these offsets; of zones with the same offsets, one is returned.
        """
        own = offsets_of(self.settings.timezone, seen)
        found: dict[str, ZoneInfo] = {}
        for zone in map(ZoneInfo, _ZONES):
            offsets = offsets_of(zone, seen)
            if offsets not in found and offsets != own and all(each.fits(zone) for each in seen):
                found[offsets] = zone
        return found

    def ignored(self) -> tuple[Seen, Seen] | None:
        """Return two responses to different single days that share rows."""
        alone = [each for each in self.recent if each.span == 1]
        for at, one in enumerate(alone):
            for other in alone[at + 1 :]:
                if other.command == one.command and other.start != one.start:
                    shared = len(one.keys & other.keys)
                    # Rows exactly at midnight may be of both days.
                    is_same = 2 * shared > min(len(one.keys), len(other.keys))
                    if is_same and not (one.passes and other.passes):
                        return one, other
        return None

    # Ranges

    @property
    def known(self) -> dict[tuple[str, int], Seen]:
        """The completed days, by command and days ago, that have rows when requested alone."""
        return {
            (each.command.name, each.start): each
            for each in self.recent
            if each.span == 1 and each.start and any(each.begins)
        }

    def ranges(self, *, stop_older: bool) -> Iterator[Seen]:
        """Yield the requests of two days, in the order of their ends, that may show something."""
        for each in self.seen:
            if each.span == 2 and not _reaches(each) and each.start is not None:  # noqa: PLR2004
                is_so = (each.stop or 0) > each.start
                if is_so == stop_older and (each.error is None or each.rejected):
                    yield each

    def ends(self, *, stop_older: bool) -> Iterator[tuple[Seen, str, bool]]:
        """Yield what requests of two days show: `older` or `younger` end, and if it has rows.

        Only ends whose day has rows when it is requested alone show anything.
        """
        known = self.known
        for each in self.ranges(stop_older=stop_older):
            numbers = sorted([each.start or 0, each.stop or 0])
            for end, ago in zip(("younger", "older"), numbers, strict=True):
                if alone := known.get((each.command.name, ago)):
                    yield each, end, bool(alone.keys & each.keys)

    def order_works(self, *, stop_older: bool) -> bool | None:
        """Return whether an order of the two ends has rows; None if that is not known."""
        found = [(end, has) for _, end, has in self.ends(stop_older=stop_older)]
        if any(has for _, has in found):
            return True
        # A range may exclude one of its ends. Only one without both does not work.
        return False if {end for end, _ in found} == {"older", "younger"} else None

    def end_included(self, end: str) -> tuple[bool, bool] | None:
        """Return whether ranges include one of their ends, and whether that is proven.

        None if it is not known.
        """
        lacking = []
        for stop_older in (False, True):
            if self.order_works(stop_older=stop_older):
                for each, which, has in self.ends(stop_older=stop_older):
                    if which == end and has:
                        return True, True
                    lacking += [each] if which == end else []
        if not lacking:
            return None
        # The largest number of rows of all may be a limit that cuts the other end off.
        proven = any(not self.may_be_cut(each) for each in lacking)
        return (False, proven) if proven or all(each.is_even for each in lacking) else None

    # Row limits

    def may_be_cut(self, each: Seen) -> bool:
        """Return whether a limit may have cut a response off: none has more rows."""
        return each.rows >= max(one.rows for one in self.seen)

    def cut(self) -> int:
        """Return a number of rows that is certainly a limit, 0 if there is none.

        A range had so many rows, none has more, and it lacks a part of the rows of one of its days
        that was requested before it.
        """
        if self.limits:
            return min(self.limits)
        for at, each in enumerate(self.seen):
            if each.span < 2 or not each.rows or _reaches(each):  # noqa: PLR2004 - days
                continue
            if any(one.rows > each.rows for one in self.of(each.command.name)):
                continue
            numbers = each.start, each.stop
            for one in self.seen[:at]:
                same = one.command == each.command and one.span == 1 and one.start in numbers
                if same and one.keys & each.keys and one.keys - each.keys:
                    return each.rows
        return 0

    def alike(self) -> int:
        """Return a number of rows that several responses have and none exceeds, 0 without one."""
        most = max((each.rows for each in self.seen), default=0)
        same = [each for each in self.seen if each.rows == most and each.span]
        # Rows of so many accounts or hosts in so many hours are natural.
        full = [each for each in same if not each.is_even]
        if len(full) < _TIMES or len({(each.start, each.stop) for each in full}) == 1:
            return 0
        shared = len({each.command.name for each in same}) > 1 and most >= _LEAST_SHARED
        return most if shared or most >= _LEAST_LIMIT else 0


def offsets_of(zone: ZoneInfo, seen: list[Seen]) -> str:
    """Return the UTC offsets of a zone on the days of responses, as a report names them."""
    days = {day.first for each in seen for day in each.days(zone).days}
    found = sorted({f"{datetime.combine(day, time(12), zone):%z}" for day in days})
    return ", ".join(f"{each[:3]}:{each[3:]}" for each in found)


def _reaches(each: Seen) -> bool:
    return each.command.reaches_back
