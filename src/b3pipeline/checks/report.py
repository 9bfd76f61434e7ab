"""What a check found, and how it shows itself."""

from __future__ import annotations

from dataclasses import dataclass

from b3pipeline.language import say
from b3pipeline.markup import mark, table

_SIGNS = {True: ("✔", "#006d4e"), False: ("✘", "#b3261e")}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, whether it is right, what was seen, what to do."""

    subject: str
    ok: bool
    detail: str
    hint: str = ""

    def __str__(self) -> str:
        sign = say("ok  ") if self.ok else say("FAIL")
        line = f"{sign}  {self.subject}: {self.detail}"
        if self.ok or not self.hint:
            return line
        return "\n".join([line, say("      try: {hint}", hint=self.hint)])


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
        rows = (
            (mark(*_SIGNS[item.ok]), item.subject, item.detail, "" if item.ok else item.hint)
            for item in self.findings
        )
        return table(("", say("what"), say("seen"), say("what to do")), rows)
