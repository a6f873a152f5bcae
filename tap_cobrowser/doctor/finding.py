"""A finding, and the rounding of numbers, so that a report shows nothing about an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PROVEN, LIKELY, UNKNOWN = "proven", "likely", "unknown"
_FEW = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to a question.

    Attributes:
        id: Its name.
        question: The question.
        answer: The answer: a word, a number, or an object of them.
        evidence: What was requested and what was seen.
        confidence: `proven`, `likely` or `unknown`.
        recommendation: What to do; None if nothing.
        settings: The recommended settings.
        loses: Whether an extraction with the given settings fails or loses rows.
    """

    id: str
    question: str
    answer: object
    evidence: str
    confidence: str
    recommendation: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    loses: bool = False


def about(number: int) -> str:
    """Return a number of rows or bytes, rounded so that it shows nothing about an account."""
    if not number:
        return "0"
    return f"fewer than {_FEW}" if number < _FEW else f"about {rounded(number)}"


def rounded(number: float, digits: int = 2) -> float:
    """Return a number to two significant digits; counts of 1 to 9 are 10."""
    if isinstance(number, int):
        number = max(number, _FEW) if number else 0
        return int(float(f"{number:.{digits}g}"))
    return float(f"{number:.{digits}g}")
