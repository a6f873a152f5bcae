"""The requests of an examination, in order: only as many as are needed, one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_cobrowser.api.preflight import preflight
from tap_cobrowser.api.windows import Windows
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.doctor.asking import MOST_AT_ONCE, MOST_REQUESTS, StoppedError
from tap_cobrowser.doctor.late import days_of, why_not
from tap_cobrowser.errors import TapCobrowserError

if TYPE_CHECKING:
    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.doctor.asking import RecordingApi
    from tap_cobrowser.doctor.case import Case

_AT_ONCE = (1, 2, MOST_AT_ONCE)
_LONG_AGO = 3650


def examine(api: RecordingApi, case: Case, time: Time, earlier: dict[str, Any] | None) -> None:
    """Make the requests of an examination.

    Args:
        api: Sends the requests, and keeps what it sees.
        case: Where that is collected.
        time: This machine's time.
        earlier: Digests from an earlier report.

    Raises:
        StoppedError: If it ends early.
    """
    try:
        case.start = preflight(
            api,
            [each for each in case.commands.values() if each.windowed],
            zone=case.settings.timezone,
            longest_window=lambda _: 2,
            threads=1,
        )
    except TapCobrowserError as error:
        raise StoppedError(error) from None
    if today := case.start.today:
        _streams(api, case, today)
        _ranges(api, case)
        _compare(api, case, earlier, today)
        _at_once(api, case, time, today)


def _streams(api: RecordingApi, case: Case, today: date) -> None:
    """Read each stream as the tap does, with its checks: full tables, then the last days."""
    windows = Windows(api, case.settings, [], case.start)
    for command in sorted(case.commands.values(), key=lambda each: each.windowed):
        if command.ccc_only and "cccagents" in case.failed:  # the first of them
            case.failed[command.name] = case.failed["cccagents"]
            continue
        before, days = len(case.seen), _window(today, 1, case.width) if command.windowed else None
        try:
            parts = list(windows.read((command, False), days))
        except TapCobrowserError as error:
            case.failed[command.name] = error
            continue
        if any(notice.kind == "limit" for part in parts for notice in part.notices):
            case.limits.add(case.seen[before].rows)


def _window(today: date, ago: int, width: int) -> DateWindow:
    """Return so many days, of which the newest is so many days ago."""
    last = today - ago * ONE_DAY
    return DateWindow(last - (width - 1) * ONE_DAY, last)


def _ranges(api: RecordingApi, case: Case) -> None:
    """Request what the tap does not need to know: other orders, three days, a day without rows."""
    known = case.known
    days = [each for each in known if (each[0], each[1] + 1) in known] or [*known]
    name, ago = days[0] if days else ("accountspecshourly", 1)
    command = case.commands[name]

    def once(start: int, stop: int) -> None:
        if all(each.command != command or each.numbers != (start, stop) for each in case.seen):
            api.probe(command, start, stop)

    # A day with rows as the older and as the younger end, in both orders.
    for start, stop in ((ago + 1, ago), (ago, ago - 1)):
        ends = case.end_included("older"), case.end_included("younger")
        if not (case.order_works(stop_older=False) and all(ends)):
            once(start, stop)
    for start, stop in ((ago, ago + 1), (ago - 1, ago)):
        if case.order_works(stop_older=True) is None:
            once(start, stop)
    reverse = case.order_works(stop_older=True) and not case.order_works(stop_older=False)
    once(*((1, 3) if reverse else (3, 1)))
    if all(each.rows or each.error or not each.numbers for each in case.seen):
        api.probe(case.commands["conversations"], _LONG_AGO, _LONG_AGO)


def _compare(api: RecordingApi, case: Case, earlier: dict[str, Any] | None, today: date) -> None:
    """Request the days of an earlier report."""
    now = days_of(case, earlier["salt"]) if earlier else None
    if not earlier or not now or why_not(earlier, now):
        return
    for name, days in earlier["streams"].items():
        before = today
        for day in map(date.fromisoformat, sorted(days, reverse=True)):
            left = MOST_REQUESTS - api.requests > sum(_AT_ONCE)
            if name in case.commands and name not in case.failed and day < before and left:
                before = day - (case.width - 1) * ONE_DAY
                with suppress(TapCobrowserError):
                    api.fetch(case.commands[name], DateWindow(before, day))


def _at_once(api: RecordingApi, case: Case, time: Time, today: date) -> None:
    """Compare the time of one, two and four requests at once."""
    command, ago = case.commands["conversations"], 3
    for number in _AT_ONCE:
        if MOST_REQUESTS - api.requests < number or command.name in case.failed:
            return
        windows = [_window(today, ago + each * case.width, case.width) for each in range(number)]
        ago += number * case.width
        begun = time.monotonic()
        with ThreadPoolExecutor(number) as pool:
            jobs = [pool.submit(api.fetch, command, window) for window in windows]
        try:
            for job in jobs:
                job.result()
        except StoppedError:
            if number == 1:
                raise
            case.busy_at = number
            return
        except TapCobrowserError:
            return
        case.seconds[number] = (time.monotonic() - begun) / number
