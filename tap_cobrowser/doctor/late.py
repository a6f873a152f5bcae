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
    from tap_cobrowser.doctor.examination import Examination

# Letters that form neither a word nor a number, so that no name or id appears by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LENGTH, _SHORT = 16, 4
_CALENDAR = range(2000, 9000)


def _digest(salt: str, texts: list[str]) -> str:
    """Return a digest of texts in any order."""
    found = hmac.new(salt.encode("utf-8", "surrogatepass"), digestmod="sha256")
    for text in sorted(texts):
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()[:_LENGTH].translate(_LETTERS)


def days_of(made: Examination, salt: str = "") -> dict[str, Any]:
    """Return digests, with a salt or a new one, of all completed days that were read."""
    zone, salt = made.settings.timezone, salt or secrets.token_hex(16).translate(_LETTERS)
    streams: defaultdict[str, dict[str, str]] = defaultdict(dict)
    # Of two responses that have a day, the one to that day alone is the last word.
    for each in sorted(made.seen, key=lambda each: -each.span):
        if not each.response or not each.response.window or each.span > made.width:
            continue
        rows: defaultdict[date, list[str]] = defaultdict(list)
        for moment, row in zip(each.moments, zip(*each.table.columns, strict=True), strict=True):
            rows[datetime.fromisoformat(moment).astimezone(zone).date()].append(repr(row))
        for day in (window.first for window in each.response.window.days):
            if day < each.response.today:
                found = _digest(salt, rows[day]) if rows[day] else ""
                streams[each.command.name][day.isoformat()] = found
    user = _digest(salt, [made.settings.user])[:_SHORT]
    days = {"timezone": zone.key, "today": str(made.start.today), "user": user}
    return {"salt": salt, **days, "streams": dict(streams)}


def why_not(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """Return why the days of an earlier report cannot be compared, "" if they can."""
    for name in ("user", "timezone"):
        if now[name] != earlier[name]:
            return f"The earlier report is of another `{name}`."
    if now["today"] == earlier["today"]:
        return "The earlier report is of today, which is too early: compare in some days."
    return "The earlier report is of a later day." if now["today"] < earlier["today"] else ""


def read_report(path: str) -> dict[str, Any]:
    """Return the digests in a report; an InputFileError, if it is not a report."""
    reason = "it is not a report of tap-cobrowser-doctor in JSON, with digests of days"
    try:
        days = parse_json(Path(path).read_bytes())["days"]
        found = {name: str(days[name]) for name in ("salt", "timezone", "today", "user")}
        streams = {str(name): {**of_stream} for name, of_stream in days["streams"].items()}
        items = [item for of_stream in streams.values() for item in of_stream.items()]
        is_text = all(isinstance(digest, str) for _, digest in items)  # not in earlier versions
        years = {date.fromisoformat(day).year for day in (found["today"], *dict(items))}
        if is_text and years <= {*_CALENDAR}:
            return {**found, "streams": streams}
    except OSError as error:
        reason = error.strerror or "there is no such file"
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    msg = f"The earlier report ({quote(path)}) cannot be read: {reason}"
    raise InputFileError(msg, advice="Give a report that was made with `--format json`.")
