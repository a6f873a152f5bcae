"""Asks, before anything is planned: which day is it at the server, and do ranges of days work?

The first request has the form of the example on the API's page: a single recent day. If a window of
the run spans several days, two more requests show whether it has the rows that its oldest and its
newest day have alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cobrowser.api.prefetch import Prefetch
from tap_cobrowser.checks.days import begins_on, rows_by_key
from tap_cobrowser.checks.ranges import ranges_do_not_work
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import CredentialsError, RetriableError, TapCobrowserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from tap_cobrowser.api.fetch import Api
    from tap_cobrowser.models import Command, Notice, Response, Row

_NEWEST = (1, 3, 8)  # days ago of the newest day: if recent days are silent, others may not be
_TRIES = 4
_LARGE = 4 * 2**20  # bytes of a body


@dataclass(slots=True)
class Preflight:
    """What the first requests of a run have shown.

    Attributes:
        today: The server's day, which fixes the days of the run; None if no request succeeded.
        ranges: Whether ranges of days were seen to work. If not, each day is requested alone.
        notice: What is wrong with ranges, if anything is.
        errors: Why requests of a command failed, by its name.
        sizes: The largest body of each command that was seen, in bytes.
    """

    today: date | None = None
    ranges: bool = False
    notice: Notice | None = None
    errors: dict[str, TapCobrowserError] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


def preflight(
    api: Api,
    commands: Sequence[Command],
    *,
    zone: ZoneInfo,
    longest_window: Callable[[date], int],
    threads: int,
) -> Preflight:
    """Ask for the server's day, and whether ranges work.

    Args:
        api: The API.
        commands: The commands with windows that the run reads.
        zone: The zone of the days.
        longest_window: Returns the number of days of the run's longest window, given its today.
        threads: How many requests may be made at once.

    Raises:
        TapCobrowserError: If the first request is rejected, or if an error concerns every stream.
    """
    # Hourly rows are there on every day, few, and final.
    commands = sorted(commands, key=lambda command: not command.hourly)
    asking = _Asking(api, zone, min(threads, 2), Preflight())
    result = asking.result
    yesterday = asking.first_response(commands)
    if result.today is None or (span := longest_window(result.today)) <= 1:
        return result
    tries = [(command, ago) for command in commands for ago in _NEWEST]
    for _ in range(_TRIES):
        tries = [each for each in tries if each[0].name not in result.errors]
        if not tries:
            break
        command, ago = tries.pop(0)
        last = result.today - ago * ONE_DAY
        window = DateWindow(last - (span - 1) * ONE_DAY, last)
        try:
            works = asking.ranges_work(command, window, yesterday)
        except TapCobrowserError as error:
            asking.keep(command, error)
            continue
        if works is not None:
            result.ranges = works
            break
    return result


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of a response: windows may be large, and two are requested at a time.

    Attributes:
        window: The days.
        rows: What identifies its rows.
        begins: Whether one of them began within the days.
    """

    window: DateWindow | None
    rows: set[Row]
    begins: bool


@dataclass(frozen=True, slots=True)
class _Asking:
    """The requests of a preflight, and their result."""

    api: Api
    zone: ZoneInfo
    threads: int
    result: Preflight

    def first_response(self, commands: Sequence[Command]) -> tuple[Command, _Seen] | None:
        """Return what yesterday of the first command that works has shown; it fixes today."""
        for command in commands:
            try:
                response = self.api.fetch_ago(command, 1, 1)
            except TapCobrowserError as error:  # noqa: PERF203 - each request has its own
                if isinstance(error, CredentialsError):
                    raise  # whoever sends a wrong key again and again is locked out
                self.keep(command, error)
            else:
                self.result.today = response.today
                return command, self.seen(command, response)
        return None

    def keep(self, command: Command, error: TapCobrowserError) -> None:
        """Keep the error of a command: its stream meets it again in its turn.

        Raises:
            TapCobrowserError: If it concerns every stream.
        """
        if error.ends_run:
            raise error
        self.result.errors[command.name] = error

    def seen(self, command: Command, response: Response) -> _Seen:
        """Return what is kept of a response, and record its size."""
        sizes, table = self.result.sizes, response.table
        sizes[command.name] = max(response.size, sizes.get(command.name, 0))
        moments = table.moments(command)
        begins = response.window is not None and begins_on(moments, response.window, self.zone)
        return _Seen(response.window, rows_by_key(command, table), begins)

    def ranges_work(
        self, command: Command, window: DateWindow, yesterday: tuple[Command, _Seen] | None
    ) -> bool | None:
        """Return whether a window has the rows of its ends; None if these days do not show it.

        Args:
            command: The command.
            window: The window.
            yesterday: What is there already; it may be the newest day.

        Raises:
            TapCobrowserError: If a day alone has no response.
        """
        oldest_day, *_, newest_day = window.days
        if yesterday and yesterday[0] == command and yesterday[1].window == newest_day:
            newest = yesterday[1]
        else:
            newest = self._fetch(command, newest_day)
        if not newest.begins:
            return None
        oldest, whole = self._fetch_both(command, oldest_day, window)
        if isinstance(oldest, TapCobrowserError):
            raise oldest
        if isinstance(whole, RetriableError):  # a server that is busy rejects nothing
            whole = self._fetch_both(command, window)[0]
        if isinstance(whole, TapCobrowserError):
            if whole.ends_run:
                raise whole
            what = f"is an error, but its ends have responses alone ({whole.what})"
            return self._do_not_work(window, what)
        if not oldest.begins:
            return None
        lacks = (oldest.rows | newest.rows) - whole.rows
        # Rows arrive late at any moment, so what a window lacks must be missing twice.
        if lacks and lacks - self._fetch(command, window).rows:
            what = "lacks rows that its days have when they are requested alone"
            return self._do_not_work(window, what)
        return True

    def _do_not_work(self, window: DateWindow, what: str) -> bool:
        self.result.notice = ranges_do_not_work(window, what)
        return False

    def _fetch(self, command: Command, window: DateWindow) -> _Seen:
        return self.seen(command, self.api.fetch(command, window))

    def _fetch_both(
        self, command: Command, *windows: DateWindow
    ) -> list[_Seen | TapCobrowserError]:
        """Request windows at the same time, and return what they have shown, or errors."""

        def fetch(_: None, window: DateWindow) -> _Seen | TapCobrowserError:
            try:
                return self._fetch(command, window)
            except TapCobrowserError as error:
                return error

        plan = [(None, window) for window in windows]
        # Two large tables at a time would take more memory than anything else in a run.
        threads = 1 if self.result.sizes.get(command.name, 0) > _LARGE else self.threads
        ahead = Prefetch(plan, fetch, size=lambda _: 0, threads=threads)
        return [seen for _, seen in ahead.results(None)]
