"""Reads the state of a run, in the forms that Singer and Meltano write, and in no other."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tap_cobrowser.errors import StateError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Collection

_ADVICE = "Give a state that this tap has written, or none to start from `start_date`."
_STATE_MESSAGE = {"type", "value", "time_extracted"}


def bookmarks_of(state: object, streams: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the bookmarks in a state, by stream. Their content is not checked here.

    A state is the value of a STATE message; the whole message; the output of `meltano state get`
    (`singer_state`); or the content of a state backend of Meltano (`completed`, `partial`).

    Raises:
        StateError: If it has none of these forms. To ignore it would start from the beginning,
            although the user wants to continue.
    """
    try:
        return _bookmarks(_unwrapped(state), streams)
    except RecursionError:
        msg = "The state is nested too deeply"
    raise StateError(msg, advice=_ADVICE)


def _bookmarks(state: object, streams: Collection[str]) -> dict[str, dict[str, Any]]:
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if (
        not isinstance(state, dict)
        or not isinstance(bookmarks, dict)
        or not all(isinstance(bookmark, dict) for bookmark in bookmarks.values())
    ):
        msg = "The state must be an object with an object 'bookmarks' that contains objects"
        raise StateError(msg, advice=_ADVICE)
    if strange := state.keys() - {"bookmarks", "currently_syncing"}:
        msg = f"The state has {quote(min(strange), 60)}, which is not part of a state"
        raise StateError(msg, advice=_ADVICE)
    if strange := bookmarks.keys() - set(streams):
        msg = f"The state has a bookmark of {quote(min(strange), 60)}, which is not a stream"
        raise StateError(msg, advice=_ADVICE)
    return deepcopy(bookmarks)


def _unwrapped(state: object) -> object:
    """Return a state without the message or the fields of Meltano around it."""
    while isinstance(state, dict):
        if state.get("type") == "STATE" and "value" in state and state.keys() <= _STATE_MESSAGE:
            state = state["value"]
        elif state.keys() == {"singer_state"}:
            state = state["singer_state"]
        elif state and state.keys() <= {"completed", "partial"}:
            # The state of a run that failed is newer than that of the last successful one.
            merged: dict[str, Any] = {}
            for part in (state.get("completed"), state.get("partial")):
                if not _merge(part or {}, merged):
                    return state
            state = merged
        else:
            break
    return state


def _merge(newer: object, older: dict[str, Any]) -> bool:
    """Merge two states as Meltano does, recursively; return whether their forms agree."""
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
