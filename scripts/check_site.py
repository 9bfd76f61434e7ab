"""Follows every link of the built site that leads to the site itself: pages, pictures, anchors.

Besides, a page names the language that it is in, for screen readers and translators, and leads
to its twin in the other one; its pictures have a text in their place; and nothing in it tells
where on its machine the site was built.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from site_language import language, twin

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"
UNTOLD = "No description has been provided for this image"
"""What nbconvert writes where nobody has told what a picture shows."""


def main() -> None:
    """End with what is wrong in which page, or with how many pages nothing is wrong in."""
    pages = sorted(SITE.rglob("*.html"))
    found = [f"{page.relative_to(SITE)}: {fault}" for page in pages for fault in faults(page)]
    if found or not pages:
        sys.exit("\n".join(["Faults in build/site:", *found] if found else ["No page was built."]))
    sys.stdout.write(f"{len(pages)} pages, no dead link: build/site/index.html\n")


def faults(page: Path) -> list[str]:
    """Return what is wrong in a page."""
    found = [f"dead link {link}" for link in dead_links(page)]
    found += [f"picture without a text: {name}" for name in untold_pictures(page)]
    found += [f"names a place of this machine: {place}" for place in places(page)]
    if not has_its_language(page):
        found.append("names another language than its own")
    if not leads_to_its_twin(page):
        found.append("has no link to the same page in the other language")
    return found


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
    return html is not None and html.get("lang") == language(page.relative_to(SITE).as_posix())


def untold_pictures(page: Path) -> list[str]:
    """Return the pictures of a page that nothing is said of to who cannot see them."""
    pictures = soup(page).find_all("img")
    return [
        str(picture.get("src"))[:60]
        for picture in pictures
        if not str(picture.get("alt") or "").strip() or picture.get("alt") == UNTOLD
    ]


def places(page: Path) -> list[str]:
    """Return the folders of this machine that a page names: the project's, the builder's own."""
    text = page.read_text()
    return [str(place) for place in (ROOT, Path.home()) if f"{place}/" in text]


def leads_to_its_twin(page: Path) -> bool:
    """Return whether a page's own text leads to the same page in the other language, if any."""
    place = page.relative_to(SITE).as_posix()
    other = twin("README.html" if place == "index.html" else place)
    target = SITE / ("index.html" if other == "README.html" else other)
    written = [str(tag.get("href") or "") for tag in soup(page).select("article a")]
    leads = {(page.parent / unquote(urlsplit(link).path)).resolve() for link in written}
    return not target.is_file() or target in leads


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
