"""Pure: the questions about the server, and their answers from the observations.

The ids and the words of the answers are a contract, because programs rely on them.
"""

from __future__ import annotations

from datetime import timedelta
from math import floor
from statistics import median
from typing import TYPE_CHECKING, Any

from tap_cobrowser.audit import LEAST_LIMIT, is_suspicious
from tap_cobrowser.doctor.case import SEASON, failing
from tap_cobrowser.doctor.finding import LIKELY, PROVEN, UNKNOWN, Finding, about, rounded
from tap_cobrowser.errors import MissingColumnError, NotCsvError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from tap_cobrowser.doctor.case import Case
    from tap_cobrowser.doctor.seen import Seen

_ASK = "Ask CoBrowser.net"
_ASK_TOO = "ask CoBrowser.net"
_ASK_ZONE = f"{_ASK} for the time zone of the account, and set `timezone` to it."
_DECISIVE = ("UTF-8, broken", "fputcsv")
_HOURS_OF_A_DAY = 24
_A_DAY = timedelta(days=1)
_SAME = 3
_LEAST_SHARED = 10
_STEADY = 2.0


def _access(case: Case) -> Finding:
    question = "Do user and key work? Is it a CCC agent?"
    if case.refused:
        advice = "Check `user` (case-sensitive) and `api_key`."
        evidence = "The first request was rejected (401 or 403)."
        return Finding("access", question, "refused", evidence, PROVEN, advice, loses=True)
    answer, evidence, sure = _agent(case)
    advice = ""
    settings: dict[str, Any] = {}
    wants = case.settings.ccc_agent
    failed = failing(case)
    if answer == "unknown":
        advice = "Check `user` and `api_key`. "
    if answer == "agent" and "cccagents" in failed:
        failed = {name: why for name, why in failed.items() if not case.commands[name].ccc_only}
        settings = {"ccc_agent": False}
        advice = "Set `ccc_agent` to false; otherwise the CCC streams fail. "
    elif answer == "ccc" and not wants:
        settings = {"ccc_agent": True}
        advice = "Set `ccc_agent` to true if the four CCC streams are wanted. "
    loses = bool(failed) or settings == {"ccc_agent": False}
    if failed:
        streams = "; ".join(f"'{name}': {reason}" for name, reason in failed.items())
        evidence += f" Streams that cannot be extracted: {streams}."
        advice += "Run the tap for the full error, or deselect these streams."
    return Finding(
        "access", question, answer, evidence, sure, advice.strip() or None, settings, loses=loses
    )


def _agent(case: Case) -> tuple[str, str, str]:
    """Return whether the user is a CCC agent, the evidence, and the confidence."""
    seen = next(iter(case.of("cccagents")), None)
    if seen is None:
        return "unknown", "User and key work; no command for CCC agents was requested.", UNKNOWN
    if seen.refused:
        evidence = f"User and key work; `cccagents` was rejected{_said(seen)}."
        return "agent", evidence, PROVEN
    if seen.error is not None:
        text = isinstance(seen.error, NotCsvError)
        evidence = "User and key work; the response to `cccagents` is not CSV."
        return ("agent", evidence, LIKELY) if text else ("unknown", evidence, UNKNOWN)
    for name, command in case.commands.items():
        if command.ccc_only and (rows := max((each.rows for each in case.of(name)), default=0)):
            return "ccc", f"User and key work; `{name}` has {about(rows)} rows.", PROVEN
    if any(each.rows for each in case.of("accounts")):
        evidence = "User and key work; the responses to the commands for CCC agents have no rows."
        return "agent", evidence, LIKELY
    return "unknown", "The response to `accounts` has no rows, so this is unknown.", UNKNOWN


def _range_order(case: Case) -> Finding:
    question = "Which of `start` and `stop` is the older day?"
    starts, stops = (case.order_works(stop_older=each) for each in (False, True))
    rejected = case.tap_range_rejected() is not None
    words = {
        True: "rows of these days",
        False: "no rows of these days",
        None: "not enough data",
    }
    evidence = (
        f"With `start` as the larger number: {words[starts]}{_refusals(case, stop_older=False)}; "
        f"with `stop` as the larger one: {words[stops]}{_refusals(case, stop_older=True)}."
    )
    if starts and stops:
        return Finding("range_order", question, "either", evidence, PROVEN)
    if starts:
        sure = PROVEN if stops is False else LIKELY
        return Finding("range_order", question, "start_older", evidence, sure)
    if stops:
        sure = PROVEN if starts is False else LIKELY
        advice, settings = _one_day(case, "The tap sends the older day as `start`.", loses=rejected)
        loses = rejected and bool(settings)
        return Finding(
            "range_order", question, "stop_older", evidence, sure, advice, settings, loses=loses
        )
    if starts is False or rejected:
        why = "Ranges of days are rejected." if rejected else "Ranges of days return no rows."
        advice, settings = _one_day(case, why, loses=rejected)
        loses = rejected and bool(settings)
        return Finding(
            "range_order", question, "unknown", evidence, UNKNOWN, advice, settings, loses=loses
        )
    return Finding("range_order", question, "unknown", evidence, UNKNOWN)


def _range_end(case: Case) -> Finding:
    question = "Is the last day of a range included?"
    last, first = case.end_included("last"), case.end_included("first")
    if last is None:
        evidence = "No range of days was seen whose last day has rows when it is requested alone."
        if first and not first[0]:
            advice, settings = _one_day(case, "Ranges of days lack their older day.")
            return Finding("range_end", question, "unknown", evidence, UNKNOWN, advice, settings)
        return Finding("range_end", question, "unknown", evidence, UNKNOWN)
    there, sure = last
    if not there:
        evidence = "A range of two days lacks the younger day, which has rows when requested alone."
        advice, settings = _one_day(case, "Ranges of days lack their last day.")
        confidence = PROVEN if sure else LIKELY
        return Finding("range_end", question, "excluded", evidence, confidence, advice, settings)
    evidence = "A range of two days has rows of the younger day."
    if first and not first[0]:
        evidence += " It lacks the older day, which has rows when it is requested alone."
        advice, settings = _one_day(case, "Ranges of days lack their older day.")
        return Finding("range_end", question, "included", evidence, PROVEN, advice, settings)
    return Finding("range_end", question, "included", evidence, PROVEN)


def _range_used(case: Case) -> Finding:
    question = "Do `start` and `stop` have any effect?"
    if found := case.ignored():
        one, other = found
        evidence = (
            f"Requests for {one.start} and for {other.start} days ago returned rows with the same "
            "date-times, which cannot belong to both days."
        )
        same = one.quarters.keys() == other.quarters.keys()
        advice = (
            f"An extraction would fail or lack rows. {_ASK} why the server ignores `start` "
            "and `stop`; check caches and proxies in between."
        )
        sure = PROVEN if same else LIKELY
        return Finding("range_used", question, "ignored", evidence, sure, advice, loses=True)
    for one in case.recent_days:
        for other in case.recent_days:
            if (
                one.command == other.command
                and one.start != other.start
                and not set(one.quarters) & set(other.quarters)
            ):
                evidence = f"Rows of {one.start} and of {other.start} days ago share no date-time."
                return Finding("range_used", question, "yes", evidence, PROVEN)
    zone = case.zone
    for one in case.recent_days:
        if one.start and zone and one.fits(zone):
            evidence = (
                f"A request for {one.start} days ago returned rows of that day, not of today."
            )
            return Finding("range_used", question, "yes", evidence, PROVEN)
    evidence = "No two days with rows were found."
    return Finding("range_used", question, "unknown", evidence, UNKNOWN)


def _range_most(case: Case) -> Finding:
    question = "How many days may a request span, and how does the server respond to one more?"
    pairs = [each for each in case.seen if _span(each) == 2]  # noqa: PLR2004 - days
    three = next((each for each in case.seen if _span(each) == 3), None)  # noqa: PLR2004 - days
    alone = [each for each in case.seen if each.is_single and each.error is None]
    answer, sure, evidence, empty = 0, UNKNOWN, "There was not enough data to tell.", False
    if not pairs or case.ignored():
        pass
    elif alone and all(case.rejects(each) for each in pairs):
        answer, sure = 1, PROVEN
        evidence = f"Two days are rejected{_said(pairs[0])}; one day is not."
    elif {case.order_works(stop_older=each) for each in (False, True)} == {False}:
        answer, sure, empty = 1, LIKELY, True
        evidence = "A request for two days returns no rows, in either order; one day has rows."
    elif three and any(each.error is None for each in pairs):
        answer, sure, evidence = _three_days(case, three)
    advice: str | None = None
    settings: dict[str, Any] = {}
    if answer in {1, 2} and case.settings.window_days > answer:
        settings = {"window_days": answer}
        advice = f"Set `window_days` to {answer}."
    return Finding(
        "range_most",
        question,
        answer or "unknown",
        evidence,
        sure,
        advice,
        settings,
        loses=bool(settings) and not empty,
    )


def _three_days(case: Case, three: Seen) -> tuple[int, str, str]:
    """Return what a request for three days shows: the answer, its confidence, the evidence."""
    if three.error is not None and three.status:
        sure = PROVEN if isinstance(three.error, RefusedError) else LIKELY
        return 2, sure, f"Two days are accepted; three are rejected{_said(three)}."
    if case.zone is None or three.error is not None:
        return 0, UNKNOWN, "The request for three days returned no rows of these days."
    known, days = case.known_days(case.zone), three.days(case.zone)
    with_rows = {day for day in days if three.rows_of(day, case.zone)}
    expected = {day for day in days if (three.command, day) in known}
    if case.lacks_an_end() or case.may_be_limit(three):
        expected.clear()
    if expected and not with_rows:
        return 2, PROVEN, "Two days are accepted; a request for three returns no rows."
    if expected - with_rows:
        evidence = f"Two days are accepted; of three, only {len(with_rows)} have rows."
        return 2, PROVEN, evidence
    if {days[0], days[-1]} <= with_rows:
        return 3, LIKELY, "Three days are accepted and have rows; more were not tried."
    return 0, UNKNOWN, "Three days are accepted, but too few days have rows to tell."


def _day_zone(case: Case) -> Finding:
    recent, key = case.recent, case.settings.timezone.key
    seasons = [each for each in case.dated if (each.start or 0) >= SEASON]
    if not recent or case.ignored():
        return _of_zone("unknown", "No day with rows was found.", UNKNOWN)
    if not case.own_zone_fits(recent):
        return _other_zone(case, recent)
    evidence = f"The rows of {len(recent)} responses fit the days of `timezone` ({key})"
    if others := case.offsets(recent):
        evidence += f", and those of {len(others)} other UTC offsets: none is close to midnight."
        return _of_zone("unknown", evidence, UNKNOWN)
    if not case.own_zone_fits(seasons):
        found = [_offset(zone) for zone in case.offsets(seasons)]
        answer = ", ".join([_offsets_of(case.settings.timezone, recent), *found])
        evidence = f"The days of {key} fit now, but not in another part of the year."
        return _of_zone(answer, evidence, PROVEN, *_zone_to_set(case))
    evidence += " and of no other offset."
    if seasons:
        evidence += " So do those of another part of the year."
    if case.is_without_offset:
        evidence += " Their date-times have no UTC offset, and may be of another zone."
    sure = PROVEN if seasons and not case.is_without_offset else LIKELY
    return _of_zone("matches", evidence, sure)


def _other_zone(case: Case, recent: list[Seen]) -> Finding:
    """Return where days begin that are not those of `timezone`."""
    key, others, zone = case.settings.timezone.key, case.offsets(recent), case.zone
    evidence = f"Rows of {len(recent)} responses do not fit the days of `timezone` ({key})"
    if case.is_without_offset:
        evidence += ", and their date-times have no UTC offset."
        advice = f"{_ASK} for the time zone of the date-times and of the days of the account."
        return _of_zone("unknown", evidence, UNKNOWN, advice)
    if zone is None:
        evidence += ", and no UTC offset explains it. The server may return cached responses."
        advice = f"{_ASK}, and check any cache or proxy in between. Rows are missing until then."
        return _of_zone("unknown", evidence, UNKNOWN, advice)
    if len(others) > _SAME:
        evidence += f"; {len(others)} other UTC offsets are possible."
        return _of_zone("unknown", evidence, UNKNOWN, _ASK_ZONE)
    answer = ", ".join(map(_offset, others)) or _offsets_of(zone, recent)
    if len({each.utcoffset(None) % _A_DAY for each in others}) > 1:
        return _of_zone(answer, f"{evidence}.", LIKELY, _ASK_ZONE)
    return _of_zone(answer, f"{evidence}.", PROVEN, *_zone_to_set(case))


def _of_zone(
    answer: str,
    evidence: str,
    sure: str,
    advice: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Finding:
    question, loses = "Where do the server's days begin?", advice is not None
    return Finding(
        "day_zone", question, answer, evidence, sure, advice, settings or {}, loses=loses
    )


def _zone_to_set(case: Case) -> tuple[str, dict[str, Any]]:
    """Return the advice which zone to set, and the setting."""
    zone = case.likely_zone(case.dated)
    if zone is None:
        return _ASK_ZONE, {}
    advice = f"Set `timezone` to {zone.key}, or to another zone with these offsets; "
    return f"{advice}{_ASK_TOO} which.", {"timezone": zone.key}


def _stamp_offset(case: Case) -> Finding:
    question = "What UTC offset do the date-times carry?"
    found = sorted(
        {
            offset
            for each in case.seen
            if each.written and each.start is not None and each.start < SEASON
            for offset in each.written.offsets
        }
    )
    if not found:
        return Finding("stamp_offset", question, "unknown", "No date-time was seen.", UNKNOWN)
    if len(found) > 2:  # noqa: PLR2004 - summer and winter
        evidence = f"{len(found)} offsets were seen."
        return Finding("stamp_offset", question, ", ".join(found[:9]), evidence, PROVEN)
    evidence = "All date-times of recent days have it."
    return Finding("stamp_offset", question, ", ".join(found), evidence, PROVEN)


def _clock(case: Case) -> Finding:
    question = (
        "Is there a `Date` header, is it new in each response, and how far is this machine's "
        "clock ahead of the server's?"
    )
    if case.stale:
        advice = (
            f"Check any cache or proxy in between, and {_ASK_TOO} "
            "whether responses are cached. The tap counts days from `Date`."
        )
        return Finding("clock", question, "stale", case.stale, PROVEN, advice, loses=True)
    if case.has_date is None:
        return Finding("clock", question, "unknown", "There was no response.", UNKNOWN)
    if not case.has_date:
        evidence = "No response had a `Date` header that can be read."
        advice = "Keep this machine's clock correct: the tap counts days by it."
        return Finding("clock", question, "no_date", evidence, PROVEN, advice)
    least, most = case.clock
    off = 0 if least <= 0 <= most else floor((least + most) / 2 + 0.5)
    evidence = "In seconds. Each response has a new `Date`."
    return Finding("clock", question, off, evidence, PROVEN)


def _written(
    name: str, question: str, of: Callable[[Any], Iterable[str]], default: str = "unknown"
) -> Callable[[Case], Finding]:
    """Return the question about one part of the format of responses."""

    def ask(case: Case) -> Finding:
        written = [each.written for each in case.seen if each.written and each.error is None]
        found = {value for each in written for value in of(each)}
        telling = sorted(filter(None, found)) or ([default] if found else [])
        # One decisive response is enough; the others do not contradict it.
        telling = [value for value in _DECISIVE if value in telling][:1] or telling
        if not telling or telling == ["unknown"]:
            return Finding(name, question, "unknown", "No response shows it.", UNKNOWN)
        evidence = f"Seen in {len(written)} responses."
        return Finding(name, question, ", ".join(telling), evidence, PROVEN)

    return ask


def _header(case: Case) -> Finding:
    question = "What is the header like?"
    wrong = [each for each in case.seen if isinstance(each.error, MissingColumnError)]
    if wrong:
        names = ", ".join(sorted({each.command for each in wrong}))
        evidence = f"A key column is missing or present twice in: {names}."
        advice = f"{_ASK} whether its export has changed, and look for a newer version of the tap."
        return Finding("header", question, "no key", evidence, PROVEN, advice, loses=True)
    return _written("header", question, lambda each: [each.header])(case)


def _empty(case: Case) -> Finding:
    question = "What does a day without rows look like?"
    found: dict[str, int] = {}
    for each in case.seen:
        if each.rows or each.start is None:
            continue
        form = ""
        if each.error is None and each.status:
            form = "header_only" if not each.blank else "nothing" if not each.body else "text"
        elif isinstance(each.error, NotCsvError) and each.is_single:
            form = "text"
        if form:
            found[form] = found.get(form, 0) + 1
    if not found:
        evidence = "No day without rows was found."
        return Finding("empty", question, "unknown", evidence, UNKNOWN)
    answer = max(found, key=found.__getitem__)
    evidence = f"Seen in {found[answer]} responses."
    if len(found) > 1:
        evidence += f" Other forms were seen as well: {', '.join(sorted(found.keys() - {answer}))}."
    return Finding("empty", question, answer, evidence, PROVEN)


def _keys(case: Case) -> Finding:
    question = "Are the keys unique?"
    answer: dict[str, object] = {}
    for name in case.commands:
        seen = [each for each in case.of(name) if each.rows]
        if seen:
            answer[name] = max(each.collisions for each in seen) or "unique"
    colliding = [name for name, found in answer.items() if found != "unique"]
    if not answer:
        return Finding("keys", question, "unknown", "No rows were seen.", UNKNOWN)
    if colliding:
        evidence = f"In {', '.join(colliding)}, rows of a response share their key but differ."
        advice = (
            "A target that upserts keeps one row of each key. Set another key with "
            f"`__key_properties__` in a stream map; {_ASK_TOO} what makes a row "
            "unique."
        )
        return Finding("keys", question, answer, evidence, PROVEN, advice)
    evidence = "No response has two rows that share their key and differ."
    return Finding("keys", question, answer, evidence, LIKELY)


def _row_limit(case: Case) -> Finding:
    question = "Is there a row limit?"
    found = case.cut()
    if found:
        cut, sure = found
        evidence = (
            f"A response to two days has {cut.rows} rows, more than any other; requested alone, "
            "the days have more."
        )
        advice, settings = _one_day(case, f"The server limits a response to {cut.rows} rows.")
        loses = not is_suspicious(cut.rows)
        full = [each for each in case.seen if each.is_single and each.rows == cut.rows]
        if full:
            more = f"Single days reach the limit and lack rows: {_ASK_TOO} for a higher limit."
            advice = f"{advice} {more}" if advice else more
        return Finding(
            "row_limit",
            question,
            cut.rows,
            evidence,
            PROVEN if sure else LIKELY,
            advice,
            settings,
            loses=bool(loses and settings) or bool(full),
        )
    alike = case.alike()
    most = max((each.rows for each in alike), default=0)
    requests = {(each.command, each.start, each.stop) for each in alike}
    several = len({each.command for each in alike}) > 1 and most >= _LEAST_SHARED
    countable = (most >= LEAST_LIMIT or several) and most % _HOURS_OF_A_DAY
    days = {(each.start, each.stop) for each in alike}
    if len(requests) >= _SAME and len(days) > 1 and countable and not case.has_whole(most):
        evidence = f"{len(requests)} responses have exactly {most} rows, and none has more."
        advice = f"{_ASK} for the row limit per request, and for a higher one."
        return Finding("row_limit", question, most, evidence, LIKELY, advice, loses=True)
    if not any(each.rows for each in case.seen):
        return Finding("row_limit", question, "unknown", "No rows were seen.", UNKNOWN)
    most = max(each.rows for each in case.seen)
    evidence = f"The largest response has {about(most)} rows."
    if is_suspicious(most) and not case.has_whole(most):
        return Finding(
            "row_limit", question, "none_seen", f"{evidence} It may be a limit.", UNKNOWN
        )
    return Finding("row_limit", question, "none_seen", evidence, LIKELY)


def _compression(case: Case) -> Finding:
    question = "Are responses compressed?"
    found = sorted({each.encoding for each in case.seen if each.rows})
    if not found:
        return Finding("compression", question, "unknown", "No rows were seen.", UNKNOWN)
    names = ", ".join(each or "none" for each in found)
    return Finding("compression", question, names, "`Content-Encoding` of the responses.", PROVEN)


def _latency(case: Case) -> Finding:
    question = "How many seconds and bytes does a window take?"
    seen = [each for each in case.seen if _span(each) == 2 and each.error is None]  # noqa: PLR2004
    if not seen:
        return Finding("latency", question, "unknown", "No window was seen.", UNKNOWN)
    answer = {
        "seconds": rounded(float(median(each.seconds for each in seen))),
        "bytes": rounded(int(median(each.body for each in seen))),
    }
    evidence = f"Medians of {len(seen)} windows of two days."
    return Finding("latency", question, answer, evidence, LIKELY)


def _concurrency(case: Case) -> Finding:
    question = "Do concurrent requests shorten a run?"
    answer = {str(number): rounded(float(took)) for number, took in case.seconds.items()}
    if case.busy_at:
        evidence = f"The server rejected {case.busy_at} concurrent requests, or failed."
        most = case.busy_at // 2
        if case.settings.max_concurrent_requests > most:
            advice = f"Set `max_concurrent_requests` to {most}."
            settings = {"max_concurrent_requests": most}
            return Finding("concurrency", question, answer, evidence, LIKELY, advice, settings)
        return Finding("concurrency", question, answer, evidence, LIKELY)
    if len(answer) < 2:  # noqa: PLR2004 - two to compare
        return Finding("concurrency", question, answer or "unknown", "It was not tried.", UNKNOWN)
    best, one = min(case.seconds.values()), case.seconds[1]
    helps = "They do" if best * _STEADY < one * 1.6 else "They do so by little, or not at all"
    evidence = f"Seconds per request, by the number of concurrent requests. {helps}."
    return Finding("concurrency", question, answer, evidence, LIKELY)


QUESTIONS: tuple[Callable[[Case], Finding], ...] = (
    _access,
    _range_order,
    _range_end,
    _range_most,
    _range_used,
    _day_zone,
    _stamp_offset,
    _clock,
    _header,
    _written("encoding", "How is text encoded?", lambda each: [each.encoding]),
    _written("line_ends", "How do lines end?", lambda each: [each.line_ends]),
    _written("quoting", "How are quotes written?", lambda each: [each.quoting]),
    _written("dates", "How are date-times written?", lambda each: each.dates),
    _written("numbers", "How are numbers written?", lambda each: each.numbers, "plain"),
    _empty,
    _keys,
    _row_limit,
    _compression,
    _latency,
    _concurrency,
)


def _span(seen: Seen) -> int:
    """Return the number of days of a response; 0 for a command without a range."""
    if seen.start is None or seen.stop is None:
        return 0
    return abs(seen.start - seen.stop) + 1


def _offset(zone: Any) -> str:
    text = str(zone)
    return "+00:00" if text == "UTC" else text.removeprefix("UTC")


def _offsets_of(zone: tzinfo | None, seen: Sequence[Seen]) -> str:
    """Return the UTC offsets of a zone on the days that were requested."""
    moments = [each.at - timedelta(days=each.start or 0) for each in seen]
    found = sorted({f"{each.astimezone(zone):%z}" for each in moments})
    return ", ".join(f"{each[:3]}:{each[3:]}" for each in found)


def _one_day(case: Case, why: str, *, loses: bool = False) -> tuple[str | None, dict[str, Any]]:
    """Return the advice to request one day at a time, and the setting, unless it is set."""
    if case.settings.window_days == 1:
        return None, {}
    cost = "the extraction fails" if loses else "each run needs some requests to detect this"
    return f"{why} Set `window_days` to 1; otherwise {cost}.", {"window_days": 1}


def _said(seen: Seen) -> str:
    """Return how a request was rejected."""
    form = f" (status {seen.status}, {seen.media or 'no media type'})" if seen.status else ""
    return f"{form}: {seen.said}" if seen.said else form


def _refusals(case: Case, *, stop_older: bool) -> str:
    for each in case.seen:
        if (
            each.is_range
            and each.start is not None
            and each.stop is not None
            and (each.stop > each.start) == stop_older
            and _span(each) == 2  # noqa: PLR2004 - days
            and case.rejects(each)
        ):
            return f", rejected{_said(each)}"
    return ""
