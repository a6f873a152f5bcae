"""Reads the state of a run, in the forms that Singer and Meltano write, and in no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tap_cobrowser.errors import StateError
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Collection

_STATE_MESSAGE = {"type", "value", "time_extracted"}


def bookmarks_of(state: object, streams: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the bookmarks in a state, by stream. Their content is not checked here.

    A state is the value of a STATE message; the whole message; the output of `meltano state get`
    (`singer_state`); or the content of a state backend of Meltano (`completed`, `partial`).

    Raises:
        StateError: If it has none of these forms. To ignore it would start from the beginning,
            although the user wants to continue.
    """
    if not isinstance(state, dict):
        _reject("must be an object with 'bookmarks'")
    if state.get("type") == "STATE" and "value" in state and state.keys() <= _STATE_MESSAGE:
        return bookmarks_of(state["value"], streams)
    if state.keys() == {"singer_state"}:
        return bookmarks_of(state["singer_state"], streams)
    if state and state.keys() <= {"completed", "partial"}:
        # The state of a run that failed is newer than that of the last successful one.
        parts = [bookmarks_of(state.get(name) or {}, streams) for name in ("completed", "partial")]
        names = {name: None for part in parts for name in part}
        return {name: {**parts[0].get(name, {}), **parts[1].get(name, {})} for name in names}
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(isinstance(b, dict) for b in bookmarks.values()):
        _reject("must have an object 'bookmarks' that contains objects")
    if strange := state.keys() - {"bookmarks", "currently_syncing"}:
        _reject(f"has {quote(min(strange), 60)}, which is not part of a state")
    if strange := bookmarks.keys() - set(streams):
        _reject(f"has a bookmark of {quote(min(strange), 60)}, which is not a stream")
    return {name: dict(bookmark) for name, bookmark in bookmarks.items()}


def _reject(what: str) -> NoReturn:
    advice = "Give a state that this tap has written, or none to start from `start_date`."
    raise StateError(f"The state {what}", advice=advice)
