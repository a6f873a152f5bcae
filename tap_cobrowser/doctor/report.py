"""The report: JSON for programs, text for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from tap_cobrowser.doctor.questions import LIKELY, UNKNOWN, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cobrowser.doctor.questions import Finding


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an examination; `stopped` says why it ended early, if it did."""

    tap: str
    findings: list[Finding]
    requests: int
    stopped: str
    days: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings to change."""
        found: dict[str, Any] = {}
        for name, value in (item for each in self.findings for item in each.settings.items()):
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
            {**asdict(each), "recommendation": each.recommendation or None}
            for each in self.findings
        ]
        report = {"version": 1, **asdict(self), "findings": findings}
        return json.dumps({**report, "settings": self.settings, "ask": self.ask}, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the report for people."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"tap-cobrowser-doctor {self.tap}: {counted(self.requests, 'request')}"
        if self.stopped:
            yield f"It ended early: {self.stopped}"
        if len(self.findings) == 1:  # nothing else can be found out
            yield f"{self.findings[0].evidence} {self.findings[0].recommendation}"
            return
        groups: dict[str, dict[str, list[str]]] = {"Fine": {}, "To change": {}, "Unknown": {}}
        for each in self.findings:
            if each.confidence == UNKNOWN and not each.recommendation:
                groups["Unknown"].setdefault(f": {each.evidence}", []).append(each.id)
            else:
                title = "To change" if each.recommendation else "Fine"
                groups[title][_said(each)] = [f"{each.id:<12}"]
        for title, group in groups.items():
            if group:
                yield from ("", title)
                yield from (f"  {', '.join(ids)}{said}" for said, ids in group.items())
        nothing = "No setting fixes this." if groups["To change"] else "No setting has to change."
        yield ""
        yield f"Settings to change: {json.dumps(self.settings)}" if self.settings else nothing
        if self.ask:
            yield from ("", "To ask CoBrowser.net, as a message:")
            yield "  We read the CSV export API (csv.php) by days, and have these questions:"
            for number, ask in enumerate(self.ask, 1):
                yield fill(f"{number}. {ask}", 100, initial_indent="  ", subsequent_indent="  ")


def _said(finding: Finding) -> str:
    answer, sure = finding.answer, ", likely" if finding.confidence == LIKELY else ""
    if isinstance(answer, dict):
        parts = [f"{name}: {value}" for name, value in answer.items() if value != "unique"]
        answer = ", ".join(parts) or "unique"
    said = [f" {answer}{sure}.", finding.evidence, finding.recommendation]
    return " ".join(filter(None, said))
