"""Pure: all observations of an examination, and what they show about days and ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, tzinfo

    from tap_cobrowser.api import Command
    from tap_cobrowser.doctor.seen import Seen
    from tap_cobrowser.settings import Settings

SEASON = 40
"""A day at least this many days ago was requested to see another part of the year."""

# All UTC offsets in use today, in minutes.
_OFFSETS = [
    *range(-720, 841, 60),
    *(-570, -210, 210, 270, 330, 345, 390, 525, 570, 630, 765),
]
_USUAL = (
    *("UTC", "Europe/Amsterdam", "Europe/London", "Europe/Athens", "Europe/Istanbul"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Africa/Lagos"),
)


@dataclass
class Case:
    """All observations of a server.

    Attributes:
        settings: The settings of the tap.
        commands: The commands of the API, by name.
        seen: The responses, in their order.
        requests: How many requests were made.
        stopped: Why the examination ended early; empty if it did not.
        refused: Whether user and key were rejected.
        has_date: Whether responses have a `Date`; None if there was no response.
        clock: Minimum and maximum of the seconds by which this machine's clock is ahead of the
            server's.
        stale: What shows that responses are stale; empty if nothing does.
        seconds: Seconds per request, by the number of concurrent requests.
        busy_at: Number of concurrent requests that the server did not accept.
    """

    settings: Settings
    commands: Mapping[str, Command]
    seen: list[Seen] = field(default_factory=list)
    requests: int = 0
    stopped: str = ""
    refused: bool = False
    has_date: bool | None = None
    clock: tuple[float, float] = (0.0, 0.0)
    stale: str = ""
    seconds: dict[int, float] = field(default_factory=dict)
    busy_at: int = 0

    def of(self, command: str) -> list[Seen]:
        """Return the responses to a command."""
        return [each for each in self.seen if each.command == command]

    # Days

    @property
    def dated(self) -> list[Seen]:
        """The responses whose rows must all belong to the days that were requested."""
        return [
            each
            for each in self.seen
            if each.start is not None and each.rows and not each.reaches_back
        ]

    @property
    def recent(self) -> list[Seen]:
        """The dated responses of the last days."""
        return [each for each in self.dated if (each.start or 0) < SEASON]

    @property
    def recent_days(self) -> list[Seen]:
        """The dated responses to single days of the last days."""
        return [each for each in self.recent if each.is_single]

    def own_zone_fits(self, seen: list[Seen]) -> bool:
        """Return whether all rows fit the days of `timezone`."""
        return all(each.fits(self.settings.timezone) for each in seen)

    def offsets(self, seen: list[Seen]) -> list[timezone]:
        """Return the UTC offsets, other than those of `timezone`, whose days all rows fit."""
        own: set[timedelta | None] = set()
        if self.own_zone_fits(seen):
            zone = self.settings.timezone
            own = {_offset_on(day, zone) for each in seen for day in each.days(zone)}
        zones = [timezone(timedelta(minutes=minutes)) for minutes in sorted(_OFFSETS)]
        return [
            zone
            for zone in zones
            if zone.utcoffset(None) not in own and all(each.fits(zone) for each in seen)
        ]

    def likely_zone(self) -> str | None:
        """Return the name of a zone whose days all rows fit."""
        for name in (*_USUAL, *sorted(available_timezones())):
            zone = ZoneInfo(name)
            if all(each.fits(zone) for each in self.dated):
                return name
        return None

    @property
    def zone(self) -> tzinfo | None:
        """The zone of the server's days, if known; None if rows fit the days of no zone."""
        recent = self.recent
        if self.own_zone_fits(recent):
            return self.settings.timezone
        return next(iter(self.offsets(recent)), None)

    # Ranges

    def ignored(self) -> tuple[Seen, Seen] | None:
        """Return two responses to different days that have rows of the same days."""
        own = self.settings.timezone
        alone = self.recent_days
        for one in alone:
            for other in alone:
                if (
                    other.command == one.command
                    and other.start != one.start
                    and not (one.fits(own) and other.fits(own))
                    and set(one.quarters) & set(other.quarters)
                ):
                    return one, other
        return None

    def known_days(self, zone: tzinfo) -> set[tuple[str, date]]:
        """Return commands and completed days, in a zone, that certainly have rows."""
        return {
            (each.command, day)
            for each in self.seen
            if each.rows
            for day in each.days(zone)
            if day < each.day(0, zone) and each.rows_of(day, zone)
        }

    def roles(self, *, stop_older: bool) -> Iterator[tuple[Seen, str, bool]]:
        """Yield what ranges of two days show.

        Args:
            stop_older: Which ranges: those with the larger number in `stop`, or in `start`.

        Yields:
            The response; `first` or `last` for a day with rows that is the older or the younger end
            of the range; and whether the response has that day.
        """
        zone = self.zone
        if zone is None:
            return
        known = self.known_days(zone)
        for each in self.seen:
            if not each.is_range or each.start is None or each.stop is None:
                continue
            if (each.stop > each.start) != stop_older or abs(each.start - each.stop) != 1:
                continue
            if each.error is not None and not each.refused:
                continue  # whether that was the fault of the range does not show
            first, last = each.days(zone)
            for role, day in (("first", first), ("last", last)):
                if (each.command, day) in known:
                    yield each, role, each.rows_of(day, zone) > 0

    def order_works(self, *, stop_older: bool) -> bool | None:
        """Return whether an order of the two ends returns rows; None if that is not known."""
        found = [(role, there) for _, role, there in self.roles(stop_older=stop_older)]
        if any(there for _, there in found):
            return True
        # A range may exclude one of its ends. Only without both does it have no rows.
        return False if {role for role, _ in found} == {"first", "last"} else None

    def end_included(self, role: str) -> tuple[bool, bool] | None:
        """Return whether ranges include one of their ends, and whether that is proven.

        Args:
            role: Which end: `first`, the older one, or `last`.

        Returns:
            None if that is not known.
        """
        lacking: list[Seen] = []
        for stop_older in (False, True):
            if not self.order_works(stop_older=stop_older):
                continue
            for each, of_role, there in self.roles(stop_older=stop_older):
                if of_role == role:
                    if there:
                        return True, True
                    lacking.append(each)
        if not lacking:
            return None
        # The largest number of rows of all may be a limit that cuts off the rest.
        most = max(each.rows for each in self.seen)
        return (False, True) if any(each.rows < most for each in lacking) else None

    # Row limits

    def cut(self) -> Seen | None:
        """Return a response to two days that has fewer rows than these days have alone."""
        zone = self.zone
        if zone is None or self.end_included("last") == (False, True):
            return None
        most = max((each.rows for each in self.seen), default=0)
        for each in self.seen:
            days = each.days(zone) if each.is_range and each.rows else []
            # No response has more rows than a limit.
            if len(days) != 2 or each.rows < most or each.reaches_back:  # noqa: PLR2004 - days
                continue
            alone = [self.single(each.command, day) for day in days]
            whole = [one.rows_of(day, zone) for one, day in zip(alone, days, strict=True) if one]
            if len(whole) == len(days) and sum(whole) > sum(
                each.rows_of(day, zone) for day in days
            ):
                return each
        return None

    def single(self, command: str, day: date) -> Seen | None:
        """Return the response to one day of a command."""
        zone = self.zone
        for each in self.of(command):
            if zone and each.is_single and each.error is None and each.days(zone) == [day]:
                return each
        return None


def _offset_on(day: date, zone: tzinfo) -> timedelta | None:
    return datetime.combine(day, time(12), zone).utcoffset()
