"""Pure: all observations of an examination, and what they show about days and ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from tap_cobrowser.audit import is_suspicious
from tap_cobrowser.errors import (
    BrokenAnswerError,
    CellError,
    CredentialsError,
    MissingColumnError,
    NotCsvError,
    RefusedError,
    TapCobrowserError,
)

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
_FEW_HOURS = 5
_USUAL = (
    *("UTC", "Europe/Amsterdam", "Europe/London", "Europe/Athens", "Europe/Istanbul"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Africa/Lagos"),
)
_REASONS: dict[type[TapCobrowserError], str] = {
    BrokenAnswerError: "the response is incomplete, or an HTML page",
    CellError: "a cell does not fit",
    CredentialsError: "the request is rejected",
    MissingColumnError: "the header lacks a column of the key, or has it twice",
    NotCsvError: "the response is not CSV",
    RefusedError: "the request is rejected",
}


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
    _zones: dict[int, tzinfo | None] = field(default_factory=dict, repr=False)

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

    @property
    def is_without_offset(self) -> bool:
        """Whether date-times are taken for those of `timezone`, as they have no offset."""
        return any(each.written and each.written.is_without_offset for each in self.recent)

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

    def likely_zone(self, seen: list[Seen]) -> ZoneInfo | None:
        """Return a zone whose days all rows fit."""
        zones = map(ZoneInfo, (*_USUAL, *sorted(available_timezones())))
        return next((zone for zone in zones if all(each.fits(zone) for each in seen)), None)

    @property
    def zone(self) -> tzinfo | None:
        """The zone of the server's days, if known; None if rows fit the days of no zone."""
        known = len(self.seen)
        if known not in self._zones:
            recent = self.recent
            # After a recent clock change, no single offset fits.
            self._zones[known] = (
                self.settings.timezone
                if self.own_zone_fits(recent)
                else next(iter(self.offsets(recent)), None) or self.likely_zone(recent)
            )
        return self._zones[known]

    # Ranges

    def rejects(self, each: Seen) -> bool:
        """Return whether the server rejected a range of days as such."""
        if each.refused:
            return True
        return isinstance(each.error, NotCsvError) and any(
            one.error is None for one in self.of(each.command) if one.is_single
        )

    def tap_range_rejected(self) -> Seen | None:
        """Return a rejected range of two days as the tap sends it, if none of them is accepted."""
        sent = [
            each
            for each in self.seen
            if each.start is not None and each.stop is not None and each.start - each.stop == 1
        ]
        if any(each.error is None for each in sent):
            return None
        return next((each for each in sent if self.rejects(each)), None)

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
            if each.error is not None and not self.rejects(each):
                continue  # whether that was the fault of the range does not show
            first, last = each.days(zone)
            for role, day in (("first", first), ("last", last)):
                # A state may reach into a range that lacks the day on which it began.
                if (each.command, day) in known and not (each.reaches_back and role == "first"):
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
        sure = not all(map(self.may_be_limit, lacking))
        return (False, sure) if sure or all(map(self._is_natural, lacking)) else None

    def lacks_an_end(self) -> bool:
        """Return whether ranges certainly lack their first or their last day."""
        return (False, True) in {self.end_included("first"), self.end_included("last")}

    # Row limits

    def may_be_limit(self, each: Seen) -> bool:
        """Return whether a limit may have cut off a response: none has more rows.

        A round number may be the limit of a command alone.
        """
        others = self.of(each.command) if is_suspicious(each.rows) else self.seen
        return each.rows >= max(one.rows for one in others)

    def _is_hourly(self, each: Seen) -> bool:
        return self.commands[each.command].subject.dated == "hourBegin_time"

    def _is_natural(self, each: Seen) -> bool:
        """Return whether rows are those of so many accounts or hosts in so many hours."""
        hours = len(each.quarters)
        return self._is_hourly(each) and hours >= _FEW_HOURS and each.rows % hours == 0

    def alike(self) -> list[Seen]:
        """Return responses with the same number of rows, which may be a limit."""
        full = [
            each
            for each in self.seen
            if each.start is not None and each.rows and self.may_be_limit(each)
        ]
        most = max((each.rows for each in full), default=0)
        full = [each for each in full if each.rows == most]
        hourly = [each for each in full if self._is_hourly(each)]
        if all(map(self._is_natural, hourly)):
            full = [each for each in full if each not in hourly]
        return [each for each in full if not (each.is_range and self.lacks_an_end())]

    def cut(self) -> tuple[Seen, bool] | None:
        """Return a response to two days that has fewer rows than these days have alone.

        Returns:
            The response, and whether a limit is proven: a range may lack a whole day without one.
        """
        zone = self.zone
        if zone is None or self.lacks_an_end():
            return None
        doubtful: Seen | None = None
        for each in self.seen:
            days = each.days(zone) if each.is_range and each.rows else []
            # No response has more rows than a limit.
            if len(days) != 2 or not self.may_be_limit(each):  # noqa: PLR2004 - days
                continue
            alone, together = self._alone(each), [each.rows_of(day, zone) for day in days]
            if sum(alone) <= sum(together):
                continue
            if all(together):
                return each, True
            if all(rows == each.rows for rows in alone) and not self._is_natural(each):
                doubtful = each
        return (doubtful, False) if doubtful else None

    def _alone(self, pair: Seen) -> list[int]:
        """Return the numbers of rows of a range's days alone; empty if they are not known."""
        zone = self.zone
        days = pair.days(zone) if zone else []
        alone = [self.single(pair.command, day) for day in days]
        found = [
            one.rows_of(day, zone) for one, day in zip(alone, days, strict=True) if zone and one
        ]
        return found if len(found) == len(days) else []

    def has_whole(self, rows: int) -> bool:
        """Return whether two days with so many rows have no more when they are requested alone."""
        zone = self.zone
        return any(
            max(alone) < rows and alone == [each.rows_of(day, zone) for day in each.days(zone)]
            for each in self.seen
            if zone and each.is_range and each.rows == rows and (alone := self._alone(each))
        )

    def single(self, command: str, day: date) -> Seen | None:
        """Return the response to one day of a command."""
        zone = self.zone
        for each in self.of(command):
            if zone and each.is_single and each.error is None and each.days(zone) == [day]:
                return each
        return None


def failing(case: Case) -> dict[str, str]:
    """Return the commands that the tap cannot extract, and why, without a word of a response.

    Commands for CCC agents count only if they are wanted.
    """
    ranges_rejected = case.tap_range_rejected() is not None
    found: dict[str, str] = {}
    for each in case.seen:
        reason = next((_REASONS[kind] for kind in _REASONS if isinstance(each.error, kind)), "")
        unwanted = case.commands[each.command].ccc_only and not case.settings.ccc_agent
        if not reason or unwanted or each.probed:
            continue
        if each.is_range and ranges_rejected and case.rejects(each):
            continue  # the same for all commands
        if isinstance(each.error, CellError):
            reason = f"{reason} ({each.error.where})"
        elif each.status >= HTTPStatus.MULTIPLE_CHOICES:
            reason = f"{reason} (status {each.status})"
        found[each.command] = reason
    return found


def _offset_on(day: date, zone: tzinfo) -> timedelta | None:
    return datetime.combine(day, time(12), zone).utcoffset()
