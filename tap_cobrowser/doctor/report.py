"""The report: JSON for programs, text for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.finding import UNKNOWN
from tap_cobrowser.doctor.late import late
from tap_cobrowser.doctor.questions import QUESTIONS
from tap_cobrowser.redaction import shows_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cobrowser.doctor.case import Case
    from tap_cobrowser.doctor.finding import Finding
    from tap_cobrowser.doctor.late import Days, Ledger


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an examination.

    Attributes:
        tap: Version of the tap.
        findings: The findings.
        requests: How many requests were made.
        stopped: Why it ended early; empty if it did not.
        days: Digests of days, for a later report.
    """

    tap: str
    findings: tuple[Finding, ...]
    requests: int
    stopped: str = ""
    days: Days | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The recommended settings."""
        found: dict[str, Any] = {}
        for each in self.findings:
            for name, value in each.settings.items():
                smaller = name == "window_days" and name in found and found[name] <= value
                found[name] = found[name] if smaller else value
        return found

    @property
    def problem(self) -> str:
        """Why an extraction with the given settings would fail; empty if it would not."""
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
                    "question": each.question,
                    "answer": each.answer,
                    "evidence": each.evidence,
                    "confidence": each.confidence,
                    "recommendation": each.recommendation,
                }
                for each in self.findings
            ],
            "settings": self.settings,
            "requests": self.requests,
            "stopped": self.stopped or None,
            "days": self.days.to_json() if self.days else None,
        }
        return _without_key(json.dumps(report, indent=2)) + "\n"

    def to_text(self) -> str:
        """Return the report for people, in ASCII."""
        text = "\n".join(self._lines()) + "\n"
        return _without_key(text).encode("ascii", "backslashreplace").decode("ascii")

    def _lines(self) -> Iterator[str]:
        yield f"tap-cobrowser-doctor {self.tap}: {self.requests} requests"
        if self.stopped:
            yield f"It ended early: {self.stopped}"
        change = [each for each in self.findings if each.recommendation]
        rest = [each for each in self.findings if not each.recommendation]
        fine = [each for each in rest if each.confidence != UNKNOWN]
        unknown = [each for each in rest if each.confidence == UNKNOWN]
        for title, findings in (
            ("No change needed", fine),
            ("To change", change),
            ("Unknown", unknown),
        ):
            if not findings:
                continue
            yield from ("", title)
            for each in findings:
                yield f"  {each.id}: {_spoken(each.answer)} ({each.confidence})"
                yield f"    {each.question} {each.evidence}"
                if each.recommendation:
                    yield f"    -> {each.recommendation}"
        yield ""
        if self.settings:
            yield "Settings to change:"
            for name, value in self.settings.items():
                yield f"  {name}: {json.dumps(value)}"
        elif change:
            yield "No setting fixes this."
        else:
            yield "Nothing to change."


def report_of(case: Case, tap: str, ledger: Ledger, earlier: Days | None) -> Report:
    """Return the report of an examination.

    Args:
        case: The observations.
        tap: Version of the tap.
        ledger: Digests of days.
        earlier: Digests from an earlier report.
    """
    findings = [ask(case) for ask in QUESTIONS]
    findings.insert(-3, late(case.settings, earlier, ledger.compared))
    return Report(tap, tuple(findings), case.requests, case.stopped, ledger.days)


def _spoken(answer: object) -> str:
    if isinstance(answer, dict):
        return ", ".join(f"{name} {value}" for name, value in answer.items())
    return str(answer)


def _without_key(text: str) -> str:
    """Return a text without the lines in which the server has echoed the API key."""
    return "\n".join("" if shows_key(line) else line for line in text.split("\n"))
