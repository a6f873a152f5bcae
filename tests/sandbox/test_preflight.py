"""The first requests of a run: the server's day, and whether ranges of days work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from sandbox import Readings, Sandbox, World
from tap_cobrowser.api.fetch import Api
from tap_cobrowser.api.preflight import Preflight
from tap_cobrowser.days import ONE_DAY, midnight
from tap_cobrowser.errors import CredentialsError, RejectedError, ServerBusyError, UnreachableError
from tap_cobrowser.settings import check
from tests.expected import AMSTERDAM, COMMANDS, NOW, TODAY, WINDOWED, days_ago
from tests.made_up import MadeUp
from tests.worlds import Counted, config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

HOURLY = ["accountspecshourly", "filterstatshourly", "hostspecshourly"]
BUSY = Counted(lambda *_: 5)


@pytest.fixture(scope="module")
def _server() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(_server: Sandbox) -> Sandbox:
    """The same server for all tests here, as it is at first: five rows a day."""
    _server.world, _server.readings = cast("World", BUSY), Readings()
    _server.before_rows, _server.window_days = None, 31
    _server.faults.clear()
    _server.requests.clear()
    return _server


def ask(
    sandbox: Sandbox,
    *commands: str,
    span: int = 2,
    time: MadeUp | None = None,
    **more: Any,
) -> Preflight:
    """Make the first requests of a run whose longest window has a number of days."""
    time = time or MadeUp(NOW)
    sandbox.set_clock(time.server)
    settings = check({"max_retries": 0, **config_for(sandbox, **more)})
    windowed = [COMMANDS[name] for name in commands or WINDOWED]
    result = Preflight(Api(settings, time=time.of_tap()), windowed, settings)
    result.ask_for_today()
    result.ask_for_ranges(span)
    return result


def requested(sandbox: Sandbox) -> list[tuple[str, int | None, int | None]]:
    """Return command, `start` and `stop` of each request; those at the same time by `stop`."""
    made = [(each.command, each.start, each.stop) for each in sandbox.requests]
    for at in range(1, len(made) - 1):
        if {made[at][1], made[at + 1][1]} == {made[at][1]} and made[at][2] != made[at][1]:
            made[at : at + 2] = [made[at + 1], made[at]]
    return made


def test_a_busy_account_takes_three_requests_the_first_of_which_goes_alone(
    sandbox: Sandbox,
) -> None:
    result = ask(sandbox)
    assert (result.today, result.ranges, result.notice) == (TODAY, True, None)
    assert requested(sandbox) == [(HOURLY[0], 1, 1), (HOURLY[0], 2, 2), (HOURLY[0], 2, 1)]
    assert result.sizes[HOURLY[0]] > 0
    assert not result.errors


def test_nothing_else_is_sent_until_the_first_response_is_there(sandbox: Sandbox) -> None:
    seen: list[int] = []
    sandbox.before_rows = lambda request: seen.append(request.in_flight)
    sandbox.latency = 0.05
    try:
        ask(sandbox)
    finally:
        sandbox.latency = 0
    assert seen == [1, *seen[1:]]
    assert max(seen) == 2


def test_days_alone_need_no_proof_of_ranges(sandbox: Sandbox) -> None:
    result = ask(sandbox, span=1)
    assert (result.today, result.notice) == (TODAY, None)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("span", [2, 3, 31])
def test_the_longest_window_of_the_run_is_tried(sandbox: Sandbox, span: int) -> None:
    assert ask(sandbox, span=span).ranges
    assert requested(sandbox)[1:] == [(HOURLY[0], span, span), (HOURLY[0], span, 1)]


DO_NOT_WORK: dict[str, dict[str, Any]] = {
    "younger end first": {"order": "stop_older"},
    "last day excluded": {"end": "excluded"},
    "first day alone": {"range": "first_day"},
    "last day alone": {"range": "last_day"},
    "rejected": {"range": "rejected"},
    "an error of the server": {"range": "fails"},
    "a limit of rows": {"row_limit": 8},
}


@pytest.mark.parametrize("commands", [WINDOWED, ["emails"], ["agentactivity"]], ids=len)
@pytest.mark.parametrize("reading", DO_NOT_WORK.values(), ids=DO_NOT_WORK.keys())
def test_ranges_that_do_not_work_are_one_warning_and_days_are_requested_alone(
    sandbox: Sandbox, reading: dict[str, Any], commands: list[str]
) -> None:
    sandbox.readings = Readings(**reading)
    result = ask(sandbox, *commands)
    assert not result.ranges
    assert result.notice
    assert f"the response to {days_ago(2)}..{days_ago(1)}" in result.notice.text
    assert "requests one day at a time instead" in result.notice.text
    assert "ask CoBrowser.net" in result.notice.text
    # a window that lacks rows, or whose request may be retried, is requested once more
    assert len(sandbox.requests) == (3 if reading.get("range") == "rejected" else 4)
    assert result.today == TODAY
    assert not result.errors


def test_either_order_works(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(order="either")
    assert ask(sandbox).ranges


def test_rows_that_arrive_between_two_requests_are_no_lack(sandbox: Sandbox) -> None:
    """The window is requested before a row comes, its days after that."""
    ranges: list[Any] = []

    def per_day(_: str, day: date) -> int:
        return 6 if len(ranges) != 1 and day == days_ago(2) else 5

    def note(request: Any) -> None:
        if request.start != request.stop:
            ranges.append(request)

    sandbox.world = cast("World", Counted(per_day))
    sandbox.before_rows = note
    assert ask(sandbox, max_concurrent_requests=1).ranges
    assert len(ranges) == 2


QUIET = {
    "no rows yesterday": ([1], [(3, 3), (4, 4), (4, 3)]),
    "no rows two days ago": ([2], [(2, 2), (2, 1), (3, 3), (4, 4), (4, 3)]),
    "no rows for a week": (range(1, 8), [(3, 3), (8, 8), (9, 9), (9, 8)]),
}


@pytest.mark.parametrize(("silent", "then"), QUIET.values(), ids=QUIET.keys())
def test_if_days_are_silent_others_are_taken(
    sandbox: Sandbox, silent: list[int], then: list[tuple[int, int]]
) -> None:
    sandbox.readings = Readings(silent=",".join(str(days_ago(ago)) for ago in silent))
    result = ask(sandbox, "emails")
    assert (result.today, result.ranges, result.notice) == (TODAY, True, None)
    assert requested(sandbox) == [("emails", 1, 1), *(("emails", *days) for days in then)]


def test_if_a_stream_is_silent_another_one_is_taken(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(silent="accountspecshourly:all")
    assert ask(sandbox).ranges
    commands = [each.command for each in sandbox.requests]
    assert commands == [HOURLY[0]] * 3 + [commands[-1]] * 3
    assert commands[-1] in HOURLY


@pytest.mark.parametrize("silent", ["all", "odd", "even"])
def test_if_nothing_can_be_seen_in_four_tries_days_are_requested_alone_without_a_warning(
    sandbox: Sandbox, silent: str
) -> None:
    sandbox.readings = Readings(silent=silent)
    result = ask(sandbox)
    assert (result.today, result.ranges, result.notice) == (TODAY, False, None)
    assert len(sandbox.requests) <= 1 + 4 * 3


def test_rows_of_another_day_show_nothing(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(range="ignored")
    result = ask(sandbox)
    assert (result.today, result.ranges, result.notice) == (TODAY, False, None)


# Errors


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_sent_once(sandbox: Sandbox, status: int) -> None:
    sandbox.fail(f"status-{status}")
    with pytest.raises(CredentialsError):
        ask(sandbox)
    assert len(sandbox.requests) == 1


def test_a_stream_that_fails_leaves_the_proof_to_another_one(sandbox: Sandbox) -> None:
    sandbox.fail("status-400", HOURLY[0])
    result = ask(sandbox)
    assert (result.today, result.ranges) == (TODAY, True)
    assert isinstance(result.errors.pop(HOURLY[0]), RejectedError)
    assert not result.errors
    assert len(sandbox.requests) == 4


def test_a_stream_that_fails_later_leaves_the_proof_to_another_one(sandbox: Sandbox) -> None:
    sandbox.fail("status-403", HOURLY[0], start=2)
    assert ask(sandbox).ranges
    assert len(sandbox.requests) == 6


def test_a_range_that_fails_because_its_days_do_is_no_warning_about_ranges(
    sandbox: Sandbox,
) -> None:
    sandbox.fail("status-400", "emails", start=2)
    result = ask(sandbox, "emails")
    assert isinstance(result.errors["emails"], RejectedError)
    assert result.notice is None


def test_a_server_that_is_down_is_the_error_of_each_stream(sandbox: Sandbox) -> None:
    sandbox.fail("status-503")
    result = ask(sandbox, "emails", "agentactivity", max_retries=1)
    assert result.today is None
    assert {type(error) for error in result.errors.values()} == {ServerBusyError}
    assert len(sandbox.requests) == 4


def test_no_connection_ends_the_run_at_once(sandbox: Sandbox) -> None:
    with pytest.raises(UnreachableError):
        ask(sandbox, api_url="http://127.0.0.1:9/csv.php")


# The day


@pytest.mark.parametrize("drift", [-40, -1, 1, 5])
@pytest.mark.parametrize("retries", [0, 5])
def test_this_machine_s_clock_may_be_days_off(sandbox: Sandbox, drift: int, retries: int) -> None:
    time = MadeUp(NOW, timedelta(days=drift))
    result = ask(sandbox, time=time, max_retries=retries)
    assert (result.today, result.ranges) == (TODAY, True)
    assert len(sandbox.requests) == 3


def test_without_a_date_header_this_machine_s_clock_counts(sandbox: Sandbox) -> None:
    sandbox.fail("no-date")
    assert ask(sandbox).today == TODAY
    time = MadeUp(NOW, timedelta(days=-2))
    assert ask(sandbox, time=time, span=1).today == days_ago(2)


MIDNIGHTS: dict[str, tuple[float, Callable[[date], date]]] = {
    "within the first request": (0.5, lambda today: today + ONE_DAY),
    "within the second": (1.5, lambda today: today + ONE_DAY),
    "within the third": (4.5, lambda today: today),
}


@pytest.mark.parametrize(("left", "day"), MIDNIGHTS.values(), ids=MIDNIGHTS.keys())
def test_the_first_response_fixes_the_day_wherever_midnight_falls(
    sandbox: Sandbox, left: float, day: Callable[[date], date]
) -> None:
    time = MadeUp(midnight(TODAY + ONE_DAY, AMSTERDAM) - timedelta(seconds=left))
    sandbox.before_rows = lambda _: time.pass_by(1)
    result = ask(sandbox, time=time, max_retries=2, max_concurrent_requests=1)
    assert (result.today, result.ranges) == (day(TODAY), True)
