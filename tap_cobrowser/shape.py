"""JSON from users: parsed, and checked against the form that a JSON Schema requires."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import best_match
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 100
_UNPAIRED = re.compile("[\ud800-\udfff]")


class NotJsonError(ValueError):
    """A text is not valid JSON. The message says why, and does not quote the text."""


def parse(raw: bytes | str) -> Any:
    """Return the value of a JSON text.

    Bytes may be UTF-8, UTF-16 or UTF-32, with or without a byte-order mark. NaN and values that
    could not be written as JSON again are rejected. So are duplicate names in an object, because it
    is unknown which of the values is meant.

    Args:
        raw: The JSON text.

    Raises:
        NotJsonError: If it is not valid.
    """
    try:
        value = json.loads(raw, object_pairs_hook=_object, parse_constant=_no_number)
        reason = unwritable(value)
    except NotJsonError:
        raise
    except UnicodeDecodeError:
        reason = "it is neither UTF-8 nor UTF-16"
    except json.JSONDecodeError as error:
        if error.doc.strip():
            reason = f"it is not JSON (line {error.lineno}, column {error.colno})"
        else:
            reason = "it is empty"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:  # more digits than Python accepts
        reason = "it contains a number that is too large"
    else:
        if not reason:
            return value
    raise NotJsonError(reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "an object has a duplicate name"
        raise NotJsonError(msg)
    return found


def _no_number(name: str) -> float:
    msg = f"it contains {name}, which is not valid JSON"
    raise NotJsonError(msg)


def unwritable(value: object) -> str:
    """Return why a value cannot be written as valid JSON, "" if it can."""
    left = [(value, 0)]
    while left:
        each, depth = left.pop()
        if isinstance(each, str) and _UNPAIRED.search(each):
            return "it contains an unpaired surrogate"
        if isinstance(each, float) and math.isinf(each):
            return "it contains a number that is too large"
        if depth > _DEEPEST:
            return "it is nested too deeply"
        if isinstance(each, dict):
            left += [(inner, depth + 1) for pair in each.items() for inner in pair]
        elif isinstance(each, list | tuple):
            left += [(inner, depth + 1) for inner in each]
    return ""


def mismatch(schema: Mapping[str, Any], value: object, name: str = "") -> tuple[str, str] | None:
    """Return where a value does not match a JSON Schema, and why; None if it matches.

    A value of the wrong type is not quoted, because it may be a secret.

    Args:
        schema: The JSON Schema.
        value: The value.
        name: The name of the value; the path to the place is appended to it.
    """
    try:
        error = best_match(DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(value))
    except RecursionError:
        return name, "it is nested too deeply"
    if error is None:
        return None
    # The path begins with `$`, for the value itself.
    where = f"{name}{error.json_path[1:]}".lstrip(".")
    if error.validator == "type":
        kinds = error.validator_value
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return where, f"it must be of type {' or '.join(kinds)}"
    return where, quote(error.message, 150).removesuffix("…")[1:-1]
