"""From the figures of dbt to one HTML page that works offline. `page.js` draws it."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import vl_convert

Figures = dict[str, Any]
_FOLDER = Path(__file__).parent


def page(figures: Figures) -> str:
    """Return the page."""
    template = Template((_FOLDER / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        # JSON must not end the script element that contains it.
        figures=_json(figures).replace("<", "\\u003c"),
        libraries=vl_convert.javascript_bundle().replace("</script", "<\\/script"),
        script=(_FOLDER / "page.js").read_text(encoding="utf-8"),
    )


def _json(figures: Figures) -> str:
    """Return JSON in which the names of columns are not repeated with each row."""
    compact = {
        name: {
            "columns": list(value[0]) if value else [],
            "rows": [[_short(cell) for cell in row.values()] for row in value],
        }
        if isinstance(value, list)
        else value
        for name, value in figures.items()
    }
    return json.dumps(compact, ensure_ascii=False, separators=(",", ":"))


def _short(cell: object) -> object:
    if not isinstance(cell, float):
        return cell
    return int(cell) if cell.is_integer() else round(cell, 3)
