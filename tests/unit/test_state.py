"""States: accepted in the forms of Singer and Meltano, otherwise rejected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.errors import StateError
from tap_cobrowser.singer.state import bookmarks_of
from tests.strategies import JSON, mutated

NAMES = {"emails", "accounts"}
OLD = {"emails": {"replication_key": "timestamp", "replication_key_value": "2026-11-01"}}
NEW = {"emails": {"replication_key": "timestamp", "replication_key_value": "2026-11-08"}}


def state(bookmarks: object) -> dict[str, Any]:
    """Return a state as in Singer."""
    return {"bookmarks": bookmarks}


@pytest.mark.parametrize(
    ("given_state", "bookmarks"),
    [
        ({}, {}),
        ({"bookmarks": {}}, {}),
        (state(OLD), OLD),
        ({**state(OLD), "currently_syncing": "emails"}, OLD),
        ({"type": "STATE", "value": state(OLD)}, OLD),
        ({"type": "STATE", "value": {}}, {}),
        # as `meltano state get` prints it
        ({"singer_state": state(OLD)}, OLD),
        # as a state backend of Meltano's keeps it
        ({"completed": {"singer_state": state(OLD)}, "partial": {}}, OLD),
        ({"completed": {"singer_state": state(OLD)}, "partial": None}, OLD),
        ({"completed": {}, "partial": {"singer_state": state(NEW)}}, NEW),
        (
            {"completed": {"singer_state": state(OLD)}, "partial": {"singer_state": state(NEW)}},
            NEW,
        ),
        (
            {
                "completed": {"singer_state": state(OLD)},
                "partial": {"singer_state": state({"accounts": {}})},
            },
            {**OLD, "accounts": {}},
        ),
    ],
)
def test_the_forms_of_singer_and_meltano_are_understood(
    given_state: object, bookmarks: object
) -> None:
    assert bookmarks_of(given_state, NAMES) == bookmarks


@pytest.mark.parametrize(
    "given_state",
    [
        None,
        [],
        "state.json",
        5,
        {"value": state(OLD)},
        {"type": "STATE"},
        {"type": "STATE", "value": None},
        {"type": "SCHEMA", "value": state(OLD)},
        {"singer_state": None},
        {"singer_state": state(OLD), "bookmarks": {}},
        {"completed": state(OLD)["bookmarks"]},
        {"completed": 5},
        {"completed": {"singer_state": 5}, "partial": {"singer_state": state(NEW)}},
        # as `meltano state export` prints the states of all pipelines
        {"dev:tap-cobrowser-to-target": {"completed": {"singer_state": state(OLD)}}},
        OLD,
        {"bookmarks": None},
        {"bookmarks": []},
        {"bookmarks": {"emails": None}},
        {"bookmarks": {"emails": "2026-11-01"}},
        {"bookmarks": {"Emails": {}}},
        {**state(OLD), "bookmark": {}},
    ],
)
def test_any_other_form_is_rejected_in_one_line(given_state: object) -> None:
    with pytest.raises(StateError) as raised:
        bookmarks_of(given_state, NAMES)
    line = str(raised.value)
    assert line.startswith("The state ")
    assert line.endswith(
        "Give a state that this tap has written, or none to start from `start_date`."
    )
    assert "\n" not in line


@given(
    st.one_of(
        JSON,
        mutated(state(OLD)),
        mutated({"type": "STATE", "value": state(OLD)}),
        mutated({"completed": {"singer_state": state(OLD)}, "partial": {}}),
    )
)
def test_whatever_a_state_holds_no_bookmark_is_lost_on_the_way(given_state: object) -> None:
    try:
        found = bookmarks_of(given_state, NAMES)
    except StateError:
        return
    assert found.keys() <= NAMES
    if "2026-11-01" in str(given_state):
        assert "2026-11-01" in str(found)
