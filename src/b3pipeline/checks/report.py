"""What a check found, and how it shows itself."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, whether it is right, what was seen, what to do."""

    subject: str
    ok: bool
    detail: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{'ok  ' if self.ok else 'FAIL'}  {self.subject}: {self.detail}"
        return line if self.ok or not self.hint else f"{line}\n      try: {self.hint}"


@dataclass(frozen=True)
class CheckReport:
    """Findings in the order in which they were made; a notebook shows them as a table."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.ok)

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:left'>{title}</th>"
            for title in ("", "what", "seen", "what to do")
        )
        rows = "".join(_html_row(finding) for finding in self.findings)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _html_row(finding: Finding) -> str:
    mark, colour = ("✔", "#006d4e") if finding.ok else ("✘", "#b3261e")
    hint = "" if finding.ok else finding.hint
    cells = (finding.subject, finding.detail, hint)
    texts = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr><td style='color:{colour}'><b>{mark}</b></td>{texts}</tr>"
