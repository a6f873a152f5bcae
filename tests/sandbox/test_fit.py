"""A response that does not fit its request is repaired or reported: every reading of the page."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, example, given
from hypothesis import strategies as st

from sandbox import Readings, Sandbox, World
from tap_cobrowser.days import ONE_DAY, midnight
from tap_cobrowser.errors import TapCobrowserError
from tests.expected import AMSTERDAM, NOW, STREAMS, TODAY, WINDOWED, days_ago, records_for
from tests.made_up import MadeUp
from tests.outputs import Output, run, select
from tests.strategies import examples

if TYPE_CHECKING:
    from pathlib import Path


WORLD = World(rows_per_day=30)
STREAM = "emails"

# What loses rows if it is taken for what the page says, and the words of the warning or error.
READINGS: dict[str, tuple[dict[str, Any], str]] = {
    "younger end first": ({"order": "stop_older"}, "ranges of days do not work"),
    "last day excluded": ({"end": "excluded"}, "ranges of days do not work"),
    "first day alone": ({"range": "first_day"}, "ranges of days do not work"),
    "last day alone": ({"range": "last_day"}, "ranges of days do not work"),
    "range ignored": ({"range": "ignored"}, "but the response has rows of"),
    "responses of yesterday": ({"stale": "yesterday"}, "these days"),
    "limit of 100": ({"row_limit": 100}, "limit a response to 100 rows"),
    "colliding keys": ({"colliding_keys": True}, "have several different rows"),
    "days of UTC": ({"day_zone": "UTC"}, "these days"),
    "days of New York": ({"day_zone": "America/New_York"}, "these days"),
}
RUNS = {"backfill": (14, 0), "daily run": (1, 0), "slice": (14, 6)}
DATA = {
    "busy": {},
    "silent days": {"silent": "odd"},
    "one row a day": {"rows": "one_a_day"},
    "midnight rows": {"rows": "midnight"},
}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def keys_of(output: Output, stream: str) -> set[tuple[Any, ...]]:
    names = STREAMS[stream].primary_keys
    return {tuple(row[name] for name in names) for row in output.records(stream)}


def attempt(config: dict[str, Any], stream: str, **more: Any) -> tuple[Output, str]:
    """Run the tap; return its output and its error, if it ended in one."""
    outputs: list[Output] = []
    try:
        return run(config, catalog=select(stream), output=outputs, **more), ""
    except TapCobrowserError as error:
        return outputs[0], str(error)


def served(
    world: World,
    stream: str,
    readings: dict[str, Any],
    config: dict[str, Any],
    now: datetime = NOW,
) -> set[tuple[Any, ...]]:
    """Return the keys of all rows that a server with the page's reading would give."""
    own = {name: readings[name] for name in ("silent", "rows", "day_zone") if name in readings}
    first, last = (
        date.fromisoformat(config.get(name, f"{now.date()}")) for name in ("start_date", "end_date")
    )
    # Where days are cut elsewhere, the first day begins in the one before.
    ago = (now.date() - first).days + 2, (now.date() - last).days
    begin = midnight(first, AMSTERDAM).isoformat()
    records = records_for(stream, Readings(**own).pick(world, stream, ago, now))
    return {
        tuple(record[name] for name in STREAMS[stream].primary_keys)
        for record in records
        if record[STREAMS[stream].replication_key or ""] >= begin
    }


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("days", RUNS.values(), ids=RUNS)
def test_no_row_is_lost_in_silence(
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    days: tuple[int, int],
    reading: str,
    data: str,
) -> None:
    _no_row_is_lost_in_silence(config, caplog, days, reading, data)


@pytest.mark.parametrize("reading", READINGS)
def test_no_row_is_lost_in_silence_by_batch(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture, tmp_path: Path, reading: str
) -> None:
    config["batch_config"] = {
        "encoding": {"format": "jsonl"},
        "storage": {"root": tmp_path.as_uri()},
    }
    _no_row_is_lost_in_silence(config, caplog, RUNS["backfill"], reading, "busy")


def _no_row_is_lost_in_silence(
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    days: tuple[int, int],
    reading: str,
    data: str,
) -> None:
    readings, said = READINGS[reading]
    first, last = days
    config |= {
        "start_date": days_ago(first).isoformat(),
        "end_date": days_ago(last).isoformat(),
        "max_retries": 1,
    }
    stream = "conversations" if "limit" in reading else STREAM
    world = World(rows_per_day=90) if "limit" in reading else WORLD
    whole = served(world, stream, {**DATA[data], **readings}, config)
    assert whole or data != "busy"
    caplog.clear()
    both = Readings(**{**DATA[data], **readings})
    with Sandbox(world, clock=NOW, frozen=True, readings=both) as sandbox:
        output, error = attempt({**config, "api_url": sandbox.url}, stream)
    words = [*warnings_of(caplog), *([error] if error else [])]
    lost = whole - keys_of(output, stream)
    assert not lost or words, f"{len(lost)} of {len(whole)} rows lost in silence"
    if data == "busy" and first > 1 and stream == STREAM and "days of" not in reading:
        assert any(said in word for word in words), words
    if said.startswith("ranges"):
        assert not lost


@pytest.mark.parametrize(
    ("data", "zone"),
    [
        *((data, "Europe/Amsterdam") for data in (*DATA, "office hours", "all silent")),
        *((data, "America/New_York") for data in ("busy", "midnight rows", "office hours")),
        *((data, "Asia/Kolkata") for data in ("busy", "one row a day", "silent days")),
    ],
)
def test_a_server_that_reads_the_page_as_we_do_gets_no_warning(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture, zone: str, data: str
) -> None:
    more: dict[str, Any] = {
        "office hours": {"rows": "office_hours"},
        "all silent": {"silent": "all"},
    }
    readings = Readings(**(DATA | more)[data])
    # around a clock change
    now = NOW.replace(month=10, day=28)
    world = World(rows_per_day=30, timezone=zone)
    with Sandbox(world, clock=now, frozen=True, readings=readings) as sandbox:
        config |= {"api_url": sandbox.url, "timezone": zone, "start_date": "2026-10-19"}
        run(config, machine=lambda: now)
        extra = len(sandbox.requests) - (len(WINDOWED) * 5 + len(STREAMS) - len(WINDOWED))
    said = warnings_of(caplog)
    if data == "all silent":  # which a server that ignores the range would be as well
        assert "No stream has a row in 2026-10-19..2026-10-28" in said.pop()
    assert said == []
    if data in {"busy", "office hours"}:
        assert extra == 0


def test_offsets_that_the_rows_disprove_are_no_reason_to_advise_another_zone(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=Readings(stamp_zone="UTC")) as sandbox:
        run({**config, "api_url": sandbox.url})
    assert warnings_of(caplog) == []


def test_a_silent_account_costs_a_bounded_number_of_requests(config: dict[str, Any]) -> None:
    config["start_date"] = days_ago(39).isoformat()
    half = ",".join(f"{days_ago(39 - 4 * pair)}..{days_ago(38 - 4 * pair)}" for pair in range(10))
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=Readings(silent=half)) as sandbox:
        run({**config, "api_url": sandbox.url}, catalog=select(STREAM))
        assert 20 <= len(sandbox.requests) <= 30


def test_the_summary_counts_the_requests_that_checked(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=Readings(end="excluded")) as sandbox:
        run({**config, "api_url": sandbox.url}, catalog=select(STREAM))
    (summary,) = [record for record in caplog.records if hasattr(record, "checks")]
    assert vars(summary)["checks"] > 0
    assert "to check responses" in summary.getMessage()


# At random


@given(
    readings=st.fixed_dictionaries(
        {},
        optional={
            "order": st.sampled_from(["start_older", "stop_older", "either"]),
            "end": st.sampled_from(["included", "excluded"]),
            "range": st.sampled_from(["used", "used", "ignored", "first_day", "last_day"]),
            "stale": st.sampled_from(["no", "yesterday", "cached"]),
            "row_limit": st.sampled_from([None, None, 100]),
            "day_zone": st.sampled_from([None, None, "UTC", "America/New_York", "Asia/Kolkata"]),
            "colliding_keys": st.booleans(),
        },
    ),
    quiet=st.sets(st.integers(0, 9)),
    rows=st.sampled_from(["all", "all", "office_hours", "one_a_day", "midnight"]),
    workers=st.integers(1, 4),
    at=st.none() | st.integers(0, 12),
)
@example(readings={"range": "ignored"}, quiet={0}, rows="all", workers=1, at=None)
@example(
    # the first server's day reaches into the second of the zone
    readings={"end": "excluded", "day_zone": "America/New_York"},
    quiet=set(),
    rows="all",
    workers=1,
    at=None,
)
@examples(25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_rows_lost_mean_that_something_was_said(
    readings: dict[str, Any], quiet: set[int], rows: str, workers: int, at: int | None
) -> None:
    # Between the midnight of the zone and that of the server nothing else shows how it counts.
    assume(at is None or not readings.get("day_zone"))
    # An empty response that a cache keeps over midnight looks like days without rows.
    assume(at is None or not quiet or readings.get("stale") != "cached")
    silent = ",".join(str(days_ago(day)) for day in sorted(quiet))
    own: dict[str, Any] = {"silent": silent, "rows": rows}
    # Before each response picks its rows, some of the last seconds of the day pass.
    time = MadeUp(NOW, steps=[] if at is None else [0.7] * 500)
    if at is not None:
        time.now = midnight(TODAY + ONE_DAY, AMSTERDAM) - timedelta(seconds=0.7 * at + 0.1)
    with Sandbox(WORLD, clock=time.server, readings=Readings(**own, **readings)) as sandbox:
        config = {
            "user": sandbox.user,
            "api_key": sandbox.api_key,
            "api_url": sandbox.url,
            "start_date": days_ago(9).isoformat(),
            "max_concurrent_requests": workers,
            "max_retries": 2,
        }
        before = time.now - timedelta(seconds=10)  # when it is sure which day it is
        whole = served(WORLD, STREAM, {**own, **readings}, config, before)
        sandbox.before_rows = time.step
        handler = _Warnings()
        logging.getLogger("tap-cobrowser").addHandler(handler)
        try:
            output, error = attempt(config, STREAM, time=time.of_tap())
        finally:
            logging.getLogger("tap-cobrowser").removeHandler(handler)
    lost = whole - keys_of(output, STREAM)
    assert not lost or error or handler.said


class _Warnings(logging.Handler):
    """Keeps the warnings of a run."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.mark.slow
def test_half_a_year_of_all_streams_raises_no_alarm(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(rows_per_day=8)
    with Sandbox(world, clock=NOW, frozen=True) as sandbox:
        run({**config, "api_url": sandbox.url, "start_date": days_ago(183).isoformat()})
    assert warnings_of(caplog) == []
