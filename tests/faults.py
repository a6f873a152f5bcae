"""What the tap makes of each fault that the sandbox can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    ConnectionFailedError,
    CredentialsError,
    MissingColumnError,
    NotCsvError,
    PausedError,
    RejectedError,
    ServerBusyError,
)

if TYPE_CHECKING:
    from tap_cobrowser.errors import TapCobrowserError

AT_ONCE: dict[str, tuple[type[TapCobrowserError], str]] = {
    "status-400": (RejectedError, "The server returned 400"),
    "status-401": (CredentialsError, "The server returned 401"),
    "status-403": (CredentialsError, "The server returned 403"),
    "status-404": (RejectedError, "The server returned 404"),
    "status-302": (RejectedError, "The server returned 302"),
    "status-206": (RejectedError, "The server returned 206"),
    "retry-after-hours": (PausedError, "it asks to wait 7200 seconds"),
    "text": (NotCsvError, "The response is text, not CSV"),
    "json": (NotCsvError, "The response is JSON, not CSV"),
    "no-key": (MissingColumnError, "The response lacks the column 'activity_id'"),
    "bad-number": (CellError, "is not an integer"),
}
"""Errors of the first response, and their words."""

RETRIED: dict[str, tuple[type[TapCobrowserError], str]] = {
    "reset": (ConnectionFailedError, "The server closed the connection before it responded"),
    "hang": (ConnectionFailedError, "The server did not respond within"),
    "cut": (ConnectionFailedError, "The response was cut short"),
    "cut-text": (BrokenResponseError, "The response is incomplete"),
    "html": (BrokenResponseError, "The response is an HTML page"),
    "php-error": (BrokenResponseError, "The response is incomplete"),
    **{
        f"status-{status}": (ServerBusyError, f"The server returned {status}")
        for status in (408, 425, 429, 500, 502, 503, 504)
    },
    "retry-after-403": (ServerBusyError, "The server returned 403"),
    "retry-after-400": (ServerBusyError, "The server returned 400"),
    "retry-after-date": (ServerBusyError, "The server returned 503"),
    "retry-after-text": (ServerBusyError, "The response is text, not CSV"),
    "retry-after-json": (ServerBusyError, "The response is JSON, not CSV"),
}
"""Errors after all retries, and their words."""

UNDERSTOOD = {
    "empty": "",
    "blank": "",
    "header-only": "",
    "status-204": "",
    "no-header": "has no header",
    "bom": "",
    "crlf": "",
    "no-line-end": "",
    "windows-1252": "",
    "upper-case": "",
    "renamed-column": "'renamed'",
    "no-date": "",
    "retry-after-rows": "",
}
"""Responses that are read, and a word of their notice."""

NOTHING = {"empty", "blank", "status-204"}
WITHOUT_ROWS = {*NOTHING, "header-only"}
