"""The settings: valid values, their meaning, and errors that name the setting."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tap_cobrowser.errors import SettingError
from tap_cobrowser.settings import OWN, Settings, check, wants_ccc_streams

KEY = "a key that is secret"
LEAST = {"user": "somebody", "api_key": KEY}


def checked(**settings: Any) -> Settings:
    return check({**LEAST, **settings})


def refusal(**settings: Any) -> str:
    with pytest.raises(SettingError) as caught:
        checked(**settings)
    return str(caught.value)


def test_user_and_key_are_enough() -> None:
    settings = check(LEAST)
    assert settings.start_date is settings.end_date is None
    assert settings.timezone.key == "Europe/Amsterdam"
    assert (settings.lookback_days, settings.window_days, settings.csv_separator) == (3, 2, ";")
    assert (settings.request_timeout, settings.max_retries) == (300, 5)
    assert (settings.max_concurrent_requests, settings.ccc_agent) == (4, False)
    assert settings.api_url == "https://client.cobrowser.net/generic/api/csv.php"
    assert settings.user_agent.startswith("tap-cobrowser/")


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_empty_value_is_a_setting_left_out(name: str, nothing: str | None) -> None:
    if name in LEAST:
        assert f"Setting '{name}' is missing" in refusal(**{name: nothing})
    else:
        assert checked(**{name: nothing}) == check(LEAST)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lookback_days", "0", 0),
        ("lookback_days", " 12 ", 12),
        ("lookback_days", 4.0, 4),
        ("lookback_days", Decimal("3.0"), 3),  # as a file with 3.0 is read
        ("lookback_days", Decimal("1E+2"), 100),
        ("window_days", "31", 31),
        ("request_timeout", "60", 60),
        ("max_retries", "0", 0),
        ("max_concurrent_requests", "16", 16),
        ("ccc_agent", "true", True),
        ("ccc_agent", "TRUE", True),
        ("ccc_agent", "1", True),
        ("ccc_agent", "False", False),
        ("ccc_agent", "0", False),
    ],
)
def test_text_means_the_number_or_boolean_that_it_spells(
    name: str, text: object, value: object
) -> None:
    assert getattr(checked(**{name: text}), name) == value


REFUSED = [
    ("user", 5),
    ("user", ["a"]),
    ("user", "two\nlines"),
    ("user", "a\x00b"),
    ("user", "half a character \ud800"),
    ("api_key", "abc"),
    ("api_key", 12345),
    ("api_key", {"a": KEY}),
    ("start_date", "yesterday"),
    ("start_date", "2026-02-30"),
    ("start_date", "2026-01-01T25:00:00"),
    ("start_date", "2026-01-01T00:00:00+99:00"),
    ("start_date", 20260101),
    ("start_date", "0001-01-01"),
    ("start_date", "9999-12-31T23:59:59-12:00"),
    ("end_date", "01/02/2026"),
    ("timezone", "Amsterdam"),
    ("timezone", "../etc/passwd"),
    ("timezone", "Europe"),
    ("timezone", 1),
    ("lookback_days", -1),
    ("lookback_days", "three"),
    ("lookback_days", 1.5),
    ("lookback_days", Decimal("1.5")),
    ("lookback_days", Decimal("1E+999999999")),
    ("lookback_days", True),
    ("lookback_days", "1_0"),
    ("lookback_days", "१"),
    ("lookback_days", float("inf")),
    ("lookback_days", float("nan")),
    ("window_days", 0),
    ("window_days", "32"),
    ("csv_separator", "\t"),
    ("csv_separator", ";;"),
    ("ccc_agent", "perhaps"),
    ("ccc_agent", 2),
    ("ccc_agent", []),
    ("api_url", "client.cobrowser.net"),
    ("api_url", "http://client.cobrowser.net/csv.php"),
    ("api_url", "http://127.0.0.1.example/csv.php"),
    ("api_url", "https://user:secret@example.org/"),
    ("api_url", "https://example.org/?apiKey=secret"),
    ("api_url", "https://example.org:port/"),
    ("api_url", "ftp://example.org/"),
    ("api_url", "https://exa mple.org/"),
    ("api_url", "https://.example.org/"),
    ("api_url", "https://example..org/"),
    ("api_url", f"https://{'a' * 64}.org/"),
    ("api_url", "https://[::1/"),
    ("request_timeout", 0),
    ("request_timeout", "0.5"),
    ("max_retries", -1),
    ("max_concurrent_requests", 17),
    ("max_concurrent_requests", 0),
    ("user_agent", "two\nlines"),
    ("user_agent", "naïve"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_setting(
    name: str, value: object
) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"Setting '{name}' ")
    assert "\n" not in message
    # what to do is a sentence of its own
    assert message.count(". ") >= 1 or message.count("; ") >= 1
    assert KEY not in message
    assert "secret" not in message.replace("'api_key'", "")


def test_every_setting_that_can_be_wrong_is_tried_above() -> None:
    assert {name for name, _ in REFUSED} == OWN.keys()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/csv.php",
        "http://[::1]/csv.php",
        "http://localhost/csv.php",
        "http://127.9.9.9/",
        "https://example.org/csv.php",
    ],
)
def test_plain_http_is_taken_for_a_loopback_host_alone(url: str) -> None:
    assert checked(api_url=url).api_url == url


@pytest.mark.parametrize(
    ("zone", "text", "day"),
    [
        ("Europe/Amsterdam", "2026-03-01", date(2026, 3, 1)),
        ("Pacific/Apia", "2026-03-01", date(2026, 3, 1)),
        ("Europe/Amsterdam", "2026-03-01T23:30:00Z", date(2026, 3, 2)),
        ("Europe/Amsterdam", "2026-03-01T00:30:00+02:00", date(2026, 2, 28)),
        ("Pacific/Pago_Pago", "2026-03-01T10:00:00+00:00", date(2026, 2, 28)),
        ("Europe/Amsterdam", "2026-03-01T23:30:00", date(2026, 3, 1)),
        ("Asia/Kolkata", "2026-03-01 18:30:00.000Z", date(2026, 3, 2)),
    ],
)
def test_a_date_is_a_day_of_the_zone_and_a_date_time_the_day_that_contains_it(
    zone: str, text: str, day: date
) -> None:
    settings = checked(timezone=zone, start_date=text, end_date=text)
    assert settings.start_date == settings.end_date == day


def test_the_end_may_be_the_day_of_the_start_but_not_before_it() -> None:
    assert checked(start_date="2026-01-02", end_date="2026-01-02").end_date == date(2026, 1, 2)
    message = refusal(start_date="2026-01-02", end_date="2026-01-01")
    assert "Setting 'end_date' (2026-01-01) is before 'start_date' (2026-01-02)" in message


def test_blanks_around_user_and_key_are_not_part_of_them() -> None:
    settings = checked(user=" somebody\n", api_key=f"{KEY}\n")
    assert (settings.user, settings.api_key) == ("somebody", KEY)


def test_settings_do_not_show_the_key() -> None:
    assert KEY not in repr(check(LEAST))
    assert KEY not in str(check(LEAST))


def test_a_wrong_boolean_does_not_stop_discovery() -> None:
    assert wants_ccc_streams({"ccc_agent": "perhaps"}) is False
    assert wants_ccc_streams({}) is False
    assert wants_ccc_streams({"ccc_agent": "yes"}) is True
