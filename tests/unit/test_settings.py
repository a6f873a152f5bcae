"""The settings: valid values, their meaning, and errors that name the setting."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.errors import SettingError
from tap_cobrowser.settings import (
    OWN,
    Settings,
    check,
    from_environment,
    parse_json,
    unknown,
    wants_ccc_streams,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a key that is secret"
LEAST = {"user": "somebody", "api_key": KEY}


def checked(**settings: Any) -> Settings:
    return check({**LEAST, **settings})


def rejection(**settings: Any) -> str:
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
        assert f"Setting '{name}' is missing" in rejection(**{name: nothing})
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


REJECTED = [
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
    ("start_date", "01-11-2026"),
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
    ("window_days", {}),
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
    ("history_files", 5),
    ("history_files", "a\x00b"),
    ("user_agent", "two\nlines"),
    ("user_agent", "naïve"),
]


@pytest.mark.parametrize(("name", "value"), REJECTED)
def test_a_wrong_value_is_rejected_in_one_line_that_names_the_setting(
    name: str, value: object
) -> None:
    message = rejection(**{name: value})
    assert message.startswith(f"Setting '{name}' ")
    assert "\n" not in message
    # what to do is a sentence of its own
    assert message.count(". ") >= 1 or message.count("; ") >= 1
    assert KEY not in message
    assert "secret" not in message.replace("'api_key'", "")


def test_every_setting_that_can_be_wrong_is_tried_above() -> None:
    assert {name for name, _ in REJECTED} == OWN.keys()


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
    message = rejection(start_date="2026-01-02", end_date="2026-01-01")
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


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, ("Settings 'user' and 'api_key' are missing. Give a value in the configuration, or as "
         "TAP_COBROWSER_USER and TAP_COBROWSER_API_KEY with `--config ENV`.")),
        ({"user": "somebody", "apikey": KEY}, "Setting 'api_key' is missing. "),
    ],
)  # fmt: skip
def test_all_missing_settings_are_named_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as raised:
        check(config)
    assert str(raised.value).startswith(message)
    assert KEY not in str(raised.value)


def test_files_need_no_user_and_no_key() -> None:
    settings = check({"history_files": "exports/*.csv"})
    assert (settings.user, settings.api_key) == ("", "")
    assert settings.history_files == "exports/*.csv"
    assert rejection(history_files=" ", user=None).startswith("Setting 'user' is missing")


def test_variables_and_a_dotenv_file_mean_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TAP_COBROWSER_USER=a\nTAP_COBROWSER_API_KEY='b c'\nOTHER=d\n")
    monkeypatch.setenv("TAP_COBROWSER_USER", "from the environment")
    monkeypatch.setenv("TAP_COBROWSER_API_KEY", "")
    monkeypatch.setenv("TAP_COBROWSER_TIMEZONE", " ")
    monkeypatch.setenv("TAP_COBROWSER_CSV_SEPARATOR", "\t")
    found = from_environment(["user", "api_key", "timezone", "csv_separator", "stream_maps"])
    assert found == {"user": "from the environment", "api_key": "b c", "csv_separator": "\t"}
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=r"^The file \.env cannot be read"):
        from_environment([])


def test_unknown_settings_and_variables_are_named_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("STARTDATE", "LOGLEVEL", "_SELECT", "BATCH_CONFIG_STORAGE_ROOT", "USER_NAME"):
        monkeypatch.setenv(f"TAP_COBROWSER_{name}", "x")
    assert list(unknown(["apikey", "user", "zzz"], [*OWN, "batch_config"])) == [
        "Setting 'apikey' is unknown and has no effect (did you mean 'api_key'?).",
        "Setting 'zzz' is unknown and has no effect.",
        (
            "Variable 'TAP_COBROWSER_STARTDATE' is unknown and has no effect "
            "(did you mean 'TAP_COBROWSER_START_DATE'?)."
        ),
        (
            "Variable 'TAP_COBROWSER_USER_NAME' is unknown and has no effect "
            "(did you mean 'TAP_COBROWSER_USER_AGENT'?)."
        ),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_any_encoding_of_unicode(encoding: str) -> None:
    assert parse_json('{"ü": [1, 0.5]}'.encode(encoding)) == {"ü": [1, 0.5]}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is not JSON (line 1, column 1)"),
        (b'{"api_key": "hush', "it is not JSON (line 1, column 13)"),
        (b"[NaN]", "it has a number"),
        (b"[1e999]", "it has a number"),
        (b'["\\ud83d"]', "it has characters"),
        (b'"\xff"', "it has characters"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_not_json_is_rejected_without_being_quoted(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^it ") as raised:
        parse_json(raw)
    assert str(raised.value).startswith(reason)
    assert "hush" not in str(raised.value)
