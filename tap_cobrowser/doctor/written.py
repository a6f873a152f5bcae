"""How the cells of a response are written, as the tap's reader finds it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tap_cobrowser.models import Form
from tap_cobrowser.reading.cells import COMMENT, DUTCH_MONTHS, ISO_8601, RFC_2822, UNIX_SECONDS
from tap_cobrowser.reading.text import chunks_of, open_text

if TYPE_CHECKING:
    from tap_cobrowser.reading.quoting import Rows
    from tap_cobrowser.reading.table import TableReader

_DUTCH_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")


def cells_of(reader: TableReader, body: bytes, charset: str | None) -> tuple[Form, Rows]:
    """Return how a body is written, and its cells as they are, header included.

    Raises:
        TapCobrowserError: If the reader would raise it, too, but for a cell.
    """
    text = open_text(lambda: chunks_of(body), charset)
    layout = reader.layout(text)
    if not layout:
        return Form(text.encoding), []
    way, rows = reader.fit(layout, lambda batches: [*chain.from_iterable(batches)], keeps=True)
    return layout.form(way), [list(layout.names), *rows] if layout.names else rows


def style_of(cell: str) -> tuple[str, str]:
    """Return how a date-time is written: its format and its UTC offset, "" where they are unknown.

    The offset is `+01:00`, the name of a zone, or `none`.
    """
    cell = COMMENT.sub("", " ".join(cell.split()))
    if UNIX_SECONDS.fullmatch(cell):
        return "Unix seconds", "none"
    if found := ISO_8601.fullmatch(cell):
        style, digits, name = "ISO 8601", found[8], found[9]
    elif found := RFC_2822.fullmatch(cell):
        dutch = cell.lower().startswith(_DUTCH_DAYS) or found[2].title() in DUTCH_MONTHS
        style, digits, name = "RFC 2822", found[7], found[8]
        style += ", Dutch names" if dutch else ""
    else:
        return "", ""
    if digits and digits[0] in "+-":
        number = digits[1:].replace(":", "").ljust(4, "0")
        return style, f"{digits[0]}{number[:2]}:{number[2:]}"
    zulu = (digits or name or "").upper() in {"Z", "UT", "UTC", "GMT"}
    return style, "+00:00" if zulu else name or "none"
