"""The requests of an examination, in order: only as many as are needed, one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_cobrowser.api.preflight import Preflight, preflight
from tap_cobrowser.api.windows import Windows
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.doctor.asking import MOST_REQUESTS, RecordingApi, Seen, StoppedError
from tap_cobrowser.errors import TapCobrowserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cobrowser.models import Command
    from tap_cobrowser.settings import Settings

_LONG_AGO = 3650


@dataclass
class Examination:
    """One examination of a server, and what it has shown.

    Attributes:
        settings, commands, api: The tap's settings, the commands by name, and what sends requests.
        earlier: Digests of days from an earlier report.
        start: What the preflight has shown.
        limits: The row limits that the tap's own checks have found.
        failed: By command, why the tap cannot extract it.
        pair: Two completed days, the older one first, that have rows when requested alone.
        seconds: Seconds per request, by the number of requests at once; None if that is too many.
    """

    settings: Settings
    commands: Mapping[str, Command]
    api: RecordingApi
    earlier: dict[str, Any] | None = None
    start: Preflight = field(default_factory=Preflight)
    limits: set[int] = field(default_factory=set)
    failed: dict[str, TapCobrowserError] = field(default_factory=dict)
    pair: tuple[Seen, Seen] | None = None
    seconds: dict[int, float | None] = field(default_factory=dict)

    @property
    def seen(self) -> list[Seen]:
        """What came of each request, in order."""
        return self.api.seen

    @property
    def width(self) -> int:
        """The number of days that the tap would request at once, at most 2."""
        return 2 if self.start.ranges and not self.limits else 1

    @property
    def dated(self) -> list[Seen]:
        """The responses whose rows must all be of the days that were requested."""
        windowed = [each for each in self.seen if each.command.windowed and each.moments]
        return [each for each in windowed if not each.command.reaches_back]

    def make(self) -> None:
        """Make the requests.

        Raises:
            StoppedError: If it ends early.
        """
        windowed = [each for each in self.commands.values() if each.windowed]
        zone = self.settings.timezone
        try:
            self.start = preflight(
                self.api, windowed, zone=zone, longest_window=lambda _: 2, threads=1
            )
        except TapCobrowserError as error:
            raise StoppedError(error) from None
        if self.start.today:
            self._read_streams(self.start.today)
            self._ask_ranges()
            self._ask_earlier_days(self.start.today)
            self._ask_at_once(self.start.today)

    def _window(self, last: date) -> DateWindow:
        """Return the days of a request as the tap makes it."""
        return DateWindow(last - (self.width - 1) * ONE_DAY, last)

    def _read_streams(self, today: date) -> None:
        """Read each stream as the tap does, with its checks: full tables, then the last days."""
        windows = Windows(self.api, self.settings, [], self.start)
        for command in sorted(self.commands.values(), key=lambda each: each.windowed):
            if command.ccc_only and "cccagents" in self.failed:  # the first of them
                self.failed[command.name] = self.failed["cccagents"]
                continue
            before, window = len(self.seen), self._window(today - ONE_DAY)
            try:
                source = (command, False)
                parts = list(windows.read(source, window if command.windowed else None))
            except TapCobrowserError as error:
                self.failed[command.name] = error
                continue
            if any(notice.kind == "limit" for part in parts for notice in part.notices):
                self.limits.add(len(self.seen[before].table))

    def _known(self) -> dict[tuple[str, int], Seen]:
        """Return the completed days, by command and days ago, that have rows on that day."""
        return {
            (each.command.name, each.numbers[0]): each
            for each in self.seen
            if each.span == 1 and each.numbers[0] and not each.command.reaches_back
            if any(each.begins(self.settings.timezone))
        }

    def _ask_ranges(self) -> None:
        """Request what the tap does not need to know: the other order, three days, no rows."""
        for name, ago in self._known():
            if (name, ago + 1) not in self._known():
                self.api.probe(self.commands[name], ago + 1, ago + 1)
            if older := self._known().get((name, ago + 1)):
                self.pair = older, self._known()[name, ago]
                break
        name, ago = next(iter(self._known()), ("accountspecshourly", 1))
        if self.pair:
            name, ago = self.pair[1].command.name, self.pair[1].numbers[0]
        sent = [each.numbers for each in self.seen if each.command.name == name]
        for numbers in ((ago + 1, ago), (ago, ago + 1), (ago + 2, ago)):
            if numbers not in sent:
                self.api.probe(self.commands[name], *numbers)
        if all(each.table or each.error or not each.span for each in self.seen):
            self.api.probe(self.commands["conversations"], _LONG_AGO, _LONG_AGO)

    def _ask_earlier_days(self, today: date) -> None:
        """Request the days of an earlier report."""
        streams = self.earlier["streams"] if self.earlier else {}
        for name in streams.keys() & self.commands.keys() - self.failed.keys():
            before = today
            for day in map(date.fromisoformat, sorted(streams[name], reverse=True)):
                if day < before and self.api.requests < MOST_REQUESTS - sum(self.api.at_once):
                    window = self._window(day)
                    before = window.first
                    with suppress(TapCobrowserError):
                        self.api.fetch(self.commands[name], window)

    def _ask_at_once(self, today: date) -> None:
        """Compare the time of one, two and four requests at once, for a command with few rows."""
        command, last = self.commands["accountspecshourly"], today - 2 * ONE_DAY
        for number in self.api.at_once:
            if self.api.requests > MOST_REQUESTS - number or command.name in self.failed:
                return
            windows = []
            for _ in range(number):
                windows.append(self._window(last))
                last -= self.width * ONE_DAY
            begun = self.api.monotonic()
            with ThreadPoolExecutor(number) as pool:
                jobs = [pool.submit(self.api.fetch, command, window) for window in windows]
            errors = [error for job in jobs if (error := job.exception())]
            if errors and number > 1:
                self.seconds[number] = None
            if errors:
                return
            self.seconds[number] = (self.api.monotonic() - begun) / number
