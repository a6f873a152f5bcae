"""Digests of days, and those of an earlier report: do rows of completed days still change?

In a report they are an object: `salt` (the key of the digests), `timezone`, `today`, `user` (enough
of a digest to tell another user), and `streams`: by stream and day a digest, "" without rows.
"""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cobrowser.errors import InputFileError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from tap_cobrowser.doctor.case import Case
    from tap_cobrowser.models import Command, Response

# Letters that form neither a word nor a number, so that no name or id appears by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LENGTH, _SHORT = 16, 4
_CALENDAR = range(2000, 9000)


def new_salt() -> str:
    """Return a new key of digests."""
    return secrets.token_hex(16).translate(_LETTERS)


def digests(command: Command, response: Response, zone: ZoneInfo, salt: str) -> dict[str, str]:
    """Return a digest of each completed day of a response."""
    rows: defaultdict[date, list[str]] = defaultdict(list)
    if response.window:
        moments = response.table.moments(command)
        for moment, row in zip(moments, zip(*response.table.columns, strict=True), strict=True):
            rows[datetime.fromisoformat(moment).astimezone(zone).date()].append(repr(row))
    days = [day.first for day in response.window.days] if response.window else []
    return {
        day.isoformat(): _digest(salt, rows[day]) if rows[day] else ""
        for day in days
        if day < response.today
    }


def _digest(salt: str, texts: Iterable[str]) -> str:
    """Return a digest of texts in any order."""
    found = hmac.new(salt.encode("utf-8", "surrogatepass"), digestmod="sha256")
    for text in sorted(texts):
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()[:_LENGTH].translate(_LETTERS)


def days_of(case: Case, salt: str) -> dict[str, Any] | None:
    """Return the digests of all days that were read whole; None if they cannot be trusted."""
    if case.start.today is None or not case.own_zone_fits() or case.ignored():
        return None
    streams: defaultdict[str, dict[str, str]] = defaultdict(dict)
    # Of two responses that have a day, the one to that day alone is the last word.
    for each in sorted(case.seen, key=lambda each: -each.span):
        if each.window and each.span <= case.width:
            streams[each.command.name].update(each.digests[salt])
    return {
        "salt": salt,
        "timezone": case.settings.timezone.key,
        "today": case.start.today.isoformat(),
        "user": _digest(salt, [case.settings.user])[:_SHORT],
        "streams": streams,
    }


def why_not(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """Return why the days of an earlier report cannot be compared, "" if they can."""
    for name in ("user", "timezone"):
        if now[name] != earlier[name]:
            return f"The earlier report is of another `{name}`."
    if now["today"] == earlier["today"]:
        return "The earlier report is of today, which is too early: compare in some days."
    return "The earlier report is of a later day." if now["today"] < earlier["today"] else ""


def read_report(path: str) -> dict[str, Any]:
    """Return the digests in a report.

    Raises:
        InputFileError: If it is not a report.
    """
    reason = "it is not a report of tap-cobrowser-doctor in JSON, with digests of days"
    try:
        days = parse_json(Path(path).read_bytes())["days"]
        found = {name: str(days[name]) for name in ("salt", "timezone", "today", "user")}
        streams = {str(name): {**of_stream} for name, of_stream in days["streams"].items()}
        every = [found["today"], *(day for of_stream in streams.values() for day in of_stream)]
        if all(date.fromisoformat(day).year in _CALENDAR for day in every):
            return {**found, "streams": streams}
    except OSError as error:
        reason = error.strerror or "there is no such file"
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    msg = f"The earlier report ({quote(path)}) cannot be read: {reason}"
    raise InputFileError(msg, advice="Give a report that was made with `--format json`.")
