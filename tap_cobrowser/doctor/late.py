"""Digests of days, compared with those of an earlier report: do completed days still change?"""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cobrowser.errors import InputFileError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import parse_json

if TYPE_CHECKING:
    from tap_cobrowser.doctor.case import Case

# Letters that form neither a word nor a number, so that no name or id appears by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LENGTH, _SHORT = 16, 4
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


def days_of(case: Case, salt: str = "") -> Days | None:
    """Return digests of the completed days that were read whole; None if none was read.

    Args:
        case: What was seen.
        salt: The key of the digests; by default a new one.
    """
    zone = case.settings.timezone
    if case.start.today is None or not case.own_zone_fits(case.recent) or case.ignored():
        return None
    salt = salt or secrets.token_hex(16).translate(_LETTERS)
    user = _digest(salt, [case.settings.user])[:_SHORT]
    found = Days(salt, zone.key, case.start.today, user)
    # Of two responses that have a day, the one to that day alone is the last word.
    for each in sorted(case.seen, key=lambda each: -each.span):
        response = each.response
        if response is None or response.window is None or each.span > (2 if case.ranges_work else 1):
            continue
        rows: defaultdict[date, list[str]] = defaultdict(list)
        moments = response.table.moments(each.command)
        for moment, row in zip(moments, zip(*response.table.columns, strict=True), strict=True):
            rows[datetime.fromisoformat(moment).astimezone(zone).date()].append(repr(row))
        of_stream = found.streams.setdefault(each.command.name, {})
        for day in (day.first for day in response.window.days if day.first < response.today):
            of_stream[day] = _digest(salt, rows[day]) if rows[day] else ""
    return found


def _digest(salt: str, texts: list[str]) -> str:
    """Return a digest of texts in any order."""
    found = hmac.new(salt.encode("utf-8", "surrogatepass"), digestmod="sha256")
    for text in sorted(texts):
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()[:_LENGTH].translate(_LETTERS)


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
    if earlier.user != _digest(earlier.salt, [case.settings.user])[:_SHORT]:
        return "The earlier report is of another `user`."
    if earlier.zone != case.settings.timezone.key:
        return "The earlier report is of another `timezone`."
    if today and earlier.today == today:
        return "The earlier report is of today, which is too early: compare again in some days."
    return "The earlier report is of a later day." if today and earlier.today > today else ""
