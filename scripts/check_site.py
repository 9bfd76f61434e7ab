"""Follows every link of the built site that leads to the site itself: pages, pictures, anchors.

Besides, a page names the language that it is in, for screen readers and translators.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

SITE = Path(__file__).resolve().parents[1] / "build" / "site"


def main() -> None:
    """End with the dead links and the wrong languages, or with how many pages have none."""
    pages = sorted(SITE.rglob("*.html"))
    dead = [f"{page.relative_to(SITE)}: {link}" for page in pages for link in dead_links(page)]
    wrong = [str(page.relative_to(SITE)) for page in pages if not has_its_language(page)]
    faults = ["Dead links in build/site:", *dead] if dead else []
    if wrong:
        faults += ["Pages in build/site that name another language than theirs:", *wrong]
    if faults or not pages:
        sys.exit("\n".join(faults or ["No page was built."]))
    sys.stdout.write(f"{len(pages)} pages, no dead link: build/site/index.html\n")


def dead_links(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere in the site."""
    found = []
    for link in links(page):
        place = urlsplit(link)
        if place.scheme or place.netloc or page.name == "404.html":
            continue
        target = (page.parent / unquote(place.path)).resolve() if place.path else page
        target = target / "index.html" if target.is_dir() else target
        missing = not target.is_file()
        if missing or not has_anchor(target, unquote(place.fragment)):
            found.append(link)
    return found


def links(page: Path) -> set[str]:
    """Return what a page links to or shows."""
    tags = soup(page).find_all(["a", "link", "img", "script"])
    return {str(tag.get("href") or tag.get("src") or "") for tag in tags} - {""}


def has_anchor(page: Path, name: str) -> bool:
    """Return whether a link may name a place of a page; `#` alone is its top."""
    return not name or page.suffix != ".html" or name in anchors(page)


def has_its_language(page: Path) -> bool:
    """Return whether a page says that it is Portuguese, or English, as its path has it."""
    html = soup(page).html
    language = "pt-BR" if "pt-BR" in str(page.relative_to(SITE)) else "en"
    return html is not None and html.get("lang") == language


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the places of a page that a link can name."""
    return frozenset(str(tag["id"]) for tag in soup(page).find_all(id=True))


@cache
def soup(page: Path) -> BeautifulSoup:
    """Return a page, parsed."""
    return BeautifulSoup(page.read_text(), "html.parser")


if __name__ == "__main__":
    main()
