"""The questions about the server, and their answers from what was seen.

The ids and the words of the answers are a contract, because programs rely on them.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import combinations
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tap_cobrowser import errors
from tap_cobrowser.checks.days import days_notice
from tap_cobrowser.checks.keys import colliding_keys
from tap_cobrowser.doctor.late import days_of, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_cobrowser.doctor.examination import Examination, Seen

PROVEN, LIKELY, UNKNOWN = "proven", "likely", "unknown"
_WEEK, _OK, _PAIR, _THREE = 7, 200, 2, 3
_NO_DAYS = "No two days in a row with rows were seen."
_ASK_RANGES = "Is `start` or `stop` the older day, are both included, and is there a row limit?"
# One zone for each UTC offset in use, the likely ones first, and for each rule of summer time.
_ZONES = """UTC Europe/Amsterdam Europe/London Europe/Athens Europe/Istanbul America/New_York
America/Chicago America/Denver America/Los_Angeles Asia/Kolkata Asia/Singapore Asia/Tokyo
Australia/Sydney Australia/Brisbane Africa/Lagos Asia/Dubai Asia/Karachi Asia/Dhaka Asia/Bangkok
America/Bogota America/Sao_Paulo America/Anchorage America/Halifax America/St_Johns Asia/Tehran
America/Phoenix America/Caracas America/Mexico_City Atlantic/Azores Atlantic/Cape_Verde Asia/Kabul
Atlantic/South_Georgia Asia/Kathmandu Asia/Yangon Australia/Adelaide Australia/Darwin Pacific/Fiji
Pacific/Auckland Pacific/Noumea Pacific/Honolulu Pacific/Tongatapu"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to a question, and what follows from it.

    `todo` is what to do, other than to change `settings`; `ask` what to ask CoBrowser.net; `loses`
    whether an extraction with the given settings fails or loses rows.
    """

    id: str
    answer: object
    evidence: str
    confidence: str = PROVEN
    todo: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    ask: str = ""
    loses: bool = False

    @property
    def recommendation(self) -> str:
        """What to do; "" if nothing."""
        changes = [f"Set `{name}` to {json.dumps(to)}." for name, to in self.settings.items()]
        return " ".join(filter(None, [*changes, self.todo])).replace('"', "")


def findings_of(made: Examination) -> list[Finding]:
    """Return all findings; that of `access` alone if user and key are rejected."""
    if not made.api.works:
        evidence = f"The server rejects user and key (status {made.seen[0].status})."
        todo = "Check `user` (case-sensitive) and `api_key`."
        return [Finding("access", "refused", evidence, PROVEN, todo, loses=True)]
    written = ("stamp_offset", "encoding", "quoting", "dates", "numbers")
    others = (_range_most, _range_used, _day_zone, _clock, _empty, _keys, _row_limit)
    found = [_access(made), *_ranges(made), *(ask(made) for ask in others)]
    found += [_written(made, name) for name in written]
    found += [ask(made) for ask in (_late, _latency, _concurrency)]
    if any(each.moments for each in made.seen if each.command.windowed):
        return found
    why = "No day with rows was seen."
    return [replace(each, evidence=why) if each.answer == "unknown" else each for each in found]


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reason_of(error: errors.TapCobrowserError) -> str:
    """Return why a request failed, in words for its kind of error: its own may quote a cell."""
    kind = (type(error).__doc__ or type(error).__name__).split("\n")[0]
    return error.what if isinstance(error, errors.ExaminationError) else kind


def _unknown(name: str, evidence: str, answer: object = "unknown") -> Finding:
    return Finding(name, answer, evidence, UNKNOWN)


def _status(seen: Iterable[Seen]) -> str:
    """Return the status of the first request that failed, as a part of a sentence."""
    first = next((each.status for each in seen if not each.response), 0)
    return f" (status {first})" if first not in {0, _OK} else ""


def _access(made: Examination) -> Finding:
    ccc = [each for each in made.seen if each.command.ccc_only]
    answer, sure, evidence = "unknown", UNKNOWN, "nothing shows whether it is a CCC agent."
    if any(each.table for each in ccc):
        answer, sure, evidence = "ccc", PROVEN, "CCC commands have rows."
    elif any(each.rejected for each in ccc):
        answer, sure = "agent", LIKELY if isinstance(ccc[0].got, errors.NotCsvError) else PROVEN
        evidence = f"CCC commands are rejected{_status(ccc)}."
    elif ccc and ccc[0].response:
        answer, sure, evidence = "agent", LIKELY, "CCC commands have no rows."
    wants = made.settings.ccc_agent
    needless = answer == "agent" and wants and "cccagents" in made.failed
    failed = " ".join(
        f"{name}{_status(made.of(name))}: {reason_of(why)}"
        for name, why in made.failed.items()
        if not made.commands[name].ccc_only or (wants and answer == "ccc")
    )
    settings = {"ccc_agent": not wants} if needless or (answer == "ccc" and not wants) else {}
    todo = f"Streams that cannot be extracted: {failed}" if failed else ""
    ask = f"Why do these commands not work as documented? {failed}" if failed else ""
    evidence, loses = f"User and key work; {evidence}", bool(failed) or needless
    return Finding("access", answer, evidence, sure, todo, settings, ask, loses)


def _one_day(made: Examination, *, because: str = "") -> tuple[str, dict[str, Any], str]:
    """Return what to do, the settings and what to ask where ranges of days do not work."""
    if made.settings.window_days == 1:
        return because, {}, _ASK_RANGES
    return because or "Without it, each run finds this out.", {"window_days": 1}, _ASK_RANGES


def _ranges(made: Examination) -> list[Finding]:
    """Return the findings about the order and the end of ranges."""
    if not (made.days and made.ranges):
        return [_unknown(name, _NO_DAYS) for name in ("range_order", "range_end")]
    known = made.days[0].keys | made.days[1].keys
    starts, stops = (bool(known & each.keys) for each in made.ranges)
    ordered, reverse = (
        f"{'rows' if known & each.keys else 'no rows'}{_status([each])}" for each in made.ranges
    )
    evidence = f"Two days from `start` to `stop` have {ordered}, from `stop` to `start` {reverse}."
    if not (starts or stops):
        order = Finding("range_order", "unknown", evidence, UNKNOWN, *_one_day(made))
        return [order, _unknown("range_end", evidence)]
    answer = ("either" if stops else "start_older") if starts else "stop_older"
    order = Finding("range_order", answer, evidence, PROVEN, *(() if starts else _one_day(made)))
    used = made.ranges[0 if starts else 1]
    lacks_older, lacks_younger = (not day.keys & used.keys for day in made.days)
    if not (lacks_older or lacks_younger):
        return [order, Finding("range_end", "included", "Two days have rows of both.")]
    evidence = f"Two days have no rows of the {'older' if lacks_older else 'younger'} one."
    answer = "excluded" if lacks_younger else "included"
    # The largest number of rows of all may be a limit that cuts the other end off.
    if len(used.table) == max(len(each.table) for each in made.seen):
        evidence += " A limit of rows may have cut it off."
        return [order, Finding("range_end", "unknown", evidence, UNKNOWN, *_one_day(made))]
    return [order, Finding("range_end", answer, evidence, PROVEN, *_one_day(made))]


def _range_most(made: Examination) -> Finding:
    pairs = [each for each in made.seen if each.span == _PAIR]
    three = next((each for each in made.seen if each.span == _THREE), None)
    has = three.begins(made.settings.timezone) if three and three.response else [False]
    answer, sure, evidence = 0, PROVEN, "Too few days with rows were seen to tell."
    if made.ranges and all(each.rejected for each in made.ranges):
        answer, evidence = 1, f"Two days are rejected{_status(pairs)}; one is not."
    elif three and three.rejected and any(each.response for each in pairs):
        answer, sure = _PAIR, PROVEN if isinstance(three.got, errors.RejectedError) else LIKELY
        evidence = f"Two days are accepted, three are rejected{_status([three])}."
    elif has[0] and has[-1]:
        answer, sure, evidence = _THREE, LIKELY, "Three days have rows; more were not tried."
    if not answer:
        return _unknown("range_most", evidence)
    smaller = answer < min(made.settings.window_days, _THREE)
    settings = {"window_days": answer} if smaller else {}
    return Finding("range_most", answer, evidence, sure, "", settings)


def _ignored(made: Examination) -> tuple[int, int] | None:
    """Return two days ago that have the same rows, which cannot be of both."""
    for one, other in combinations([each for each in made.dated if each.span == 1], 2):
        if one.command == other.command and one.numbers != other.numbers:
            most = min(len(one.keys), len(other.keys))
            if 2 * len(one.keys & other.keys) > most:  # rows exactly at midnight may be of both
                return one.numbers[0], other.numbers[0]
    return None


def _range_used(made: Examination) -> Finding:
    if found := _ignored(made):
        evidence = f"Requests for {found[0]} and {found[1]} days ago have the same rows."
        todo = "Check caches and proxies in between: the tap would fail or lack rows."
        ask = "Why do `start` and `stop` have no effect? Different days return the same rows."
        return Finding("range_used", "ignored", evidence, PROVEN, todo, {}, ask, loses=True)
    if made.days:
        return Finding("range_used", "yes", "Two days have different rows, of these days.")
    return _unknown("range_used", _NO_DAYS)


def _day_zone(made: Examination) -> Finding:
    zone, dated = made.settings.timezone, made.dated
    if not dated or _ignored(made):
        return _unknown("day_zone", "No rows of the days requested were seen.")
    naive = any(each.written["stamp_offset"] == {"none"} for each in dated)
    if naive and not any("Unix seconds" in each.written["dates"] for each in dated):
        return _unknown("day_zone", "Date-times have no UTC offset, so they do not show it.")
    others, passes = _other_zones(dated, zone), False
    with suppress(
        errors.WrongDaysError
    ):  # the tap's check accepts rows exactly at the end of a day
        passes = not any(
            days_notice(each.command, each.response, zone) for each in dated if each.response
        )
    if all(each.fits(zone) for each in dated) or (passes and not others):
        if others:
            return _unknown("day_zone", f"Rows fit the days of {zone.key} and other UTC offsets.")
        evidence = f"All rows fit the days of {zone.key}, and of no other UTC offset."
        return Finding("day_zone", "matches", evidence, LIKELY)
    answer, sure = ", ".join(sorted(others)), PROVEN if len(others) == 1 else LIKELY
    if not 0 < len(others) <= _THREE:
        answer, sure = "unknown", UNKNOWN
    offsets = counted(len(others), "other UTC offset")
    evidence = f"Rows do not fit the days of {zone.key}; {offsets} would."
    todo = "Ask for the zone of the account: the first day and today lack rows until then."
    ask = "In which time zone do the days of the account begin and end?"
    settings = {"timezone": next(iter(others.values())).key} if len(others) == 1 else {}
    return Finding("day_zone", answer, evidence, sure, todo, settings, ask, loses=True)


def _other_zones(dated: list[Seen], own: ZoneInfo) -> dict[str, ZoneInfo]:
    """Return the zones whose days all rows fit, by their UTC offsets on these days."""
    found: dict[str, ZoneInfo] = {}
    for zone in (own, *map(ZoneInfo, _ZONES.split())):
        days = {day.first for each in dated for day in each.days(zone).days}
        offsets = sorted({f"{datetime.combine(day, time(12), zone):%z}" for day in days})
        text = ", ".join(f"{each[:3]}:{each[3:]}" for each in offsets)
        if text not in found and (zone == own or all(each.fits(zone) for each in dated)):
            found[text] = zone
    return {offsets: zone for offsets, zone in found.items() if zone != own}


def _clock(made: Examination) -> Finding:
    exchanges = [each.exchange for each in made.seen if each.response and each.exchange]
    known = [(each, each.reply.date) for each in exchanges if each.reply.date]
    if not known:
        todo = "Keep this machine's clock correct: the tap counts days by it."
        return Finding("clock", "no_date", "No response has a `Date` header.", PROVEN, todo)
    # `Date` has whole seconds.
    least = max(each.sent - at for each, at in known) - timedelta(seconds=1)
    most = min(each.received - at for each, at in known)
    off = 0 if least <= timedelta(0) <= most else floor((least + most).total_seconds() / 2 + 0.5)
    return Finding("clock", off, "This machine's clock is ahead of `Date` by so many seconds.")


def _written(made: Examination, name: str) -> Finding:
    found = Counter(value for each in made.seen for value in each.written.get(name, ()) if value)
    if not found:
        return _unknown(name, "No cell shows it.")
    # What most responses do not show does not contradict the one that does.
    telling = {each for each in found if "invalid" in each}
    telling = telling or {*found} - {"UTF-8", "doubled", "plain"} or {*found}
    evidence = f"Seen in {counted(max(found[each] for each in telling), 'response')}."
    answer = ", ".join(sorted(telling))
    return Finding(name, answer, evidence, LIKELY if answer == "doubled" else PROVEN)


def _empty(made: Examination) -> Finding:
    forms = Counter(
        "header_only" if not response.table.nothing else "text" if response.size else "nothing"
        for response in (each.response for each in made.seen)
        if response and response.window and not response.table
    )
    if not forms:
        return _unknown("empty", "No day without rows was seen.")
    answer, number = forms.most_common()[0]
    return Finding("empty", answer, f"Seen in {counted(number, 'response')}.")


def _keys(made: Examination) -> Finding:
    answer: dict[str, object] = {}
    for each in made.seen:
        if each.table:
            shared = len(colliding_keys(each.command, each.table))
            if shared or each.command.name not in answer:
                answer[each.command.name] = shared or "unique"
    if not answer:
        return _unknown("keys", "No rows were seen.")
    names = ", ".join(name for name, found in answer.items() if found != "unique")
    if not names:
        evidence = f"No rows of {counted(len(answer), 'stream')} share a key and differ."
        return Finding("keys", answer, evidence, LIKELY)
    evidence = f"Rows that differ share their key in {names}."
    todo = "Set a longer key: `table-key-properties` in the catalog, or `__key_properties__`."
    ask = f"Which columns make a row unique in these commands: {names}?"
    return Finding("keys", answer, evidence, PROVEN, todo, {}, ask)


def _row_limit(made: Examination) -> Finding:
    most = max(len(each.table) for each in made.seen)
    limit = min(made.limits, default=0)
    if made.start.notice and made.days and made.ranges:
        rows = len(made.ranges[0].table)
        has_older, has_younger = (bool(day.keys & made.ranges[0].keys) for day in made.days)
        if has_older and has_younger:  # but the preflight has found that it lacks some of them
            limit = rows
        elif has_older and rows == most:
            return _unknown("row_limit", f"No response has more than {most} rows: is it a limit?")
    if not limit:
        evidence = f"The largest response has {counted(most, 'row')}."
        return Finding("row_limit", "none_seen", evidence, LIKELY)
    evidence = f"A range of days has {counted(limit, 'row')}, its days alone have more."
    full = any(each.span <= 1 and len(each.table) == limit for each in made.seen)
    change = _one_day(made, because="Single days lack rows, too." if full else "")
    return Finding("row_limit", limit, evidence, PROVEN, *change, loses=full)


def _late(made: Examination) -> Finding:
    earlier = made.earlier
    if not earlier:
        how = "Keep this report with `--format json`, and pass it with `--against` in some days."
        return _unknown("late", how, "not_compared")
    now = days_of(made, earlier["salt"])
    both = [
        (date.fromisoformat(day), name, digest != now["streams"][name][day])
        for name, days in earlier["streams"].items()
        for day, digest in days.items()
        if day in now["streams"].get(name, {}) and (digest or now["streams"][name][day])
    ]
    if _day_zone(made).loses or _ignored(made):
        both.clear()
    nothing = "" if both else "No day of the earlier report has rows and was read again."
    if reason := why_not(earlier, now) or nothing:
        return _unknown("late", reason, "not_compared")
    begun = date.fromisoformat(earlier["today"])
    passed = (date.fromisoformat(now["today"]) - begun).days
    changed = [(begun - day, name) for day, name, differs in both if differs]
    compared = f"{counted(len(both), 'day')} of streams, {counted(passed, 'day')} later"
    if not changed:
        return Finding("late", "no", f"None has changed of {compared}.", LIKELY)
    least, names = max(changed)[0].days, ", ".join(sorted({name for _, name in changed}))
    evidence = f"Of {compared}, {len(changed)} changed, up to {least + passed} days late: {names}."
    wanted, given = least + min(passed, _WEEK), made.settings.lookback_days
    settings = {"lookback_days": wanted} if given < wanted else {}
    return Finding("late", "yes", evidence, PROVEN, "", settings, loses=given < least)


def _latency(made: Examination) -> Finding:
    windows = [each for each in made.seen if each.response and each.span == made.width]
    if not windows:
        return _unknown("latency", "No window was read.")
    seconds = median(each.exchange.seconds for each in windows if each.exchange)
    size = median(each.response.size for each in windows if each.response)
    answer = {"seconds": _rounded(seconds), "bytes": int(_rounded(size))}
    evidence = f"Medians of {counted(len(windows), 'window')} of {counted(made.width, 'day')}."
    return Finding("latency", answer, evidence, LIKELY)


def _concurrency(made: Examination) -> Finding:
    took = {
        str(number): _rounded(each) for number, each in made.seconds.items() if each is not None
    }
    most = max(map(int, took), default=1)
    if len(took) < len(made.seconds):
        evidence = f"The server does not accept more than {counted(most, 'request')} at once."
        settings = {"max_concurrent_requests": most}
        settings = settings if made.settings.max_concurrent_requests > most else {}
        return Finding("concurrency", took, evidence, LIKELY, "", settings)
    if most == 1:
        return _unknown("concurrency", "It was not tried.", took or "unknown")
    helps = "help" if min(took.values()) < 0.8 * took["1"] else "hardly help"
    evidence = f"Seconds per request, by the number at once: more {helps}."
    return Finding("concurrency", took, evidence, LIKELY)


def _rounded(number: float) -> float:
    return float(f"{number:.2g}")
