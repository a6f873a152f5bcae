"""The settings: names, descriptions, validation, and their typed form.

A value means the same wherever it comes from (a file, an environment variable, Meltano): numbers
and booleans that are written as text are converted, and empty text counts as not set.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from importlib import metadata
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

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
            "midnight during the request. The wait grows with each retry. If the server asks to "
            "wait for more than an hour, the run ends."
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


def is_unset(value: object) -> bool:
    """Return whether a value counts as none: null, or blank text. A tab may be a separator."""
    return value is None or (isinstance(value, str) and not value.strip(" \r\n"))


def check(config: Mapping[str, Any]) -> Settings:
    """Check the settings, as they were passed in from any source, and convert them to their types.

    Raises:
        SettingError: If one is missing or invalid. It names the setting and never shows `api_key`.
    """
    values = {
        name: schema.get("default") if is_unset(config.get(name)) else config[name]
        for name, schema in OWN.items()
    }
    user, key, history, zone_name, url, agent = (
        _text(values[name], name)
        for name in ("user", "api_key", "history_files", "timezone", "api_url", "user_agent")
    )
    protect(key)
    missing = [name for name, text in (("user", user), ("api_key", key)) if not text]
    if missing and not history:
        quoted = " and ".join(f"'{name}'" for name in missing)
        variables = " and ".join(f"{_PREFIX}{name.upper()}" for name in missing)
        are = f"Settings {quoted} are" if len(missing) > 1 else f"Setting {quoted} is"
        advice = f"Give a value in the configuration, or as {variables} with `--config ENV`."
        raise SettingError(f"{are} missing", advice=advice)
    if key and len(key) < MIN_KEY_LENGTH:
        problem = f"is shorter than {MIN_KEY_LENGTH} characters"
        _reject("api_key", problem, "Give the whole key.")
    zone = _zone(zone_name)
    start, end = (_day(values[name], name, zone) for name in ("start_date", "end_date"))
    if start and end and end < start:
        problem = f"({end}) is before 'start_date' ({start})"
        _reject("end_date", problem, "Give an end date on or after the start date.")
    if values["csv_separator"] not in SEPARATORS:
        advice = f"Give one of {' '.join(SEPARATORS)}"
        _reject("csv_separator", f"is {_shown(values['csv_separator'])}", advice)
    _check_url(url)
    if not agent.isascii():
        _reject("user_agent", "cannot be sent as a header", "Give one line of ASCII text.")
    numbers = {
        name: integer(values[name], name, schema["minimum"], schema.get("maximum"))
        for name, schema in OWN.items()
        if "integer" in schema["type"]
    }
    return Settings(
        user=user,
        api_key=key,
        start_date=start,
        end_date=end,
        timezone=zone,
        csv_separator=values["csv_separator"],
        ccc_agent=boolean(values["ccc_agent"], "ccc_agent"),
        history_files=history,
        api_url=url,
        user_agent=agent or f"tap-cobrowser/{version()}",
        **numbers,
    )


def _reject(name: str, problem: str, advice: str) -> NoReturn:
    raise SettingError(f"Setting '{name}' {problem}", advice=advice)


def from_environment(names: Collection[str]) -> dict[str, str]:
    """Return settings from the environment, or a file `.env` in the working folder, as text.

    An empty variable counts as unset. `names` are those of all settings, the SDK's included.

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
    return {name: text for name, text in values.items() if text and not is_unset(text)}


def unknown(config: Collection[str], names: Collection[str]) -> Iterator[str]:
    """Yield a sentence about each setting, and each variable of the environment, that is unknown.

    `names` are those of all settings, the SDK's included.
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


def _text(value: object, name: str) -> str:
    """Return a text without the blanks around it, "" if it is not set."""
    if value is None:
        return ""
    if not isinstance(value, str):
        _reject(name, "must be text", "Put it in quotes.")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value.strip()):
        _reject(name, "has characters that cannot be sent", "Give one line of text.")
    return value.strip()


def _zone(name: str) -> ZoneInfo:
    with suppress(LookupError, ValueError, OSError):
        return ZoneInfo(name)
    advice = "Give an IANA name, such as Europe/Amsterdam."
    _reject("timezone", f"is {_shown(name)}, which is not a known time zone", advice)


def _day(value: object, name: str, zone: ZoneInfo) -> date | None:
    if value is None:
        return None
    with suppress(ValueError):
        if isinstance(value, str):
            return parse_day(value, zone)
    advice = "Give a date, such as 2026-01-31, or an ISO 8601 date-time."
    _reject(name, f"is {_shown(value)}", advice)


def _check_url(url: str) -> None:
    """Reject a URL that cannot be requested, or that would send the key unencrypted."""
    host, https = None, "Give a URL that begins with https://"
    with suppress(ValueError):  # that of a host whose name has no valid form is one, too
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        host, _ = parts.hostname, parts.port
    if not host or parts.scheme not in {"http", "https"} or re.search(r"[^\w.:%-]", host):
        _reject("api_url", "is not a URL", https)
    if parts.username or parts.password or parts.query or parts.fragment:
        advice = "Remove user, password, query and fragment."
        _reject("api_url", "must have a host and a path only", advice)
    if parts.scheme == "http" and not _is_loopback(host):
        _reject("api_url", "would send the key unencrypted", https)


def integer(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return a value as an integer; text is converted, and 3.0 is one, as in JSON Schema."""
    number = None
    text = str(value).strip()
    if isinstance(value, int | str) and re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        number = int(text)
    elif isinstance(value, float | Decimal) and -_ENOUGH < value < _ENOUGH and value % 1 == 0:
        number = int(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = f"of {least} or more" if most is None else f"from {least} to {most}"
        _reject(name, f"is {_shown(value)}", f"Give a whole number {wanted}.")
    return number


def boolean(value: object, name: str) -> bool:
    """Return a value as a boolean; text is converted."""
    if isinstance(value, bool):
        return value
    spelled = str(value).strip().lower() if isinstance(value, str | int) else ""
    if spelled in {"true", "1", "yes", "on"}:
        return True
    if spelled in {"false", "0", "no", "off"}:
        return False
    _reject(name, f"is {_shown(value)}", "Give true or false.")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _shown(value: object, most: int = 40) -> str:
    return quote(value, most) if isinstance(value, str) else one_line(repr(value), most)
