"""The requests of an examination, in order: only as many as are needed, one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING

from tap_cobrowser.api.preflight import preflight
from tap_cobrowser.api.windows import Windows
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.doctor.asking import MOST_AT_ONCE, StoppedError
from tap_cobrowser.doctor.late import why_not_compared
from tap_cobrowser.errors import TapCobrowserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.doctor.asking import RecordingApi
    from tap_cobrowser.doctor.case import Case
    from tap_cobrowser.doctor.late import Days
    from tap_cobrowser.models import Command

_AT_ONCE = (1, 2, MOST_AT_ONCE)
_RESERVE = sum(_AT_ONCE) + 3
_SUMMER = range(4, 11)
_JANUARY, _JULY = 1, 7
_LONG_AGO = 3650


class Examination:
    """One examination of a server."""

    def __init__(
        self, api: RecordingApi, case: Case, *, time: Time, earlier: Days | None = None
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            api: Sends the requests, and keeps what it sees.
            case: Where that is collected.
            time: This machine's time.
            earlier: Digests from an earlier report.
        """
        self._api, self._case, self._time, self._earlier = api, case, time, earlier
        self._windowed = [each for each in case.commands.values() if each.windowed]

    def make(self) -> None:
        """Make the requests.

        Raises:
            StoppedError: If it ends early.
        """
        self._preflight()
        self._streams()
        self._ranges()
        self._three_days()
        self._other_days()
        self._days_to_compare()
        self._repeat()
        self._at_once()

    def _preflight(self) -> None:
        """Ask what the tap asks before it plans a run: the server's day, and if ranges work."""
        try:
            self._case.start = preflight(
                self._api,
                self._windowed,
                zone=self._case.settings.timezone,
                longest_window=lambda _: 2,
                threads=1,
            )
        except TapCobrowserError as error:
            raise StoppedError(error) from None

    def _streams(self) -> None:
        """Read each stream as the tap does, with its checks."""
        case = self._case
        windows = Windows(self._api, case.settings, [], case.start)
        ccc = [each for each in case.commands.values() if each.ccc_only]
        others = [each for each in case.commands.values() if not each.ccc_only]
        for command in (*others, *ccc):
            if command.ccc_only and ccc[0].name in case.failed:
                case.failed[command.name] = case.failed[ccc[0].name]
                continue
            before = len(case.seen)
            try:
                parts = list(windows.read((command, False), self._window(command, 1)))
            except TapCobrowserError as error:
                case.failed[command.name] = error
                continue
            if any(notice.kind == "limit" for part in parts for notice in part.notices):
                case.limits.add(case.seen[before].rows)

    def _window(self, command: Command, ago: int) -> DateWindow | None:
        """Return days as the tap requests them, of which the newest is so many days ago."""
        if not command.windowed or not self._case.start.today:
            return None
        last = self._case.start.today - ago * ONE_DAY
        return DateWindow(last - (self._width - 1) * ONE_DAY, last)

    @property
    def _width(self) -> int:
        return 2 if self._case.ranges_work else 1

    @property
    def _witness(self) -> tuple[Command, int]:
        """A command and the days ago of a completed day with rows; best if the day before has some.

        Without one, yesterday of an hourly command.
        """
        known = self._case.known
        pairs = [each for each in known if (each[0], each[1] + 1) in known]
        for name, ago in (*pairs, *known):
            return self._case.commands[name], ago
        return next(each for each in self._windowed if each.hourly), 1

    def _ranges(self) -> None:
        """Request a day with rows as the older and as the younger end, in both orders."""
        case, (command, ago) = self._case, self._witness
        for start, stop in ((ago + 1, ago), (ago, ago - 1)):
            works = case.order_works(stop_older=False)
            if not (works and case.end_included("older") and case.end_included("younger")):
                self._once(command, start, stop)
        for start, stop in ((ago, ago + 1), (ago - 1, ago)):
            if case.order_works(stop_older=True) is None:
                self._once(command, start, stop)

    def _once(self, command: Command, start: int, stop: int) -> None:
        """Send numbers, unless they were sent before."""
        if all((each.start, each.stop) != (start, stop) for each in self._case.of(command.name)):
            self._api.probe(command, start, stop)

    def _three_days(self) -> None:
        case, (command, _) = self._case, self._witness
        reverse = case.order_works(stop_older=True) and not case.order_works(stop_older=False)
        self._api.probe(command, *((1, 3) if reverse else (3, 1)))

    def _other_days(self) -> None:
        """Request a day in another part of the year, and one from before there was any data."""
        today = self._case.start.today
        if today and self._case.known:
            # In the middle of the other half of the year, and of a week.
            other = date(today.year, _JANUARY if today.month in _SUMMER else _JULY, 14)
            if other >= today:
                other = other.replace(year=today.year - 1)
            other += (1 - other.weekday()) * ONE_DAY
            ago = (today - other).days
            self._api.probe(self._witness[0], ago, ago)
        if all(each.rows or each.error or not each.span for each in self._case.seen):
            self._api.probe(self._case.commands["conversations"], _LONG_AGO, _LONG_AGO)

    def _days_to_compare(self) -> None:
        """Request the days of an earlier report, or more days for later reports."""
        for command, last in self._wanted_days():
            if self._api.left > _RESERVE and command.name not in self._case.failed:
                window = DateWindow(last - (self._width - 1) * ONE_DAY, last)
                try:
                    self._api.fetch(command, window)
                except TapCobrowserError:
                    continue

    def _wanted_days(self) -> Iterator[tuple[Command, date]]:
        """Yield commands, and the last of the days to request together."""
        today, step = self._case.start.today, self._width * ONE_DAY
        if today is None:
            return
        if not self._earlier:
            yield from ((command, today - 3 * ONE_DAY) for command in self._windowed)
        elif not why_not_compared(self._case, self._earlier):
            for name, days in self._earlier.streams.items():
                last = today
                for day in sorted(days, reverse=True):
                    if name in self._case.commands and day < last:
                        yield self._case.commands[name], day
                        last = day - step + ONE_DAY

    def _repeat(self) -> None:
        """Send the first request again, to see whether the response is a stored one."""
        first = self._case.seen[0]
        if first.start is not None and first.stop is not None:
            again = self._api.probe(first.command, first.start, first.stop)
            dates = [each.date for each in self._case.seen if each.date and not each.error]
            self._case.stale = bool(
                not again.error and again.date and again.date < max(dates)
            )

    def _at_once(self) -> None:
        """Compare the time of one, two and four requests at once."""
        command, ago = self._case.commands["conversations"], 3 + self._width
        if command.name in self._case.failed:
            return
        for number in _AT_ONCE:
            if self._api.left < number:
                return
            windows = [self._window(command, ago + each * self._width) for each in range(number)]
            ago += number * self._width
            begun = self._time.monotonic()
            with ThreadPoolExecutor(number) as pool:
                jobs = [pool.submit(self._api.fetch, command, window) for window in windows]
            try:
                for job in jobs:
                    job.result()
            except StoppedError:
                if number == 1:
                    raise
                self._case.busy_at = number
                return
            except TapCobrowserError:
                return
            self._case.seconds[number] = (self._time.monotonic() - begun) / number
