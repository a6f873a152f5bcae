"""The questions about the server, and their answers from what was seen.

The ids and the words of the answers are a contract, because programs rely on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.case import SEASON, offsets_of
from tap_cobrowser.doctor.late import days_of, why_not_compared
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
    from collections.abc import Callable, Iterable

    from tap_cobrowser.doctor.asking import Seen, Written
    from tap_cobrowser.doctor.case import Case
    from tap_cobrowser.doctor.late import Days

PROVEN, LIKELY, UNKNOWN = "proven", "likely", "unknown"
_FEW = 10
_WEEK = 7
_IGNORED = "`start` and `stop` have no effect."
_NO_ROWS = "No day with rows was seen."
_REASONS: dict[type[TapCobrowserError], str] = {
    CredentialsError: "it is rejected",
    RejectedError: "it is rejected",
    NotCsvError: "the response is text",
    BrokenResponseError: "the response is incomplete or a page",
    MissingColumnError: "the response lacks a column of the key",
    CellError: "a cell does not fit its column",
    WrongDaysError: "the rows are of other days",
}
QUESTIONS = {
    "access": "Do user and key work? Is it a CCC agent?",
    "range_order": "Which of `start` and `stop` is the older end?",
    "range_end": "Is the last day of a range included?",
    "range_most": "How many days may a request span, and what does one more get?",
    "range_used": "Do `start` and `stop` have any effect?",
    "day_zone": "Where do the server's days begin?",
    "stamp_offset": "What UTC offset do the date-times carry?",
    "clock": "Is there a `Date` header, and how far is this machine's clock ahead of it?",
    "encoding": "How is text encoded?",
    "quoting": "How are quotes in texts written?",
    "dates": "How are date-times written?",
    "numbers": "How are numbers written?",
    "empty": "What does a day without rows look like?",
    "keys": "Are the keys unique?",
    "row_limit": "Is there a limit of rows?",
    "late": "Do rows of completed days still change?",
    "latency": "How many seconds and bytes does a window take?",
    "concurrency": "Do 2 or 4 requests at once shorten a run?",
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
        loses: Whether an extraction with the given settings fails or loses rows.
        ask: What to ask CoBrowser.net; "" if nothing.
    """

    id: str
    answer: object
    evidence: str
    confidence: str = PROVEN
    advice: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    loses: bool = False
    ask: str = ""


def findings_of(case: Case, earlier: Days | None) -> list[Finding]:
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
        _stamp_offset(case),
        _clock(case),
        _written(case, "encoding", lambda each: [each.encoding], "No character beyond ASCII was seen."),
        _written(case, "quoting", lambda each: [each.quoting], "No quote in a text was seen."),
        _written(case, "dates", lambda each: each.dates, _NO_ROWS),
        _written(case, "numbers", lambda each: [each.numbers], _NO_ROWS),
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
    for kind, text in _REASONS.items():
        if isinstance(error, kind):
            return f"{text[0].upper()}{text[1:]}."
    what = error.what if not isinstance(error, ServerBusyError) else "The server is busy"
    return what if what.endswith(".") else f"{what}."


def _unknown(name: str, evidence: str, *, ask: str = "", answer: object = "unknown") -> Finding:
    return Finding(name, answer, evidence, UNKNOWN, ask=ask)


def _access(case: Case) -> Finding:
    if all(each.error for each in case.seen):
        status = next((each.status for each in case.seen), 0)
        advice = "Check `user` (case-sensitive) and `api_key`."
        evidence = f"The server rejects user and key (status {status})."
        return Finding("access", "refused", evidence, advice=advice, loses=True)
    answer, evidence, sure = _agent(case)
    ccc = {name for name, command in case.commands.items() if command.ccc_only}
    failed = {
        name: why
        for name, why in case.failed.items()
        if name not in ccc or (answer == "ccc" and case.settings.ccc_agent)
    }
    advice, settings, ask = "", {}, ""
    loses = bool(failed)
    if answer == "agent" and case.settings.ccc_agent and ccc & case.failed.keys():
        advice, settings, loses = "Set `ccc_agent` to false: its streams fail. ", {"ccc_agent": False}, True
    elif answer == "ccc" and not case.settings.ccc_agent:
        advice, settings = "Set `ccc_agent` to true for the four CCC streams. ", {"ccc_agent": True}
    if failed:
        reasons = "; ".join(f"{name} ({_reason(case, name, why)})" for name, why in failed.items())
        evidence += f" These streams cannot be extracted: {reasons}."
        advice += "Run the tap for the full error, or deselect these streams."
        ask = f"Why do these commands not return CSV as documented: {reasons}?"
    return Finding("access", answer, evidence, sure, advice.strip(), settings, loses, ask)


def _agent(case: Case) -> tuple[str, str, str]:
    """Return whether the user is a CCC agent, the evidence, and the confidence."""
    works = "User and key work"
    seen = next((each for each in case.seen if each.command.ccc_only), None)
    if seen is None:
        return "unknown", f"{works}; no CCC command was requested.", UNKNOWN
    name = seen.command.name
    if seen.error:
        if isinstance(seen.error, CredentialsError | RejectedError):
            return "agent", f"{works}; `{name}` is rejected (status {seen.status}).", PROVEN
        if isinstance(seen.error, NotCsvError):
            return "agent", f"{works}; the response to `{name}` is text.", LIKELY
        return "unknown", f"{works}; the response to `{name}` cannot be read.", UNKNOWN
    if any(each.rows for each in case.seen if each.command.ccc_only):
        return "ccc", f"{works}, and CCC commands have rows.", PROVEN
    if any(each.rows for each in case.of("accounts")):
        return "agent", f"{works}; CCC commands have no rows.", LIKELY
    return "unknown", f"{works}; neither `accounts` nor a CCC command has rows.", UNKNOWN


def _reason(case: Case, name: str, error: TapCobrowserError) -> str:
    """Return why a stream fails, without a word of its response."""
    text = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), "no response")
    status = next((each.status for each in reversed(case.of(name)) if each.error), 200)
    return text if status in {0, 200} else f"{text}, status {status}"


# Ranges and days


_ASK_RANGES = "Which of `start` and `stop` is the older day of a range, and are both included?"


def _one_day(case: Case, why: str, ask: str = _ASK_RANGES) -> dict[str, Any]:
    """Return what to do where ranges of days do not work: the fields of a finding."""
    if case.settings.window_days == 1:
        return {"ask": ask}
    advice = f"{why} Set `window_days` to 1, as the tap then does anyway."
    return {"advice": advice, "settings": {"window_days": 1}, "ask": ask}


def _range_order(case: Case) -> Finding:
    starts, stops = (case.order_works(stop_older=each) for each in (False, True))
    words = {True: "has its rows", False: "has none", None: "shows nothing"}
    evidence = (
        f"A range from `start` to `stop` {words[starts]}{_refusal(case, stop_older=False)}, "
        f"one from `stop` to `start` {words[stops]}{_refusal(case, stop_older=True)}."
    )
    if starts and stops:
        return Finding("range_order", "either", evidence)
    if starts:
        sure = LIKELY if stops is None else _sure(case, stop_older=True)
        return Finding("range_order", "start_older", evidence, sure)
    if stops:
        sure = LIKELY if starts is None else _sure(case, stop_older=False)
        more = _one_day(case, "The tap sends the older day as `start`.")
        return Finding("range_order", "stop_older", evidence, sure, **more)
    if starts is False:
        more = _one_day(case, "Ranges have no rows.")
        return Finding("range_order", "unknown", evidence, UNKNOWN, **more)
    return _unknown("range_order", evidence if case.known else _why_unknown(case))


def _refusal(case: Case, *, stop_older: bool) -> str:
    """Return how a range of two days is rejected, "" if it is not."""
    for each in case.ranges(stop_older=stop_older):
        if each.rejected:
            return f" ({_rejected(each)})"
    return ""


def _why_unknown(case: Case) -> str:
    return _IGNORED if case.ignored() else _NO_ROWS


def _sure(case: Case, *, stop_older: bool) -> str:
    """Return how sure it is that an order does not work: a server may fail by chance."""
    errors = [each.error for each in case.ranges(stop_older=stop_older) if each.error]
    return LIKELY if any(isinstance(each, ServerBusyError) for each in errors) else PROVEN


def _rejected(each: Seen) -> str:
    return "rejected with text" if each.status == 200 else f"status {each.status}"  # noqa: PLR2004


def _range_end(case: Case) -> Finding:
    younger, older = case.end_included("younger"), case.end_included("older")
    lacks_older = older is not None and not older[0]
    why = "Ranges lack a day."
    if younger is None:
        if lacks_older:
            more = _one_day(case, why)
            evidence = "A range lacks its older day; nothing shows whether it has the younger one."
            return Finding("range_end", "unknown", evidence, UNKNOWN, **more)
        evidence = "No range shows it: a limit of rows may have cut its younger day off."
        if case.start.notice:
            more = _one_day(case, "Ranges lack rows.")
            return Finding("range_end", "unknown", evidence, UNKNOWN, **more)
        return _unknown("range_end", evidence if case.known else _why_unknown(case))
    has, proven = younger
    if not has:
        evidence = "A range of two days lacks the younger day, which has rows alone."
        sure = PROVEN if proven else LIKELY
        return Finding("range_end", "excluded", evidence, sure, **_one_day(case, why))
    evidence = "A range of two days has rows of the younger day"
    if lacks_older:
        evidence += ", but none of the older one, which has rows alone."
        return Finding("range_end", "included", evidence, **_one_day(case, why))
    return Finding("range_end", "included", f"{evidence}.")


def _range_most(case: Case) -> Finding:
    pairs = [*case.ranges(stop_older=False), *case.ranges(stop_older=True)]
    three = next((each for each in case.seen if each.span == 3), None)  # noqa: PLR2004 - days
    works = {case.order_works(stop_older=each) for each in (False, True)}
    answer, sure, evidence = 0, PROVEN, _NO_ROWS
    if not pairs or case.ignored():
        pass
    elif case.known and all(each.rejected for each in pairs):
        answer, evidence = 1, f"Two days are rejected ({_rejected(pairs[0])}), one is not."
        sure = LIKELY if LIKELY in {_sure(case, stop_older=each) for each in (False, True)} else sure
    elif works == {False}:
        answer, sure, evidence = 1, LIKELY, "Two days have no rows, in either order; one day has."
    elif three and any(not each.error for each in pairs):
        answer, sure, evidence = _three_days(case, three)
    if not answer:
        return _unknown("range_most", evidence if case.known else _why_unknown(case))
    advice, settings = "", {}
    if answer <= 2 and case.settings.window_days > answer:  # noqa: PLR2004 - days
        advice, settings = f"Set `window_days` to {answer}.", {"window_days": answer}
    return Finding("range_most", answer, evidence, sure, advice, settings)


def _three_days(case: Case, three: Seen) -> tuple[int, str, str]:
    """Return what a request for three days shows: the most days, the confidence, the evidence."""
    if three.rejected:
        sure = PROVEN if isinstance(three.error, RejectedError) else LIKELY
        return 2, sure, f"Two days are accepted, three are rejected ({_rejected(three)})."
    if three.error:
        if three.status:
            return 2, LIKELY, f"Two days are accepted, three are an error (status {three.status})."
        return 0, UNKNOWN, "The request for three days got no response."
    has = three.begins
    numbers = sorted([three.start or 0, three.stop or 0])
    known = [(three.command.name, ago) in case.known for ago in range(numbers[1], numbers[0] - 1, -1)]
    both_ends = [case.end_included(end) for end in ("older", "younger")]
    whole = all(end and end[0] for end in both_ends) and not case.may_be_cut(three)
    if whole and any(known) and not any(has):
        return 2, PROVEN, "Two days are accepted; a request for three has no rows."
    if whole and any(one and not other for one, other in zip(known, has, strict=True)):
        return 2, PROVEN, f"Two days are accepted; of three, only {sum(has)} have rows."
    if has[0] and has[-1]:
        return 3, LIKELY, "Three days are accepted and have rows; more were not tried."
    return 0, UNKNOWN, "Three days are accepted, but too few days have rows to tell."


def _range_used(case: Case) -> Finding:
    if found := case.ignored():
        one, other = found
        evidence = f"Requests for {one.start} and for {other.start} days ago have the same rows."
        return Finding(
            "range_used",
            "ignored",
            evidence,
            advice="Check caches and proxies in between: an extraction would fail or lack rows.",
            loses=True,
            ask="Why do `start` and `stop` have no effect? Requests for different days return the "
            "same rows.",
        )
    alone = [each for each in case.recent if each.span == 1]
    for one in alone:
        for other in alone:
            if one.command == other.command and one.start != other.start:
                if not one.keys & other.keys:
                    evidence = f"{one.start} and {other.start} days ago have different rows."
                    return Finding("range_used", "yes", evidence)
    if case.known:
        return Finding("range_used", "yes", "A completed day has rows of that day, not of today.")
    return _unknown("range_used", "No two days with rows were seen." if alone else _NO_ROWS)


def _day_zone(case: Case) -> Finding:
    recent, key = case.recent, case.settings.timezone.key
    seasons = [each for each in case.dated if (each.start or 0) >= SEASON]
    if not recent or case.ignored():
        return _unknown("day_zone", _IGNORED if recent else _NO_ROWS)
    if not case.own_zone_fits(recent):
        return _other_zone(case, recent)
    others = case.other_zones(recent)
    without = any("none" in each.written.offsets for each in recent)
    if others:
        evidence = f"The rows fit the days of {key}, but those of other UTC offsets, too."
        return _unknown("day_zone", evidence)
    if not case.own_zone_fits(seasons):
        fitting = case.other_zones(case.dated)
        answer = ", ".join([offsets_of(case.settings.timezone, recent), *case.other_zones(seasons)])
        evidence = f"The days are those of {key} now, but not in another part of the year."
        return _zone(answer, evidence, PROVEN, [each.key for each in fitting.values()])
    evidence = f"All rows fit the days of {key}, and no other UTC offset"
    evidence += ", in summer and in winter." if seasons else "."
    if without and not any("Unix seconds" in each.written.dates for each in recent):
        evidence += " But date-times have no offset, so they may be of another zone."
        return Finding("day_zone", "matches", evidence, LIKELY)
    return Finding("day_zone", "matches", evidence, PROVEN if seasons else LIKELY)


def _other_zone(case: Case, recent: list[Seen]) -> Finding:
    """Return where days begin that are not those of `timezone`."""
    others, key = case.other_zones(recent), case.settings.timezone.key
    evidence = f"Rows do not fit the days of {key}"
    if not others or len(others) > 3:  # noqa: PLR2004 - too many to name
        evidence += f"; {len(others)} UTC offsets fit." if others else ", and no UTC offset fits."
        return _zone("unknown", evidence, UNKNOWN, [])
    answer = ", ".join(others)
    if len(others) > 1:
        return _zone(answer, f"{evidence}; several UTC offsets fit.", LIKELY, [])
    fitting = case.other_zones(case.dated) or others
    return _zone(answer, f"{evidence}.", PROVEN, [each.key for each in fitting.values()])


def _zone(answer: str, evidence: str, sure: str, keys: list[str]) -> Finding:
    """Return that the days are those of other zones than `timezone`."""
    advice = "Set `timezone` to the zone of the account: some rows of the first day and today lack."
    settings = {}
    if keys:
        advice = f"Set `timezone` to {keys[0]}, or another zone with these offsets."
        settings = {"timezone": keys[0]}
    ask = "In which time zone do the days of the account begin and end?"
    return Finding("day_zone", answer, evidence, sure, advice, settings, loses=True, ask=ask)


def _stamp_offset(case: Case) -> Finding:
    recent = [each for each in case.seen if each.span and (each.start or 0) < SEASON]
    found = {_offset(offset) for each in recent for offset in each.written.offsets}
    if not found:
        return _unknown("stamp_offset", _NO_ROWS)
    return Finding("stamp_offset", ", ".join(sorted(found)), "Date-times of recent days have it.")


def _offset(text: str) -> str:
    """Return an offset as it is written as `+01:00`."""
    if text.upper() in {"Z", "GMT", "UTC", "UT"}:
        return "+00:00"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}" if text[0] in "+-" else text


def _clock(case: Case) -> Finding:
    known = [
        ((sent - date).total_seconds() - 1, (received - date).total_seconds())
        for each in case.seen
        if each.exchange and (date := each.date)
        for sent, received in [(each.exchange.sent, each.exchange.received)]
    ]
    if not known:
        advice = "Keep this machine's clock correct: the tap counts days by it."
        return Finding("clock", "no_date", "No response has a `Date` header.", advice=advice)
    least, most = max(low for low, _ in known), min(high for _, high in known)
    if least > most:
        least, most = known[0]
    off = 0 if least <= 0 <= most else floor((least + most) / 2 + 0.5)
    evidence = "This machine's clock is ahead of `Date` by so many seconds."
    if not case.stale:
        return Finding("clock", off, evidence)
    return Finding(
        "clock",
        off,
        f"{evidence} A repeated request had an older `Date` than one before.",
        advice="Check caches and proxies in between: they return stored responses.",
        loses=True,
        ask="Are responses stored and sent again? A repeated request had an older `Date` header.",
    )


# How responses are written


def _written(
    case: Case, name: str, of: Callable[[Written], Iterable[str]], lacking: str
) -> Finding:
    found = {value for each in case.seen for value in of(each.written) if value}
    # What most responses do not show does not contradict the one that does.
    telling = {each for each in found if "invalid" in each} or found - {"UTF-8", "doubled", "plain"}
    found = telling or found
    if not found:
        return _unknown(name, lacking)
    responses = sum(any(of(each.written)) for each in case.seen)
    sure = LIKELY if found == {"doubled"} else PROVEN
    evidence = f"Seen in {counted(responses, 'response')}."
    return Finding(name, ", ".join(sorted(found)), evidence, sure)


def _empty(case: Case) -> Finding:
    forms: dict[str, int] = {}
    for each in case.seen:
        if each.span and not each.error and not each.rows:
            form = "header_only" if not each.nothing else "text" if each.size else "nothing"
            forms[form] = forms.get(form, 0) + 1
    if not forms:
        return _unknown("empty", "No day without rows was seen.")
    answer = max(forms, key=forms.__getitem__)
    others = ", ".join(sorted(forms.keys() - {answer}))
    evidence = f"Seen in {counted(forms[answer], 'response')}{f'; also {others}' if others else ''}."
    return Finding("empty", answer, evidence)


# Rows


def _keys(case: Case) -> Finding:
    answer: dict[str, object] = {}
    for each in case.seen:
        if each.rows:
            before = answer.get(each.command.name)
            most = max(each.shared, before if isinstance(before, int) else 0)
            answer[each.command.name] = most or "unique"
    colliding = [name for name, found in answer.items() if found != "unique"]
    if not answer:
        return _unknown("keys", "No rows were seen.")
    if not colliding:
        evidence = f"No rows of {counted(len(answer), 'stream')} share a key and differ."
        return Finding("keys", answer, evidence, LIKELY)
    names = ", ".join(colliding)
    return Finding(
        "keys",
        answer,
        f"Rows that differ share their key in {names}.",
        advice="Set a longer key: `table-key-properties` in the catalog, or `__key_properties__` "
        "in a stream map.",
        ask=f"Which columns make a row unique in these commands: {names}?",
    )


def _row_limit(case: Case) -> Finding:
    most = max((each.rows for each in case.seen), default=0)
    if not most:
        return _unknown("row_limit", "No rows were seen.")
    ask = "How many rows can a response have, and can the limit be raised?"
    if limit := case.cut():
        full = [each for each in case.seen if each.span <= 1 and each.rows == limit]
        evidence = f"A range of days has {limit} rows, its days alone have more."
        more = _one_day(case, "A limit cuts ranges off.", ask)
        if full:
            more["advice"] = f"{more.get('advice', '')} Single days lack rows, too.".strip()
        # Where the preflight sees it, the tap asks for days alone by itself.
        loses = bool(full) or not (case.limits or case.start.notice)
        return Finding("row_limit", limit, evidence, PROVEN, loses=loses, **more)
    if alike := case.alike():
        evidence = "Several responses have this number of rows, and none has more."
        advice = "Ask CoBrowser.net: rows may be missing."
        return Finding("row_limit", alike, evidence, LIKELY, advice, loses=True, ask=ask)
    return Finding("row_limit", "none_seen", f"The largest response has {_about(most)}.", LIKELY)


def _late(case: Case, earlier: Days | None) -> Finding:
    if earlier is None:
        how = "Keep this report with `--format json`, and pass it with `--against` in some days."
        return _unknown("late", how, answer="not_compared")
    now = days_of(case, earlier.salt)
    reason = why_not_compared(case, earlier)
    both = [
        (name, day, digest != now.streams[name][day])
        for name, days in earlier.streams.items()
        for day, digest in days.items()
        if now and day in now.streams.get(name, {}) and (digest or now.streams[name][day])
    ]
    if reason or now is None or not both:
        reason = reason or "No day of the earlier report has rows and was read again."
        return _unknown("late", reason, answer="not_compared")
    passed = (now.today - earlier.today).days
    changed = [(name, day) for name, day, differs in both if differs]
    compared = f"{counted(len(both), 'day')} of streams, {counted(passed, 'day')} later"
    if not changed:
        return Finding("late", "no", f"None of {compared} has changed.", LIKELY)
    least = max((earlier.today - day).days for _, day in changed)
    most = least + min(passed, _WEEK)
    names = ", ".join(sorted({name for name, _ in changed}))
    evidence = f"{len(changed)} of {compared} have changed, up to {least + passed} days after: {names}."
    if case.settings.lookback_days >= most:
        return Finding("late", "yes", evidence)
    advice = f"Set `lookback_days` to {most}."
    loses = case.settings.lookback_days < least
    return Finding("late", "yes", evidence, PROVEN, advice, {"lookback_days": most}, loses)


# Time


def _latency(case: Case) -> Finding:
    width = 2 if case.ranges_work else 1
    windows = [each for each in case.seen if each.span == width and not each.error]
    if not windows:
        return _unknown("latency", "No window was read.")
    seconds = median(each.exchange.seconds for each in windows if each.exchange)
    size = median(each.size for each in windows)
    answer = {"seconds": _rounded(seconds), "bytes": int(_rounded(max(size, _FEW)))}
    evidence = f"Medians of {counted(len(windows), 'window')} of {counted(width, 'day')}."
    return Finding("latency", answer, evidence, LIKELY)


def _concurrency(case: Case) -> Finding:
    answer = {str(number): _rounded(took) for number, took in case.seconds.items()}
    if case.busy_at:
        most = case.busy_at // 2
        evidence = f"The server does not accept {case.busy_at} requests at once."
        if case.settings.max_concurrent_requests <= most:
            return Finding("concurrency", answer, evidence, LIKELY)
        advice = f"Set `max_concurrent_requests` to {most}."
        settings = {"max_concurrent_requests": most}
        return Finding("concurrency", answer, evidence, LIKELY, advice, settings)
    if len(answer) < 2:  # noqa: PLR2004 - two to compare
        return _unknown("concurrency", "It was not tried.", answer=answer or "unknown")
    helps = min(case.seconds.values()) < 0.8 * case.seconds[1]
    evidence = f"Per request, by the number at once: more {'help' if helps else 'hardly help'}."
    return Finding("concurrency", answer, evidence, LIKELY)


def _about(rows: int) -> str:
    """Return a number of rows, rounded so that it shows nothing about an account."""
    return f"fewer than {_FEW} rows" if rows < _FEW else f"about {_rounded(rows):.0f} rows"


def _rounded(number: float) -> float:
    return float(f"{number:.2g}")
