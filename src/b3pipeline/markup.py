"""The HTML that values show of themselves in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any


def facts_table(facts: Mapping[str, Any]) -> str:
    """Return names and values as a two-column HTML table, a row each; both are escaped."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>"
