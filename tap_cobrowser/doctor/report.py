"""The report: JSON for programs, text for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.questions import LIKELY, UNKNOWN, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cobrowser.doctor.questions import Finding

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an examination.

    Attributes:
        tap: Version of the tap.
        findings: The findings.
        requests: How many requests were made.
        stopped: Why it ended early; "" if it did not.
        days: Digests of days, for a later report.
    """

    tap: str
    findings: list[Finding]
    requests: int
    stopped: str
    days: dict[str, Any] | None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings to change."""
        found: dict[str, Any] = {}
        for each in self.findings:
            for name, value in each.settings.items():
                found[name] = min(found.get(name, value), value)
        return found

    @property
    def problem(self) -> str:
        """Why an extraction with the given settings would fail or lose rows; "" if it would not."""
        ids = ", ".join(each.id for each in self.findings if each.loses)
        return f"With these settings an extraction would fail or lose rows ({ids})" if ids else ""

    @property
    def ask(self) -> list[str]:
        """What to ask CoBrowser.net."""
        return list(dict.fromkeys(each.ask for each in self.findings if each.ask))

    def to_json(self) -> str:
        """Return the report as JSON."""
        findings = [
            {
                "id": each.id,
                "answer": each.answer,
                "evidence": each.evidence,
                "confidence": each.confidence,
                "recommendation": each.advice or None,
            }
            for each in self.findings
        ]
        report = {"version": 1, "tap": self.tap, "requests": self.requests}
        report |= {"stopped": self.stopped or None, "findings": findings}
        report |= {"settings": self.settings, "ask": self.ask, "days": self.days}
        return json.dumps(report, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the report for people, in ASCII."""
        text = "\n".join(self._lines()) + "\n"
        return text.encode("ascii", "backslashreplace").decode("ascii")

    def _lines(self) -> Iterator[str]:
        yield f"tap-cobrowser-doctor {self.tap}: {counted(self.requests, 'request')}"
        if self.stopped:
            yield f"It ended early: {self.stopped}"
        if len(self.findings) == 1:  # nothing else can be found out
            yield f"{self.findings[0].evidence} {self.findings[0].advice}"
            return
        change = [each for each in self.findings if each.advice]
        rest = [each for each in self.findings if not each.advice]
        fine = [each for each in rest if each.confidence != UNKNOWN]
        unknown: dict[str, list[str]] = {}
        for each in rest:
            if each.confidence == UNKNOWN:
                unknown.setdefault(each.evidence, []).append(each.id)
        lines = [f"  {', '.join(ids)}: {why}" for why, ids in unknown.items()]
        for title, of_title in (
            ("Fine", map(_line, fine)),
            ("To change", map(_line, change)),
            ("Unknown", lines),
        ):
            if found := list(of_title):
                yield from ("", title, *found)
        nothing = "No setting fixes this." if change else "No setting has to change."
        yield ""
        yield f"Settings to change: {json.dumps(self.settings)}" if self.settings else nothing
        if self.ask:
            yield from ("", "To ask CoBrowser.net, as a message:")
            yield "  We read the CSV export API (csv.php) by days, and have these questions:"
            for number, ask in enumerate(self.ask, 1):
                yield fill(f"{number}. {ask}", _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _line(finding: Finding) -> str:
    answer, sure = finding.answer, ", likely" if finding.confidence == LIKELY else ""
    if isinstance(answer, dict):
        parts = [f"{name} {value}" for name, value in answer.items() if value != "unique"]
        answer = ", ".join(parts) or "unique"
    said = " ".join(filter(None, [f"{answer}{sure}.", finding.evidence, finding.advice]))
    return f"  {finding.id:<12} {said}"
