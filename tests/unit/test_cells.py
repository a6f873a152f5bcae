"""From the cells of a column to values of its type."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cobrowser.reading.cells import (
    Moments,
    UnfitError,
    booleans,
    integers,
    numbers,
    with_points,
)
from tests.unit.tables import AMSTERDAM

TYPES: dict[str, Any] = {"integer": integers, "number": numbers, "boolean": booleans}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "", None),
        ("integer", "NULL", None),
        ("integer", "\\N", None),
        ("integer", "0", 0),
        ("integer", "007", 7),
        ("integer", " 5", 5),
        ("integer", "-3", -3),
        ("integer", "5.0", 5),
        ("integer", "1e3", 1000),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("number", "", None),
        ("number", " ", None),
        ("number", "NULL", None),
        ("number", "3", 3.0),
        ("number", "1.5 ", 1.5),
        ("number", "-0.5", -0.5),
        ("number", ".5", 0.5),
        ("number", "1E-2", 0.01),
        ("boolean", "", None),
        ("boolean", "0", False),
        ("boolean", "true", True),
        ("boolean", "FALSE", False),
    ],
)
def test_a_cell_gets_its_column_s_type(kind: str, text: str, value: object) -> None:
    for cells in ([text], [text, "1"]):
        found = TYPES[kind](cells)[0]
        assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("integer", text) for text in ("1.5", "1,000", "1_0", "٣", "\uff13", "five", "0x1")),
        *(("integer", text) for text in ("9" * 5_000, "9223372036854775808", "1e400")),
        *(("number", text) for text in ("NaN", "Infinity", "-inf", "1,5", "1_0.5", "1e400", "²")),
        *(("number", text) for text in ("1.2.3", ".", "--1", "N/A")),
        *(("boolean", text) for text in ("2", "yes", "-1", "ja")),
    ],
)
def test_a_cell_that_does_not_fit_is_found(kind: str, text: str) -> None:
    with pytest.raises(UnfitError) as caught:
        TYPES[kind](["1", "", text])
    assert (caught.value.row, caught.value.cell) == (2, text)


def test_decimal_commas_need_a_number_that_proves_them() -> None:
    assert with_points(["1,234", "5"], [["0,5"]]) == ["1.234", "5"]
    assert with_points(["1,234"], [["1,234"]]) is None
    assert with_points(["1,5", "1.5"], [["1,5"]]) is None


# Date-times


def moment(text: str, zone: ZoneInfo = AMSTERDAM) -> Any:
    return Moments(zone).values([text])[0][0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Wed, 14 Mar 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("14 Mar 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("wo, 14 mrt 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("woensdag 14 maart 2012 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("za 5 mei 2012 16:16:11 +0200", "2012-05-05T14:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16 +0100", "2012-03-14T15:16:00+00:00"),
        ("Sun,  4 Mar 2012 06:00:01 +0100", "2012-03-04T05:00:01+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 GMT", "2012-03-14T16:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 CET", "2012-03-14T15:16:11+00:00"),
        ("Sat, 14 Jul 2012 16:16:11 CEST", "2012-07-14T14:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 +0530", "2012-03-14T10:46:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 MET", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11", "2012-03-14T15:16:11+00:00"),
        # What else RFC 2822 allows, and PHP's own variations of it
        ("Wed,14 Mar 2012  16:16:11 +0100 (CET)", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 12 16:16:11 +0100", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 16:16:11 +01:00", "2012-03-14T15:16:11+00:00"),
        ("Wed, 14 Mar 2012 6:16:11+0100", "2012-03-14T05:16:11+00:00"),
        ("2012-03-14T16:16:11+01:00", "2012-03-14T15:16:11+00:00"),
        ("2012-03-14 16:16:11", "2012-03-14T15:16:11+00:00"),
        ("2012-07-14 16:16:11", "2012-07-14T14:16:11+00:00"),
        ("2012-03-14T16:16:11Z", "2012-03-14T16:16:11+00:00"),
        ("2012-03-14T16:16:11.250+0100", "2012-03-14T15:16:11.250000+00:00"),
        ("2012-03-14 16:16:11 CET", "2012-03-14T15:16:11+00:00"),
        ("1331738171", "2012-03-14T15:16:11+00:00"),
        ("Sun, 28 Oct 2012 02:30:00 CEST", "2012-10-28T00:30:00+00:00"),
        ("Sun, 28 Oct 2012 02:30:00 CET", "2012-10-28T01:30:00+00:00"),
        *((text, None) for text in ("", " ", "NULL", "\\N", "0", "0000-00-00", "0000-00-00 00:00")),
        ("Wed, 30 Nov -0001 00:00:00 +0000", None),
        ("-0001-11-30T00:00:00+00:00", None),
    ],
)
def test_date_times_of_all_kinds_become_one_format_in_utc(text: str, value: str | None) -> None:
    assert moment(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "2026-13-01 00:00:00", "14 Mar", "12:00", "5", "99999999999999"),
        *("Wed, 32 Mar 2012 16:16:11 +0100", "Wed, 14 Foo 2012 16:16:11 +0100"),
        *("14 Mar 2012 25:00 +0100", "1 Jan 0001 00:00:00 +1400", "14 Mar 2012 16:16:11 XYZ"),
    ],
)
def test_a_cell_that_is_no_date_time_is_found(text: str) -> None:
    with pytest.raises(UnfitError):
        moment(text)


def test_a_dutch_zone_name_is_known_in_any_zone() -> None:
    found = moment("Sat, 14 Jul 2012 16:16:11 CEST", ZoneInfo("America/New_York"))
    assert found == "2012-07-14T14:16:11+00:00"


INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda found: found.replace(microsecond=0, tzinfo=timezone.utc)
)


@given(
    instants=st.lists(INSTANTS, min_size=1, max_size=20),
    zone=st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns"]),
    write=st.sampled_from([format_datetime, datetime.isoformat]),
)
@example(
    instants=[datetime(2026, 3, 29, 1, tzinfo=timezone.utc)],
    zone="Europe/Amsterdam",
    write=format_datetime,
)
def test_any_moment_with_an_offset_is_read_back(
    instants: list[datetime], zone: str, write: Any
) -> None:
    cells = [write(instant.astimezone(ZoneInfo(zone))) for instant in instants]
    values, is_unsure = Moments(AMSTERDAM).values(cells)
    assert values == [instant.isoformat() for instant in instants]
    assert not is_unsure


# The hour that a clock change repeats: in UTC, 00:00 to 02:00 on 25 October 2026


@pytest.mark.parametrize(
    "cell", ["2026-10-25 02:30:00", "Sun, 25 Oct 2026 02:30:00", "Sun, 25 Oct 2026 02:30"]
)
def test_a_moment_that_may_be_of_two_hours_is_taken_for_the_first_one_and_noted(cell: str) -> None:
    before, after = (cell.replace("02:30", f"0{hour}:30") for hour in (1, 3))
    for cells in ([cell], [before, cell, after, cell]):
        values, is_unsure = Moments(AMSTERDAM).values(cells)
        assert is_unsure
        assert values[-1] == "2026-10-25T00:30:00+00:00"
    values, is_unsure = Moments(AMSTERDAM).values([before, "", after])
    assert values == ["2026-10-24T23:30:00+00:00", None, "2026-10-25T02:30:00+00:00"]
    assert not is_unsure


def test_a_clock_change_of_half_an_hour_is_known() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    begin = datetime(2026, 4, 4, 13, tzinfo=timezone.utc)
    for at in range(0, 240, 10):
        instant = (begin + timedelta(minutes=at)).astimezone(zone)
        (value,), is_unsure = Moments(zone).values([f"{instant:%Y-%m-%d %H:%M:%S}"])
        assert is_unsure == (f"{instant:%H:%M}" in {"01:30", "01:40", "01:50"})
        assert value == instant.replace(fold=0).astimezone(timezone.utc).isoformat()


@pytest.mark.parametrize("cell", ["9" * 100_000 + "x", "." * 100_000, "1" * 100_000 + ",5"])
def test_a_long_cell_that_is_no_number_is_found_at_once(cell: str) -> None:
    begun = time.process_time()
    for convert in (integers, numbers):
        with pytest.raises(UnfitError):
            convert([cell])
    assert time.process_time() - begun < 1
