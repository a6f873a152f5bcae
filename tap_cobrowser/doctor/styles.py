"""How a date-time is written: its format and its UTC offset."""

from __future__ import annotations

import re

_DUTCH = re.compile(r"(?:ma|di|wo|do|vr|za|zo)|.* (?:mrt|maa|mei|okt)", re.IGNORECASE)
_OFFSET = re.compile(r"([+-]\d\d):?(\d\d)?(?: ?\(.*\))?\Z")
_ZONE_NAME = re.compile(r"(?<=[\d ])([A-Z]+)(?: ?\(.*\))?\Z", re.IGNORECASE)


def style_of(cell: str) -> tuple[str, str]:
    """Return the format and the offset of a date-time that the reader accepts.

    The offset is `+01:00`, the name of a zone, or `none`.
    """
    cell = " ".join(cell.split())
    if cell.isdigit():
        return "Unix seconds", "none"
    style = "ISO 8601"
    if cell[4:5] != "-":
        style = "RFC 2822, Dutch names" if _DUTCH.match(cell) else "RFC 2822"
    if found := _OFFSET.search(cell):
        return style, f"{found[1]}:{found[2] or '00'}"
    if found := _ZONE_NAME.search(cell):
        return style, "+00:00" if found[1].upper() in {"Z", "UT", "UTC", "GMT"} else found[1]
    return style, "none"
