"""The readings of the API's page: what the page leaves open, and how the sandbox interprets it.

A `Readings` says how a server interprets a request (its days, its limits) and how it writes a
response. The defaults are what the tap assumes. All readings can be combined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.world import TABLES, WITHOUT_RANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.world import Row, World

_ONE_DAY = timedelta(days=1)
_OFFICE_BEGINS, _OFFICE_ENDS = 9, 17
_SATURDAY = 5
_MIDNIGHT_ROWS = 3
_MOMENTS = ("conversation_start", "timestamp", "time_start", "session_start", "hourBegin_time")
_KEYS = {
    "conversations": ("browse_id conversation_start", "num_messages"),
    "emails": ("id", "to"),
    "agentactivity": ("activity_id", "duration_secs"),
    "slotsactivity": ("activity_id", "numslots_used"),
    "cccslotsactivity": ("activity_id", "numslots_used"),
    "agentperformance": ("agent_id session_id preset", "numChats"),
    "accountspecshourly": ("account_id hourBegin_time", "num_pageviews"),
    "hostspecshourly": ("host_id hourBegin_time", "num_pageviews"),
    "filterstatshourly": ("account_id id hourBegin_time", "num_proactive_match"),
    "accounts": ("id", "name"),
    "agents": ("id", "firstname"),
    "cccagents": ("id", "firstname"),
    "hosts": ("id", "hostname"),
    "cccagentgroups": ("cccagent_id cccgroup_id", "cccgroup_name"),
    "cccgroupaccounts": ("cccgroup_id account_id", "cccgroup_name"),
}
"""The key columns of each command, and a column in which two rows of one key may differ."""


def _one_of(text: str, *choices: str) -> Any:
    """Declare a reading with a list of values, the first of which is the default."""
    return field(default=choices[0], metadata={"help": text, "choices": choices})


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
        "start_older",
        "stop_older",
        "either",
    )
    end: str = _one_of(
        "whether a range of several days includes its last day", "included", "excluded"
    )
    range: str = _one_of(
        "what start and stop do; ignored always returns today, first_day and last_day one day only",
        "used",
        "ignored",
        "first_day",
        "last_day",
    )
    stale: str = _one_of(
        "stale responses: those of the day before, or the first one to the same request, with "
        "the current Date or with their own",
        "no",
        "yesterday",
        "yesterday_old_date",
        "cached",
        "cached_old_date",
    )
    day_zone: str | None = _value(
        None, "IANA time zone of the server's days; default: that of the data"
    )

    # Which rows there are
    row_limit: int | None = _value(None, "maximum number of rows in a response")
    colliding_keys: bool = _value(
        default=False,
        text="whether the first row of each day (or table) shares its key with another row",
    )
    silent: str = _value(
        "",
        "days without rows: weekends, odd, even, all, 2026-11-20, 2026-11-01..2026-11-20; "
        "several with commas; COMMAND:RULE for one command",
    )
    rows: str = _one_of(
        "which rows a day has: all, those of office hours, one, or three whose date-time is "
        "midnight",
        "all",
        "office_hours",
        "one_a_day",
        "midnight",
    )

    # How a response is written
    stamp_zone: str | None = _value(
        None, "IANA time zone in which date-times are written; default: that of the data"
    )
    quoting: str = _one_of(
        "how values are quoted: always, with doubled quotes; by PHP's fputcsv; by RFC 4180, only "
        "where needed; by PHP's addslashes; or always, with quotes that are not escaped",
        "doubled",
        "fputcsv",
        "rfc",
        "slashes",
        "bare",
    )
    dates: str = _one_of("how date-times are written", "rfc2822", "dutch", "iso", "unix")
    numbers: str = _one_of(
        "how numbers are written: plain, with a decimal comma, or with spaces around them",
        "plain",
        "comma",
        "blank",
    )
    nothing: str = _one_of(
        "what a response without rows is: a header, nothing, a line of text, or status 204",
        "header",
        "no_bytes",
        "text",
        "dutch_text",
        "204",
    )
    encoding: str = _one_of(
        "how text is encoded; broken-bytes is UTF-8 in which some characters are incomplete",
        "utf-8",
        "utf-16",
        "windows-1252",
        "broken-bytes",
    )
    line_end: str = _one_of("how lines end", "lf", "crlf")
    last_line_ended: bool = _value(default=True, text="whether the last row ends with a line end")
    sep_line: bool = _value(default=False, text="whether the first line is sep=;")
    trailing_separator: bool = _value(default=False, text="whether each line ends with a separator")

    def __post_init__(self) -> None:
        """Check the values."""
        for each in fields(self):
            value = getattr(self, each.name)
            choices = each.metadata.get("choices")
            if choices and value not in choices:
                raise ValueError(f"{each.name} must be one of {', '.join(choices)}, not {value!r}")
            if isinstance(each.default, bool) and not isinstance(value, bool):
                raise ValueError(f"{each.name} must be true or false, not {value!r}")  # noqa: TRY004 - as all
        limit = self.row_limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise ValueError(f"row_limit must be a number of rows, not {limit!r}")
        if limit is not None and limit < 1:
            raise ValueError(f"row_limit must be 1 or more, not {limit}")
        _check_zone("day_zone", self.day_zone)
        _check_zone("stamp_zone", self.stamp_zone)
        for command in TABLES:
            _silent(self.silent, command)

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
            ValueError: If the server rejects the range.
        """
        if self.range == "ignored":
            return 0, 0
        older, younger = (stop, start) if self.order == "stop_older" else (start, stop)
        if self.order == "either":
            older, younger = max(start, stop), min(start, stop)
        elif self.order == "start_older" and start < stop:
            msg = "start must not be after stop"
            raise ValueError(msg)
        if abs(start - stop) >= window_days:
            raise ValueError(f"Range of more than {window_days} days")
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
            ago: The oldest and the youngest day, in days ago; None for no days. Commands without a
                range ignore it.
            now: The server's time.
        """
        rows: Iterator[Row]
        if command in WITHOUT_RANGE:
            ago = 100_000, 0
        if ago is None:
            rows = iter(())
        else:
            today = now.astimezone(_zone(self.day_zone, world.zone.key)).date()
            first, last = (today - timedelta(days=each) for each in ago)
            rows = self._of_days(world, command, first, last, now)
        if self.colliding_keys:
            rows = self._collide(world, command, rows)
        return islice(rows, self.row_limit)

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
        if self.rows == "all":
            yield from rows
            return
        moment = _moment_of(command)
        assert moment  # noqa: S101 - only tables of days come here
        if self.rows == "office_hours":
            for row in rows:
                if _OFFICE_BEGINS <= moment(row).astimezone(zone).hour < _OFFICE_ENDS:
                    yield row
            return
        key = _key_of(command)
        if self.rows == "one_a_day":
            wanted = key(complete[0])
            yield from islice((row for row in rows if key(row) == wanted), 1)
            return
        midnight = datetime.combine(day, time(), zone).astimezone(timezone.utc)
        index = _moment_index(command)

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
        index = TABLES[command].index(_KEYS[command][1])
        moment = _moment_of(command)
        zone = _zone(self.day_zone, world.zone.key)
        seen: set[date | None] = set()
        for row in rows:
            yield row
            day = moment(row).astimezone(zone).date() if moment else None
            if day in seen:
                continue
            seen.add(day)
            old = row[index]
            new = old + 1 if isinstance(old, int) else f"{old or ''} (2)"
            yield (*row[:index], new, *row[index + 1 :])


# From text, for the command line


def parse_reading(text: str) -> tuple[str, object]:
    """Return the name and the value of a reading from NAME=VALUE.

    Raises:
        ValueError: If there is no such reading, or the value is not valid for it.
    """
    name, _, given = text.partition("=")
    known = {each.name: each for each in fields(Readings)}
    if name not in known:
        raise ValueError(f"there is no reading {name}; see --list-readings")
    value: object = given
    if isinstance(known[name].default, bool):
        value = {"true": True, "false": False}.get(given, given)
    elif name == "row_limit" and given.isascii() and given.isdigit():
        value = int(given)
    Readings(**{name: value})  # type: ignore[arg-type] # it checks them itself
    return name, value


def list_readings() -> Iterator[str]:
    """Yield a line for each reading: its name, its values with the default first, its meaning."""
    for each in fields(Readings):
        choices = each.metadata.get("choices")
        if isinstance(each.default, bool):
            choices = [str(value).lower() for value in (each.default, not each.default)]
        values = "|".join(choices) if choices else "VALUE"
        yield f"{each.name}={values}\n    {each.metadata['help']}"


# Rows, keys and days


def _check_zone(field_name: str, zone: str | None) -> None:
    try:
        _zone(zone, "UTC")
    except (LookupError, ValueError, OSError, TypeError, AttributeError):
        raise ValueError(f"{field_name} must be an IANA time zone, not {zone!r}") from None


def _zone(name: str | None, default: str) -> ZoneInfo:
    return ZoneInfo(name or default)


def _moment_index(command: str) -> int:
    return next(i for i, name in enumerate(TABLES[command]) if name in _MOMENTS)


def _moment_of(command: str) -> Callable[[Row], datetime] | None:
    """Return a function for the date-time of a row, or None for tables without days."""
    if not set(_MOMENTS) & {*TABLES[command]}:
        return None
    index = _moment_index(command)

    def moment(row: Row) -> datetime:
        value = row[index]
        assert isinstance(value, datetime)  # noqa: S101 - the world's own
        return value

    return moment


def _key_of(command: str) -> Callable[[Row], tuple[object, ...]]:
    indices = [TABLES[command].index(name) for name in _KEYS[command][0].split()]
    return lambda row: tuple(row[index] for index in indices)


def _silent(rules: str, command: str) -> Callable[[date], bool]:
    """Return a function that says whether a day of a command is silent.

    Raises:
        ValueError: If a rule is not valid.
    """
    tests: list[Callable[[date], bool]] = []
    for each in filter(None, rules.split(",")):
        whose, colon, rule = each.rpartition(":")
        if colon and whose not in TABLES:
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
