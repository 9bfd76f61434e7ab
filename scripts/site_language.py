"""A hook of MkDocs: the Portuguese pages of the site say that they are Portuguese."""

from __future__ import annotations

from typing import Any

PORTUGUESE = "pt-BR"
"""What the path of such a page has in it."""


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Return a page with its own language, where the theme has written the site's."""
    if PORTUGUESE not in page.file.src_uri:
        return output
    return output.replace('<html lang="en"', f'<html lang="{PORTUGUESE}"', 1)
