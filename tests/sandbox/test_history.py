"""An earlier `start_date`: only the missing days are read, after the daily work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sandbox import Sandbox, World
from tap_cobrowser.days import ONE_DAY, midnight, parse_day
from tap_cobrowser.errors import TapCobrowserError
from tests.expected import AMSTERDAM, NOW, TODAY, days_ago, expected, ordered
from tests.made_up import MadeUp
from tests.outputs import run, select, warnings_of
from tests.strategies import examples
from tests.worlds import FewRows, config_for, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.outputs import Output

EMAILS = select("emails")
TWO = select("agentactivity", "emails")
NAMES = ("agentactivity", "emails")


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """One request at a time, so that their order tells something; one day of look-back."""
    return {**config, "max_concurrent_requests": 1, "lookback_days": 1}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A busy one: the first three requests of a run show that ranges work."""
    with Sandbox(World(rows_per_day=250), clock=NOW, frozen=True) as server:
        yield server


def starting(config: dict[str, Any], days: int, end: int | None = None) -> dict[str, Any]:
    until = {} if end is None else {"end_date": days_ago(end).isoformat()}
    return {**config, "start_date": days_ago(days).isoformat(), **until}


def requested(sandbox: Sandbox) -> list[tuple[str, int | None, int | None]]:
    """Return the requests of a run after its preflight: command, and the range in days ago."""
    made = [(each.command, each.start, each.stop) for each in sandbox.requests]
    sandbox.requests.clear()
    assert made[0][1:] == (1, 1)
    assert made[1:3] == [(made[0][0], 2, 2), (made[0][0], 2, 1)]
    return made[3:]


def complete_from(state: dict[str, Any], stream: str = "emails") -> int | None:
    """Return since how many days ago a stream is complete."""
    value = state["bookmarks"].get(stream, {}).get("complete_from")
    return (TODAY - parse_day(value, AMSTERDAM)).days if value else None


def cut(output: Output, states: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the records and the state of a run that is killed behind one of its STATEs."""
    records: list[dict[str, Any]] = []
    for message in output.messages:
        if message["type"] == "RECORD":
            records.append(message["record"])
        elif message["type"] == "STATE":
            states -= 1
            if not states:
                return records, message["value"]
    return records, output.states[-1]


def test_earlier_days_are_filled_in_newest_first_after_the_daily_work_of_all_streams(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = run(starting(config, 4), catalog=TWO)
    requested(sandbox)
    caplog.clear()
    second = run(starting(config, 9), catalog=TWO, state=first.states[-1])
    earlier = [(5, 5), (7, 6), (9, 8)]
    assert requested(sandbox) == [
        *[(stream, 1, 0) for stream in NAMES],
        *[(stream, *days) for stream in NAMES for days in earlier],
    ]
    for stream in NAMES:
        rows = expected(sandbox.world, stream, days_ago(9))
        both = {*ordered(first.records(stream)), *ordered(second.records(stream))}
        assert both == {*ordered(rows)}
        assert second.bookmark(stream) == first.bookmark(stream)
    days = [tuple(complete_from(each, name) for name in NAMES) for each in second.states]
    assert days[-8:] == [*[(4, 4)] * 2, (5, 4), (7, 4), (9, 4), (9, 5), (9, 7), (9, 9)]
    assert len(second.of_type("SCHEMA")) == 2
    assert "lookback_from" not in second.text
    said = [line for line in caplog.messages if "emails" in line]
    assert any(
        "Filling in 5 earlier days of stream 'emails', 2026-11-13..2026-11-17" in line
        and "complete from 2026-11-18 on" in line
        for line in said
    )
    assert said[-1].startswith("emails (earlier days): ")
    assert " rows of 2026-11-13..2026-11-17, 3 requests, complete from 2026-11-13" in said[-1]
    run(starting(config, 9), catalog=TWO, state=second.states[-1])
    assert requested(sandbox) == [(stream, 1, 0) for stream in NAMES]


@given(
    starts=st.lists(st.integers(0, 25), min_size=1, max_size=5),
    kills=st.lists(st.none() | st.integers(1, 8), min_size=5, max_size=5),
    size=st.sampled_from([1, 2, 3]),
    workers=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@examples(15, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_since_the_earliest_start_arrives_wherever_runs_are_killed(
    starts: list[int], kills: list[int | None], size: int, workers: int, seed: int
) -> None:
    time = MadeUp(NOW)
    today = TODAY
    world = FewRows(seed=seed)
    received: set[str] = set()
    state: dict[str, Any] | None = None
    with serve(world, time) as sandbox:
        sandbox.window_days = size
        for start, kill in zip([*starts, max(starts)], [*kills[: len(starts)], None], strict=True):
            first = today - start * ONE_DAY
            config = config_for(
                sandbox,
                start_date=first.isoformat(),
                window_days=size,
                max_concurrent_requests=workers,
            )
            output = run(config, catalog=EMAILS, state=state, time=time.of_tap())
            records, state = cut(output, kill or len(output.states))
            received |= {record["id"] for record in records}
            entry = state["bookmarks"].get("emails", {})
            if "complete_from" in entry:
                begin = parse_day(entry["complete_from"], AMSTERDAM)
                end = parse_day(entry["replication_key_value"], AMSTERDAM)
                assert world.ids(begin, end - ONE_DAY, time.now) <= received
            if kill is None:
                assert world.ids(first, today, time.now) <= received
        assert received == world.ids(today - max(starts) * ONE_DAY, today, time.now)


def test_an_interrupted_run_goes_on_where_it_was(sandbox: Sandbox, config: dict[str, Any]) -> None:
    state = run(starting(config, 2), catalog=EMAILS).states[-1]
    sandbox.fail("text", "emails", start=10)
    output: list[Output] = []
    with pytest.raises(TapCobrowserError, match=r"window 2026-11-12\.\.2026-11-13"):
        run(starting(config, 12), catalog=EMAILS, state=state, output=output)
    assert complete_from(output[0].states[-1]) == 8
    requested(sandbox)
    sandbox.faults.clear()
    last = run(starting(config, 12), catalog=EMAILS, state=output[0].states[-1])
    made = requested(sandbox)  # what the run before had requested ahead may still come in
    assert made[-3:] == [("emails", *days) for days in ((1, 0), (10, 9), (12, 11))]
    assert complete_from(last.states[-1]) == 12


def test_a_stream_whose_daily_work_fails_has_no_earlier_days_in_this_run(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    config["max_concurrent_requests"] = 1  # no request is made ahead
    state = run(starting(config, 2), catalog=TWO).states[-1]
    requested(sandbox)
    sandbox.fail("text", "emails", start=1)
    output: list[Output] = []
    with pytest.raises(TapCobrowserError, match="1 of 2 streams failed: 'emails'"):
        run(starting(config, 6), catalog=TWO, state=state, output=output)
    assert complete_from(output[0].states[-1], "agentactivity") == 6
    assert complete_from(output[0].states[-1]) == 2
    assert ("emails", 4, 3) not in requested(sandbox)


def test_a_later_start_keeps_what_is_complete_unless_it_leaves_a_gap(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    state = run(starting(config, 9, end=4), catalog=EMAILS).states[-1]
    state = run(starting(config, 5, end=3), catalog=EMAILS, state=state).states[-1]
    assert complete_from(state) == 9
    state = run(starting(config, 1), catalog=EMAILS, state=state).states[-1]
    assert complete_from(state) == 1
    requested(sandbox)
    state = run(starting(config, 9), catalog=EMAILS, state=state).states[-1]
    days = [(1, 0), (3, 2), (5, 4), (7, 6), (9, 8)]
    assert requested(sandbox) == [("emails", *each) for each in days]


@pytest.mark.parametrize(("end", "complete"), [(5, 9), (6, 4)])
def test_a_slice_before_the_complete_days_is_read_and_kept_in_the_state_if_it_leaves_no_gap(
    sandbox: Sandbox,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    end: int,
    complete: int,
) -> None:
    state = run(starting(config, 4), catalog=EMAILS).states[-1]
    requested(sandbox)
    output = run(starting(config, 9, end=end), catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", days_ago(9), days_ago(end))
    assert ordered(output.records("emails")) == ordered(rows)
    assert len(requested(sandbox)) == (10 - end + 1) // 2
    assert complete_from(output.states[-1]) == complete
    assert output.bookmark("emails") == state["bookmarks"]["emails"]["replication_key_value"]
    warned = [each for each in warnings_of(caplog) if "`end_date` to 2026-11-17 or later" in each]
    assert len(warned) == (complete == 4)


def test_a_slice_is_whole_where_only_its_own_requests_show_the_servers_day(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = run(starting(config, 8), catalog=EMAILS).states[-1]
    caplog.clear()
    output = run(
        starting(config, 14, end=9),
        catalog=EMAILS,
        state=state,
        machine=lambda: NOW - 20 * ONE_DAY,
    )
    rows = expected(sandbox.world, "emails", days_ago(14), days_ago(9))
    assert ordered(output.records("emails")) == ordered(rows)
    assert complete_from(output.states[-1]) == 14
    assert not warnings_of(caplog)


def test_a_stream_that_is_added_later_is_complete_from_its_own_start_on(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    state = run(starting(config, 3), catalog=EMAILS).states[-1]
    requested(sandbox)
    state = run(starting(config, 5), catalog=TWO, state=state).states[-1]
    assert requested(sandbox) == [
        *[("agentactivity", *days) for days in ((5, 4), (3, 2), (1, 0))],
        ("emails", 1, 0),
        ("emails", 5, 4),
    ]
    assert complete_from(state) == complete_from(state, "agentactivity") == 5


def test_states_without_that_day_count_as_complete_from_the_start_that_meets_them_first(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    entry = {"replication_key_value": midnight(days_ago(1), AMSTERDAM).isoformat()}
    old = {"bookmarks": {"emails": entry, "agentactivity": entry}}
    output = run(starting(config, 6), catalog=TWO, state=old)
    assert requested(sandbox) == [(name, *days) for name in NAMES for days in ((2, 1), (0, 0))]
    # from the first window on, also for the stream whose turn is still to come
    _, state = cut(output, 2)
    assert complete_from(state) == complete_from(state, "agentactivity") == 6
    output = run(starting(config, 8), catalog=TWO, state=state)
    for stream in NAMES:
        assert complete_from(output.states[-1], stream) == 8


def test_batches_hold_the_earlier_days_too(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    config["batch_config"] = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    state = run(starting(config, 2), catalog=EMAILS).states[-1]
    output = run(starting(config, 6), catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", days_ago(6), days_ago(3))
    rows += expected(sandbox.world, "emails", days_ago(1))
    assert ordered(output.records("emails")) == ordered(rows)
    assert complete_from(output.states[-1]) == 6


def test_what_has_no_bookmark_or_no_days_has_no_earlier_days(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    catalog = select("emails", "cccslotsactivity")
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"] and stream["stream"] == "emails":
                item["metadata"]["forced-replication-method"] = "FULL_TABLE"
    first = run(starting(config, 1), catalog=catalog)
    requested(sandbox)
    second = run(starting(config, 3), catalog=catalog, state=first.states[-1])
    assert requested(sandbox) == [
        ("cccslotsactivity", None, None),
        ("emails", 3, 2),
        ("emails", 1, 0),
    ]
    for state in (first.states[-1], second.states[-1]):
        assert not any("complete_from" in entry for entry in state["bookmarks"].values())
    # a bookmark of earlier runs has no part in such a run
    third = run(starting(config, 1), catalog=EMAILS)
    caplog.clear()
    run(starting(config, 1), catalog=catalog, state=third.states[-1])
    assert not [line for line in caplog.messages if "earlier day" in line]
    assert any(line.startswith("emails: ") for line in caplog.messages)


def test_without_a_start_date_nothing_is_filled_in(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    state = run(starting(config, 2), catalog=EMAILS).states[-1]
    requested(sandbox)
    del config["start_date"]
    run(config, catalog=EMAILS, state=state)
    assert requested(sandbox) == [("emails", 1, 0)]
