"""What each status means, and how long a retry waits."""

from __future__ import annotations

import pytest

from tap_cobrowser.api.retries import backoff, status_error
from tap_cobrowser.api.transport import Reply
from tap_cobrowser.errors import (
    CccAgentError,
    CredentialsError,
    PausedError,
    RejectedError,
    ServerBusyError,
    TapCobrowserError,
)
from tests.expected import COMMANDS

HOSTS, CCC = COMMANDS["hosts"], COMMANDS["cccagents"]


def error_of(status: int, retry_after: float | None = None) -> type[TapCobrowserError] | None:
    """Return the type of the error that a status is."""
    error = status_error(HOSTS, Reply(status, "Some Reason", {}, b"Some text"), retry_after)
    return type(error) if error else None


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ([200, 204], None),
        ([401, 403], CredentialsError),
        ([408, 425, 429, 500, 502, 503, 504, 520, 599], ServerBusyError),
        ([201, 206, 301, 302, 303, 307, 308, 400, 404, 405, 410, 422, 451], RejectedError),
    ],
)
def test_each_status_has_one_meaning(
    statuses: list[int], kind: type[TapCobrowserError] | None
) -> None:
    assert [error_of(status) for status in statuses] == [kind] * len(statuses)


@pytest.mark.parametrize("status", [206, 302, 400, 401, 403, 404])
def test_any_status_with_retry_after_means_that_the_server_is_busy(status: int) -> None:
    assert error_of(status, 20) is ServerBusyError
    error = status_error(HOSTS, Reply(status, "", {}, b""), 20)
    assert isinstance(error, ServerBusyError)
    assert error.retry_after == 20


@pytest.mark.parametrize("status", [401, 403])
def test_a_command_for_ccc_agents_says_that_it_needs_one(status: int) -> None:
    error = status_error(CCC, Reply(status, "", {}, b"No"), None)
    assert isinstance(error, CccAgentError)
    assert "needs a CCC agent" in str(error)


def test_an_error_quotes_reason_and_the_first_200_characters_in_one_line() -> None:
    body = b"First line\nand  more " + b"x" * 500
    said = str(status_error(HOSTS, Reply(418, "I'm a\tteapot", {}, body), None))
    assert said.startswith("The server returned 418 I'm a teapot: 'First line and more xxx")
    assert "x" * 178 in said
    assert "x" * 190 not in said
    assert "\n" not in said


def test_waits_double_up_to_a_minute_and_are_spread_over_a_second() -> None:
    waits = [backoff(ServerBusyError("busy"), number) for number in range(1, 2000)]
    least = [min(2.0 ** (number - 1), 60) for number in range(1, 12)]
    assert all(low <= wait <= low + 1 for low, wait in zip(least, waits, strict=False))
    assert min(waits[10:]) < 60.1
    assert max(waits) > 60.9


def test_the_server_s_own_wait_is_kept() -> None:
    assert backoff(ServerBusyError("busy", retry_after=17), 5) == 17
    assert backoff(ServerBusyError("busy", retry_after=0), 5) == 0
    assert backoff(ServerBusyError("busy", retry_after=3600), 1) == 3600


def test_a_wait_of_more_than_an_hour_is_an_error_that_names_the_place() -> None:
    with pytest.raises(PausedError, match=r"^Stream 'hosts': busy; it asks to wait 3601 seconds"):
        backoff(ServerBusyError("busy", where="Stream 'hosts'", retry_after=3601), 1)
