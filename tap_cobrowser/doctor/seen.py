"""What is kept of a response after it was read: counts, formats and times, never a cell."""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_cobrowser.audit import colliding_keys, moments_of
from tap_cobrowser.days import ONE_DAY
from tap_cobrowser.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from tap_cobrowser.api import Exchange
    from tap_cobrowser.audit import Subject
    from tap_cobrowser.doctor.writing import Written
    from tap_cobrowser.errors import TapCobrowserError

_QUARTER = 900
# Letters that form neither a word nor a number, so that no name or id appears by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LENGTH = 16
_REFUSALS = {*range(400, 500)} - {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Seen:
    """A response, or why there was none.

    Attributes:
        command: The command.
        start: As it was sent, in days ago; None for a command without a range.
        stop: The same.
        at: The server's time, as far as it is known.
        status: Status code; 0 if there was no HTTP response.
        media: Media type.
        error: Why the response could not be used.
        said: The server's text if it rejected the request, redacted and quoted.
        rows: Number of rows.
        blank: Whether there was not even a header.
        body: Number of bytes of the body, decompressed.
        seconds: Seconds until the response was complete.
        encoding: Content encoding.
        collisions: Number of keys with rows that differ.
        quarters: Number of rows in each quarter of an hour, by its number since 1970.
        written: The format of the response.
        reaches_back: Whether rows may begin before the days that were requested.
        probed: Whether the tap would not send such a request.
    """

    command: str
    start: int | None
    stop: int | None
    at: datetime
    status: int = 0
    media: str = ""
    error: TapCobrowserError | None = None
    said: str = ""
    rows: int = 0
    blank: bool = False
    body: int = 0
    seconds: float = 0.0
    encoding: str = ""
    collisions: int = 0
    quarters: Counter[int] = field(default_factory=Counter)
    written: Written | None = None
    reaches_back: bool = False
    probed: bool = False

    @property
    def refused(self) -> bool:
        """Whether the server rejected the request."""
        return bool(self.said) or self.status in _REFUSALS

    @property
    def is_range(self) -> bool:
        """Whether it is the response to several days."""
        return self.start != self.stop

    @property
    def is_single(self) -> bool:
        """Whether it is the response to one day."""
        return self.start is not None and self.start == self.stop

    def day(self, ago: int, zone: tzinfo) -> date:
        """Return the day that is a number of days ago for a server in a zone."""
        return self.at.astimezone(zone).date() - timedelta(days=ago)

    def days(self, zone: tzinfo) -> list[date]:
        """Return the days that were requested, oldest first."""
        if self.start is None or self.stop is None:
            return []
        most, least = max(self.start, self.stop), min(self.start, self.stop)
        return [self.day(ago, zone) for ago in range(most, least - 1, -1)]

    def rows_of(self, day: date, zone: tzinfo) -> int:
        """Return how many rows belong to a day of a zone."""
        low, high = quarter_of(day, zone), quarter_of(day + ONE_DAY, zone)
        return sum(rows for quarter, rows in self.quarters.items() if low <= quarter < high)

    def fits(self, zone: tzinfo) -> bool:
        """Return whether all rows belong to the requested days, if these are days of a zone."""
        days = self.days(zone)
        low, high = quarter_of(days[0], zone), quarter_of(days[-1] + ONE_DAY, zone)
        return all(low <= quarter < high for quarter in self.quarters)


@lru_cache(maxsize=1024)
def quarter_of(day: date, zone: tzinfo) -> int:
    """Return the number of the quarter of an hour with which a day begins."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(midnight.timestamp()) // _QUARTER


def quarters_of(subject: Subject, table: Table) -> Counter[int]:
    """Count the rows of a table by quarters of an hour."""
    moments = Counter(moments_of(subject, table))
    found: Counter[int] = Counter()
    for moment, rows in moments.items():
        found[int(datetime.fromisoformat(moment).timestamp()) // _QUARTER] += rows
    return found


def see(  # noqa: PLR0913 - what a response is made of
    subject: Subject,
    exchange: Exchange | None,
    at: datetime,
    table: Table | None,
    *,
    numbers: Mapping[str, int],
    error: TapCobrowserError | None = None,
    said: str = "",
    written: Written | None = None,
    probed: bool = False,
) -> Seen:
    """Return the observations of a response.

    Args:
        subject: The command.
        exchange: The request and its reply, if there was one.
        at: The server's time.
        table: The rows, if they could be read.
        numbers: `start` and `stop`, if they were sent.
        error: Why the rows could not be read.
        said: The server's text if it rejected the request.
        written: The format of the response.
        probed: Whether the tap would not send such a request.
    """
    reply = exchange.reply if exchange else None
    headers = reply.headers if reply else {}
    table = Table() if table is None else table
    collision = colliding_keys(table, subject.keys)
    return Seen(
        subject.name,
        numbers.get("start"),
        numbers.get("stop"),
        at.astimezone(timezone.utc),
        reply.status if reply else 0,
        headers.get("Content-Type", "").split(";")[0].strip(),
        error,
        said,
        len(table),
        table.blank or (reply is not None and reply.status == HTTPStatus.NO_CONTENT),
        len(reply.body) if reply else 0,
        exchange.seconds if exchange else 0.0,
        headers.get("Content-Encoding", ""),
        collision.keys if collision else 0,
        quarters_of(subject, table),
        written,
        subject.reaches_back,
        probed,
    )


def digests(
    subject: Subject, table: Table, days: list[date], zone: ZoneInfo, salt: str
) -> Iterator[tuple[date, int, str]]:
    """Yield days, their numbers of rows, and digests that do not depend on the order of rows.

    Args:
        subject: The command.
        table: A response.
        days: The days that it covers.
        zone: Their zone.
        salt: The key of the digests.
    """
    rows = list(zip(*table.columns, strict=True))
    moments = [datetime.fromisoformat(each) for each in moments_of(subject, table)]
    by_day: dict[date, list[str]] = {day: [] for day in days}
    for moment, row in zip(moments, rows, strict=True):
        own = by_day.get(moment.astimezone(zone).date())
        if own is not None:
            own.append(repr(row))
    for day, texts in by_day.items():
        yield day, len(texts), digest_of(salt, texts)


def digest_of(salt: str, texts: list[str]) -> str:
    """Return a digest of texts in any order."""
    found = hmac.new(salt.encode("utf-8", "surrogatepass"), digestmod="sha256")
    for text in sorted(texts):
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return as_letters(found.hexdigest()[:_LENGTH])


def as_letters(digits: str) -> str:
    """Write hexadecimal digits in letters."""
    return digits.translate(_LETTERS)
