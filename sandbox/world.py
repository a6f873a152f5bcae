"""The rows of the sandbox: the events at its companies, in the form of the API's commands.

The same request always has the same rows, millions of rows need no memory, and a row whose end is
in the future does not exist yet, or has no end yet.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from datetime import timezone as fixed_zone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sandbox.companies import (
    ACCOUNTS,
    AGENTS,
    CCC_AGENTS,
    CCC_GROUPS,
    FILTERS,
    HOSTS,
    QUERIES,
    SUBJECTS,
)
from sandbox.happenings import Happenings, account_of, pick, seconds_between, skewed
from sandbox.page import CCC_ONLY, COMMANDS, TABLES, WITHOUT_RANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.happenings import Conversation

__all__ = ["CCC_ONLY", "TABLES", "WITHOUT_RANGE", "Row", "Value", "World"]

Value = str | int | float | datetime | None
"""None is an empty number or date-time; an empty text is ''."""

Row = tuple[Value, ...]

_RESELLER = "017"
_CCC_ACCOUNT = "900"
_UTC = fixed_zone.utc
_ONE_DAY = timedelta(days=1)


class World:
    """All data of the sandbox."""

    def __init__(
        self,
        seed: int = 1,
        rows_per_day: int = 200,
        timezone: str = "Europe/Amsterdam",
        *,
        unnamed_preset: bool = False,
        most_days: int | None = 14,
    ) -> None:
        """Choose the data.

        Args:
            seed: Another seed makes other rows.
            rows_per_day: Approximate number of conversations on a busy weekday.
            timezone: IANA name of the zone of the days.
            unnamed_preset: Whether the name of one preset is empty. It is part of a key, and not
                every target accepts that.
            most_days: Number of days that a command with days but without a range returns; None for
                the days that are given, as in a file.
        """
        self.seed = seed
        self.rows_per_day = rows_per_day
        self.zone = ZoneInfo(timezone)
        self.most_days = most_days
        self._happenings = Happenings(seed, rows_per_day, self.zone, unnamed_preset=unnamed_preset)

    def rows(self, command: str, first: date, last: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of a command, in the order of its columns on the page.

        Args:
            command: The command.
            first: The first day, in the zone; a command without a range ignores it.
            last: The last day, included.
            now: The current time: later rows do not exist yet.
        """
        asked = COMMANDS[command]
        found: dict[str, Callable[..., Iterator[Row]]] = {
            "conversations": self._conversation_rows,
            "emails": self._emails,
            "slotsactivity": self._slots_activity,
            "cccslotsactivity": self._ccc_slots_activity,
            "agentactivity": self._agent_activity,
            "agentperformance": self._agent_performance,
            "accountspecshourly": self._account_hours,
            "hostspecshourly": self._host_hours,
            "filterstatshourly": self._filter_hours,
            "accounts": self._accounts,
            "hosts": lambda: iter(HOSTS),
            "agents": self._agents,
            "cccagents": self._ccc_agents,
            "cccagentgroups": self._ccc_agent_groups,
            "cccgroupaccounts": self._ccc_group_accounts,
        }
        if command not in found:
            raise NotImplementedError(f"{command!r} has no rows yet; add them to sandbox/world.py")
        if not asked.day:
            yield from found[command]()
            return
        # In UTC throughout: of two moments in one zone, Python compares and subtracts wall clocks.
        now = now.astimezone(_UTC)
        today = now.astimezone(self.zone).date()
        if self.most_days and not asked.ranged:
            first, last = today - (self.most_days - 1) * _ONE_DAY, today
        for ahead in range((min(last, today) - first).days + 1):
            yield from found[command](first + ahead * _ONE_DAY, now)

    # What does not change

    def _accounts(self) -> Iterator[Row]:
        for each in ACCOUNTS:
            yield each.id, each.name, each.postfix, _RESELLER

    def _agents(self) -> Iterator[Row]:
        for each in AGENTS:
            email = f"{each.username}@{account_of(each.account).postfix}"
            names = (each.id, each.username, each.first, each.last, email)
            yield (*names, each.account, each.ccc, each.disabled)

    def _ccc_agents(self) -> Iterator[Row]:
        for number, username, first, last in CCC_AGENTS:
            yield number, username, first, last, f"{username}@ccc.example", _CCC_ACCOUNT

    def _ccc_agent_groups(self) -> Iterator[Row]:
        for number, *_ in CCC_AGENTS:
            group, name, _ = CCC_GROUPS[int(number) % 2]
            yield number, group, name, _CCC_ACCOUNT

    def _ccc_group_accounts(self) -> Iterator[Row]:
        for group, name, accounts in CCC_GROUPS:
            yield from ((group, account, name, _CCC_ACCOUNT) for account in accounts)

    # Conversations, and what follows from them

    def _conversation_rows(self, day: date, now: datetime) -> Iterator[Row]:
        for each in self._happenings.conversations(day):
            if each.end <= now:
                yield self._conversation_row(each)

    def _conversation_row(self, each: Conversation) -> Row:
        seconds = (each.end - each.start).seconds
        first = self._happenings.first_response(each)
        wait = round(min(6 + 15 * each.agent.pace * skewed(each.chance(2)), seconds / 3), 2)
        longest = max(first, wait) * (1.2 + 2.5 * each.chance(3))
        length = round(18 + 24 * min(skewed(each.chance(4)), 6), 2)
        codes = account_of(each.host.account).codes
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
            round(min(2 + 7 * skewed(each.chance(4)), 110), 1) if each.filter else None,
            first,
            f"https://client.cobrowser.example/transcript?id={each.id}",
            wait,
            round(longest, 2),
            pick(list(codes), list(codes.values()), each.chance(5)),
            round(first + 1 + 4 * each.chance(5), 1),
        )

    def _emails(self, day: date, now: datetime) -> Iterator[Row]:
        for each in self._happenings.with_evening_before(day):
            if each.luck >= 0.35:
                continue
            sent = each.end + timedelta(seconds=60 + int(each.luck * 1500))
            if sent > now or sent.astimezone(self.zone).date() != day:
                continue
            subject = SUBJECTS[int(each.luck / 0.35 * len(SUBJECTS))]
            postfix = account_of(each.host.account).postfix
            yield (
                each.browse,
                f"m{each.id}",
                sent.astimezone(self.zone),
                each.agent.id,
                f'"Bezoeker, {each.visitor}" <{each.visitor}@mail.example>',
                f"archief@{postfix}" if each.luck < 0.1 else "",
                subject.format(agent=each.agent.first),
                f"{each.agent.first} <{each.agent.username}@{postfix}>",
                each.host.account,
            )

    def _slots_activity(self, day: date, now: datetime) -> Iterator[Row]:
        for moment, each, more, used in self._happenings.slot_events(day, now):
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
        for moment, each, more, used in self._happenings.slot_events(day, now):
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
            if not self._happenings.works(agent, day):
                continue
            login, lunch, back, logout = self._happenings.shift(agent, day)
            later = (day + ahead * _ONE_DAY for ahead in range(1, 30))
            next_login = self._happenings.shift(
                agent, next(d for d in later if self._happenings.works(agent, d))
            )[0]
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
                        seconds_between(begin, end) if over else None,
                        agent.account,
                        f"a{agent.id}{day:%Y%m%d}{number}",
                    )

    def _agent_performance(self, day: date, now: datetime) -> Iterator[Row]:
        chats: Counter[tuple[str, str]] = Counter()
        seconds: Counter[tuple[str, str]] = Counter()
        waiting: Counter[tuple[str, str]] = Counter()
        for each in self._happenings.conversations(day):
            if each.end <= now:
                chats[each.agent.id, each.preset] += 1
                seconds[each.agent.id, each.preset] += (each.end - each.start).seconds
                waiting[each.agent.id, each.preset] += int(self._happenings.first_response(each))
        for agent in AGENTS:
            login, lunch, back, logout = self._happenings.shift(agent, day)
            if not self._happenings.works(agent, day) or login > now:
                continue
            whole = seconds_between(login, min(logout, now))
            away = seconds_between(lunch, min(back, now)) if lunch < now else 0
            for preset in self._happenings.presets(agent):
                busy = seconds[agent.id, preset]
                chance = self._happenings.chance("misses", agent.id, day, preset)
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

    def _host_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, figures in self._happenings.by_host(day, now):
            for host in HOSTS:
                yield (host.id, *times, *figures[host.id], host.account)

    def _account_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, figures in self._happenings.by_host(day, now):
            for account in ACCOUNTS:
                own = [figures[host.id] for host in HOSTS if host.account == account.id]
                yield (account.id, *times, *map(sum, zip(*own, strict=True)))

    def _filter_hours(self, day: date, now: datetime) -> Iterator[Row]:
        for times, counted, chance in self._happenings.hours(day, now):
            for each, outcome in zip(
                FILTERS,
                self._happenings.invitations(times[0], counted, chance).values(),
                strict=True,
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
