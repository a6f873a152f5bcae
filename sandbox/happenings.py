"""The events at the companies of the sandbox: working hours, conversations, invitations.

Everything is a pure function of a seed, a day and the current time, computed for each request.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from datetime import timezone as fixed_zone
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, TypeVar

from sandbox.companies import (
    ACCOUNTS,
    AGENTS,
    FILTERS,
    GENERAL,
    HOSTS,
    POPULARITY,
    Account,
    Agent,
    Filter,
    Host,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

_Span = tuple[datetime, datetime]
_UTC = fixed_zone.utc
_ONE_DAY = timedelta(days=1)
_LONGEST_CHAT = 1800
# Share of a busy weekday's conversations that begin in each hour
_SHARES = [0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.6, 2, 6, 10, 11, 10, 8, 9, 10, 9, 7, 5, 4, 3.2, 2.4]
_SHARES += [1.2, 0.5, 0.3]
_WEEKDAYS = [1.0, 0.96, 0.92, 0.95, 0.88, 0.3, 0.18]
# ... and how busy each month is, compared with November
_MONTHS = [1.12, 1.05, 1.02, 1.0, 0.95, 0.88, 0.74, 0.78, 0.93, 0.98, 1.0, 1.15]
_SATURDAY = 5
_OFFICE = range(8, 18)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation, in UTC; it is listed once its `end` has come."""

    id: str
    browse: str
    start: datetime
    end: datetime
    slot: int
    host: Host
    agent: Agent
    filter: Filter | None
    visitor: str
    preset: str
    luck: float

    def chance(self, which: int) -> float:
        """Return a random number of its own, the first to fifth, from the digits of its luck."""
        return self.luck * 100.0**which % 1


def account_of(number: str) -> Account:
    """Return an account by its number."""
    return next(each for each in ACCOUNTS if each.id == number)


class Happenings:
    """The events, day by day, before the API's commands give them their form."""

    def __init__(
        self, seed: int, rows_per_day: int, zone: ZoneInfo, *, unnamed_preset: bool
    ) -> None:
        """Choose the events; see `World` for the arguments."""
        self.seed = seed
        self.rows_per_day = rows_per_day
        self.zone = zone
        self._general_preset = "" if unnamed_preset else "Algemeen"
        self._slots = lru_cache(maxsize=64)(self._slots_of_day)

    # Days, hours and chance

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(_UTC)

    def _slots_of_day(self, day: date) -> list[tuple[datetime, datetime]]:
        """Return start and end, in UTC, of the 23 to 25 hours of a day; some are shorter."""
        begin, end = self._midnight(day), self._midnight(day + _ONE_DAY)
        quarters = int((end - begin) / timedelta(minutes=15))
        moments = [begin + quarter * timedelta(minutes=15) for quarter in range(quarters)]
        begins = [begin]
        begins += [each for each in moments[1:] if each.astimezone(self.zone).minute == 0]
        return list(zip(begins, [*begins[1:], end], strict=True))

    def chance(self, *what: object) -> Random:
        """Return a random number generator for a name."""
        # Seeding with text gives the same numbers on every version and machine.
        return Random("/".join(map(str, (self.seed, *what))))

    def _local(self, day: date, hour: float) -> datetime:
        return (datetime.combine(day, time(), self.zone) + timedelta(hours=hour)).astimezone(_UTC)

    # Agents at work

    @lru_cache(maxsize=4096)  # noqa: B019 - a world lives as long as its process, or a test
    def works(self, agent: Agent, day: date) -> bool:
        """Return whether an agent works on a day."""
        if agent.disabled:
            return False
        mates = [each for each in AGENTS if each.account == agent.account and not each.disabled]
        on_duty = mates[day.toordinal() % len(mates)] is agent
        likely = 0.85 if day.weekday() < _SATURDAY else 0.3
        return on_duty or self.chance("works", agent.id, day).random() < likely

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def shift(self, agent: Agent, day: date) -> tuple[datetime, datetime, datetime, datetime]:
        """Return when an agent logs in, goes to lunch, is back, and logs out."""
        chance = self.chance("shift", agent.id, day)
        login = self._local(day, 8 + round(chance.random() * 60) / 60)
        lunch = self._local(day, 12 + round(chance.random() * 60) / 60)
        back = lunch + timedelta(seconds=1500 + round(chance.random() * 900))
        logout = self._local(day, 17 + round(chance.random() * 240) / 60)
        return login, lunch, back, logout

    def presets(self, agent: Agent) -> tuple[str, ...]:
        """Return the names of an agent's presets."""
        return tuple(self._general_preset if p == GENERAL else p for p in agent.presets)

    def _on_duty(self, account: str, day: date) -> list[tuple[Agent, tuple[_Span, _Span]]]:
        """Return the agents of an account who work on a day, and their hours."""
        there = []
        for agent in AGENTS:
            if agent.account == account and self.works(agent, day):
                login, lunch, back, logout = self.shift(agent, day)
                there.append((agent, ((login, lunch), (back, logout))))
        return there

    # How busy it is

    def _expected(self, begin: datetime) -> float:
        """Return how many conversations begin in an hour, on average."""
        local = begin.astimezone(self.zone)
        share = _SHARES[local.hour] * _WEEKDAYS[local.weekday()] * _MONTHS[local.month - 1]
        return self.rows_per_day * share / 100

    def _popularity(self, begin: datetime) -> list[float]:
        """Return how busy each host is in an hour, compared with the others."""
        local = begin.astimezone(self.zone)
        found = []
        for host in HOSTS:
            account = account_of(host.account)
            weight = POPULARITY[host.id] * account.seasons[local.month - 1]
            weight *= account.weekend if local.weekday() >= _SATURDAY else 1
            weight *= 1 if local.hour in _OFFICE else account.evening
            found.append(weight)
        return found

    # Conversations, and what follows from them

    def conversations(self, day: date, slots: range | None = None) -> Iterator[Conversation]:
        """Yield a day's conversations in order of their start, including those not over yet."""
        hours = self._slots(day)
        on_duty = {account.id: self._on_duty(account.id, day) for account in ACCOUNTS}
        for slot in slots or range(len(hours)):
            begin, end = hours[slot]
            chance = self.chance("hour", day, slot)
            popularity = self._popularity(begin)
            count = int(self._expected(begin) + chance.random())
            earlier: Conversation | None = None
            for number in range(count):
                part = (number + chance.random()) / count
                seconds = int((end - begin).total_seconds() * part)
                start = begin + timedelta(seconds=seconds)
                host = pick(HOSTS, popularity, chance.random())
                identity = f"{day:%Y%m%d}{slot:02}{number:05}"
                browse = f"{identity:0>20}" if chance.random() < 0.1 else identity
                visitor = f"v{int(chance.random() * 10**9):09}"
                again = chance.random() < 0.05 and earlier and earlier.start < start
                if again and earlier:
                    host, browse, visitor = earlier.host, earlier.browse, earlier.visitor
                everybody = on_duty[host.account]
                there = [
                    agent
                    for agent, times in everybody
                    if any(since <= start < until for since, until in times)
                ]  # at night, whoever works on that day
                agents = there or [agent for agent, _ in everybody]
                agent = pick(agents, [each.share for each in agents], chance.random())
                filters = [each for each in FILTERS if each.account == host.account]
                chosen = filters[int(chance.random() * len(filters))]
                proactive = chance.random() < 0.4
                duration = 45 + int(chance.random() ** 2 * (_LONGEST_CHAT - 45))
                presets = self.presets(agent)
                preset = presets[int(chance.random() * len(presets))]
                earlier = Conversation(
                    identity,
                    browse,
                    start,
                    start + timedelta(seconds=duration),
                    slot,
                    host,
                    agent,
                    chosen if proactive else None,
                    visitor,
                    preset,
                    chance.random(),
                )
                yield earlier

    def with_evening_before(self, day: date) -> Iterator[Conversation]:
        """Yield those of the evening before, which may last into the day, and the day's own."""
        before = day - _ONE_DAY
        hours = len(self._slots(before))
        yield from self.conversations(before, range(hours - 3, hours))
        yield from self.conversations(day)

    def first_response(self, each: Conversation) -> float:
        """Return the seconds until the agent's first message: longer where it is busy."""
        busy = 0.7 + _SHARES[each.start.astimezone(self.zone).hour] / 16
        seconds = 1.5 + 10 * each.agent.pace * busy * skewed(each.chance(1))
        return round(min(seconds, (each.end - each.start).seconds / 2), 1)

    def slot_events(
        self, day: date, now: datetime
    ) -> Iterator[tuple[datetime, Conversation, bool, int]]:
        """Yield the changes of slots in order: time, conversation, whether added, slots in use."""
        in_use: Counter[str] = Counter()
        ending: list[tuple[datetime, str, Conversation]] = []

        def ended(until: datetime | None) -> Iterator[tuple[datetime, Conversation, bool, int]]:
            while ending and (until is None or ending[0][0] <= until):
                moment, _, over = heapq.heappop(ending)
                in_use[over.agent.id] -= 1
                yield moment, over, False, in_use[over.agent.id]

        def all_events() -> Iterator[tuple[datetime, Conversation, bool, int]]:
            for each in self.with_evening_before(day):
                yield from ended(each.start)
                in_use[each.agent.id] += 1
                heapq.heappush(ending, (each.end, each.id, each))
                yield each.start, each, True, in_use[each.agent.id]
            yield from ended(None)

        for event in all_events():
            if event[0] <= now and event[0].astimezone(self.zone).date() == day:
                yield event

    # Hours

    def hours(
        self, day: date, now: datetime
    ) -> Iterator[tuple[tuple[datetime, datetime, int], Counter[tuple[str, ...]], Random]]:
        """Yield each hour that has begun: its times, its numbers of conversations, its chance."""
        for slot, (begin, _) in enumerate(self._slots(day)):
            if begin > now:
                return
            counted: Counter[tuple[str, ...]] = Counter()
            for each in self.conversations(day, range(slot, slot + 1)):
                if each.end <= now:
                    kind = "proactive" if each.filter else "reactive"
                    counted[each.host.id, kind] += 1
                    if each.filter:
                        counted["filter", each.filter.id] += 1
            local = begin.astimezone(self.zone)
            end = (begin + timedelta(seconds=3599)).astimezone(self.zone)
            yield (local, end, local.hour), counted, self.chance("visits", day, slot)

    def invitations(
        self, begin: datetime, counted: Counter[tuple[str, ...]], chance: Random
    ) -> dict[str, tuple[int, ...]]:
        """Return by filter how many invitations were accepted, declined, cancelled, and so on."""
        outcomes: dict[str, tuple[int, ...]] = {}
        expected = self._expected(begin) * 0.4 / len(FILTERS)
        for each in FILTERS:
            accepted = counted["filter", each.id]
            # Some hours have invitations without a chat.
            base = 0.7 * accepted + 0.3 * expected
            others = [
                int(base * rate * (0.5 + chance.random()) + chance.random()) for rate in each.others
            ]
            outcomes[each.id] = (accepted, *others)
        return outcomes

    def by_host(
        self, day: date, now: datetime
    ) -> Iterator[tuple[tuple[datetime, datetime, int], dict[str, list[int]]]]:
        """Yield each hour that has begun: its times, and the figures of each host."""
        for times, counted, chance in self.hours(day, now):
            invitations = self.invitations(times[0], counted, chance)
            expected = self._expected(times[0])
            figures: dict[str, list[int]] = {}
            for host in HOSTS:
                reactive, proactive = counted[host.id, "reactive"], counted[host.id, "proactive"]
                in_vain = account_of(host.account).declined * 2 * chance.random()
                in_vain *= 1 if times[2] in _OFFICE else 2.5
                mean = 0.8 * reactive + 0.2 * expected * 0.6 / len(HOSTS)
                asked = reactive + int(mean * in_vain + chance.random())
                invited = proactive
                if host is next(each for each in HOSTS if each.account == host.account):
                    # those who did not come to chat are put down to the account's first host
                    invited += sum(
                        sum(invitations[each.id][1:])
                        for each in FILTERS
                        if each.account == host.account
                    )
                visits = asked + invited + int((asked + invited + 1) * 6 * chance.random())
                visitors = visits - int(visits * 0.2 * chance.random())
                pages = visits * 3 + int(visits * chance.random())
                figures[host.id] = [visits, pages, visitors, asked, reactive, invited, proactive]
            yield times, figures


T = TypeVar("T")


def pick(items: Sequence[T], weights: Sequence[float], part: float) -> T:
    """Return the item at a position, 0 to 1, among all weights."""
    left = part * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        left -= weight
        if left < 0:
            return item
    return items[-1]


def skewed(part: float) -> float:
    """Return a skewed random number, like many waits, from a uniform one; the median is 1.

    This is the quantile function of a log-logistic distribution with a 90th percentile of 3. Square
    roots are the same on every machine, logarithms are not.
    """
    return math.sqrt(part / (1 - part))


def seconds_between(begin: datetime, end: datetime) -> int:
    """Return whole seconds."""
    return int((end - begin).total_seconds())
