"""The questions about the server, and their answers from what was seen.

The ids and the words of the answers are a contract, because programs rely on them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.late import days_of, why_not
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
    from tap_cobrowser.doctor.case import Case

PROVEN, LIKELY, UNKNOWN = "proven", "likely", "unknown"
_FEW, _WEEK, _OK = 10, 7, 200
_NO_ROWS = "No day with rows was seen."
_IGNORED = "`start` and `stop` have no effect."
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
    """The answer to a question.

    Attributes:
        id: Its name.
        answer: A word, a number, or an object of them.
        evidence: What was seen, in sentences.
        confidence: `proven`, `likely` or `unknown`.
        advice: What to do; "" if nothing.
        settings: The settings to change.
        ask: What to ask CoBrowser.net; "" if nothing.
        loses: Whether an extraction with the given settings fails or loses rows.
    """

    id: str
    answer: object
    evidence: str
    confidence: str = PROVEN
    advice: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    ask: str = ""
    loses: bool = False


def findings_of(case: Case, earlier: dict[str, Any] | None) -> list[Finding]:
    """Return all findings; that of `access` alone if user and key are rejected."""
    access = _access(case)
    if access.answer == "refused":
        return [access]
    return [
        access,
        _range_order(case),
        _range_end(case),
        _range_most(case),
        _range_used(case),
        _day_zone(case),
        _written(case, "stamp_offset", "No date-time was seen."),
        _clock(case),
        _written(case, "encoding", "No character beyond ASCII was seen."),
        _written(case, "quoting", "No quote in a text was seen."),
        _written(case, "dates", "No date-time was seen."),
        _written(case, "numbers", "No number was seen."),
        _empty(case),
        _keys(case),
        _row_limit(case),
        _late(case, earlier),
        _latency(case),
        _concurrency(case),
    ]


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reason_of(error: TapCobrowserError) -> str:
    """Return why a request failed, without a word of its response."""
    return next((text for kind, text in _REASONS.items() if isinstance(error, kind)), error.what)


def _unknown(name: str, evidence: str, answer: object = "unknown") -> Finding:
    return Finding(name, answer, evidence, UNKNOWN)


def _access(case: Case) -> Finding:
    if all(each.error for each in case.seen):
        evidence = f"The server rejects user and key (status {case.seen[0].status})."
        advice = "Check `user` (case-sensitive) and `api_key`."
        return Finding("access", "refused", evidence, advice=advice, loses=True)
    answer, sure, evidence = _agent(case)
    failed = {
        name: f"{reason_of(error)}{_status(case.of(name)[-1:])}"
        for name, error in case.failed.items()
        if not case.commands[name].ccc_only or (answer == "ccc" and case.settings.ccc_agent)
    }
    advice, settings, ask = "", {}, ""
    needless = answer == "agent" and case.settings.ccc_agent and "cccagents" in case.failed
    if needless or (answer == "ccc" and not case.settings.ccc_agent):
        settings = {"ccc_agent": not needless}
        why = "its streams fail" if needless else "this user may read the four CCC streams"
        advice = f"Set `ccc_agent` to {str(not needless).lower()}: {why}. "
    if failed:
        ask = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
        advice += f"These streams cannot be extracted: {ask}. Run the tap for the full errors."
        ask = f"Why do these commands not return the documented CSV: {ask}?"
    loses = bool(failed or needless)
    return Finding("access", answer, evidence, sure, advice.strip(), settings, ask, loses)


def _agent(case: Case) -> tuple[str, str, str]:
    """Return whether the user is a CCC agent, how sure that is, and why."""
    works = "User and key work"
    seen = [each for each in case.seen if each.command.ccc_only]
    if any(each.rows for each in seen):
        return "ccc", PROVEN, f"{works}, and CCC commands have rows."
    if any(each.rejected for each in seen):
        sure = LIKELY if isinstance(seen[0].error, NotCsvError) else PROVEN
        return "agent", sure, f"{works}; CCC commands are rejected{_status(seen)}."
    if seen and not seen[0].error and any(each.rows for each in case.of("accounts")):
        return "agent", LIKELY, f"{works}; CCC commands have no rows."
    return "unknown", UNKNOWN, f"{works}; nothing shows whether it is a CCC agent."


def _status(seen: list[Seen]) -> str:
    """Return the status of the first request that the server rejected, as a part of a sentence."""
    first = next((each.status for each in seen if each.error and each.status), _OK)
    return f", status {first}" if first != _OK else ""


# Ranges and days


def _one_day(case: Case, why: str) -> dict[str, Any]:
    """Return what to do where ranges of days do not work: the fields of a finding."""
    ask = "Which of `start` and `stop` is the older day of a range, are both included, and is "
    more: dict[str, Any] = {"ask": f"{ask}there a limit on rows?"}
    if case.settings.window_days > 1:
        more["advice"] = f"{why} Set `window_days` to 1, as the tap then does anyway."
        more["settings"] = {"window_days": 1}
    return more


def _no_range(case: Case) -> str:
    return _IGNORED if case.ignored() else _NO_ROWS


def _range_order(case: Case) -> Finding:
    starts, stops = (case.order_works(stop_older=each) for each in (False, True))
    words = {True: "has rows", False: "has none", None: "shows nothing"}
    refusals = [_status(case.ranges(stop_older=each)) for each in (False, True)]
    evidence = f"A range from `start` to `stop` {words[starts]}{refusals[0]}; one from `stop` to "
    evidence += f"`start` {words[stops]}{refusals[1]}."
    # A server may fail by chance.
    chance = any(
        isinstance(each.error, ServerBusyError) for each in case.ranges(stop_older=bool(starts))
    )
    sure = LIKELY if chance or None in {starts, stops} else PROVEN
    if starts:
        return Finding("range_order", "either" if stops else "start_older", evidence, sure)
    if stops:
        more = _one_day(case, "The tap sends the older day as `start`.")
        return Finding("range_order", "stop_older", evidence, sure, **more)
    if starts is False:
        more = _one_day(case, "Ranges have no rows.")
        return Finding("range_order", "unknown", evidence, UNKNOWN, **more)
    return _unknown("range_order", evidence if case.known else _no_range(case))


def _range_end(case: Case) -> Finding:
    younger, older = case.end_included("younger"), case.end_included("older")
    words = {True: "has rows", False: "lacks the rows", None: "need not have rows"}
    evidence = f"A range of two days {words[older]} of the older and {words[younger]} of the "
    evidence += "younger day, which have rows alone."
    answer = {True: "included", False: "excluded", None: "unknown"}[younger]
    sure = UNKNOWN if younger is None else PROVEN
    if False in {younger, older} or (younger is None and case.start.notice):
        return Finding("range_end", answer, evidence, sure, **_one_day(case, "Ranges lack rows."))
    if younger is None:
        return _unknown("range_end", evidence if case.known else _no_range(case))
    return Finding("range_end", answer, "A range of two days has rows of the younger day.")


def _range_most(case: Case) -> Finding:
    pairs = [*case.ranges(stop_older=False), *case.ranges(stop_older=True)]
    three = next((each for each in case.seen if each.span == 3), None)  # noqa: PLR2004 - days
    works = [case.order_works(stop_older=each) for each in (False, True)]
    answer, sure, evidence = 0, PROVEN, "No day, or too few days with rows were seen to tell."
    if not pairs or case.ignored():
        evidence = _no_range(case)
    elif case.known and all(each.rejected for each in pairs):
        busy = any(isinstance(each.error, ServerBusyError) for each in pairs)
        answer, sure = 1, LIKELY if busy else PROVEN
        evidence = f"Two days are rejected{_status(pairs)}; one is not."
    elif works == [False, False]:
        answer, sure, evidence = 1, LIKELY, "Two days have no rows, in either order; one day has."
    elif three and three.error and three.status and any(not each.error for each in pairs):
        answer, sure = 2, PROVEN if isinstance(three.error, RejectedError) else LIKELY
        evidence = (
            f"Two days are accepted, three are not ({reason_of(three.error)}{_status([three])})."
        )
    elif three and not three.error and all(three.begins[::2]):
        answer, sure = 3, LIKELY
        evidence = "Three days are accepted and have rows; more were not tried."
    elif three and (three.command.name, 1) in case.known and case.end_included("younger"):
        if not three.begins[-1] and not case.may_be_cut(three):
            answer, evidence = 2, "Two days are accepted; of three, the last has no rows."
    if not answer:
        return _unknown("range_most", evidence)
    smaller = min(answer, 2) if answer < 3 and case.settings.window_days > answer else 0  # noqa: PLR2004
    if not smaller:
        return Finding("range_most", answer, evidence, sure)
    advice, settings = f"Set `window_days` to {smaller}.", {"window_days": smaller}
    return Finding("range_most", answer, evidence, sure, advice, settings)


def _range_used(case: Case) -> Finding:
    if found := case.ignored():
        one, other = (each.numbers[0] for each in found)
        evidence = f"Requests for {one} and for {other} days ago have the same rows."
        advice = "An extraction would fail or lack rows: check caches and proxies in between."
        ask = "Why do `start` and `stop` have no effect? Different days return the same rows."
        return Finding("range_used", "ignored", evidence, PROVEN, advice, {}, ask, loses=True)
    if case.known:
        return Finding("range_used", "yes", "A completed day has rows of that day, not of today.")
    return _unknown("range_used", "No row was of the day requested." if case.dated else _NO_ROWS)


def _day_zone(case: Case) -> Finding:
    key = case.settings.timezone.key
    if not case.dated or case.ignored():
        return _unknown("day_zone", _no_range(case))
    others = case.other_zones()
    if case.own_zone_fits():
        if others:
            return _unknown("day_zone", f"Rows fit the days of {key} and of other UTC offsets.")
        naive = any(each.written["stamp_offset"] - {"none"} == set() for each in case.dated)
        naive = naive and not any("Unix seconds" in each.written["dates"] for each in case.dated)
        evidence = f"All rows fit the days of {key}, and of no other UTC offset."
        evidence += " Their date-times have no offset, so they may be of another zone." * naive
        return Finding("day_zone", "matches", evidence, LIKELY)
    evidence = (
        f"Rows do not fit the days of {key}; {counted(len(others), 'other UTC offset')} would."
    )
    advice, settings = f"Set `timezone` to that of the account: {key} loses rows.", {}
    ask = "In which time zone do the days of the account begin and end?"
    answer, sure = ", ".join(others), LIKELY
    if len(others) == 1:
        (zone,), sure = others.values(), PROVEN
        advice = f"Set `timezone` to {zone.key}, or to another zone with these offsets."
        settings = {"timezone": zone.key}
    elif len(others) not in {2, 3}:
        answer, sure = "unknown", UNKNOWN
    return Finding("day_zone", answer, evidence, sure, advice, settings, ask, loses=True)


def _clock(case: Case) -> Finding:
    known = [(each.exchange, each.date) for each in case.seen if not each.error and each.date]
    if not known:
        advice = "Keep this machine's clock correct: the tap counts days by it."
        return Finding("clock", "no_date", "No response has a `Date` header.", advice=advice)
    least = max((each.sent - at).total_seconds() - 1 for each, at in known if each)
    most = min((each.received - at).total_seconds() for each, at in known if each)
    if least > most:
        least = most = (known[0][0].received - known[0][1]).total_seconds() if known[0][0] else 0
    off = 0 if least <= 0 <= most else floor((least + most) / 2 + 0.5)
    evidence = "This machine's clock is ahead of `Date` by so many seconds."
    dates = [at for _, at in known]
    if all((now - before).total_seconds() > -2 for before, now in zip(dates, dates[1:])):
        return Finding("clock", off, evidence)
    evidence += " But a response had an older `Date` than the one before."
    advice = "Responses are stored and sent again: check caches and proxies in between."
    ask = "Are responses stored and sent again? Some have an older `Date` than those before."
    return Finding("clock", off, evidence, PROVEN, advice, {}, ask, loses=True)


# How responses are written


def _written(case: Case, name: str, lacking: str) -> Finding:
    found = Counter(value for each in case.seen for value in each.written.get(name, ()) if value)
    if not found:
        return _unknown(name, lacking)
    # What most responses do not show does not contradict the one that does.
    telling = {each for each in found if "invalid" in each}
    telling = telling or {*found} - {"UTF-8", "doubled", "plain"} or {*found}
    answer = ", ".join(sorted(set(map(_offset, telling)) if name == "stamp_offset" else telling))
    evidence = f"Seen in {counted(max(found[each] for each in telling), 'response')}."
    return Finding(name, answer, evidence, LIKELY if answer == "doubled" else PROVEN)


def _offset(text: str) -> str:
    """Return an offset as it is written as `+01:00`."""
    if text.upper() in {"Z", "GMT", "UTC", "UT"}:
        return "+00:00"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}" if text[0] in "+-" else text


def _empty(case: Case) -> Finding:
    forms = Counter(
        "header_only" if not each.nothing else "text" if each.size else "nothing"
        for each in case.seen
        if each.window and not each.rows
    )
    if not forms:
        return _unknown("empty", "No day without rows was seen.")
    (answer, number), *_ = forms.most_common()
    return Finding("empty", answer, f"Seen in {counted(number, 'response')}.")


# Rows


def _keys(case: Case) -> Finding:
    most: defaultdict[str, int] = defaultdict(int)
    for each in case.seen:
        if each.rows:
            most[each.command.name] = max(each.shared, most[each.command.name])
    answer = {name: shared or "unique" for name, shared in most.items()}
    if not answer:
        return _unknown("keys", "No rows were seen.")
    if not (names := ", ".join(name for name, shared in most.items() if shared)):
        evidence = f"No rows of {counted(len(answer), 'stream')} share a key and differ."
        return Finding("keys", answer, evidence, LIKELY)
    evidence = f"Rows that differ share their key in {names}."
    advice = "Set a longer key: `table-key-properties` in the catalog, or `__key_properties__` in "
    ask = f"Which columns make a row unique in these commands: {names}?"
    return Finding("keys", answer, evidence, PROVEN, f"{advice}a stream map.", {}, ask)


def _row_limit(case: Case) -> Finding:
    most = max((each.rows for each in case.seen), default=0)
    largest = f"The largest response has {'fewer than ' if most < _FEW else 'about '}"
    largest += f"{counted(int(_rounded(max(most, _FEW))), 'row')}."
    if limit := case.limit():
        full = any(each.span <= 1 and each.rows == limit for each in case.seen)
        more = _one_day(case, "A limit cuts ranges off.")
        if full:
            more["advice"] = f"{more.get('advice', '')} Single days lack rows, too.".strip()
        evidence = f"A range of days has {counted(limit, 'row')}, its days alone have more."
        # Where the tap sees it, it asks for days alone by itself.
        loses = full or not (case.limits or case.start.notice)
        return Finding("row_limit", limit, evidence, loses=loses, **more)
    if case.start.notice and case.end_included("younger") is None and case.known:
        return _unknown("row_limit", f"Ranges lack rows, which may be a limit. {largest}")
    return (
        Finding("row_limit", "none_seen", largest, LIKELY)
        if most
        else _unknown("row_limit", _NO_ROWS)
    )


def _late(case: Case, earlier: dict[str, Any] | None) -> Finding:
    if earlier is None:
        how = "Keep this report with `--format json`, and pass it with `--against` in some days."
        return _unknown("late", how, "not_compared")
    now = days_of(case, earlier["salt"])
    reason = why_not(earlier, now) if now else "The days of the server are not known."
    streams = now["streams"] if now else {}
    both = [
        (name, date.fromisoformat(day), digest != streams[name][day])
        for name, days in earlier["streams"].items()
        for day, digest in days.items()
        if day in streams.get(name, {}) and (digest or streams[name][day])
    ]
    if reason or now is None or not both:
        reason = reason or "No day of the earlier report has rows and was read again."
        return _unknown("late", reason, "not_compared")
    begun = date.fromisoformat(earlier["today"])
    passed = (date.fromisoformat(now["today"]) - begun).days
    changed = {
        name: begun - day
        for name, day, differs in sorted(both, key=lambda each: each[1])
        if differs
    }
    compared = f"{counted(len(both), 'day')} of streams, {counted(passed, 'day')} later"
    if not changed:
        return Finding("late", "no", f"None has changed of {compared}.", LIKELY)
    least = max(age.days for age in changed.values())
    most = least + min(passed, _WEEK)
    evidence = f"Of {compared}, some have changed, up to {least + passed} days after: {', '.join(changed)}."
    if case.settings.lookback_days >= most:
        return Finding("late", "yes", evidence)
    advice, loses = f"Set `lookback_days` to {most}.", case.settings.lookback_days < least
    return Finding("late", "yes", evidence, PROVEN, advice, {"lookback_days": most}, loses=loses)


# Time


def _latency(case: Case) -> Finding:
    windows = [each for each in case.seen if each.window and each.span == case.width]
    if not windows:
        return _unknown("latency", "No window was read.")
    seconds = median(each.exchange.seconds for each in windows if each.exchange)
    size = max(median(each.size for each in windows), _FEW)
    evidence = f"Medians of {counted(len(windows), 'window')} of {counted(case.width, 'day')}."
    answer = {"seconds": _rounded(seconds), "bytes": int(_rounded(size))}
    return Finding("latency", answer, evidence, LIKELY)


def _concurrency(case: Case) -> Finding:
    answer = {str(number): _rounded(took) for number, took in case.seconds.items()}
    if case.busy_at:
        most, advice, settings = case.busy_at // 2, "", {}
        if case.settings.max_concurrent_requests > most:
            advice = f"Set `max_concurrent_requests` to {most}."
            settings = {"max_concurrent_requests": most}
        evidence = f"The server does not accept {case.busy_at} requests at once."
        return Finding("concurrency", answer, evidence, LIKELY, advice, settings)
    if len(answer) < 2:  # noqa: PLR2004 - two to compare
        return _unknown("concurrency", "It was not tried.", answer or "unknown")
    helps = min(case.seconds.values()) < 0.8 * case.seconds[1]
    evidence = f"Per request, by the number at once: more {'help' if helps else 'hardly help'}."
    return Finding("concurrency", answer, evidence, LIKELY)


def _rounded(number: float) -> float:
    return float(f"{number:.2g}")
