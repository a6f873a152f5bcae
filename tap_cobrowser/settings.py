"""The settings: names, descriptions, validation, and their typed form.

A value means the same wherever it comes from (a file, an environment variable, Meltano): numbers
and booleans that are written as text are converted, and empty text counts as not set.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from importlib import metadata
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from singer_sdk import typing as th

from tap_cobrowser.days import parse_day
from tap_cobrowser.errors import SettingError
from tap_cobrowser.redaction import one_line, protect, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date

SEPARATORS = (";", ",", ":", "|")
MIN_KEY_LENGTH = 4
MAX_WINDOW_DAYS = 31
MAX_CONCURRENT_REQUESTS = 16
_ENOUGH = 10**9
_PREFIX = "TAP_COBROWSER_"
_OTHER_VARIABLES = {"LOGLEVEL"}

SCHEMA = th.PropertiesList(
    th.Property(
        "user",
        th.StringType,
        required=True,
        title="User",
        description="CoBrowser.net user name, case-sensitive. Not needed with `history_files`.",
    ),
    th.Property(
        "api_key",
        th.StringType(min_length=MIN_KEY_LENGTH),
        required=True,
        secret=True,
        title="API key",
        description=(
            "API key that CoBrowser.net issued to the user. Not needed with `history_files`."
        ),
    ),
    th.Property(
        "start_date",
        th.StringType,
        title="Start date",
        description=(
            "First day to extract, as a date (2026-01-31) or an ISO 8601 date-time. A date-time "
            "means the day of `timezone` that contains it. Default: 30 days before today."
        ),
    ),
    th.Property(
        "end_date",
        th.StringType,
        title="End date",
        description=(
            "Last day to extract, inclusive, in the same form as `start_date`. Together they "
            "select a slice of the history. Default: today."
        ),
    ),
    th.Property(
        "timezone",
        th.StringType,
        default="Europe/Amsterdam",
        title="Time zone",
        description=(
            "Time zone of the CoBrowser.net account, as an IANA name. It decides where the API's "
            "days begin and end."
        ),
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=3,
        title="Look-back days",
        description=(
            "Days before the bookmark that each run reads again, for rows that arrive or change "
            "late. The default covers a weekend."
        ),
    ),
    th.Property(
        "window_days",
        th.IntegerType(minimum=1, maximum=MAX_WINDOW_DAYS),
        default=2,
        title="Window days",
        description=(
            "Days per request, 1 to 31. The API allows 2; raise it only if CoBrowser.net has "
            "raised your limit."
        ),
    ),
    th.Property(
        "csv_separator",
        th.StringType,
        default=";",
        allowed_values=list(SEPARATORS),
        title="CSV separator",
        description="Column separator to request from the API.",
    ),
    th.Property(
        "ccc_agent",
        th.BooleanType,
        default=False,
        title="CCC agent",
        description=(
            "Whether the user is a CCC agent. If true, the catalog includes the four streams that "
            "the API serves to CCC agents only."
        ),
    ),
    th.Property(
        "history_files",
        th.StringType,
        title="History files",
        description=(
            "Files to read instead of asking the API: a file, a folder or a glob of exports that "
            "were saved as `.csv`, `.csv.gz` or `.zip`. Default: none."
        ),
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://client.cobrowser.net/generic/api/csv.php",
        title="API URL",
        description=(
            "URL of the CSV export API. It must begin with `https`, except on a loopback host."
        ),
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1),
        default=300,
        title="Request timeout",
        description="Seconds to wait for data from the server before a request fails.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=5,
        title="Maximum retries",
        description=(
            "Retries per request, whatever the reason: a server error, a broken response, or "
            "midnight during the request. The wait grows with each retry. If the server asks for "
            "waits of more than an hour per run in all, the run ends."
        ),
    ),
    th.Property(
        "max_concurrent_requests",
        th.IntegerType(minimum=1, maximum=MAX_CONCURRENT_REQUESTS),
        default=4,
        title="Maximum concurrent requests",
        description="Requests in flight at once, 1 to 16, over all streams.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="`User-Agent` header. Default: `tap-cobrowser/<version>`.",
    ),
).to_dict()
"""JSON Schema of the tap's own settings; the SDK adds those of its capabilities."""

OWN: dict[str, dict[str, Any]] = dict(SCHEMA["properties"])
"""The tap's own settings alone, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The validated settings.

    `start_date` and `end_date` are days of `timezone`, None if not set. Times are in seconds. With
    `history_files`, `user` and `api_key` may be empty.
    """

    user: str
    api_key: str
    start_date: date | None
    end_date: date | None
    timezone: ZoneInfo
    lookback_days: int
    window_days: int
    csv_separator: str
    ccc_agent: bool
    history_files: str
    api_url: str
    request_timeout: int
    max_retries: int
    max_concurrent_requests: int
    user_agent: str

    def __repr__(self) -> str:
        """Without the key, so that no traceback or debugger shows it."""
        return f"<Settings of {self.user!r}>"


def wants_ccc_streams(config: Mapping[str, Any]) -> bool:
    """Return whether the catalog includes the CCC streams; an invalid value counts as false."""
    try:
        return boolean(config.get("ccc_agent") or "false", "ccc_agent")
    except SettingError:
        return False


def is_blank(name: str, value: str) -> bool:
    """Return whether the text of a setting counts as none."""
    return not value.strip(" " if name == "csv_separator" else None)  # a tab would be a separator


def check(config: Mapping[str, Any]) -> Settings:
    """Check the settings and convert them to their types.

    Args:
        config: The values as they were passed in, from any source.

    Raises:
        SettingError: If one is missing or invalid. It names the setting and never shows `api_key`.
    """
    values = _Values(config)
    history = values.text("history_files") if values.raw("history_files") is not None else ""
    needed = () if history else ("user", "api_key")
    if missing := [name for name in needed if values.raw(name) is None]:
        raise _missing_error(missing, config)
    key = values.key("api_key") if values.raw("api_key") is not None else ""
    protect(key)
    zone = values.zone("timezone")
    start, end = values.day("start_date", zone), values.day("end_date", zone)
    if start and end and end < start:
        msg = f"Setting 'end_date' ({end}) is before 'start_date' ({start})"
        raise SettingError(msg, advice="Give an end date on or after the start date.")
    return Settings(
        user=values.text("user") if values.raw("user") is not None else "",
        api_key=key,
        start_date=start,
        end_date=end,
        timezone=zone,
        lookback_days=values.integer("lookback_days"),
        window_days=values.integer("window_days"),
        csv_separator=values.separator("csv_separator"),
        ccc_agent=values.boolean("ccc_agent"),
        history_files=history,
        api_url=values.url("api_url"),
        request_timeout=values.integer("request_timeout"),
        max_retries=values.integer("max_retries"),
        max_concurrent_requests=values.integer("max_concurrent_requests"),
        user_agent=values.header("user_agent", f"tap-cobrowser/{version()}"),
    )


def _missing_error(names: list[str], config: Mapping[str, Any]) -> SettingError:
    variables = " and ".join(f"{_PREFIX}{name.upper()}" for name in names)
    quoted = " and ".join(f"'{name}'" for name in names)
    are = "Settings {} are" if len(names) > 1 else "Setting {} is"
    alike = [
        f"{quote(other, 60)} is not a setting; did you mean '{name}'? "
        for name in names
        for other in get_close_matches(name, sorted(config.keys() - OWN.keys()), 1)
    ]
    return SettingError(
        f"{are.format(quoted)} missing",
        advice=f"{''.join(alike)}Give a value in the configuration, or as {variables} with "
        "`--config ENV`.",
    )


def from_environment(names: Collection[str]) -> dict[str, str]:
    """Return settings from the environment and from a file `.env` in the working folder, as text.

    The environment comes first. An empty variable counts as unset.

    Args:
        names: The names of all settings, the SDK's included.

    Raises:
        SettingError: If the file cannot be read.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - only `--config ENV` needs it

    try:
        of_file = dotenv_values(".env")
    except (OSError, ValueError) as error:
        msg = f"The file .env cannot be read ({type(error).__name__})"
        raise SettingError(msg, advice="Correct it, or remove it.") from None
    found = {**of_file, **{key: text for key, text in os.environ.items() if text}}
    values = {name: found.get(f"{_PREFIX}{name.upper()}") for name in names}
    return {name: text for name, text in values.items() if text and not is_blank(name, text)}


def unknown(config: Collection[str], names: Collection[str]) -> Iterator[str]:
    """Yield a sentence about each setting, and each variable of the environment, that is unknown.

    Args:
        config: The names of the settings that were passed in.
        names: The names of all settings, the SDK's included.
    """
    variables = {f"{_PREFIX}{name.upper()}" for name in (*names, *_OTHER_VARIABLES)}
    # Those of Meltano begin with two underscores, or name a part of an object of the SDK's.
    meltano = (f"{_PREFIX}_", *(f"{_PREFIX}{each.upper()}_" for each in names if each not in OWN))
    found = [name for name in config if name not in names]
    found += [
        name
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and not name.startswith(meltano) and name not in variables
    ]
    for name in found:
        known = variables if name.startswith(_PREFIX) else names
        alike = "".join(f" (did you mean '{each}'?)" for each in get_close_matches(name, known, 1))
        what = "Variable" if name.startswith(_PREFIX) else "Setting"
        yield f"{what} {quote(name, 60)} is unknown and has no effect{alike}."


def parse_json(raw: bytes | str) -> Any:
    """Return the value of a JSON text; bytes may be in UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: If it is not JSON. The message says why, and does not quote the text.
    """
    try:
        value = json.loads(raw)
        # Python reads more than can be written again.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        reason = f"it is not JSON (line {error.lineno}, column {error.colno})"
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeError:
        reason = "it has characters that are not valid Unicode"
    except ValueError:
        reason = "it has a number that JSON does not have"
    else:
        return value
    raise ValueError(reason)


def version() -> str:
    """Return the installed version of the tap."""
    try:
        return metadata.version("tap-cobrowser")
    except metadata.PackageNotFoundError:
        return "unknown"


class _Values:
    """The values as they were passed in, read one by one; each method raises SettingError."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def raw(self, name: str) -> object:
        """Return a value or its default; null and empty text count as not set."""
        value: object = self._config.get(name)
        if isinstance(value, str) and is_blank(name, value):
            value = None
        return OWN[name].get("default") if value is None else value

    def text(self, name: str) -> str:
        value = self.raw(name)
        if not isinstance(value, str):
            msg = f"Setting '{name}' must be text, not {_kind(value)}"
            raise SettingError(msg, advice="Put it in quotes.")
        if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value.strip()):
            msg = f"Setting '{name}' has characters that cannot be sent"
            raise SettingError(msg, advice="Give one line of text.")
        return value.strip()

    def key(self, name: str) -> str:
        value = self.text(name)
        if len(value) < MIN_KEY_LENGTH:
            msg = f"Setting '{name}' is shorter than {MIN_KEY_LENGTH} characters"
            raise SettingError(msg, advice="Give the whole key.")
        return value

    def integer(self, name: str) -> int:
        schema: dict[str, Any] = OWN[name]
        return integer(self.raw(name), name, schema["minimum"], schema.get("maximum"))

    def boolean(self, name: str) -> bool:
        return boolean(self.raw(name), name)

    def zone(self, name: str) -> ZoneInfo:
        value = self.text(name).strip()
        # `available_timezones` reads the whole database, so it is used for unknown zones only.
        try:
            return ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            pass
        alike = [zone for zone in available_timezones() if zone.lower() == value.lower()]
        hint = (
            f"Did you mean {alike[0]}?" if alike else "Give an IANA name, such as Europe/Amsterdam."
        )
        msg = f"Setting '{name}' is {_shown(value)}, which is not a known time zone"
        raise SettingError(msg, advice=hint)

    def day(self, name: str, zone: ZoneInfo) -> date | None:
        value = self.raw(name)
        if value is None:
            return None
        try:
            day = parse_day(value, zone) if isinstance(value, str) else None
        except ValueError:
            day = None
        if day is None:
            msg = f"Setting '{name}' is {_shown(value)}"
            raise SettingError(
                msg, advice="Give a date, such as 2026-01-31, or an ISO 8601 date-time."
            )
        return day

    def separator(self, name: str) -> str:
        value = self.raw(name)
        if value not in SEPARATORS:
            msg = f"Setting '{name}' is {_shown(value)}"
            raise SettingError(msg, advice=f"Give one of {' '.join(SEPARATORS)}")
        return str(value)

    def url(self, name: str) -> str:
        value = self.text(name).strip()
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in {"http", "https"} or not _is_host(host):
            msg = f"Setting '{name}' is not a URL"
            raise SettingError(msg, advice="Give a URL that begins with https://")
        if parts.username or parts.password or parts.query or parts.fragment:
            msg = f"Setting '{name}' must have a host and a path only"
            raise SettingError(msg, advice="Remove user, password, query and fragment.")
        if parts.scheme == "http" and not _is_loopback(host):
            msg = f"Setting '{name}' would send the key unencrypted"
            raise SettingError(msg, advice="Give a URL that begins with https://")
        return value

    def header(self, name: str, default: str) -> str:
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, str) or not re.fullmatch(r"[ -~]+", value.strip()):
            msg = f"Setting '{name}' cannot be sent as a header"
            raise SettingError(msg, advice="Give one line of ASCII text.")
        return value.strip()


def integer(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return a value as an integer; text is converted, and 3.0 is one, as in JSON Schema.

    Raises:
        SettingError: If it is not an integer, or not within the bounds.
    """
    number = None
    if isinstance(value, float | Decimal):
        # NaN is not within the bounds.
        exact = float(value)
        number = int(exact) if -_ENOUGH < exact < _ENOUGH and exact.is_integer() else None
    elif not isinstance(value, bool) and re.fullmatch(
        r"[+-]?\d{1,9}", str(value).strip(), re.ASCII
    ):
        number = int(str(value))
    if number is None or number < least or (most is not None and number > most):
        msg = f"Setting '{name}' is {_shown(value)}"
        wanted = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise SettingError(msg, advice=f"Give a whole number {wanted}.")
    return number


def boolean(value: object, name: str) -> bool:
    """Return a value as a boolean; text is converted.

    Raises:
        SettingError: If it is not a boolean.
    """
    if isinstance(value, bool):
        return value
    spelled = str(value).strip().lower() if isinstance(value, str | int) else ""
    if spelled in {"true", "1", "yes", "on"}:
        return True
    if spelled in {"false", "0", "no", "off"}:
        return False
    msg = f"Setting '{name}' is {_shown(value)}"
    raise SettingError(msg, advice="Give true or false.")


def _is_host(host: str) -> bool:
    """Return whether a name is a valid host name: its characters and the length of its parts."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return not re.search(r"[^\w.:%-]", host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "a list or an object"


def _shown(value: object, most: int = 40) -> str:
    return quote(value, most) if isinstance(value, str) else one_line(repr(value), most)
