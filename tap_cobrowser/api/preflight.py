"""Asks, before anything is planned: which day is it at the server, and do ranges of days work?

The first request has the form of the example on the API's page: a single recent day. If a window of
the run spans several days, two more requests show whether it has the rows that its oldest and its
newest day have alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tap_cobrowser.checks.days import begins_on, rows_by_key
from tap_cobrowser.checks.ranges import no_ranges_notice
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import CredentialsError, RetriableError, TapCobrowserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from datetime import date

    from tap_cobrowser.api.fetch import Api, Download
    from tap_cobrowser.models import Command, Notice, Response, Row
    from tap_cobrowser.settings import Settings

_DAYS_AGO = (1, 3, 8)  # of the newest day of a range to try: others are tried if these are silent
_TRIES = 4


class _Ranges(Enum):
    """What the ends of a range of days have shown."""

    WORK = 1
    DO_NOT_WORK = 2
    NOT_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    """The days of a response, what identifies its rows, and whether one began on these days."""

    window: DateWindow | None
    rows: set[Row]
    begins: bool


class Preflight:
    """The first requests of a run, and what they have shown.

    Attributes:
        api: The API.
        today: The server's day, which fixes the days of the run; None if no request succeeded.
        ranges: Whether ranges of days were seen to work. If not, each day is requested alone.
        notice: What is wrong with ranges, if anything is.
        errors: Why requests of a command failed, by its name.
        sizes: The largest body of each command that was seen, in bytes.
    """

    def __init__(self, api: Api, commands: Sequence[Command], settings: Settings) -> None:
        """Prepare; nothing is requested yet.

        Args:
            api: The API.
            commands: The commands with windows that the run reads. Without any, nothing is asked.
            settings: The settings.
        """
        self.api, self._settings = api, settings
        self.today: date | None = None
        self.ranges = False
        self.notice: Notice | None = None
        self.errors: dict[str, TapCobrowserError] = {}
        self.sizes: dict[str, int] = {}
        self._yesterday: tuple[Command, _Seen] | None = None
        # Hourly rows are there on every day, few, and final.
        self._commands = sorted(commands, key=lambda command: not command.hourly)

    def ask_for_today(self) -> None:
        """Ask for the server's day.

        Raises:
            TapCobrowserError: If the first request is rejected, or an error concerns every stream.
        """
        for command in self._commands:
            try:
                response = self.api.fetch_ago(command, 1, 1)
            except TapCobrowserError as error:  # noqa: PERF203 - each request has its own
                if isinstance(error, CredentialsError):
                    raise  # whoever sends a wrong key again and again is locked out
                self._keep(command, error)
            else:
                self.today = response.today
                self._yesterday = command, self._seen(command, response)
                break

    def ask_for_ranges(self, span: int) -> None:
        """Ask whether windows of so many days have the rows of their days.

        Raises:
            TapCobrowserError: If an error concerns every stream.
        """
        if self.today is None or span <= 1:
            return
        tries = [(command, ago) for command in self._commands for ago in _DAYS_AGO]
        found = _Ranges.NOT_SHOWN
        for _ in range(_TRIES):
            tries = [each for each in tries if each[0].name not in self.errors]
            if found is not _Ranges.NOT_SHOWN or not tries:
                break
            command, ago = tries.pop(0)
            last = self.today - ago * ONE_DAY
            try:
                found = self._try_range(command, DateWindow(last - (span - 1) * ONE_DAY, last))
            except TapCobrowserError as error:
                self._keep(command, error)
        self.ranges = found is _Ranges.WORK
        self._yesterday = None  # which may take much memory

    def _keep(self, command: Command, error: TapCobrowserError) -> None:
        """Keep the error of a command, which its stream meets again; raise one of every stream."""
        if error.ends_run:
            raise error
        self.errors[command.name] = error

    def _try_range(self, command: Command, window: DateWindow) -> _Ranges:
        """Return whether a window has the rows of its ends; if not, set the notice that says so."""
        oldest_day, *_, newest_day = window.days
        known = self._yesterday
        if known and known[0] == command and known[1].window == newest_day:
            newest = known[1]
        else:
            newest = self._ask(command, newest_day)
        if not newest.begins:
            return _Ranges.NOT_SHOWN
        oldest, whole = self._ask_at_once(command, oldest_day, window)
        if isinstance(oldest, TapCobrowserError):
            raise oldest
        if isinstance(whole, RetriableError):  # a server that is busy rejects nothing
            (whole,) = self._ask_at_once(command, window)
        if isinstance(whole, TapCobrowserError):
            if whole.ends_run:
                raise whole
            problem = f"is an error, but its ends have responses alone ({whole.what})"
        elif not oldest.begins:
            return _Ranges.NOT_SHOWN
        else:
            problem = "lacks rows that its days have when they are requested alone"
            lacks = (oldest.rows | newest.rows) - whole.rows
            # Rows arrive late at any moment, so what a window lacks must be missing twice.
            if not lacks or not lacks - self._ask(command, window).rows:
                return _Ranges.WORK
        self.notice = no_ranges_notice(window, problem)
        return _Ranges.DO_NOT_WORK

    def _ask(self, command: Command, window: DateWindow) -> _Seen:
        return self._seen(command, self.api.fetch(command, window))

    def _ask_at_once(
        self, command: Command, *windows: DateWindow
    ) -> list[_Seen | TapCobrowserError]:
        """Request windows at the same time, and return what they have shown, or errors."""
        with ThreadPoolExecutor(min(self._settings.max_concurrent_requests, 2)) as threads:
            jobs = [threads.submit(self.api.download, command, window) for window in windows]
        return [self._seen_or_error(command, jobs.pop(0)) for _ in windows]

    def _seen_or_error(self, command: Command, job: Future[Download]) -> _Seen | TapCobrowserError:
        try:
            return self._seen(command, self.api.read(job.result()))
        except TapCobrowserError as error:
            return error

    def _seen(self, command: Command, response: Response) -> _Seen:
        """Return what is kept of a response, which may be large, and record its size."""
        self.sizes[command.name] = max(response.size, self.sizes.get(command.name, 0))
        zone, moments = self._settings.timezone, response.table.moments(command)
        begins = response.window is not None and begins_on(moments, response.window, zone)
        return _Seen(response.window, rows_by_key(command, response.table), begins)
