"""The forms in which the API key, or a piece of it, may appear in an output."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as percent
from urllib.parse import quote_plus

from sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def spellings(key: str) -> Iterator[str]:
    """Yield the encodings in which libraries quote a text."""
    yield key
    for safe in ("", "/", "+", "/+&="):
        yield percent(key, safe=safe)
        yield quote_plus(key, safe=safe)
        yield percent(percent(key, safe=safe), safe="")
    yield re.sub("%..", lambda found: found[0].lower(), percent(key, safe=""))
    yield "".join(f"%{byte:02x}" for byte in key.encode())
    yield repr(key)[1:-1]
    yield ascii(key)[1:-1]
    yield repr(key.encode())[2:-1]
    yield repr(repr(key))[2:-2]
    yield json.dumps(key)[1:-1]
    yield json.dumps(key, ensure_ascii=False)[1:-1]
    yield json.dumps(json.dumps(key))[3:-3]
    yield html.escape(key)
    yield html.escape(key, quote=False)
    yield "".join(f"&#{ord(character)};" for character in key)
    yield base64.b64encode(key.encode()).decode()
    yield base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def shows_key(text: str, key: str = Sandbox.api_key) -> bool:
    """Return whether a text contains the key, in any encoding."""
    return any(spelling in text for spelling in set(spellings(key)))


def base64_of(text: str, at: int, encode: Callable[[bytes], bytes] = base64.b64encode) -> str:
    """Return the base64 of a text that stands behind so many other bytes, as far as it is its."""
    raw = text.encode()
    coded = encode(b"?" * at + raw + b"???").decode()
    return coded[-(-at * 8 // 6) : (at + len(raw)) * 8 // 6]


NAMES = {
    "+": "plus",
    "=": "equals",
    "&": "amp",
    "/": "sol",
    "%": "percnt",
    '"': "quot",
    "_": "lowbar",
}
ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "URL": lambda key: percent(key, safe=""),
    "URL, slashes kept": percent,
    "form": quote_plus,
    "every byte in %": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "twice in %": lambda key: percent(percent(key, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, names": lambda key: "".join(
        f"&{NAMES[each]};" if each in NAMES else each for each in key
    ),
    "HTML, decimal": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(each):X};" for each in key),
    "HTML of URL": lambda key: html.escape(percent(key, safe="&")),
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON of PHP": lambda key: json.dumps(key)[1:-1].replace("/", r"\/"),
    "JSON, all escaped": lambda key: "".join(rf"\u{ord(each):04x}" for each in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64_of(key, 0),
    "base64 at 1": lambda key: base64_of(key, 1),
    "base64 at 2": lambda key: base64_of(key, 2),
    "base64 for URLs": lambda key: base64_of(key, 0, base64.urlsafe_b64encode),
    "base64 for URLs at 1": lambda key: base64_of(key, 1, base64.urlsafe_b64encode),
    "base64 for URLs at 2": lambda key: base64_of(key, 2, base64.urlsafe_b64encode),
}


def pieces(key: str, size: int) -> set[str]:
    """Return the pieces of a key: so many consecutive characters, lower case, in any encoding."""
    return {
        spelled[at : at + size]
        for spelled in (encode(key).lower() for encode in ENCODINGS.values())
        for at in range(len(spelled) - size + 1)
    }


def shown_pieces(text: str, key: str) -> set[str]:
    """Return the pieces of a key in a text: six or more consecutive characters, in any encoding."""
    low = text.lower()
    return {piece for piece in pieces(key, 6) if piece in low}


KEYS = (Sandbox.api_key, Sandbox.plain_api_key)
WHOLE = {spelling.encode() for key in KEYS for spelling in spellings(key)}
# Without the word that paths and names have. Logs are full of random ids: six hexadecimal digits
# are found in them by chance, and sixteen are not.
_PARTS = [key[len("sandbox") :] for key in KEYS]
PIECES = {piece for part in _PARTS for piece in pieces(part, 8) if re.search("[^0-9a-f]", piece)}
PIECES |= {piece for part in _PARTS for piece in pieces(part, 16)}
NOT_SEARCHED = {"bytecode", "postgres", "venv"}


def files_with_a_key(folder: Path) -> list[Path]:
    """Return the files below a folder that contain a sandbox's key; logs must not have a piece.

    Files with settings may contain it, because users put it there, and so may the sandbox's code.
    """
    found = []
    for name, folders, files in os.walk(folder):
        folders[:] = set(folders) - NOT_SEARCHED
        for path in (Path(name, file) for file in files):
            if not path.is_file() or path.name.endswith(("config.json", ".py", ".pyc")):
                continue
            content = path.read_bytes()
            shown = any(spelling in content for spelling in WHOLE)
            if path.name in {"log", "stderr"} or path.suffix == ".log":
                low = content.decode(errors="replace").lower()
                shown = shown or any(piece in low for piece in PIECES)
            found += [path] * shown
    return found
