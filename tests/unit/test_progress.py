"""Progress lines and summaries: each names its stream, and reads alone."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import date
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tap_cobrowser.days import DateWindow
from tap_cobrowser.singer.bookmarks import Bookmark
from tap_cobrowser.singer.progress import Progress

FIRST, LAST = date(2026, 10, 29), date(2026, 11, 28)
DAYS = DateWindow(FIRST, LAST)
LOGGER = logging.getLogger("tap-cobrowser")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock, caplog: pytest.LogCaptureFixture) -> Progress:
    caplog.set_level(logging.INFO)
    return Progress(LOGGER, ZoneInfo("Europe/Amsterdam"), clock)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    return vars(record)


def test_a_summary_says_what_a_stream_took(
    progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(16):
        progress.requested("conversations")
    progress.requested("emails")  # ahead of its sync
    with progress.of("conversations", DAYS) as stream:
        stream.done(DateWindow(FIRST, date(2026, 11, 1)), 4_000, bookmark=Bookmark(FIRST))
        stream.done(DateWindow(date(2026, 11, 2), LAST), 573, bookmark=Bookmark(LAST, FIRST))
    assert caplog.messages == [
        "conversations: 4,573 rows of 2026-10-29..2026-11-28, 16 requests, bookmark 2026-11-28"
    ]
    said = fields(caplog.records[0])
    assert said["stream_name"] == "conversations"
    assert (said["rows"], said["windows"], said["requests"]) == (4_573, 2, 16)
    assert (said["retries"], said["checks"]) == (0, 0)
    assert (said["first_day"], said["last_day"]) == (FIRST, LAST)
    assert said["bookmark"] == "2026-11-27T23:00:00+00:00"
    assert "complete_from" not in said


def test_retries_checks_earlier_days_and_a_failure_are_in_the_summary(
    progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    progress.requested("emails")
    progress.requested("emails")
    progress.retried("emails")
    with suppress(KeyError), progress.of("emails", DAYS, earlier=True) as stream:
        stream.done(DAYS, 1, bookmark=Bookmark(LAST, FIRST), checks=3)
        raise KeyError
    (line,) = caplog.messages
    assert line == (
        "emails (earlier days): 1 row of 2026-10-29..2026-11-28, 2 requests, 1 retry, "
        "3 to check responses, complete from 2026-10-29, not completed"
    )
    assert fields(caplog.records[0])["complete_from"] == "2026-10-28T23:00:00+00:00"


def test_a_full_table_has_neither_days_nor_a_bookmark(
    progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    progress.requested("hosts")
    with progress.of("hosts") as stream:
        stream.done(None, 5, bookmark=None)
    assert caplog.messages == ["hosts: 5 rows, 1 request"]


def test_a_progress_line_says_share_rows_rate_and_time_left(
    progress: Progress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with progress.of("emails", DateWindow(FIRST, date(2026, 11, 1))) as stream:
        clock.now += 10
        stream.done(DateWindow(FIRST, FIRST), 20_000, bookmark=None)
        stream.done(DateWindow(date(2026, 10, 30), date(2026, 10, 30)), 1, bookmark=None)
    line, _ = caplog.records
    assert line.getMessage() == (
        "emails, window 2026-10-29: 25 % done, 20,000 rows, 2,000 rows/s, about 30 s left"
    )
    assert fields(line)["share_done"] == 0.25
    assert fields(line)["window"] == "2026-10-29"


def test_the_progress_of_files_is_in_bytes(
    progress: Progress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with progress.of("emails") as stream:
        clock.now += 60
        stream.rows += 3_000_000
        stream.done_in_file(read=500, whole=2_000, file=2, files=5)
    line, summary = caplog.messages
    assert line == (
        "emails, file 2 of 5: 25 % done, 3,000,000 rows, 50,000 rows/s, about 3 min left"
    )
    assert summary == "emails: 3,000,000 rows"


def test_a_progress_line_is_due_every_ten_seconds(progress: Progress, clock: Clock) -> None:
    due = []
    for second in count(1):
        clock.now += 1
        if progress.is_due():
            due.append(second)
        if second == 35:
            break
    assert due == [10, 20, 30]


def test_the_last_line_of_a_run_counts_all_streams_and_names_those_that_failed(
    progress: Progress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("hosts", "hosts", "agents", "emails"):
        progress.requested(name)
    LOGGER.getChild("emails").warning("something is unusual")
    LOGGER.info("nothing is")
    with progress.of("hosts") as stream:
        stream.done(None, 1_500, bookmark=None)
    with progress.of("emails", DAYS) as stream:
        stream.done(DAYS, 2, bookmark=None)
    with progress.of("emails", DAYS, earlier=True) as stream:
        stream.done(DAYS, 3, bookmark=None)
    clock.now += 12.34
    progress.finish(["emails", "agents"])
    assert caplog.messages[-1] == (
        "Run: 2 streams, 1,505 rows, 4 requests, 1 warning, 12.3 s; failed: agents, emails"
    )
    said = fields(caplog.records[-1])
    assert (said["streams"], said["rows"], said["warnings"]) == (2, 1_505, 1)
    assert said["failed"] == ["agents", "emails"]
