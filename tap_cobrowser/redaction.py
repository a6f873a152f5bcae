"""Quotes text of others, unless it shows a part of the API key.

The API takes its key in the URL, so whatever quotes a URL or echoes a request can show it. A
quotation that shares a piece with the key is left out whole. The tap's own words, numbers and names
contain no URL, and are never altered.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from html.entities import html5
from typing import TYPE_CHECKING
from urllib.parse import quote as percent
from urllib.parse import quote_plus, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 6
"""Number of consecutive characters, of any form of the key, that must not be shown."""
_SHORTEST = 4
_MOST_READ = 16 * 1024
_OMITTED = "(not quoted: it contains a part of the API key)"
_JSON_ESCAPE = re.compile(r"""\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(["'/\\]))""")
_GAP = re.compile(r"[\s\x00-\x1f\ufffd]+")
_UNDO: tuple[Callable[[str], str], ...] = (
    unquote,
    unquote_plus,
    html.unescape,
    lambda text: _JSON_ESCAPE.sub(
        lambda found: found[3] or chr(int(found[1] or found[2], 16)), text
    ),
    lambda text: _GAP.sub("", text),
)
_HTML_NAMES = {each: f"&{name}" for name, each in html5.items() if name.endswith(";")}
# What these log below an error contains URLs, and is about what the tap handles itself.
_HTTP_LOGGERS = (
    *("urllib3", "urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager"),
    *("urllib3.response", "urllib3.util.retry", "requests"),
)

_forms: dict[str, set[str]] = {}
"""What must not be shown, in lower case, for each protected key."""


def protect(secret: str) -> None:
    """Keep a secret out of all quotations, and out of the logs of HTTP libraries, from now on.

    One of less than four characters is no key, and is ignored.
    """
    for name in _HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_is_error)
    secret = secret.strip()
    if len(secret) < _SHORTEST or secret in _forms:
        return
    forms = {form.lower() for form in _encoded(secret) if len(form) >= _SHORTEST}
    if len(secret) >= _PIECE:
        forms = {form[at : at + _PIECE] for form in forms for at in range(len(form) - _PIECE + 1)}
    _forms[secret] = forms


def quote(value: object, most: int = 200, *, end: bool = False) -> str:
    """Return text of others as one line in quotation marks, with nothing escaped.

    It is cut to `most` characters of its beginning, or of its end.
    """
    line, is_cut = _line(value, most, end=end)
    if shows_key(line):
        return _OMITTED
    mark = '"' if "'" in line and '"' not in line else "'"
    quoted = f"{mark}{line}{mark}"
    return quoted if not is_cut else f"…{quoted}" if end else f"{quoted}…"


def quote_exactly(value: str, most: int) -> str:
    """Return text of others as one line in quotation marks, with every character visible."""
    shown = value[:most]
    if shows_key(shown):
        return _OMITTED
    return repr(shown) if len(value) <= most else f"{shown!r}…"


def one_line(value: object, most: int = 200) -> str:
    """Return text of others as one line, without quotation marks."""
    line, is_cut = _line(value, most)
    return _OMITTED if shows_key(line) else f"{line}…" if is_cut else line


def shows_key(text: str) -> bool:
    """Return whether a text has a part of a protected key, as it is or with its escapes undone."""
    views, new = set[str](), {text}
    while new and len(views) < 50:  # noqa: PLR2004 - more than the depths that escapes have
        views |= new
        new = {undo(view) for view in new for undo in _UNDO} - views
    lowered = [view.lower() for view in views]
    return any(form in view for forms in _forms.values() for form in forms for view in lowered)


def _line(value: object, most: int, *, end: bool = False) -> tuple[str, bool]:
    """Return the shown part of a text in one line, and whether there is more."""
    text = str(value)
    text = text[-_MOST_READ:] if end else text[:_MOST_READ]
    line = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for each in " ".join(text.split())
    )
    return (line[-most:] if end else line[:most]), len(line) > most


def _encoded(key: str) -> set[str]:
    """Return a key as it is, and URL-, HTML-, JSON-, hex- and base64-encoded."""
    raw = key.encode("utf-8", "surrogatepass")
    urls = {percent(raw, safe=safe) for safe in ("", "/", "&", "/+&=")} | {quote_plus(raw)}
    urls |= {"".join(f"%{byte:02x}" for byte in raw)}
    texts = {key, *urls, *(percent(each, safe="") for each in urls)}
    texts |= {html.escape(each, quote=quotes) for each in texts for quotes in (False, True)}
    texts |= {"".join(form.format(ord(each)) for each in key) for form in ("&#{};", "&#x{:x};")}
    texts.add("".join(_HTML_NAMES.get(each, each) for each in key))
    texts |= {json.dumps(each)[1:-1] for each in texts}
    texts |= {each.replace("/", r"\/") for each in texts}
    texts.add(re.sub("(....)", r"\\u\1", key.encode("utf-16-be", "surrogatepass").hex()))
    for before in range(3):  # the key may begin at any of the three bytes that share four letters
        coded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        own = coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        texts |= {own, own.replace("+", "-").replace("/", "_")}
    return texts | {raw.hex()}


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
