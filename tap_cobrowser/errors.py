"""All errors of the tap, one type per kind. Each message ends in what to do about it.

    TapCobrowserError
    ├─ SettingError, InputFileError, CatalogError, StateError    before any request
    ├─ RetriableError                                            retried, up to `max_retries`
    │  ├─ ConnectionFailedError
    │  │  └─ UnreachableError *
    │  ├─ ServerBusyError
    │  ├─ BrokenResponseError
    │  └─ ClockError
    ├─ PausedError *, RequestError *, CertificateError *
    ├─ CredentialsError
    │  └─ CccAgentError
    ├─ RejectedError, NotCsvError
    ├─ WrongDaysError, MissingColumnError, CellError
    ├─ HistoryFileError
    ├─ BatchFileError *, TargetGoneError *
    ├─ StreamsFailedError                                        at the end of a run
    └─ ExaminationError                                          of the doctor

An error ends its stream, and the others are read. Those with a `*` concern every stream, and end
the run (`ends_run`).

Every message is one line. None of these errors has an exception of `requests` as its cause or
context, because those quote the URL, and with it the API key.
"""

from __future__ import annotations


class TapCobrowserError(Exception):
    """An error that ends a stream, or the run if it concerns every stream (`ends_run`).

    It says what happened, where (in which stream, window, line or column), and, in one sentence,
    what to do about it: the advice of its type, unless another is given.
    """

    advice = ""
    ends_run = False

    def __init__(self, what: str, *, where: str = "", advice: str | None = None) -> None:
        """Initialize the error."""
        self.what, self.where = what, where
        if advice is not None:
            self.advice = advice
        super().__init__(what)

    def __str__(self) -> str:
        """Return one line: where, what, advice."""
        where = f"{self.where}: " if self.where else ""
        what = self.what if self.what.endswith((".", "!", "?", "…")) else f"{self.what}."
        return " ".join(f"{where}{what} {self.advice}".split())


class SettingError(TapCobrowserError):
    """A setting is missing or invalid."""


class InputFileError(TapCobrowserError):
    """The configuration, catalog or state file cannot be read."""


class CatalogError(TapCobrowserError):
    """The catalog says something that this tap does not understand or cannot do."""

    advice = "Create a new catalog with `--discover`, and select streams and columns in it."


class StateError(TapCobrowserError):
    """The state, or a bookmark in it, is invalid."""

    advice = "Set the bookmark to a date such as 2026-01-31, or remove it to start at start_date."


class PausedError(TapCobrowserError):
    """The server asks for a longer pause than the tap accepts."""

    ends_run = True
    advice = "Run again later to continue where this run stopped."


class RetriableError(TapCobrowserError):
    """An error after which the request is retried, up to `max_retries` times.

    `retry_after` is how many seconds to wait before the retry, 0 to retry at once, and None if the
    wait grows with each retry.
    """

    advice = (
        "Run again to continue where this run stopped; if the error persists, ask CoBrowser.net."
    )

    def __init__(self, what: str, *, where: str = "", retry_after: float | None = None) -> None:
        """Initialize the error."""
        super().__init__(what, where=where)
        self.retry_after = retry_after


class ConnectionFailedError(RetriableError):
    """The connection ended before the response did, or the response took too long."""

    advice = (
        "Check `api_url`, the network and any proxy; run again to continue where this run stopped."
    )


class UnreachableError(ConnectionFailedError):
    """The server could not be reached at all."""

    ends_run = True


class RequestError(TapCobrowserError):
    """With these settings, a request cannot be sent, or its response cannot be decoded."""

    ends_run = True
    advice = "Check `api_url`, `user_agent` and the proxy settings of the environment."


class CertificateError(TapCobrowserError):
    """The server's certificate is not trusted, so no request was sent."""

    ends_run = True
    advice = (
        "Check `api_url`; behind a proxy with its own certificate authority, set the environment "
        "variable REQUESTS_CA_BUNDLE to the authority's file."
    )


class ServerBusyError(RetriableError):
    """The server cannot respond now: 408, 425, 429, 5xx, or any status with `Retry-After`."""

    advice = (
        "Run again later to continue where this run stopped; a lower `max_concurrent_requests` "
        "puts less load on the server."
    )


class BrokenResponseError(RetriableError):
    """The response is incomplete, is an HTML page, or contains a PHP error."""


class ClockError(RetriableError):
    """The server's day changed during a request, or is not known: rows may be of another day."""

    advice = (
        "Run again with `max_retries` of 1 or more; if the error persists, the server's clock or "
        "this machine's clock is unstable."
    )


class CredentialsError(TapCobrowserError):
    """The server does not accept the user or the key (401, 403)."""

    advice = "Check `user` (case-sensitive) and `api_key`."


class CccAgentError(CredentialsError):
    """The server rejects a command that only CCC agents may use."""

    advice = (
        "This stream needs a CCC agent: check `user` and `api_key`, "
        "or leave the CCC streams out with `ccc_agent: false`."
    )


class RejectedError(TapCobrowserError):
    """The server rejects the request, and would reject a retry."""

    advice = "Check `api_url`, `csv_separator` and `window_days`."


class NotCsvError(TapCobrowserError):
    """The response is not CSV."""

    advice = "Check `api_url`; if it is correct, ask CoBrowser.net what this response means."


class WrongDaysError(TapCobrowserError):
    """A response has rows of other days than those that were requested."""

    advice = (
        "The server may not use `start` and `stop` as documented, or a cache in between returns "
        "stored responses; ask CoBrowser.net."
    )


class MissingColumnError(TapCobrowserError):
    """The response lacks a column of the key, or the replication key."""

    advice = (
        "Without it, rows would be lost; look for a newer version of this tap, and ask "
        "CoBrowser.net whether its export has changed."
    )


class BatchFileError(TapCobrowserError):
    """A BATCH file cannot be written."""

    ends_run = True
    advice = "Set `batch_config.storage.root` to a folder that can be written to."


class CellError(TapCobrowserError):
    """A cell does not fit its column's type."""


class HistoryFileError(TapCobrowserError):
    """A file of `history_files` cannot be read as an export of one command."""

    advice = "Correct or remove the file, and run again: rows that were loaded are updated by key."


class StreamsFailedError(TapCobrowserError):
    """Streams have failed; the others were read. The message names each, and why."""


class ExaminationError(TapCobrowserError):
    """The doctor found that an extraction would fail or lose rows, or could not finish."""

    advice = "The report says what to do."


class TargetGoneError(TapCobrowserError):
    """The target no longer reads the tap's output, or the output cannot be written."""

    ends_run = True
    advice = "See the target's log; run again to continue from the last state that it stored."
