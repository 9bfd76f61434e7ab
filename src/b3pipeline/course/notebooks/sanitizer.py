"""HTML of anybody, made harmless: what is left runs nothing and fetches nothing.

An allow-list (nh3, which is ammonia): tags, attributes and addresses that are not named here go,
whatever a browser may learn next year. Styles have a list of their own.
"""

from __future__ import annotations

import re

import nh3
from bs4 import BeautifulSoup

_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd"),
    *("del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3"),
    *("h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre"),
    *("progress", "q", "s", "samp", "section", "small", "span", "strong", "sub", "summary"),
    *("sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var"),
}
_ATTRIBUTES = {
    "*": {"aria-label", "class", "dir", "id", "lang", "role", "style", "title"},
    "a": {"href"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start"},
    "progress": {"max", "value"},
    "table": {"border"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "scope", "align", "valign"},
    "tr": {"align", "valign"},
}
# What stands between these is no text for a reader.
_DROPPED_WHOLE = {"script", "style", "svg", "math", "template", "noscript", "iframe", "object"}
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"(https?://|mailto:|#)\S*|(?![a-z][a-z0-9+.-]*:)(?![/\\]{2}|\\)\S*", re.I)
# A function of CSS that only computes: everything else may fetch (url, image, image-set, src, …).
_FUNCTION = re.compile(r"([\w-]+)\s*\(")
_HARMLESS_FUNCTIONS = {
    *("rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp", "var"),
    *("linear-gradient", "translate", "rotate", "scale"),
}
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
# A pandas Styler's rules name one table; all others would restyle the page, its siblings too.
_SELECTOR = re.compile(r"#T_[\w-]+[\w\s.#:>()*-]*")


def harmless(html: str) -> str:
    """Return HTML without what runs, fetches, or restyles the page; its text stays."""
    soup = BeautifulSoup(html, "html.parser")
    styles = [_rules(style.get_text()) for style in soup.find_all("style")]
    body = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        attribute_filter=_kept,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )
    return "".join(f"<style>{rules}</style>" for rules in styles if rules) + body


def _kept(tag: str, name: str, value: str) -> str | None:
    """Return the value of an allowed attribute, or None where that value is not harmless."""
    if name == "src":
        return value if _PICTURE.fullmatch(value) else None
    if name == "href":
        return value if _LINK.fullmatch(value.strip()) else None
    if name == "style":
        return _declarations(value) or None
    return value


def _declarations(text: str) -> str:
    """Return the harmless ones among the declarations of a style."""
    return "; ".join(one.strip() for one in text.split(";") if _is_harmless(one))


def _is_harmless(declaration: str) -> bool:
    name, colon, value = declaration.partition(":")
    if not colon or not re.fullmatch(r"\s*-{0,2}[a-zA-Z][\w-]*\s*", name):
        return False
    # An escape can spell any word, and a comment can hide one; a fixed box could cover the page.
    if re.search(r"[\\<>@{}\"']|/\*", value) or "position" in name.lower():
        return False
    return all(found.lower() in _HARMLESS_FUNCTIONS for found in _FUNCTION.findall(value))


def _rules(text: str) -> str:
    """Return the rules of a style sheet that name one table of pandas, harmless declarations."""
    if re.search(r"[\\<@]|/\*", text):
        return ""
    kept = []
    for selector, declarations in _RULE.findall(text):
        allowed = _declarations(declarations)
        names = [name.strip() for name in selector.split(",")]
        if allowed and all(_SELECTOR.fullmatch(name) for name in names):
            kept.append(f"{', '.join(names)} {{ {allowed} }}")
    return "\n".join(kept)
