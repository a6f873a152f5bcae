"""The report: JSON for programs, text for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.questions import LIKELY, QUESTIONS, UNKNOWN, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cobrowser.doctor.late import Days
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
    stopped: str = ""
    days: Days | None = None

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

    def to_json(self) -> str:
        """Return the report as JSON."""
        report = {
            "version": 1,
            "tap": self.tap,
            "findings": [
                {
                    "id": each.id,
                    "question": QUESTIONS[each.id],
                    "answer": each.answer,
                    "evidence": each.evidence,
                    "confidence": each.confidence,
                    "recommendation": each.advice or None,
                }
                for each in self.findings
            ],
            "settings": self.settings,
            "ask": [each.ask for each in self.findings if each.ask],
            "requests": self.requests,
            "stopped": self.stopped or None,
            "days": self.days.to_json() if self.days else None,
        }
        return json.dumps(report, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the report for people, in ASCII."""
        text = "\n".join(self._lines()) + "\n"
        return text.encode("ascii", "backslashreplace").decode("ascii")

    def _lines(self) -> Iterator[str]:
        yield f"tap-cobrowser-doctor {self.tap}: {counted(self.requests, 'request')}"
        if self.stopped:
            yield f"It ended early: {self.stopped}"
        first = self.findings[0]
        if len(self.findings) == 1:  # nothing else can be found out
            yield f"{first.evidence} {first.advice}"
            return
        change = [each for each in self.findings if each.advice]
        rest = [each for each in self.findings if not each.advice]
        fine = [each for each in rest if each.confidence != UNKNOWN]
        if fine:
            yield from ("", "Fine")
            yield from map(_line, fine)
        if change:
            yield from ("", "To change")
            yield from map(_line, change)
        unknown: dict[str, list[str]] = {}
        for each in rest:
            if each.confidence == UNKNOWN:
                unknown.setdefault(each.evidence, []).append(each.id)
        if unknown:
            yield from ("", "Unknown")
            yield from (f"  {', '.join(ids)}: {why}" for why, ids in unknown.items())
        yield ""
        if self.settings:
            yield "Settings to change, for the configuration"
            yield f"  {json.dumps(self.settings)}"
        else:
            yield "No setting fixes this." if change else "No setting has to change."
        if asks := list(dict.fromkeys(each.ask for each in self.findings if each.ask)):
            yield from ("", "To ask CoBrowser.net, as a message")
            yield "  We read the CSV export API (csv.php) with start and stop, and have questions:"
            for number, ask in enumerate(asks, 1):
                lead = f"  {number}. "
                yield fill(ask, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead))


def _line(finding: Finding) -> str:
    sure = ", likely" if finding.confidence == LIKELY else ""
    said = filter(None, [f"{_spoken(finding)}{sure}.", finding.evidence, finding.advice])
    return f"  {finding.id:<12} {' '.join(said)}"


def _spoken(finding: Finding) -> str:
    answer = finding.answer
    if not isinstance(answer, dict):
        return str(answer)
    if finding.id == "latency":
        return f"{answer['seconds']} s and {answer['bytes']} bytes"
    if finding.id == "concurrency":
        return ", ".join(f"{number}: {took} s" for number, took in answer.items())
    shared = [f"{number} in {name}" for name, number in answer.items() if number != "unique"]
    return ", ".join(shared) or "unique"
