"""The state as it is handed in: the forms that Singer and Meltano write, and no other."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tap_cobrowser.errors import StateError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Collection

_ADVICE = "Give a state as this tap sent it, or none to start anew."
_STATE_MESSAGE = {"type", "value", "time_extracted"}


def bookmarks_of(state: object, streams: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the bookmarks in a state, by stream. What a bookmark holds is not checked here.

    A state is what a STATE message has as its value; the whole message; what `meltano state get`
    prints (`singer_state`); or what a state backend of Meltano's keeps (`completed`, `partial`).

    Args:
        state: The state, as JSON has it.
        streams: The names of all streams.

    Raises:
        StateError: If it is none of these. Whoever hands in something else wants to continue, and
            to begin anew instead could leave a gap.
    """
    state = _unwrapped(state)
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if (
        not isinstance(state, dict)
        or not isinstance(bookmarks, dict)
        or not all(isinstance(bookmark, dict) for bookmark in bookmarks.values())
    ):
        msg = "The state is not an object with an object 'bookmarks' of objects"
        raise StateError(msg, advice=_ADVICE)
    if strange := state.keys() - {"bookmarks", "currently_syncing"}:
        msg = f"The state has {quote(min(strange), 60)}, which is not part of one"
        raise StateError(msg, advice=_ADVICE)
    if strange := bookmarks.keys() - set(streams):
        msg = f"The state has a bookmark of {quote(min(strange), 60)}, which is no stream"
        raise StateError(msg, advice=_ADVICE)
    try:
        return deepcopy(bookmarks)
    except RecursionError:
        msg = "The state is nested too deeply"
    raise StateError(msg, advice=_ADVICE)


def _unwrapped(state: object) -> object:
    """Return what a message or Meltano has put around a state, without that."""
    while isinstance(state, dict):
        if state.get("type") == "STATE" and "value" in state and state.keys() <= _STATE_MESSAGE:
            state = state["value"]
        elif state.keys() == {"singer_state"}:
            state = state["singer_state"]
        elif state and state.keys() <= {"completed", "partial"}:
            # What a run left that did not end well is newer than what the last good one left.
            merged: dict[str, Any] = {}
            for part in (state.get("completed"), state.get("partial")):
                if not _merge(part or {}, merged):
                    return state
            state = merged
        else:
            break
    return state


def _merge(newer: object, older: dict[str, Any]) -> bool:
    """Merge as Meltano does, at depth; return whether both are objects where one is."""
    if not isinstance(newer, dict):
        return False
    for key, value in newer.items():
        if isinstance(value, dict):
            node = older.setdefault(key, {})
            if not isinstance(node, dict) or not _merge(value, node):
                return False
        else:
            older[key] = value
    return True
