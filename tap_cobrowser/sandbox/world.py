"""The data of the sandbox: a few Dutch companies, their agents and what happens in their chats.

Everything is a pure function of a seed, a day and the current time, and is computed for each
request. The same request therefore always has the same rows, millions of rows need no memory, and a
row whose end is in the future does not exist yet, or has no end yet.
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
from zoneinfo import ZoneInfo

from tap_cobrowser.sandbox.companies import (
    ACCOUNTS,
    AGENTS,
    CCC_AGENTS,
    CCC_GROUPS,
    FILTERS,
    GENERAL,
    HOSTS,
    POPULARITY,
    QUERIES,
    SUBJECTS,
    Account,
    Agent,
    Filter,
    Host,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Value = str | int | float | datetime | None
Row = tuple[Value, ...]

_HOURLY = (
    "hourBegin_time hourEnd_time hourOfDay num_vists num_pageviews num_visitors num_reactive "
    "num_reactive_accepted num_proactive num_proactive_accepted"
)
TABLES: dict[str, tuple[str, ...]] = {
    command: tuple(columns.split())
    for command, columns in {
        "conversations": (
            "conversation_start browse_id account_id num_messages duration_secs avgMessageLength "
            "maxMessageLength last_agent_id reseller_id visitor_id requestType assigned_agent_id "
            "acceptUrl accept_host_id decisionTime firstResponseTime transcriptUrl "
            "avgResponseTime maxResponseTime successcode firstReplyTime"
        ),
        "accounts": "id name postfix reseller_id",
        "agents": "id username firstname lastname email account_id cccagent_id disabled",
        "cccagents": "id username firstname lastname email cccaccount_id",
        "cccagentgroups": "cccagent_id cccgroup_id cccgroup_name cccaccount_id",
        "cccgroupaccounts": "cccgroup_id account_id cccgroup_name cccaccount_id",
        "cccslotsactivity": (
            "cccagent_id time_start action account_id browse_id session_id activity_id "
            "numslots_used numslots_max"
        ),
        "accountspecshourly": f"account_id {_HOURLY}",
        "hostspecshourly": f"host_id {_HOURLY} account_id",
        "emails": "browse_id id timestamp agent_id to bcc subject from account_id",
        "hosts": "id account_id hostname multiple_acc_id",
        "agentactivity": "agent_id time_start time_end state duration_secs account_id activity_id",
        "filterstatshourly": (
            "account_id hourBegin_time hourEnd_time hourOfDay id filtername num_proactive "
            "num_proactive_accepted num_proactive_declined num_proactive_match "
            "num_proactive_cancelled num_proactive_no_availability num_proactive_expired "
            "num_proactive_ignored"
        ),
        "slotsactivity": (
            "agent_id time_start action account_id browse_id session_id activity_id numslots_used "
            "numslots_max open_duration closed_duration new_duration sleeping_duration "
            "burning_duration presetName"
        ),
        "agentperformance": (
            "agent_id session_id preset session_start numChats numBreaks numIgnored numAbandoned "
            "avgConcurrency firstResponseDuration openDuration closedDuration newDuration "
            "sleepingDuration burningDuration onlineDuration offlineDuration availableDuration "
            "idleDuration sessionDuration"
        ),
    }.items()
}
"""Commands of the API, and the columns of each, in the order and spelling of the API's page."""

WITHOUT_RANGE = {
    "accounts",
    "agents",
    "hosts",
    "cccagents",
    "cccagentgroups",
    "cccgroupaccounts",
    "cccslotsactivity",
}
CCC_ONLY = {"cccagents", "cccagentgroups", "cccgroupaccounts", "cccslotsactivity"}

_RESELLER = "017"
_CCC_ACCOUNT = "900"
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
_CCC_DAYS = 14


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


class World:
    """All data of the sandbox."""

    TABLES = TABLES

    def __init__(
        self,
        seed: int = 1,
        rows_per_day: int = 200,
        timezone: str = "Europe/Amsterdam",
        *,
        unnamed_preset: bool = False,
    ) -> None:
        """Choose the data.

        Args:
            seed: Another seed makes other rows.
            rows_per_day: Approximate number of conversations on a busy weekday.
            timezone: IANA name of the zone of the days.
            unnamed_preset: Whether the name of one preset is empty. It is part of a key, and not
                every target accepts that.
        """
        self.seed = seed
        self.rows_per_day = rows_per_day
        self.zone = ZoneInfo(timezone)
        self._general_preset = "" if unnamed_preset else "Algemeen"
        self._slots = lru_cache(maxsize=64)(self._slots_of_day)

    def rows(self, command: str, first: date, last: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of a command, in the order of its columns in TABLES.

        Args:
            command: The command.
            first: The first day, in the zone; commands without a range ignore it.
            last: The last day, included.
            now: The current time: later rows do not exist yet.
        """
        # In UTC throughout: of two moments in one zone, Python compares and subtracts wall clocks.
        now = now.astimezone(_UTC)
        today = now.astimezone(self.zone).date()
        if command == "cccslotsactivity":
            first, last = today - (_CCC_DAYS - 1) * _ONE_DAY, today
        elif command in WITHOUT_RANGE:
            yield from self._fixed(command)
            return
        of_day = self._of_day(command)
        for ahead in range((min(last, today) - first).days + 1):
            yield from of_day(first + ahead * _ONE_DAY, now)

    def _of_day(self, command: str) -> Callable[[date, datetime], Iterator[Row]]:
        return {
            "conversations": self._conversation_rows,
            "emails": self._emails,
            "slotsactivity": self._slots_activity,
            "cccslotsactivity": self._ccc_slots_activity,
            "agentactivity": self._agent_activity,
            "agentperformance": self._agent_performance,
            "accountspecshourly": self._account_hours,
            "hostspecshourly": self._host_hours,
            "filterstatshourly": self._filter_hours,
        }[command]

    # What does not change

    def _fixed(self, command: str) -> Iterator[Row]:
        if command == "accounts":
            yield from ((each.id, each.name, each.postfix, _RESELLER) for each in ACCOUNTS)
        elif command == "hosts":
            yield from HOSTS
        elif command == "agents":
            for each in AGENTS:
                email = f"{each.username}@{self._account(each.account).postfix}"
                names = (each.id, each.username, each.first, each.last, email)
                yield (*names, each.account, each.ccc, each.disabled)
        elif command == "cccagents":
            for number, username, first, last in CCC_AGENTS:
                yield number, username, first, last, f"{username}@ccc.example", _CCC_ACCOUNT
        elif command == "cccagentgroups":
            for number, *_ in CCC_AGENTS:
                group, name, _ = CCC_GROUPS[int(number) % 2]
                yield number, group, name, _CCC_ACCOUNT
        else:
            for group, name, accounts in CCC_GROUPS:
                yield from ((group, account, name, _CCC_ACCOUNT) for account in accounts)

    @staticmethod
    def _account(number: str) -> Account:
        return next(each for each in ACCOUNTS if each.id == number)

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

    def _chance(self, *what: object) -> Random:
        # Seeding with text gives the same numbers on every version and machine.
        return Random("/".join(map(str, (self.seed, *what))))  # noqa: S311 - no secrets here

    def _local(self, day: date, hour: float) -> datetime:
        return (datetime.combine(day, time(), self.zone) + timedelta(hours=hour)).astimezone(_UTC)

    # Agents at work

    @lru_cache(maxsize=4096)  # noqa: B019 - a world lives as long as its process, or a test
    def _works(self, agent: Agent, day: date) -> bool:
        if agent.disabled:
            return False
        mates = [each for each in AGENTS if each.account == agent.account and not each.disabled]
        on_duty = mates[day.toordinal() % len(mates)] is agent
        likely = 0.85 if day.weekday() < _SATURDAY else 0.3
        return on_duty or self._chance("works", agent.id, day).random() < likely

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def _shift(self, agent: Agent, day: date) -> tuple[datetime, datetime, datetime, datetime]:
        """Return when an agent logs in, goes to lunch, is back, and logs out."""
        chance = self._chance("shift", agent.id, day)
        login = self._local(day, 8 + round(chance.random() * 60) / 60)
        lunch = self._local(day, 12 + round(chance.random() * 60) / 60)
        back = lunch + timedelta(seconds=1500 + round(chance.random() * 900))
        logout = self._local(day, 17 + round(chance.random() * 240) / 60)
        return login, lunch, back, logout

    def _presets(self, agent: Agent) -> tuple[str, ...]:
        return tuple(self._general_preset if p == GENERAL else p for p in agent.presets)

    def _on_duty(self, account: str, day: date) -> list[tuple[Agent, tuple[_Span, _Span]]]:
        """Return the agents of an account who work on a day, and their hours."""
        there = []
        for agent in AGENTS:
            if agent.account == account and self._works(agent, day):
                login, lunch, back, logout = self._shift(agent, day)
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
            account = self._account(host.account)
            weight = POPULARITY[host.id] * account.seasons[local.month - 1]
            weight *= account.weekend if local.weekday() >= _SATURDAY else 1
            weight *= 1 if local.hour in _OFFICE else account.evening
            found.append(weight)
        return found

    # Conversations, and what follows from them

    def _conversations(self, day: date, slots: range | None = None) -> Iterator[Conversation]:
        """Yield a day's conversations in order of their start, including those not over yet."""
        hours = self._slots(day)
        on_duty = {account.id: self._on_duty(account.id, day) for account in ACCOUNTS}
        for slot in slots or range(len(hours)):
            begin, end = hours[slot]
            chance = self._chance("hour", day, slot)
            popularity = self._popularity(begin)
            count = int(self._expected(begin) + chance.random())
            earlier: Conversation | None = None
            for number in range(count):
                part = (number + chance.random()) / count
                seconds = int((end - begin).total_seconds() * part)
                start = begin + timedelta(seconds=seconds)
                host = _pick(HOSTS, popularity, chance.random())
                identity = f"{day:%Y%m%d}{slot:02}{number:05}"
                browse = f"{identity:0>20}" if chance.random() < 0.1 else identity  # noqa: PLR2004
                visitor = f"v{int(chance.random() * 10**9):09}"
                again = chance.random() < 0.05 and earlier and earlier.start < start  # noqa: PLR2004
                if again and earlier:
                    host, browse, visitor = earlier.host, earlier.browse, earlier.visitor
                everybody = on_duty[host.account]
                there = [
                    agent
                    for agent, times in everybody
                    if any(since <= start < until for since, until in times)
                ]  # at night, whoever works on that day
                agents = there or [agent for agent, _ in everybody]
                agent = _pick(agents, [each.share for each in agents], chance.random())
                filters = [each for each in FILTERS if each.account == host.account]
                chosen = filters[int(chance.random() * len(filters))]
                proactive = chance.random() < 0.4  # noqa: PLR2004
                duration = 45 + int(chance.random() ** 2 * (_LONGEST_CHAT - 45))
                presets = self._presets(agent)
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

    def _with_evening_before(self, day: date) -> Iterator[Conversation]:
        """Yield those of the evening before, which may last into the day, and the day's own."""
        before = day - _ONE_DAY
        hours = len(self._slots(before))
        yield from self._conversations(before, range(hours - 3, hours))
        yield from self._conversations(day)

    def _conversation_rows(self, day: date, now: datetime) -> Iterator[Row]:
        for each in self._conversations(day):
            if each.end <= now:
                yield self._conversation_row(each)

    def _conversation_row(self, each: Conversation) -> Row:
        seconds = (each.end - each.start).seconds
        first = self._first_response(each)
        wait = round(min(6 + 15 * each.agent.pace * _skewed(each.chance(2)), seconds / 3), 2)
        longest = max(first, wait) * (1.2 + 2.5 * each.chance(3))
        length = round(18 + 24 * min(_skewed(each.chance(4)), 6), 2)
        codes = self._account(each.host.account).codes
        return (
            each.start.astimezone(self.zone),
            each.browse,
            each.host.account,
            3 + int(seconds / (22 + 40 * each.chance(3))),
            seconds,
            length,
            int(length * (1.5 + 3 * each.chance(2))),
            each.agent.id,
            _RESELLER,
            each.visitor,
            "ask_proactive" if each.filter else "ask_reactive",
            each.agent.id,
            f"https://{each.host.name}/{QUERIES[int(each.luck * len(QUERIES))]}",
            each.host.id,
            round(min(2 + 7 * _skewed(each.chance(4)), 110), 1) if each.filter else None,
            first,
            f"https://client.cobrowser.example/transcript?id={each.id}",
            wait,
            round(longest, 2),
            _pick(list(codes), list(codes.values()), each.chance(5)),
            round(first + 1 + 4 * each.chance(5), 1),
        )

    def _first_response(self, each: Conversation) -> float:
        """Return the seconds until the agent's first message: longer where it is busy."""
        busy = 0.7 + _SHARES[each.start.astimezone(self.zone).hour] / 16
        seconds = 1.5 + 10 * each.agent.pace * busy * _skewed(each.chance(1))
        return round(min(seconds, (each.end - each.start).seconds / 2), 1)

    def _emails(self, day: date, now: datetime) -> Iterator[Row]:
        for each in self._with_evening_before(day):
            if each.luck >= 0.35:  # noqa: PLR2004
                continue
            sent = each.end + timedelta(seconds=60 + int(each.luck * 1500))
            if sent > now or sent.astimezone(self.zone).date() != day:
                continue
            subject = SUBJECTS[int(each.luck / 0.35 * len(SUBJECTS))]
            postfix = self._account(each.host.account).postfix
            yield (
                each.browse,
                f"m{each.id}",
                sent.astimezone(self.zone),
                each.agent.id,
                f'"Bezoeker, {each.visitor}" <{each.visitor}@mail.example>',
                f"archief@{postfix}" if each.luck < 0.1 else None,  # noqa: PLR2004
                subject.format(agent=each.agent.first),
                f"{each.agent.first} <{each.agent.username}@{postfix}>",
                each.host.account,
            )

    def _slot_events(
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
            for each in self._with_evening_before(day):
                yield from ended(each.start)
                in_use[each.agent.id] += 1
                heapq.heappush(ending, (each.end, each.id, each))
                yield each.start, each, True, in_use[each.agent.id]
            yield from ended(None)

        for event in all_events():
            if event[0] <= now and event[0].astimezone(self.zone).date() == day:
                yield event

    def _slots_activity(self, day: date, now: datetime) -> Iterator[Row]:
        for moment, each, more, used in self._slot_events(day, now):
            seconds = (each.end - each.start).seconds
            new = int(seconds * 0.1 * each.luck)
            sleeping = int(seconds * 0.2 * each.luck)
            burning = int(seconds * 0.05 * each.luck)
            yield (
                each.agent.id,
                moment.astimezone(self.zone),
                "add" if more else "remove",
                each.host.account,
                each.browse,
                f"s{each.browse}",
                f"{each.id}{'a' if more else 'r'}",
                used,
                max(4, used + more),
                *(
                    (None, None, None, None, None)
                    if more
                    else (seconds, new // 2, new, sleeping, burning)
                ),
                each.preset,
            )

    def _ccc_slots_activity(self, day: date, now: datetime) -> Iterator[Row]:
        for moment, each, more, used in self._slot_events(day, now):
            if each.agent.ccc:
                yield (
                    each.agent.ccc,
                    moment.astimezone(self.zone),
                    "add" if more else "remove",
                    each.host.account,
                    each.browse,
                    f"s{each.browse}",
                    f"c{each.id}{'a' if more else 'r'}",
                    used,
                    max(6, used + more),
                )

    def _agent_activity(self, day: date, now: datetime) -> Iterator[Row]:
        for agent in AGENTS:
            if not self._works(agent, day):
                continue
            login, lunch, back, logout = self._shift(agent, day)
            later = (day + ahead * _ONE_DAY for ahead in range(1, 30))
            next_login = self._shift(agent, next(d for d in later if self._works(agent, d)))[0]
            states = [
                (login, lunch, "online"),
                (lunch, back, "offline"),
                (back, logout, "online"),
                (logout, next_login, "offline"),
            ]
            for number, (begin, end, state) in enumerate(states):
                if begin <= now:
                    over = end <= now
                    yield (
                        agent.id,
                        begin.astimezone(self.zone),
                        end.astimezone(self.zone) if over else None,
                        state,
                        _seconds(begin, end) if over else None,
                        agent.account,
                        f"a{agent.id}{day:%Y%m%d}{number}",
                    )

    def _agent_performance(self, day: date, now: datetime) -> Iterator[Row]:
        chats: Counter[tuple[str, str]] = Counter()
        seconds: Counter[tuple[str, str]] = Counter()
        waiting: Counter[tuple[str, str]] = Counter()
        for each in self._conversations(day):
            if each.end <= now:
                chats[each.agent.id, each.preset] += 1
                seconds[each.agent.id, each.preset] += (each.end - each.start).seconds
                waiting[each.agent.id, each.preset] += int(self._first_response(each))
        for agent in AGENTS:
            login, lunch, back, logout = self._shift(agent, day)
            if not self._works(agent, day) or login > now:
                continue
            whole = _seconds(login, min(logout, now))
            away = _seconds(lunch, min(back, now)) if lunch < now else 0
            for preset in self._presets(agent):
                busy = seconds[agent.id, preset]
                chance = self._chance("misses", agent.id, day, preset)
                got = chats[agent.id, preset]
                shares = agent.misses, agent.misses / 3
                missed = [min(int(got * each + chance.random()), got) for each in shares]
                yield (
                    agent.id,
                    f"l{agent.id}{day:%Y%m%d}",
                    preset,
                    login.astimezone(self.zone),
                    got,
                    int(lunch < now),
                    *missed,
                    round(busy / max(whole - away, 1), 2),
                    waiting[agent.id, preset],
                    busy,
                    busy // 20,
                    busy // 10,
                    busy // 8,
                    busy // 40,
                    whole - away,
                    away,
                    max(whole - away - busy // 4, 0),
                    max(whole - away - busy, 0),
                    whole,
                )

    # Hours

    def _hours(
        self, day: date, now: datetime
    ) -> Iterator[tuple[tuple[datetime, datetime, int], Counter[tuple[str, ...]], Random]]:
        """Yield each hour that has begun: its times, its numbers of conversations, its chance."""
        for slot, (begin, _) in enumerate(self._slots(day)):
            if begin > now:
                return
            counted: Counter[tuple[str, ...]] = Counter()
            for each in self._conversations(day, range(slot, slot + 1)):
                if each.end <= now:
                    kind = "proactive" if each.filter else "reactive"
                    counted[each.host.id, kind] += 1
                    if each.filter:
                        counted["filter", each.filter.id] += 1
            local = begin.astimezone(self.zone)
            end = (begin + timedelta(seconds=3599)).astimezone(self.zone)
            yield (local, end, local.hour), counted, self._chance("visits", day, slot)

    def _invitations(
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

    def _by_host(
        self, day: date, now: datetime
    ) -> Iterator[tuple[tuple[datetime, datetime, int], dict[str, list[int]]]]:
        for times, counted, chance in self._hours(day, now):
            invitations = self._invitations(times[0], counted, chance)
            expected = self._expected(times[0])
            figures: dict[str, list[int]] = {}
            for host in HOSTS:
                reactive, proactive = counted[host.id, "reactive"], counted[host.id, "proactive"]
                in_vain = self._account(host.account).refused * 2 * chance.random()
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

    def _host_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, figures in self._by_host(day, now):
            for host in HOSTS:
                yield (host.id, *times, *figures[host.id], host.account)

    def _account_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, figures in self._by_host(day, now):
            for account in ACCOUNTS:
                own = [figures[host.id] for host in HOSTS if host.account == account.id]
                yield (account.id, *times, *map(sum, zip(*own, strict=True)))

    def _filter_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, counted, chance in self._hours(day, now):
            for each, outcome in zip(
                FILTERS, self._invitations(times[0], counted, chance).values(), strict=True
            ):
                accepted, declined, cancelled, nobody, expired, ignored = outcome
                invited = sum(outcome)
                yield (
                    each.account,
                    *times,
                    each.id,
                    each.name,
                    invited,
                    accepted,
                    declined,
                    invited + int(invited * each.unused + chance.random()),
                    cancelled,
                    nobody,
                    expired,
                    ignored,
                )


T = TypeVar("T")


def _pick(items: Sequence[T], weights: Sequence[float], part: float) -> T:
    """Return the item at a position, 0 to 1, among all weights."""
    left = part * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        left -= weight
        if left < 0:
            return item
    return items[-1]


def _skewed(part: float) -> float:
    """Return a skewed random number, like many waits, from a uniform one; the median is 1.

    This is the quantile function of a log-logistic distribution with a 90th percentile of 3. Square
    roots are the same on every machine, logarithms are not.
    """
    return math.sqrt(part / (1 - part))


def _seconds(begin: datetime, end: datetime) -> int:
    return int((end - begin).total_seconds())
