"""Extracts days of commands as a run does, by the API client alone: without Singer, or a tap."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cobrowser.api.fetch import Api
from tap_cobrowser.api.preflight import Preflight
from tap_cobrowser.api.windows import Windows, Work
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import TapCobrowserError
from tap_cobrowser.settings import check
from tests.expected import AMSTERDAM, COMMANDS, NOW, TODAY
from tests.made_up import MadeUp
from tests.worlds import config_for

if TYPE_CHECKING:
    from datetime import date

    from sandbox import Sandbox
    from tap_cobrowser.models import Notice, Row


@dataclass
class Extracted:
    """What an extraction has given.

    Attributes:
        rows: The keys of the rows by command, in their order.
        said: The notices, with the commands they are about; "" for the run.
        errors: The errors by command.
        requests: Number of requests that the sandbox has counted.
        checks: Number of requests that were made to check or complete windows.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    said: list[tuple[str, Notice]] = field(default_factory=list)
    errors: dict[str, TapCobrowserError] = field(default_factory=dict)
    requests: int = 0
    checks: int = 0

    @property
    def words(self) -> str:
        """All that a log would show."""
        errors = [str(error) for error in self.errors.values()]
        return "\n".join([*(notice.text for _, notice in self.said), *errors])

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds of the notices, once per command as a log has them."""
        return list(dict.fromkeys((name, notice.kind) for name, notice in self.said))


def windows_of(first: date, last: date, size: int = 2) -> list[DateWindow]:
    """Return the windows of some days, oldest first."""
    starts = range(0, (last - first).days + 1, size)
    return [
        DateWindow(first + timedelta(days=at), min(first + timedelta(days=at + size - 1), last))
        for at in starts
    ]


def extract(
    sandbox: Sandbox,
    *names: str,
    first: date,
    last: date = TODAY,
    size: int = 2,
    ranges: bool | None = True,
    time: MadeUp | None = None,
    **more: Any,
) -> Extracted:
    """Extract the days of some commands.

    Args:
        sandbox: The server.
        names: The commands.
        first: The first day.
        last: The last day.
        size: Days per window.
        ranges: What a preflight has found; None if it is to be made.
        time: The time; None for NOW.
        more: Settings.
    """
    time = time or MadeUp(NOW)
    settings = check({"max_retries": 1, **config_for(sandbox), **more})
    api = Api(settings, time=time.of_tap())
    commands = [COMMANDS[name] for name in names]
    ranged = [command for command in commands if command.windowed]
    result, before = Extracted(), len(sandbox.requests)

    def plan(today: date) -> list[tuple[Work, DateWindow | None]]:
        windows = windows_of(first, min(last, today), size)
        return [
            (Work(command), window)
            for command in commands
            for window in (windows if command.windowed else [None])
        ]

    start = Preflight(api, ranged, settings)
    if ranges is None:
        start.ask_for_today()
    else:
        start.today, start.ranges = time.now.astimezone(AMSTERDAM).date(), ranges
    planned = plan(start.today) if start.today else []
    if ranges is None:
        start.ask_for_ranges(max((len(each.days) for _, each in planned if each), default=0))
        result.said += [("", start.notice)] if start.notice else []
    windows = Windows(settings, planned, start)
    for command in commands:
        rows = result.rows.setdefault(command.name, [])
        with suppress(TapCobrowserError):
            try:
                for part in windows.of(Work(command)):
                    result.checks += part.checks
                    result.said += [(command.name, notice) for notice in part.notices]
                    if part.response:
                        table = part.response.table
                        rows += zip(*map(table.values, command.keys), strict=True)
            except TapCobrowserError as error:
                result.errors[command.name] = error
    result.errors |= start.errors if start.today is None else {}
    result.said += windows.at_end()
    result.requests = len(sandbox.requests) - before
    return result


def days_before(count: int) -> date:
    """Return the first of a number of days that end today."""
    return TODAY - (count - 1) * ONE_DAY
