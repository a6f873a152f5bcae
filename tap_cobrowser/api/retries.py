"""What a status means, and how long to wait before a retry."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING

from tap_cobrowser.errors import (
    CccAgentError,
    CredentialsError,
    PausedError,
    RejectedError,
    RetriableError,
    ServerBusyError,
    TapCobrowserError,
)
from tap_cobrowser.reading.text import decode
from tap_cobrowser.redaction import one_line, quote

if TYPE_CHECKING:
    from tap_cobrowser.api.transport import Reply
    from tap_cobrowser.models import Command

_LONGEST_PAUSE = 3600.0
_LONGEST_WAIT = 60.0
_WITH_ROWS = {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_CREDENTIALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry, or a confirmation, that is about to be made, for log lines.

    Attributes:
        command: The name of the command.
        place: Stream and window.
        error: The reason.
        wait: Seconds to wait before it.
        number: Counted from 1; 0 for a confirmation, which is not one of the `most` retries.
    """

    command: str
    place: str
    error: RetriableError
    wait: float
    number: int
    most: int


def status_error(
    command: Command, reply: Reply, retry_after: float | None
) -> TapCobrowserError | None:
    """Return the error that a status stands for, None if the body is to be read.

    A rate limit may come with any status; `Retry-After` shows what it is.
    """
    if reply.status in _WITH_ROWS:
        return None
    text = " ".join(decode(reply.body, reply.charset).split())
    said = f"The server returned {reply.status}"
    said += f" {one_line(reply.reason, 60)}" if reply.reason else ""
    said += f": {quote(text)}" if text else ""
    if (
        retry_after is not None
        or reply.status in _BUSY
        or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return ServerBusyError(said, retry_after=retry_after)
    if reply.status in _CREDENTIALS:
        return (CccAgentError if command.ccc_only else CredentialsError)(said)
    return RejectedError(said)


def backoff(error: RetriableError, number: int) -> float:
    """Return the seconds to wait before the retry of that number: the server's, or more each time.

    Raises:
        PausedError: If the server asks to wait for more than an hour.
    """
    if error.retry_after is None:
        # Jitter, so that the requests of several threads are not sent at the same moment.
        return min(2.0 ** min(number - 1, 10), _LONGEST_WAIT) + random()  # noqa: S311 - no secret
    if error.retry_after > _LONGEST_PAUSE:
        msg = f"{error.what}; it asks to wait {error.retry_after:.0f} seconds, more than an hour"
        raise PausedError(msg, where=error.where)
    return error.retry_after
