"""Worlds for the sandbox whose rows a test lists or counts, and an API client that asks it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, cast

from sandbox import Sandbox, World
from sandbox.page import COMMANDS
from tap_cobrowser.days import ONE_DAY, midnight
from tests.expected import AMSTERDAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from tests.made_up import MadeUp


@dataclass(frozen=True)
class FewRows:
    """A few rows a day for every command, at the day's very edges too, some of which are late.

    A row of a day that is late shows only up to so many days after it; about every third day is
    silent.
    """

    zone: ZoneInfo = AMSTERDAM
    late: int = 0
    seed: int = 1

    def of_day(self, day: date) -> Iterator[tuple[datetime, str, datetime]]:
        """Yield the rows of a day: from when on each is there, its id and its date-time."""
        chance = Random(f"{self.seed} {day}")
        if chance.random() < 0.3:
            return
        begin, end = midnight(day, self.zone), midnight(day + ONE_DAY, self.zone)
        seconds = int((end - begin).total_seconds())
        for number, second in enumerate({0, seconds // 2, seconds - 1}):
            at = begin + timedelta(seconds=second)
            there = at + timedelta(days=chance.randrange(self.late + 1))
            if there > at:
                there = min(there, midnight(day + (self.late + 1) * ONE_DAY, self.zone))
            yield there, f"{day}/{number}", at.astimezone(self.zone)

    def rows(
        self, command: str, first: date, last: date, now: datetime
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a range as the sandbox serves them."""
        day = first
        while day <= last:
            for there, name, at in self.of_day(day):
                if there <= now:
                    yield row_of(command, name, at)
            day += ONE_DAY

    def ids(self, first: date, last: date, now: datetime) -> set[str]:
        """Return the ids of the rows of a range that are there."""
        days = (first + number * ONE_DAY for number in range((last - first).days + 1))
        return {name for day in days for there, name, _ in self.of_day(day) if there <= now}


@dataclass(frozen=True)
class Counted:
    """As many rows a day as a function says, spread over the day."""

    per_day: Callable[[str, date], int]
    zone: ZoneInfo = AMSTERDAM
    seed: int = 1

    def rows(
        self, command: str, first: date, last: date, now: datetime
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a range as the sandbox serves them."""
        if not COMMANDS[command].ranged:  # as many rows as today will have
            first = last = now.astimezone(self.zone).date()
            now += ONE_DAY
        day = first
        while day <= last:
            count, begin = self.per_day(command, day), midnight(day, self.zone)
            for number in range(count):
                at = begin + number * timedelta(hours=22) / count
                if at <= now:
                    yield row_of(command, f"{day}/{number}", at.astimezone(self.zone))
            day += ONE_DAY


def row_of(command: str, name: str, at: datetime) -> tuple[Any, ...]:
    """Return a row of a command: its key made of a name, its date-time, and nothing else."""
    known = COMMANDS[command]
    return tuple(
        at if column == known.day else name if column in known.key else None
        for column in known.columns
    )


@contextmanager
def serve(world: FewRows | Counted | World, time: MadeUp, **more: Any) -> Iterator[Sandbox]:
    """Serve a world in made-up time."""
    with Sandbox(cast("World", world), clock=time.server, **more) as sandbox:
        sandbox.before_rows = time.step
        yield sandbox


def config_for(sandbox: Sandbox, zone: ZoneInfo = AMSTERDAM, **more: Any) -> dict[str, Any]:
    """Return settings for a sandbox."""
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "timezone": zone.key,
        **more,
    }
