"""Digests of days, compared with those of an earlier report: do completed days still change?"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cobrowser.audit import days_of
from tap_cobrowser.doctor.finding import LIKELY, PROVEN, UNKNOWN, Finding, rounded
from tap_cobrowser.doctor.seen import as_letters, digest_of, digests
from tap_cobrowser.errors import InputFileError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import parse_json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap_cobrowser.audit import Response, Subject
    from tap_cobrowser.settings import Settings

_QUESTION = "Do rows of completed days still change?"
_WEEK = 7
_SHORT = 4
_CALENDAR = range(2000, 9000)


@dataclass
class Days:
    """Digests of completed days, by stream and day.

    Attributes:
        salt: The key of the digests.
        zone: IANA name of the zone of the days.
        today: The server's day when they were made.
        streams: Number of rows and digest of each day.
        user: What is enough of a digest to tell another user, and too little to find this one.
    """

    salt: str
    zone: str
    today: date
    streams: dict[str, dict[date, tuple[int, str]]] = field(default_factory=dict)
    user: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return them as in a report; numbers of rows are rounded."""
        return {
            "salt": self.salt,
            "timezone": self.zone,
            "today": self.today.isoformat(),
            "user": self.user,
            "streams": {
                name: {
                    day.isoformat(): {"count": rounded(count), "digest": digest}
                    for day, (count, digest) in sorted(days.items())
                }
                for name, days in self.streams.items()
            },
        }


def _new_salt() -> str:
    return as_letters(secrets.token_hex(16))


class Ledger:
    """Keeps digests of the completed days that are read, and those of an earlier report."""

    def __init__(self, zone: ZoneInfo, user: str, earlier: Days | None) -> None:
        """Start without digests.

        Args:
            zone: The zone of the days.
            user: The user.
            earlier: Digests from an earlier report.
        """
        self.days: Days | None = None
        self.compared: Days | None = None
        self._zone, self._user = zone, user
        self._earlier = earlier
        self._alone: set[tuple[str, date]] = set()

    def keep(self, subject: Subject, response: Response, today: date) -> None:
        """Keep digests of the completed days of a response.

        Args:
            subject: The command.
            response: The response; its window has its days.
            today: The server's day.
        """
        window = response.window
        if window is None:
            return
        if self.days is None:
            self.days = self._without_days(_new_salt(), today)
        if self._earlier and self.compared is None:
            self.compared = self._without_days(self._earlier.salt, today)
        days = [each.first for each in days_of(window) if each.first < response.today]
        alone = window.first == window.last
        for kept in filter(None, (self.days, self.compared)):
            own = kept.streams.setdefault(subject.name, {})
            for day, count, digest in digests(subject, response.table, days, self._zone, kept.salt):
                if alone or (subject.name, day) not in self._alone:
                    own[day] = count, digest
        if alone:
            self._alone |= {(subject.name, day) for day in days}

    def _without_days(self, salt: str, today: date) -> Days:
        return Days(salt, self._zone.key, today, user=digest_of(salt, [self._user])[:_SHORT])

    def settle(self, *, days_fit: bool, ranges_work: bool) -> None:
        """Drop the days that were not read completely.

        Args:
            days_fit: Whether the server's days are those of the zone.
            ranges_work: Whether a response to several days has all their rows.
        """
        for kept in filter(None, (self.days, self.compared)):
            for name, own in list(kept.streams.items()):
                whole = {
                    day: found
                    for day, found in own.items()
                    if days_fit and (ranges_work or (name, day) in self._alone)
                }
                kept.streams[name] = whole
                if not whole:
                    del kept.streams[name]


def read_report(path: str) -> Days:
    """Return the digests in a report.

    Raises:
        InputFileError: If it is not a report.
    """
    reason = "it is not a report of tap-cobrowser-doctor in JSON"
    try:
        report = parse_json(Path(path).read_bytes())
        if report["version"] == 1:
            days = report["days"]
            return Days(
                str(days["salt"]),
                str(days["timezone"]),
                _day(days["today"]),
                {
                    str(name): {
                        _day(day): (int(each["count"]), str(each["digest"]))
                        for day, each in of_stream.items()
                    }
                    for name, of_stream in days["streams"].items()
                },
                str(days.get("user", "")),
            )
    except OSError as error:
        reason = error.strerror or "there is no such file"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        pass
    msg = f"The earlier report ({quote(path)}) cannot be read: {reason}"
    raise InputFileError(msg, advice="Give a report that was made with `--format json`.")


def _day(text: str) -> date:
    found = date.fromisoformat(text)
    if found.year not in _CALENDAR:
        raise ValueError
    return found


def _why_not_compared(earlier: Days, now: Days | None) -> str:
    if now is None:
        return ""
    if earlier.user and now.user != earlier.user:
        return "The earlier report was made for another `user`."
    if now.zone != earlier.zone:
        return "The earlier report was made with another `timezone`."
    return "The earlier report is of a later day." if now.today < earlier.today else ""


def late(settings: Settings, earlier: Days | None, now: Days | None) -> Finding:
    """Return whether rows of completed days have changed since an earlier report.

    Args:
        settings: The settings of the tap.
        earlier: Digests from the earlier report, if there is one.
        now: Digests of the same days, with the same salt; None if they were not read.
    """
    if earlier is None:
        advice = (
            "To find out, keep this report in JSON, and pass it with `--against` in a few days."
        )
        return Finding("late", _QUESTION, "not_compared", advice, UNKNOWN)
    both = [
        (name, day, before[1] != now.streams[name][day][1])
        for name, days in earlier.streams.items()
        for day, before in days.items()
        if now and day in now.streams.get(name, {}) and (before[0] or now.streams[name][day][0])
    ]
    reason = _why_not_compared(earlier, now)
    if now is None or reason or not both:
        evidence = reason or "No day of the earlier report that has rows could be compared."
        return Finding("late", _QUESTION, "not_compared", evidence, UNKNOWN)
    passed = (now.today - earlier.today).days
    changed = [(name, day) for name, day, differs in both if differs]
    spoken = f"{len(both)} days of streams were compared, {passed} days after the earlier report"
    if not changed:
        sure = LIKELY if passed else UNKNOWN
        return Finding("late", _QUESTION, "no", f"{spoken}; none has changed.", sure)
    least = max((earlier.today - day).days for _, day in changed)
    most = least + min(passed, _WEEK)
    names = ", ".join(sorted({name for name, _ in changed}))
    evidence = (
        f"{spoken}; {len(changed)} have changed ({names}), the last one between {least} and "
        f"{least + passed} days later."
    )
    if (oldest := min(day for _, day, _ in both)) in {day for _, day in changed}:
        age = (earlier.today - oldest).days
        evidence += f" The oldest compared day was {age} days old; older ones may change, too."
    if settings.lookback_days >= most:
        return Finding("late", _QUESTION, "yes", evidence, PROVEN)
    advice = f"Set `lookback_days` to {most}; otherwise late changes are not extracted."
    wanted = {"lookback_days": most}
    loses = settings.lookback_days < least
    return Finding("late", _QUESTION, "yes", evidence, PROVEN, advice, wanted, loses=loses)
