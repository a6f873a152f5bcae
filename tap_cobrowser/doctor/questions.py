"""The questions about the server, and their answers from what was seen.

The ids and the words of the answers are a contract, because programs rely on them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any

from tap_cobrowser.checks.keys import keys_shared
from tap_cobrowser.doctor.late import days_of, why_not
from tap_cobrowser.doctor.zones import fits, other_zones
from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    CredentialsError,
    MissingColumnError,
    NotCsvError,
    RejectedError,
    ServerBusyError,
    TapCobrowserError,
    WrongDaysError,
)

if TYPE_CHECKING:
    from tap_cobrowser.doctor.asking import Seen
    from tap_cobrowser.doctor.examination import Examination

PROVEN, LIKELY, UNKNOWN = "proven", "likely", "unknown"
_FEW, _WEEK, _OK, _THREE = 10, 7, 200, 3
_TOLERANCE = timedelta(seconds=2)
_NO_DAYS = "No two days in a row with rows were seen."
_REASONS: dict[type[TapCobrowserError], str] = {
    CredentialsError: "it is rejected",
    RejectedError: "it is rejected",
    NotCsvError: "the response is text",
    BrokenResponseError: "the response is incomplete, or a page",
    MissingColumnError: "the response lacks a column of the key",
    CellError: "a cell does not fit its column",
    WrongDaysError: "the rows are of other days",
    ServerBusyError: "the server is busy",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to a question, and what follows from it.

    `loses` says whether an extraction with the given settings fails or loses rows, `ask` what to
    ask CoBrowser.net.
    """

    id: str
    answer: object
    evidence: str
    confidence: str = PROVEN
    advice: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    ask: str = ""
    loses: bool = False


def findings_of(made: Examination) -> list[Finding]:
    """Return all findings; that of `access` alone if user and key are rejected."""
    if not made.api.works:
        evidence = f"The server rejects user and key (status {made.seen[0].status})."
        advice = "Check `user` (case-sensitive) and `api_key`."
        return [Finding("access", "refused", evidence, PROVEN, advice, loses=True)]
    return [
        _access(made),
        *_ranges(made),
        _range_most(made),
        _range_used(made),
        _day_zone(made),
        _written(made, "stamp_offset", "No date-time was seen."),
        _clock(made),
        _written(made, "encoding", "No character beyond ASCII was seen."),
        _written(made, "quoting", "No quote in a text was seen."),
        _written(made, "dates", "No date-time was seen."),
        _written(made, "numbers", "No number was seen."),
        _empty(made),
        _keys(made),
        _row_limit(made),
        _late(made),
        _latency(made),
        _concurrency(made),
    ]


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reason_of(error: TapCobrowserError) -> str:
    """Return why a request failed, without a word of its response."""
    return next((text for kind, text in _REASONS.items() if isinstance(error, kind)), error.what)


def _unknown(name: str, evidence: str, answer: object = "unknown") -> Finding:
    return Finding(name, answer, evidence, UNKNOWN)


def _status(*seen: Seen) -> str:
    """Return the status of the first request that failed, as a part of a sentence."""
    first = next((each.status for each in seen if each.error and each.status), _OK)
    return f", status {first}" if first != _OK else ""


def _access(made: Examination) -> Finding:
    ccc = [each for each in made.seen if each.command.ccc_only]
    answer, sure, evidence = "unknown", UNKNOWN, "nothing shows whether it is a CCC agent."
    if any(each.table for each in ccc):
        answer, sure, evidence = "ccc", PROVEN, "CCC commands have rows."
    elif any(each.rejected for each in ccc):
        answer, sure = "agent", LIKELY if isinstance(ccc[0].error, NotCsvError) else PROVEN
        evidence = f"CCC commands are rejected{_status(*ccc)}."
    elif ccc and ccc[0].response:
        answer, sure, evidence = "agent", LIKELY, "CCC commands have no rows."
    advice, settings = "", {}
    needless = answer == "agent" and made.settings.ccc_agent and "cccagents" in made.failed
    if needless or (answer == "ccc" and not made.settings.ccc_agent):
        settings = {"ccc_agent": not needless}
        why = "its streams fail" if needless else "the user may read four more streams"
        advice = f"Set `ccc_agent` to {str(not needless).lower()}: {why}. "
    failed = "; ".join(
        f"{name} ({reason_of(why)}{_status(*(each for each in made.seen if each.command.name == name))})"
        for name, why in made.failed.items()
        if not made.commands[name].ccc_only or (answer == "ccc" and made.settings.ccc_agent)
    )
    if failed:
        advice += f"These streams cannot be extracted: {failed}. Run the tap for the full errors."
    ask = f"Why do these commands not return the documented CSV: {failed}?" if failed else ""
    evidence, loses = f"User and key work; {evidence}", bool(failed or needless)
    return Finding("access", answer, evidence, sure, advice.strip(), settings, ask, loses)


# Ranges and days


def _one_day(made: Examination, why: str) -> dict[str, Any]:
    """Return what to do where ranges of days do not work: the fields of a finding."""
    ask = "Which of `start` and `stop` is the older day of a range, are both included, and is "
    more: dict[str, Any] = {"ask": f"{ask}there a limit on rows?"}
    if made.settings.window_days > 1:
        more["advice"] = f"{why} Set `window_days` to 1, as the tap then does anyway."
        more["settings"] = {"window_days": 1}
    return more


def _range(made: Examination, *, stop_older: bool) -> Seen | None:
    """Return the last request of the two days that are known, in the order of their ends."""
    if not made.pair:
        return None
    older, younger = (each.numbers[0] for each in made.pair)
    numbers = (younger, older) if stop_older else (older, younger)
    of_command = [each for each in made.seen if each.command == made.pair[0].command]
    return next((each for each in reversed(of_command) if each.numbers == numbers), None)


def _ranges(made: Examination) -> list[Finding]:
    """Return the findings about the order and the end of ranges."""
    ordered, reverse = (_range(made, stop_older=each) for each in (False, True))
    if not (made.pair and ordered and reverse):
        return [_unknown(name, _NO_DAYS) for name in ("range_order", "range_end")]
    older, younger = made.pair
    starts, stops = (bool((older.keys | younger.keys) & each.keys) for each in (ordered, reverse))
    words = [
        f"has {'' if has else 'no '}rows{_status(each)}"
        for each, has in ((ordered, starts), (reverse, stops))
    ]
    evidence = f"A range from `start` to `stop` {words[0]}; one from `stop` to `start` {words[1]}."
    if not (starts or stops):
        more = _one_day(made, "Ranges have no rows.")
        order = Finding("range_order", "unknown", evidence, UNKNOWN, **more)
        return [order, _unknown("range_end", "Ranges have no rows.")]
    more = {} if starts else _one_day(made, "The tap sends the older day as `start`.")
    answer = ("either" if stops else "start_older") if starts else "stop_older"
    order = Finding("range_order", answer, evidence, PROVEN, **more)
    used = ordered if starts else reverse
    lacks = [
        name
        for name, day in zip(("older", "younger"), made.pair, strict=True)
        if not day.keys & used.keys
    ]
    if not lacks:
        return [order, Finding("range_end", "included", "A range of two days has rows of both.")]
    evidence = f"A range of two days lacks the rows of the {lacks[0]} day"
    more = _one_day(made, "Ranges lack rows.")
    # The largest number of rows of all may be a limit that cuts the other end off.
    if len(used.table) == max(len(each.table) for each in made.seen):
        evidence += ", which a limit of rows may have cut off."
        return [order, Finding("range_end", "unknown", evidence, UNKNOWN, **more)]
    answer = "excluded" if "younger" in lacks else "included"
    return [order, Finding("range_end", answer, f"{evidence}.", PROVEN, **more)]


def _range_most(made: Examination) -> Finding:
    ordered, reverse = (_range(made, stop_older=each) for each in (False, True))
    three = next((each for each in made.seen if each.span == _THREE), None)
    pairs = [each for each in made.seen if each.span == 2]  # noqa: PLR2004 - days
    has = three.begins(made.settings.timezone) if three else []
    answer, sure, evidence = 0, PROVEN, "Too few days with rows were seen to tell."
    if ordered and reverse and ordered.rejected and reverse.rejected:
        answer, evidence = 1, f"Two days are rejected{_status(ordered)}; one is not."
    elif three and three.rejected and any(each.response for each in pairs):
        answer, sure = 2, PROVEN if isinstance(three.error, RejectedError) else LIKELY
        evidence = f"Two days are accepted, three are rejected{_status(three)}."
    elif has and has[0] and has[-1]:
        answer, sure, evidence = _THREE, LIKELY, "Three days have rows; more were not tried."
    if not answer:
        return _unknown("range_most", evidence)
    advice, settings = "", {}
    if answer < min(made.settings.window_days, _THREE):
        advice, settings = f"Set `window_days` to {answer}.", {"window_days": answer}
    return Finding("range_most", answer, evidence, sure, advice, settings)


def _ignored(made: Examination) -> tuple[int, int] | None:
    """Return two days ago that have the same rows, which cannot be of both."""
    alone = [each for each in made.dated if each.span == 1]
    for one, other in combinations(alone, 2):
        if one.command == other.command and one.numbers != other.numbers:
            # Rows exactly at midnight may be of both.
            if 2 * len(one.keys & other.keys) > min(len(one.keys), len(other.keys)):
                return one.numbers[0], other.numbers[0]
    return None


def _range_used(made: Examination) -> Finding:
    if found := _ignored(made):
        evidence = f"Requests for {found[0]} and {found[1]} days ago have the same rows."
        advice = "An extraction would fail or lack rows: check caches and proxies in between."
        ask = "Why do `start` and `stop` have no effect? Different days return the same rows."
        return Finding("range_used", "ignored", evidence, PROVEN, advice, {}, ask, loses=True)
    if made.pair:
        return Finding("range_used", "yes", "Two days have different rows, of these days.")
    return _unknown("range_used", _NO_DAYS)


def _day_zone(made: Examination) -> Finding:
    key = made.settings.timezone.key
    if not made.dated or _ignored(made):
        return _unknown("day_zone", "No rows of the days requested were seen.")
    written = [each.written for each in made.dated]
    if {"none"} in [each["stamp_offset"] for each in written] and not any(
        "Unix seconds" in each["dates"] for each in written
    ):
        return _unknown("day_zone", "Date-times have no UTC offset, so they do not show it.")
    others = other_zones(made)
    if fits(made):
        if others:
            return _unknown("day_zone", f"Rows fit the days of {key} and of other UTC offsets.")
        evidence = f"All rows fit the days of {key}, and of no other UTC offset."
        return Finding("day_zone", "matches", evidence, LIKELY)
    evidence = (
        f"Rows do not fit the days of {key}, but those of {counted(len(others), 'UTC offset')}."
    )
    advice, settings = f"Set `timezone` to that of the account: {key} loses rows.", {}
    ask = "In which time zone do the days of the account begin and end?"
    answer, sure = ", ".join(others), LIKELY
    if len(others) == 1:
        (zone,), sure = others.values(), PROVEN
        advice = f"Set `timezone` to {zone.key}, or to another zone with these offsets."
        settings = {"timezone": zone.key}
    elif not 0 < len(others) <= _THREE:
        answer, sure = "unknown", UNKNOWN
    return Finding("day_zone", answer, evidence, sure, advice, settings, ask, loses=True)


def _clock(made: Examination) -> Finding:
    known = [
        (each.exchange.sent - each.date, each.exchange.received - each.date, each.date)
        for each in made.seen
        if each.response and each.exchange and each.date
    ]
    if not known:
        advice = "Keep this machine's clock correct: the tap counts days by it."
        return Finding("clock", "no_date", "No response has a `Date` header.", PROVEN, advice)
    # `Date` has whole seconds.
    least, most = (
        max(low for low, *_ in known) - timedelta(seconds=1),
        min(each[1] for each in known),
    )
    if least > most:
        least, most, _ = known[0]
    off = (least + most).total_seconds() / 2
    answer = 0 if least <= timedelta(0) <= most else floor(off + 0.5)
    evidence = "This machine's clock is ahead of `Date` by so many seconds."
    latest = known[0][2]
    for *_, now in known:
        if latest - now > _TOLERANCE:
            evidence += " But a response had an older `Date` than one before."
            advice = "Responses are stored and sent again: check caches and proxies in between."
            ask = "Are responses stored and sent again? Some have an older `Date` than others."
            return Finding("clock", answer, evidence, PROVEN, advice, {}, ask, loses=True)
        latest = max(latest, now)
    return Finding("clock", answer, evidence)


# How responses are written


def _written(made: Examination, name: str, lacking: str) -> Finding:
    found = Counter(value for each in made.seen for value in each.written.get(name, ()) if value)
    if not found:
        return _unknown(name, lacking)
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


# Rows


def _keys(made: Examination) -> Finding:
    most: Counter[str] = Counter()
    for each in made.seen:
        if each.table:
            shared = len(keys_shared(each.command, each.table))
            most[each.command.name] = max(shared, most[each.command.name])
    answer = {name: shared or "unique" for name, shared in most.items()}
    if not answer:
        return _unknown("keys", "No rows were seen.")
    names = ", ".join(name for name, shared in most.items() if shared)
    if not names:
        evidence = f"No rows of {counted(len(answer), 'stream')} share a key and differ."
        return Finding("keys", answer, evidence, LIKELY)
    evidence = f"Rows that differ share their key in {names}."
    advice = "Set a longer key: `table-key-properties` in the catalog, or `__key_properties__` in "
    ask = f"Which columns make a row unique in these commands: {names}?"
    return Finding("keys", answer, evidence, PROVEN, f"{advice}a stream map.", {}, ask)


def _row_limit(made: Examination) -> Finding:
    most = max(len(each.table) for each in made.seen)
    evidence = f"The largest response has {'fewer than ' if most < _FEW else 'about '}"
    evidence += f"{_rounded(max(most, _FEW)):.0f} rows."
    limit, ordered = min(made.limits, default=0), _range(made, stop_older=False)
    if made.start.notice and made.pair and ordered:
        has = [bool(day.keys & ordered.keys) for day in made.pair]
        if all(has):  # but the preflight has found that it lacks some of their rows
            limit = len(ordered.table)
        elif has[0] and len(ordered.table) == most:
            return _unknown("row_limit", f"Ranges lack rows, which may be a limit. {evidence}")
    if not limit:
        return Finding("row_limit", "none_seen", evidence, LIKELY)
    evidence = f"A range of days has {counted(limit, 'row')}, its days alone have more."
    more = _one_day(made, "A limit cuts ranges off.")
    full = any(each.span <= 1 and len(each.table) == limit for each in made.seen)
    more["advice"] = f"{more.get('advice', '')}{' Single days lack rows, too.' * full}".strip()
    return Finding("row_limit", limit, evidence, loses=full, **more)


def _late(made: Examination) -> Finding:
    earlier = made.earlier
    if not earlier:
        how = "Keep this report with `--format json`, and pass it with `--against` in some days."
        return _unknown("late", how, "not_compared")
    now = days_of(made, earlier["salt"])
    both = [
        (day, name, digest != now["streams"][name][day])
        for name, days in earlier["streams"].items()
        for day, digest in days.items()
        if day in now["streams"].get(name, {}) and (digest or now["streams"][name][day])
    ]
    reason = why_not(earlier, now) or "No day of the earlier report has rows and was read again."
    if why_not(earlier, now) or not both:
        return _unknown("late", reason, "not_compared")
    begun = date.fromisoformat(earlier["today"])
    passed = (date.fromisoformat(now["today"]) - begun).days
    changed = [(begun - date.fromisoformat(day), name) for day, name, differs in both if differs]
    compared = f"{counted(len(both), 'day')} of streams, {counted(passed, 'day')} later"
    if not changed:
        return Finding("late", "no", f"None has changed of {compared}.", LIKELY)
    least, names = max(changed)[0].days, ", ".join(sorted({name for _, name in changed}))
    most = least + min(passed, _WEEK)
    evidence = (
        f"Of {compared}, {len(changed)} have changed, up to {least + passed} days after: {names}."
    )
    if made.settings.lookback_days >= most:
        return Finding("late", "yes", evidence)
    advice, loses = f"Set `lookback_days` to {most}.", made.settings.lookback_days < least
    return Finding("late", "yes", evidence, PROVEN, advice, {"lookback_days": most}, loses=loses)


# Time


def _latency(made: Examination) -> Finding:
    windows = [
        (each.exchange.seconds, each.response.size)
        for each in made.seen
        if each.exchange and each.response and each.span == made.width
    ]
    if not windows:
        return _unknown("latency", "No window was read.")
    seconds, size = (median(each) for each in zip(*windows, strict=True))
    answer = {"seconds": _rounded(seconds), "bytes": int(_rounded(max(size, _FEW)))}
    evidence = f"Medians of {counted(len(windows), 'window')} of {counted(made.width, 'day')}."
    return Finding("latency", answer, evidence, LIKELY)


def _concurrency(made: Examination) -> Finding:
    took = {number: seconds for number, seconds in made.seconds.items() if seconds is not None}
    answer = {str(number): _rounded(seconds) for number, seconds in took.items()}
    most, settings = max(took, default=1), {}
    if len(took) < len(made.seconds):
        if made.settings.max_concurrent_requests > most:
            settings = {"max_concurrent_requests": most}
        advice = f"Set `max_concurrent_requests` to {most}." if settings else ""
        evidence = f"The server does not accept more than {counted(most, 'request')} at once."
        return Finding("concurrency", answer, evidence, LIKELY, advice, settings)
    if most == 1:
        return _unknown("concurrency", "It was not tried.", answer or "unknown")
    helps = "help" if min(took.values()) < 0.8 * took[1] else "hardly help"
    evidence = f"Seconds per request, by the number at once: more {helps}."
    return Finding("concurrency", answer, evidence, LIKELY)


def _rounded(number: float) -> float:
    return float(f"{number:.2g}")
