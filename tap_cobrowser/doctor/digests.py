"""Digests of days: they show whether rows have changed, and nothing else."""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from zoneinfo import ZoneInfo

    from tap_cobrowser.models import Command, Response

# Letters that form neither a word nor a number, so that no name or id appears by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LENGTH = 16


def new_salt() -> str:
    """Return a new key of digests."""
    return secrets.token_hex(16).translate(_LETTERS)


def digests(command: Command, response: Response, zone: ZoneInfo, salt: str) -> dict[date, str]:
    """Return a digest of each completed day of a response, "" for a day without rows."""
    if not response.window:
        return {}
    rows: defaultdict[date, list[str]] = defaultdict(list)
    table = response.table
    for moment, row in zip(table.moments(command), zip(*table.columns, strict=True), strict=True):
        rows[datetime.fromisoformat(moment).astimezone(zone).date()].append(repr(row))
    days = [day.first for day in response.window.days if day.first < response.today]
    return {day: digest(salt, rows[day]) if rows[day] else "" for day in days}


def digest(salt: str, texts: Iterable[str]) -> str:
    """Return a digest of texts in any order."""
    found = hmac.new(salt.encode("utf-8", "surrogatepass"), digestmod="sha256")
    for text in sorted(texts):
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()[:_LENGTH].translate(_LETTERS)
