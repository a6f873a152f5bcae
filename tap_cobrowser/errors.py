"""What can go wrong, one type per kind of trouble, each message ending in what to do about it.

Every message is one line that a person can act on. None of these errors ever carries an exception
of `requests` as its cause or context, since those quote the URL and with it the API key.
"""

from __future__ import annotations


class TapCobrowserError(Exception):
    """A trouble that ends the run with exit code 1.

    Attributes:
        advice: What to do about it, one sentence.
    """

    advice = ""

    def __init__(self, what: str, *, where: str = "", advice: str | None = None) -> None:
        """Make one line of what happened, where, and what to do.

        Args:
            what: What happened.
            where: The stream, window, line or column that it happened in.
            advice: What to do about it, where the type's own advice does not fit.
        """
        self.what = what
        self.where = where
        if advice is not None:
            self.advice = advice
        super().__init__(what)

    def __str__(self) -> str:
        """One line: where, what, advice."""
        where = f"{self.where}: " if self.where else ""
        what = self.what if self.what.endswith((".", "!", "?", "…")) else f"{self.what}."
        return " ".join(f"{where}{what} {self.advice}".split())


class SettingError(TapCobrowserError):
    """A setting is missing or has a value that cannot be used."""


class InputFileError(TapCobrowserError):
    """The configuration, catalog or state file cannot be read."""


class StateError(TapCobrowserError):
    """A bookmark in the state is not one that this tap can continue from."""

    advice = "Set the bookmark to a date such as 2026-01-31, or remove it to start from start_date."


class PausedError(TapCobrowserError):
    """The server asks for a pause that is too long to wait for."""

    advice = "Run again later; what was extracted so far is kept."


class RetriableError(TapCobrowserError):
    """An error that may pass: the request is repeated, up to `max_retries` times.

    Attributes:
        retry_after: Seconds to wait before that, as the server asks; 0 where there is no need to
            wait; None where the wait grows with each repetition.
    """

    advice = "If this goes on, ask CoBrowser.net; what was extracted so far is kept."

    def __init__(self, what: str, *, where: str = "", retry_after: float | None = None) -> None:
        """Make the error.

        Args:
            what: What happened.
            where: The stream and window that it happened in.
            retry_after: Seconds to wait before a repetition, None if that is not known.
        """
        super().__init__(what, where=where)
        self.retry_after = retry_after


class ConnectionFailedError(RetriableError):
    """The server could not be reached, or hung up before the answer was whole."""

    advice = (
        "Check `api_url`, the network and any proxy; run again to continue where this run stopped."
    )


class RequestError(TapCobrowserError):
    """A request cannot be sent at all, or its response cannot be decoded, with these settings."""

    advice = "Check `api_url`, `user_agent` and the proxy settings of the environment."


class CertificateError(TapCobrowserError):
    """The server's certificate is not trusted, so nothing was sent to it."""

    advice = (
        "Check `api_url`; behind a proxy with a CA of its own, name that CA's file in the "
        "environment variable REQUESTS_CA_BUNDLE."
    )


class ServerBusyError(RetriableError):
    """The server said that it cannot answer now (408, 425, 429 and 5xx)."""

    advice = (
        "Run again later to continue where this run stopped; a smaller `max_concurrent_requests` "
        "asks for less at once."
    )


class BrokenAnswerError(RetriableError):
    """The answer is not whole: cut short, a page of HTML, or with a PHP error in it."""


class ClockError(RetriableError):
    """The server's day changed under a request, so its rows cannot be trusted to be of that day."""

    advice = (
        "Run again with `max_retries` of 1 or more; if this goes on, the server's clock or this "
        "machine's is not steady."
    )


class CredentialsError(TapCobrowserError):
    """The server does not accept the user or the key (401, 403)."""

    advice = "Check `user` (letter case counts) and `api_key`."


class CccAgentError(CredentialsError):
    """The server refuses a command that only CCC agents may use."""

    advice = (
        "This stream needs a CCC agent: check `user` and `api_key`, "
        "or leave the CCC streams out with `ccc_agent: false`."
    )


class RefusedError(TapCobrowserError):
    """The server refuses the request in a way that asking again would not change."""

    advice = "Check `api_url`, `csv_separator` and `window_days`."


class NotCsvError(TapCobrowserError):
    """The answer is something else than the promised CSV."""

    advice = "Check `api_url`; if it is right, ask CoBrowser.net what this answer means."


class WrongDaysError(TapCobrowserError):
    """A response holds rows of other days than those that were requested."""

    advice = (
        "The server may not use `start` and `stop` as documented, or a cache in between returns "
        "stored responses; ask CoBrowser.net."
    )


class MissingColumnError(TapCobrowserError):
    """The answer lacks a column that a row's key or bookmark is made of."""

    advice = (
        "Without it rows would be lost; ask CoBrowser.net whether its export has changed, "
        "and look for a newer version of this tap."
    )


class BatchFileError(TapCobrowserError):
    """A file of a BATCH message cannot be written."""

    advice = "Give a `root` that can be written to."


class CellError(TapCobrowserError):
    """A cell does not fit its column's type."""


class ExaminationError(TapCobrowserError):
    """The doctor found that an extraction would fail or lose rows, or could not finish."""

    advice = "The report says what to do."


class TargetGoneError(TapCobrowserError):
    """Nothing reads the tap's output any more, or it cannot be written."""

    advice = "See the target's own log; run again to continue from the last state that it kept."
