"""The sandbox's faults: how often they happen, and what is returned instead of rows."""

from __future__ import annotations

import gzip
import io
import zipfile
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox import Readings
from sandbox.faults import KINDS
from sandbox.page import COMMANDS, Command
from tests.sandboxes import get, ids

if TYPE_CHECKING:
    from sandbox import Sandbox


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({}, [503, 503, 503, 503, 503]),
        ({"times": 2, "after": 1}, [200, 503, 503, 200, 200]),
        ({"command": "accounts", "times": 1}, [503, 200, 200, 200, 200]),
        ({"command": "agents"}, [200, 200, 200, 200, 200]),
        ({"start": 4}, [200, 200, 200, 200, 200]),
        ({"one_in": 1}, [503, 503, 503, 503, 503]),
    ],
)
def test_a_fault_happens_to_the_requests_that_it_is_for(
    sandbox: Sandbox, options: dict[str, Any], codes: list[int]
) -> None:
    sandbox.fail("status-503", **options)
    assert [get(sandbox, "accounts").status_code for _ in range(5)] == codes


def test_a_fault_for_some_days_happens_to_requests_that_begin_there(sandbox: Sandbox) -> None:
    sandbox.fail("status-503", start=4)
    codes = [get(sandbox, "emails", start=start, stop=3).status_code for start in (4, 3)]
    assert codes == [503, 200]


@pytest.mark.parametrize("names", [("no such kind",), ("empty", "no such command")])
def test_a_fault_that_is_not_there_is_rejected(sandbox: Sandbox, names: tuple[str, ...]) -> None:
    with pytest.raises(KeyError, match="there is no"):
        sandbox.fail(*names)


@pytest.mark.parametrize(
    ("kind", "status", "begins"),
    [
        ("retry-after-403", 403, "Rate limit"),
        ("retry-after-400", 400, "Quota"),
        ("retry-after-text", 200, "Too many"),
        ("retry-after-json", 200, '{"error"'),
        ("retry-after-rows", 200, '"id";'),
        ("status-429", 429, "Too many"),
    ],
)
def test_a_rate_limit_asks_for_a_pause_of_a_second(
    sandbox: Sandbox, kind: str, status: int, begins: str
) -> None:
    sandbox.fail(kind)
    response = get(sandbox, "accounts")
    assert (response.status_code, response.headers["Retry-After"]) == (status, "1")
    assert response.text.startswith(begins)


def test_a_pause_can_be_a_date_that_counts_from_the_response_s_own(sandbox: Sandbox) -> None:
    sandbox.fail("retry-after-date")
    headers = get(sandbox, "accounts").headers
    after, date = (parsedate_to_datetime(headers[name]) for name in ("Retry-After", "Date"))
    assert (after - date).total_seconds() == 2


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("empty", 200, b""), ("status-204", 204, b""), ("blank", 200, b"\n")],
)
def test_nothing_comes_once_in_the_middle(
    sandbox: Sandbox, kind: str, status: int, body: bytes
) -> None:
    sandbox.fail(kind, "emails", after=1, times=1)
    before, nothing, after = (get(sandbox, "emails", start=1, stop=1) for _ in range(3))
    assert (nothing.status_code, nothing.content) == (status, body)
    assert before.content == after.content
    assert ids(after)


@pytest.mark.parametrize(("readings", "status"), [("rejected", 400), ("fails", 500)])
def test_a_range_can_be_rejected_though_its_days_are_not(
    sandbox: Sandbox, readings: str, status: int
) -> None:
    sandbox.readings = Readings(range=readings)
    assert get(sandbox, "emails", start=2, stop=1).status_code == status
    for day in (2, 1):
        assert ids(get(sandbox, "emails", start=day, stop=day))
    assert get(sandbox, "accounts").status_code == 200


def _unzipped(content: bytes) -> bytes:
    (name,) = (archive := zipfile.ZipFile(io.BytesIO(content))).namelist()
    return archive.read(name)


@pytest.mark.parametrize(("packed", "unpack"), [("gzip", gzip.decompress), ("zip", _unzipped)])
def test_a_response_can_be_a_packed_file(sandbox: Sandbox, packed: str, unpack: Any) -> None:
    plain = get(sandbox, "emails", start=1, stop=1).content
    sandbox.readings = Readings(packed=packed)
    response = get(sandbox, "emails", start=1, stop=1)
    assert response.headers["Content-Type"] == f"application/{packed}"
    assert "Content-Encoding" not in response.headers
    assert unpack(response.content) == plain


def test_a_command_without_rows_yet_is_rejected_with_the_file_s_name(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "new", Command("new", ("id",), ("id",), None, False, False))
    response = get(sandbox, "new")
    assert response.status_code == 400
    assert "sandbox/world.py" in response.text


def test_every_fault_has_a_line_of_help() -> None:
    for kind, change in KINDS.items():
        assert change.__doc__, kind
        assert "\n" not in change.__doc__.strip(), kind


# Changes while it runs


def door(sandbox: Sandbox, what: str) -> str:
    return sandbox.url.replace("/generic/api/csv.php", f"/sandbox/{what}")


def test_faults_are_set_and_removed_over_http(sandbox: Sandbox) -> None:
    fault = {"kind": "status-503", "command": "accounts", "times": 1}
    assert requests.post(door(sandbox, "faults"), json=fault, timeout=5).status_code == 204
    assert [get(sandbox, "accounts").status_code for _ in range(2)] == [503, 200]
    requests.post(door(sandbox, "faults"), json={"kind": "empty"}, timeout=5)
    requests.delete(door(sandbox, "faults"), timeout=5)
    assert get(sandbox, "accounts").content
    made = requests.get(door(sandbox, "requests"), timeout=5).json()
    assert [request["status"] for request in made] == [503, 200, 200]


def test_the_clock_is_set_over_http(sandbox: Sandbox) -> None:
    clock = {"now": "2026-01-01T12:00:00Z", "frozen": True}
    assert requests.put(door(sandbox, "clock"), json=clock, timeout=5).status_code == 204
    assert get(sandbox, "accounts").headers["Date"] == "Thu, 01 Jan 2026 12:00:00 GMT"


def test_the_readings_are_set_over_http(sandbox: Sandbox) -> None:
    wanted = {"quoting": "fputcsv", "for_command": {"emails": {"row_limit": 2}}}
    assert requests.put(door(sandbox, "readings"), json=wanted, timeout=5).status_code == 204
    assert sandbox.readings == Readings(quoting="fputcsv", for_command={"emails": {"row_limit": 2}})
    assert requests.get(door(sandbox, "readings"), timeout=5).json()["quoting"] == "fputcsv"
    assert get(sandbox, "accounts").text.startswith("id;name;")
    assert requests.put(door(sandbox, "readings"), json={}, timeout=5).status_code == 204
    assert sandbox.readings == Readings()


@pytest.mark.parametrize(
    ("what", "wrong", "named"),
    [
        ("faults", {"kind": "none"}, "no fault none"),
        ("faults", {"kind": "empty", "nothing": 1}, "nothing"),
        ("faults", {}, "kind"),
        ("clock", {}, "now"),
        ("readings", {"quoting": "none"}, "quoting"),
        ("readings", {"nothing_such": 1}, "nothing_such"),
        ("readings", {"row_limit": "x"}, "row_limit"),
        ("readings", {"for_command": {"emails": {"x": 1}}}, "for_command"),
    ],
)
def test_a_wrong_change_is_rejected_by_name(
    sandbox: Sandbox, what: str, wrong: dict[str, Any], named: str
) -> None:
    send = requests.post if what == "faults" else requests.put
    response = send(door(sandbox, what), json=wrong, timeout=5)
    assert response.status_code == 400
    assert named in response.text
    assert (sandbox.faults, sandbox.readings) == ([], Readings())


def test_another_path_is_not_found(sandbox: Sandbox) -> None:
    assert requests.post(door(sandbox, "elsewhere"), json={}, timeout=5).status_code == 404
    assert requests.get(f"{sandbox.url}/more", timeout=5).status_code == 404
