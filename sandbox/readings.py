"""The readings of the API's page: what the page leaves open, and how the sandbox interprets it.

A `Readings` says how a server interprets a request (its days, its limits) and how it writes a
response. The defaults are what the tap assumes. All readings can be combined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta, timezone
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.page import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sandbox.world import Row, World

_ONE_DAY = timedelta(days=1)
_OFFICE_BEGINS, _OFFICE_ENDS = 9, 17
_SATURDAY = 5
_MIDNIGHT_ROWS = 3


class RejectedError(ValueError):
    """A request that the server rejects: a status and a line of text."""

    def __init__(self, text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        """Keep both."""
        super().__init__(text)
        self.status = status


def _one_of(text: str, values: str) -> Any:
    """Declare a reading with its values, the first of which is the default."""
    choices = values.split()
    return field(default=choices[0], metadata={"help": text, "choices": choices})


def _flag(text: str, *, default: bool = False) -> Any:
    return field(default=default, metadata={"help": text, "choices": (default, not default)})


def _value(default: object, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Readings:
    """One way to interpret the API's page; `--list-readings` prints the meaning of each field.

    Raises:
        ValueError: If a value is not valid for its field.
    """

    # Which days are meant
    order: str = _one_of(
        "which of start and stop is the older day; stop_older returns no rows for the other order",
        "start_older stop_older either",
    )
    end: str = _one_of("whether a range of several days includes its last day", "included excluded")
    range: str = _one_of(
        "what start and stop do; ignored always returns today, first_day and last_day one day "
        "only, rejected and fails return 400 and 500 where start and stop differ",
        "used ignored first_day last_day rejected fails",
    )
    stale: str = _one_of(
        "stale responses: those of the day before, or the first one to the same request, with "
        "the current Date or with their own",
        "no yesterday yesterday_old_date cached cached_old_date",
    )
    day_zone: str | None = _value(
        None, "IANA time zone of the server's days; default: that of the data"
    )

    # Which rows there are
    row_limit: int | None = _value(None, "maximum number of rows in a response")
    colliding_keys: bool = _flag(
        "whether the first row of each day (or table) shares its key with another row"
    )
    silent: str = _value(
        "",
        "days without rows: weekends, odd, even, all, 2026-11-20, 2026-11-01..2026-11-20; "
        "several with commas; COMMAND:RULE for one command",
    )
    rows: str = _one_of(
        "which rows a day has: all, those of office hours, one, or three whose date-time is "
        "midnight",
        "all office_hours one_a_day midnight",
    )

    # How a response is written
    stamp_zone: str | None = _value(
        None, "IANA time zone in which date-times are written; default: that of the data"
    )
    quoting: str = _one_of(
        "how values are quoted: always, with doubled quotes; by PHP's fputcsv; by RFC 4180, only "
        "where needed; by PHP's addslashes; or always, with quotes that are not escaped",
        "doubled fputcsv rfc slashes bare",
    )
    dates: str = _one_of(
        "how date-times are written; naive is 2026-11-22 14:30:00, and it and naive_rfc2822 have "
        "no UTC offset",
        "rfc2822 dutch iso unix naive naive_rfc2822",
    )
    numbers: str = _one_of(
        "how numbers are written: plain, with a decimal comma, or with spaces around them",
        "plain comma blank",
    )
    empty: str = _one_of(
        "what an empty number or date-time is: no text, NULL, or \\N", "blank null backslash_n"
    )
    nul: bool = _flag("whether some texts contain a NUL character")
    header: str = _one_of(
        "the header: as on the page, in another language, or none", "page dutch german none"
    )
    separator: str = _one_of(
        "the separator of values, whatever the request asks for",
        "requested semicolon comma colon pipe tab",
    )
    nothing: str = _one_of(
        "what a response without rows is: a header, nothing, a line of text, or status 204",
        "header no_bytes text dutch_text 204",
    )
    encoding: str = _one_of(
        "how text is encoded; broken-bytes is UTF-8 in which some characters are incomplete",
        "utf-8 utf-16 windows-1252 broken-bytes",
    )
    line_end: str = _one_of("how lines end", "lf crlf")
    last_line_ended: bool = _flag("whether the last row ends with a line end", default=True)
    sep_line: bool = _flag("whether the first line is sep=;")
    trailing_separator: bool = _flag("whether each line ends with a separator")
    packed: str = _one_of("whether the CSV is in a gzip file or a ZIP archive", "no gzip zip")

    for_command: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Readings for some commands only: `{"emails": {"row_limit": 50}}`."""

    def __post_init__(self) -> None:
        """Check the values."""
        for each in fields(self):
            value = getattr(self, each.name)
            choices = each.metadata.get("choices")
            if choices and value not in choices:
                listed = ", ".join(map(str, choices)).lower()
                raise ValueError(f"{each.name} must be one of {listed}, not {value!r}")
        limit = self.row_limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise ValueError(f"row_limit must be a number of rows, not {limit!r}")
        if limit is not None and limit < 1:
            raise ValueError(f"row_limit must be 1 or more, not {limit}")
        _check_zone("day_zone", self.day_zone)
        _check_zone("stamp_zone", self.stamp_zone)
        for command in COMMANDS:
            _silent(self.silent, command)
        for command in self.for_command:
            if command not in COMMANDS:
                raise ValueError(f"for_command: there is no command {command}")
            self.of(command)

    def of(self, command: str) -> Readings:
        """Return the readings for a command.

        Raises:
            ValueError: If a value for this command is not valid.
        """
        if command not in self.for_command:
            return self
        try:
            return replace(self, for_command={}, **self.for_command[command])
        except TypeError as error:  # a name that is no reading
            raise ValueError(f"for_command, {command}: {error}") from None

    # Requests

    def days(self, start: int, stop: int, window_days: int) -> tuple[int, int] | None:
        """Return the oldest and the youngest day of a response, in days ago.

        Args:
            start: As it was sent.
            stop: As it was sent.
            window_days: Maximum number of days per request.

        Returns:
            The two days, or None if the range has no days.

        Raises:
            RejectedError: If the server rejects the range.
        """
        if self.range == "ignored":
            return 0, 0
        if start != stop and self.range in {"rejected", "fails"}:
            if self.range == "fails":
                raise RejectedError("Query failed", HTTPStatus.INTERNAL_SERVER_ERROR)
            raise RejectedError("Only one day can be exported per request")
        older, younger = (stop, start) if self.order == "stop_older" else (start, stop)
        if self.order == "either":
            older, younger = max(start, stop), min(start, stop)
        elif self.order == "start_older" and start < stop:
            raise RejectedError("start must not be after stop")
        if abs(start - stop) >= window_days:
            raise RejectedError(f"Range of more than {window_days} days")
        if older < younger:
            return None
        if self.end == "excluded" and older > younger:
            younger += 1
        if self.range == "first_day":
            return older, older
        return (younger, younger) if self.range == "last_day" else (older, younger)

    # Rows

    def pick(
        self, world: World, command: str, ago: tuple[int, int] | None, now: datetime
    ) -> Iterator[Row]:
        """Yield the rows of a response.

        Args:
            world: The data.
            command: The command.
            ago: The oldest and the youngest day, in days ago; None for no days. A command without a
                range ignores it.
            now: The server's time.
        """
        if not COMMANDS[command].ranged:
            ago = 100_000, 0  # the world knows how many
        if ago is None:
            return iter(())
        today = now.astimezone(_zone(self.day_zone, world.zone.key)).date()
        first, last = (today - timedelta(days=each) for each in ago)
        return islice(self.rows_of_days(world, command, first, last, now), self.row_limit)

    def rows_of_days(
        self, world: World, command: str, first: date, last: date, now: datetime
    ) -> Iterator[Row]:
        """Yield the rows of days; see `World.rows`."""
        rows = self._of_days(world, command, first, last, now)
        return self._collide(world, command, rows) if self.colliding_keys else rows

    def _of_days(
        self, world: World, command: str, first: date, last: date, now: datetime
    ) -> Iterator[Row]:
        moment = _moment_of(command)
        zone = _zone(self.day_zone, world.zone.key)
        as_they_are = zone.key == world.zone.key and self.rows == "all"
        if moment is None or (as_they_are and not self.silent):
            yield from world.rows(command, first, last, now)
            return
        silent = _silent(self.silent, command)

        def by_day(at: datetime) -> dict[date, list[Row]]:
            """Return the rows by their days in the server's zone."""
            found: dict[date, list[Row]] = {}
            # The days of the world begin at another midnight, at most a day away.
            for row in world.rows(command, first - _ONE_DAY, last + _ONE_DAY, at):
                day = moment(row).astimezone(zone).date()
                if first <= day <= last and not silent(day):
                    found.setdefault(day, []).append(row)
            return found

        found = by_day(now)
        # The choice of a day's rows must not depend on the time of day.
        later = by_day(now + 2 * _ONE_DAY) if self.rows in {"one_a_day", "midnight"} else {}
        today = now.astimezone(zone).date()
        for day, rows in sorted(found.items()):
            complete = rows if day < today - _ONE_DAY else later.get(day, rows)
            yield from self._thin(command, day, rows, complete, zone)

    def _thin(
        self, command: str, day: date, rows: list[Row], complete: list[Row], zone: ZoneInfo
    ) -> Iterator[Row]:
        moment, key = _moment_of(command), _key_of(command)
        assert moment  # only tables of days come here
        if self.rows == "all":
            yield from rows
        elif self.rows == "office_hours":
            for row in rows:
                if _OFFICE_BEGINS <= moment(row).astimezone(zone).hour < _OFFICE_ENDS:
                    yield row
        elif self.rows == "one_a_day":
            wanted = key(complete[0])
            yield from islice((row for row in rows if key(row) == wanted), 1)
        else:
            midnight = datetime.combine(day, time(), zone).astimezone(timezone.utc)
            index = COMMANDS[command].columns.index(COMMANDS[command].day or "")

            def moved(row: Row) -> Row:
                stamp = midnight.astimezone(moment(row).tzinfo)
                return (*row[:index], stamp, *row[index + 1 :])

            # Distinct by key after the change to midnight: otherwise two rows would share a key.
            chosen: dict[tuple[object, ...], tuple[object, ...]] = {}
            for row in complete:
                if len(chosen) < _MIDNIGHT_ROWS:
                    chosen.setdefault(key(moved(row)), key(row))
            originals = set(chosen.values())
            yield from (moved(row) for row in rows if key(row) in originals)

    def _collide(self, world: World, command: str, rows: Iterable[Row]) -> Iterator[Row]:
        """Add a row with the same key after the first row of each day, or of the table."""
        moment = _moment_of(command)
        zone = _zone(self.day_zone, world.zone.key)
        seen: set[date | None] = set()
        for row in rows:
            yield row
            day = moment(row).astimezone(zone).date() if moment else None
            if day not in seen:
                seen.add(day)
                yield _changed(command, row)


# From text, for the command line


def parse_reading(text: str) -> tuple[str, object]:
    """Return the name and the value of a reading from NAME=VALUE or COMMAND:NAME=VALUE.

    The name includes the command, if there is one.

    Raises:
        ValueError: If there is no such reading, or the value is not valid for it.
    """
    whole, _, given = text.partition("=")
    command, _, name = whole.rpartition(":")
    known = {each.name: each for each in fields(Readings) if each.metadata}
    if name not in known:
        raise ValueError(f"there is no reading {name}; see --list-readings")
    value: object = given
    if isinstance(known[name].default, bool):
        value = {"true": True, "false": False}.get(given, given)
    elif name == "row_limit" and given.isascii() and given.isdigit():
        value = int(given)
    changed: dict[str, Any] = {name: value}
    Readings(**({"for_command": {command: changed}} if command else changed))  # it checks them
    return whole, value


def parse_readings(texts: Iterable[str]) -> Readings:
    """Return the readings from texts; see `parse_reading`."""
    whole: dict[str, Any] = {}
    for_command: dict[str, dict[str, object]] = {}
    for text in texts:
        path, value = parse_reading(text)
        command, _, name = path.rpartition(":")
        (for_command.setdefault(command, {}) if command else whole)[name] = value
    return Readings(**whole, for_command=for_command)


def list_readings() -> Iterator[str]:
    """Yield a line for each reading: its name, its values with the default first, its meaning."""
    for each in fields(Readings):
        if each.metadata:
            choices = each.metadata.get("choices", ["VALUE"])
            values = "|".join(
                value if isinstance(value, str) else str(value).lower() for value in choices
            )
            yield f"{each.name}={values}\n    {each.metadata['help']}"
    yield "COMMAND:NAME=VALUE\n    any of these for one command only"


# Rows, keys and days


def _check_zone(field_name: str, zone: str | None) -> None:
    try:
        _zone(zone, "UTC")
    except (LookupError, ValueError, OSError, TypeError, AttributeError):
        raise ValueError(f"{field_name} must be an IANA time zone, not {zone!r}") from None


def _zone(name: str | None, default: str) -> ZoneInfo:
    return ZoneInfo(name or default)


def _moment_of(command: str) -> Callable[[Row], datetime] | None:
    """Return a function for the date-time of a row, or None for tables without days."""
    column = COMMANDS[command].day
    if column is None:
        return None
    index = COMMANDS[command].columns.index(column)

    def moment(row: Row) -> datetime:
        value = row[index]
        assert isinstance(value, datetime)
        return value

    return moment


def _key_of(command: str) -> Callable[[Row], tuple[object, ...]]:
    indices = [COMMANDS[command].columns.index(name) for name in COMMANDS[command].key]
    return lambda row: tuple(row[index] for index in indices)


def _changed(command: str, row: Row) -> Row:
    """Return a row with the same key and another count, or another text if there is no count."""
    others = [
        i for i, name in enumerate(COMMANDS[command].columns) if name not in COMMANDS[command].key
    ]
    counts = [i for i in others if isinstance(row[i], int)]
    texts = [i for i in others if isinstance(row[i], str)]
    index = counts[0] if counts else texts[-1]
    value = row[index]
    new = value + 1 if isinstance(value, int) else f"{value} (2)"
    return (*row[:index], new, *row[index + 1 :])


def _silent(rules: str, command: str) -> Callable[[date], bool]:
    """Return a function that says whether a day of a command is silent.

    Raises:
        ValueError: If a rule is not valid.
    """
    tests: list[Callable[[date], bool]] = []
    for each in filter(None, rules.split(",")):
        whose, colon, rule = each.rpartition(":")
        if colon and whose not in COMMANDS:
            raise ValueError(f"silent: there is no command {whose}")
        test = _silent_rule(rule)
        if whose in {"", command}:
            tests.append(test)
    return lambda day: any(test(day) for test in tests)


def _silent_rule(rule: str) -> Callable[[date], bool]:
    named: dict[str, Callable[[date], bool]] = {
        "all": lambda _: True,
        "weekends": lambda day: day.weekday() >= _SATURDAY,
        "odd": lambda day: day.toordinal() % 2 == 1,
        "even": lambda day: day.toordinal() % 2 == 0,
    }
    if rule in named:
        return named[rule]
    begin, dots, end = rule.partition("..")
    try:
        first = date.fromisoformat(begin)
        last = date.fromisoformat(end) if dots else first
    except ValueError:
        raise ValueError(
            f"silent must be {', '.join(named)}, a day, or two days with .. between, not {rule!r}"
        ) from None
    return lambda day: first <= day <= last
