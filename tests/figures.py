"""The figures of the page, worked out from the sandbox's world alone, without SQL."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sandbox.world import TABLES
from tests.expected import AMSTERDAM, STREAMS, WINDOWED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox import World

Row = dict[str, Any]
ALL = "*"
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def rows_of(world: World, stream: str, first: date, now: datetime) -> list[Row]:
    """Return a stream's rows from a day on."""
    return [
        dict(zip(TABLES[stream], row, strict=True))
        for row in world.rows(stream, first, now.date(), now)
    ]


def moment_of(stream: str, row: Row) -> datetime:
    """Return when a row begins, in the account's zone."""
    moment = row[str(STREAMS[stream].replication_key)]
    assert isinstance(moment, datetime)
    return moment.astimezone(AMSTERDAM)


def percentile(values: list[float], share: float) -> float | None:
    """Return a percentile, between two values in proportion."""
    if not values:
        return None
    values = sorted(values)
    place = (len(values) - 1) * share
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


@dataclass(frozen=True)
class Work:
    """What an agent did in an hour, as far as it was of one day."""

    agent: str
    account: str
    hour: datetime
    online: float
    busy: float
    used: float


class Figures:
    """The figures of the page.

    Attributes:
        rows: The rows of each stream.
        days: The days that are over.
    """

    def __init__(self, world: World, first: date, now: datetime, weeks: Iterable[int]) -> None:
        """Choose the data, and the lengths of the periods."""
        self.rows = {stream: rows_of(world, stream, first, now) for stream in TABLES}
        self.days = [first + ahead * _DAY for ahead in range((now.date() - first).days)]
        self._now, self._weeks = now, weeks
        self._work = [*self._worked()]
        self._accounts = {row["id"]: row["name"] for row in self.rows["accounts"]}

    def tables(self) -> dict[str, list[Row]]:
        """Return the rows of each figure."""
        return {
            "status": [self._status()],
            "periods": [
                {"weeks": weeks, "part": part, "first_day": str(days[0]), "last_day": str(days[-1])}
                for weeks, part, days in self._periods()
            ],
            "accounts": self._busiest_accounts(),
            "summary": [
                {"weeks": weeks, "part": part, **figures}
                for weeks, part, days in self._periods()
                for figures in self._of_accounts({*days})
            ],
            "days": [
                {"day": str(day), **figures}
                for day in max((days for *_, days in self._current()), key=len)
                for figures in self._of_accounts({day}, all_columns=False)
            ],
            "hours": [*self._hours()],
            "agents": [*self._agents()],
            "filters": [*self._filters()],
            "streams": [*self._streams()],
            "coverage": [
                {"stream": stream, "day": str(day), "row_count": self._count(stream, day)}
                for stream in WINDOWED
                for day in self.days[-84:]
            ],
        }

    def _status(self) -> Row:
        dated = [*WINDOWED, "cccslotsactivity"]
        last = max(moment_of(stream, row) for stream in dated for row in self.rows[stream])
        return {
            "first_day": str(self.days[0]),
            "last_day": str(self._now.date()),
            "data_until": f"{last:%Y-%m-%d %H:%M}",
            "made_up": sum(len(self.rows[each]) for each in ("hosts", "accounts", "conversations")),
        }

    def _periods(self) -> Iterator[tuple[int, str, list[date]]]:
        shortest = min(self._weeks)
        for weeks in self._weeks:
            length = 7 * weeks
            if len(self.days) >= length or weeks == shortest:
                yield weeks, "current", self.days[-length:]
            if len(self.days) >= 2 * length:
                yield weeks, "previous", self.days[-2 * length : -length]

    def _current(self) -> Iterator[tuple[int, list[date]]]:
        return ((weeks, days) for weeks, part, days in self._periods() if part == "current")

    def _busiest_accounts(self) -> list[Row]:
        *_, (_, days) = self._current()
        chats = {each["account"]: each["chats"] for each in self._of_accounts({*days})}
        busiest = sorted(self._accounts, key=lambda each: (-chats[each], each))
        return [{"account_id": each, "account_name": self._accounts[each]} for each in busiest]

    # Accounts

    def _of(self, stream: str, days: set[date], account: str) -> list[Row]:
        return [
            row
            for row in self.rows[stream]
            if (account == ALL or row["account_id"] == account)
            and moment_of(stream, row).date() in days
        ]

    def _of_accounts(self, days: set[date], *, all_columns: bool = True) -> Iterator[Row]:
        for account in (ALL, *self._accounts):
            hours = self._of("hostspecshourly", days, account)
            waits = [row["firstResponseTime"] for row in self._of("conversations", days, account)]
            work = [
                each
                for each in self._work
                if account in {ALL, each.account} and each.hour.astimezone(AMSTERDAM).date() in days
            ]
            kinds = ("reactive", "reactive_accepted", "proactive", "proactive_accepted")
            asked = {kind: sum(row[f"num_{kind}"] for row in hours) for kind in kinds}
            yield {
                "account": account,
                "visits": sum(row["num_vists"] for row in hours),
                **asked,
                "missed": asked["reactive"] - asked["reactive_accepted"],
                "chats": asked["reactive_accepted"] + asked["proactive_accepted"],
                "responded": len(waits),
                "within_target": sum(wait <= 30 for wait in waits),
                "first_response_p50": percentile(waits, 0.5),
                "first_response_p90": percentile(waits, 0.9),
                "online_seconds": sum(each.online for each in work),
                "busy_seconds": sum(each.busy for each in work),
                **({"used_slot_seconds": sum(each.used for each in work)} if all_columns else {}),
            }

    def _hours(self) -> Iterator[Row]:
        for weeks, days in self._current():
            begin = datetime.combine(days[0], time(), AMSTERDAM).astimezone(timezone.utc)
            end = datetime.combine(days[-1] + _DAY, time(), AMSTERDAM).astimezone(timezone.utc)
            count: dict[tuple[int, int], int] = defaultdict(int)
            while begin < end:
                local = begin.astimezone(AMSTERDAM)
                count[local.isoweekday(), local.hour] += 1
                begin += _HOUR
            sums: dict[tuple[str, int, int], list[float]] = defaultdict(lambda: [0, 0, 0, 0])
            for row in self._of("hostspecshourly", {*days}, ALL):
                local, accepted = moment_of("hostspecshourly", row), row["num_reactive_accepted"]
                figures = accepted + row["num_proactive_accepted"], row["num_reactive"]
                for account in (ALL, row["account_id"]):
                    found = sums[account, local.isoweekday(), local.hour]
                    for at, value in enumerate((*figures, row["num_reactive"] - accepted)):
                        found[at] += value
            for each in self._work:
                local = each.hour.astimezone(AMSTERDAM)
                if local.date() in days:
                    for account in (ALL, each.account):
                        sums[account, local.isoweekday(), local.hour][3] += each.online
            for (account, weekday, hour), found in sums.items():
                yield {
                    "weeks": weeks,
                    "account": account,
                    "weekday": weekday,
                    "hour_of_day": hour,
                    "hours": count[weekday, hour],
                    **dict(
                        zip(("chats", "reactive", "missed", "online_seconds"), found, strict=True)
                    ),
                }

    # Agents: their slots are counted chat by chat

    def _worked(self) -> Iterator[Work]:
        states, changes = self.rows["agentactivity"], self.rows["slotsactivity"]
        moments = [row[name] for row in states for name in ("time_start", "time_end")]
        moments += [row["time_start"] for row in changes]
        present = max(filter(None, moments)).timestamp()
        for agent in self.rows["agents"]:
            slots: dict[float, int] = defaultdict(int)
            own = [row for row in changes if row["agent_id"] == agent["id"]]
            added = {row["activity_id"][:-1] for row in own if row["action"] == "add"}
            for row in own:
                if row["activity_id"][:-1] in added:  # not of a chat of the evening before
                    slots[row["time_start"].timestamp()] += 1 if row["action"] == "add" else -1
            times = sorted(slots)
            used = [0]
            for each in times:
                used.append(used[-1] + slots[each])
            for row in states:
                if row["agent_id"] == agent["id"] and row["state"] == "online":
                    since = row["time_start"].timestamp()
                    until = row["time_end"].timestamp() if row["time_end"] else present
                    hours = range(int(since // 3600 + 1) * 3600, int(until) + 1, 3600)
                    inside = [each for each in times if since < each < until]
                    for begin, end in pairwise(sorted({since, *hours, *inside, until})):
                        now_used = used[bisect_right(times, begin)]
                        hour = datetime.fromtimestamp(begin // 3600 * 3600, timezone.utc)
                        busy = (end - begin) * (now_used > 0)
                        figures = end - begin, busy, (end - begin) * now_used
                        yield Work(agent["id"], row["account_id"], hour, *figures)

    def _agents(self) -> Iterator[Row]:
        for weeks, days in self._current():
            for agent in self.rows["agents"]:
                work = [
                    each
                    for each in self._work
                    if each.agent == agent["id"] and each.hour.astimezone(AMSTERDAM).date() in days
                ]
                sessions = [
                    row
                    for row in self._of("agentperformance", {*days}, ALL)
                    if row["agent_id"] == agent["id"]
                ]
                if work or sessions:
                    yield {
                        "weeks": weeks,
                        "account": agent["account_id"],
                        "agent_id": agent["id"],
                        "agent_name": f"{agent['firstname']} {agent['lastname']}",
                        "online_seconds": sum(each.online for each in work),
                        "busy_seconds": sum(each.busy for each in work),
                        "used_slot_seconds": sum(each.used for each in work),
                        "chats": sum(row["numChats"] for row in sessions),
                        "ignored": sum(row["numIgnored"] for row in sessions),
                        "abandoned": sum(row["numAbandoned"] for row in sessions),
                    }

    def _filters(self) -> Iterator[Row]:
        names = {
            "matches": "_match",
            "invited": "",
            "no_agent": "_no_availability",
            **{name: f"_{name}" for name in ("accepted", "declined", "expired", "ignored")},
            "cancelled": "_cancelled",
        }
        for weeks, days in self._current():
            found = grouped(
                self._of("filterstatshourly", {*days}, ALL),
                lambda row: {
                    "account": row["account_id"],
                    "filter_id": row["id"],
                    "filter_name": row["filtername"],
                },
            )
            for key, rows in found:
                yield {
                    "weeks": weeks,
                    **key,
                    **{
                        name: sum(row[f"num_proactive{end}"] for row in rows)
                        for name, end in names.items()
                    },
                }

    # Streams

    def _count(self, stream: str, day: date) -> int:
        return sum(moment_of(stream, row).date() == day for row in self.rows[stream])

    def _streams(self) -> Iterator[Row]:
        for stream, rows in self.rows.items():
            dated = STREAMS[stream].replication_key
            counts = [self._count(stream, day) for day in self.days] if stream in WINDOWED else []
            yield {
                "stream": stream,
                "row_count": len(rows),
                "last_row": f"{max(moment_of(stream, row) for row in rows):%Y-%m-%d %H:%M}"
                if dated
                else None,
                "days": len(counts),
                "empty_days": counts.count(0),
            }


def grouped(rows: Iterable[Row], key: Callable[[Row], Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Yield groups of rows."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[json.dumps(key(row))].append(row)
    return ((json.loads(group), members) for group, members in groups.items())
