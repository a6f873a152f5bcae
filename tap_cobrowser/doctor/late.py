"""The digests of days in a report, and those of an earlier one to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.digests import digest
from tap_cobrowser.errors import InputFileError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import parse_json

if TYPE_CHECKING:
    from tap_cobrowser.doctor.case import Case

_SHORT = 4
_CALENDAR = range(2000, 9000)


@dataclass
class Days:
    """Digests of completed days, by stream and day; "" for a day without rows.

    Attributes:
        salt: The key of the digests.
        zone: IANA name of the zone of the days.
        today: The server's day when they were made.
        user: What is enough of a digest to tell another user, and too little to find this one.
        streams: The digests.
    """

    salt: str
    zone: str
    today: date
    user: str
    streams: dict[str, dict[date, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return them as in a report."""
        return {
            "salt": self.salt,
            "timezone": self.zone,
            "today": self.today.isoformat(),
            "user": self.user,
            "streams": {
                name: {day.isoformat(): digest for day, digest in sorted(days.items())}
                for name, days in self.streams.items()
            },
        }


def days_of(case: Case, salt: str) -> Days | None:
    """Return digests of the completed days that were read whole; None if none was read.

    Args:
        case: What was seen.
        salt: The key of the digests.
    """
    if case.start.today is None or not case.own_zone_fits(case.recent) or case.ignored():
        return None
    user = digest(salt, [case.settings.user])[:_SHORT]
    found = Days(salt, case.settings.timezone.key, case.start.today, user)
    # Of two responses that have a day, the one to that day alone is the last word.
    for each in sorted(case.seen, key=lambda each: -each.span):
        if each.window and each.span <= (2 if case.ranges_work else 1):
            found.streams.setdefault(each.command.name, {}).update(each.digests[salt])
    return found


def read_report(path: str) -> Days:
    """Return the digests in a report.

    Raises:
        InputFileError: If it is not a report.
    """
    reason = "it is not a report of tap-cobrowser-doctor in JSON, with digests of days"
    try:
        report = parse_json(Path(path).read_bytes())
        if report["version"] == 1:
            days = report["days"]
            streams = {
                str(name): {_day(day): str(digest) for day, digest in of_stream.items()}
                for name, of_stream in days["streams"].items()
            }
            texts = str(days["salt"]), str(days["timezone"])
            return Days(*texts, _day(days["today"]), str(days["user"]), streams)
    except OSError as error:
        reason = error.strerror or "there is no such file"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        pass
    msg = f"The earlier report ({quote(path)}) cannot be read: {reason}"
    raise InputFileError(msg, advice="Give a report that was made with `--format json`.")


def _day(text: str) -> date:
    found = date.fromisoformat(text)
    if found.year not in _CALENDAR:
        raise ValueError
    return found


def why_not_compared(case: Case, earlier: Days) -> str:
    """Return why an earlier report cannot be compared with, "" if it can."""
    today = case.start.today
    if earlier.user != digest(earlier.salt, [case.settings.user])[:_SHORT]:
        return "The earlier report is of another `user`."
    if earlier.zone != case.settings.timezone.key:
        return "The earlier report is of another `timezone`."
    if today and earlier.today == today:
        return "The earlier report is of today, which is too early: compare again in some days."
    return "The earlier report is of a later day." if today and earlier.today > today else ""
