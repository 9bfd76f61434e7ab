"""The evidence as one page, in HTML and in Markdown, with drawing and plots beside it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from b3pipeline.evidence.diagram import diagram
from b3pipeline.evidence.gather import Evidence, Plot
from b3pipeline.evidence.requirements import Scene
from b3pipeline.language import LANGUAGES, language, say
from b3pipeline.pages import resource, templates

DRAWING = "architecture.svg"


@dataclass(frozen=True)
class Timed:
    """A scene with its place in the video, as m:ss, and the requirement that it shows."""

    start: str
    end: str
    requirement: str
    scene: Scene


def write_pages(evidence: Evidence, folder: Path) -> Path:
    """Return the HTML page just written into `folder`; beside it lie Markdown, drawing and plots.

    The page holds everything within it, runs no script and fetches nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawing = diagram(evidence.broken)
    (folder / DRAWING).write_text(drawing, encoding="utf-8")
    for place, plot in enumerate(_plots(evidence), 1):
        (folder / f"plot-{place}.png").write_bytes(plot.png)
    values = {
        "evidence": evidence,
        "drawing": Markup(drawing),  # noqa: S704  # drawn here, its texts escaped
        "style": Markup(resource(__package__, "evidence.css")),  # noqa: S704  # a file of the package
        "script": timed(evidence),
        "plots": _plots(evidence),
        "say": say,  # of templates that the requirements hold
        "words": words(evidence),
        "title": words(evidence)["title"],
        "language": LANGUAGES[language()],
    }
    page = folder / "index.html"
    page.write_text(_render("evidence.html", values, escape=True), encoding="utf-8")
    (folder / "evidence.md").write_text(_render("evidence.md", values, escape=False), "utf-8")
    return page


def words(evidence: Evidence) -> dict[str, str]:
    """Return what stands around the evidence, in the language of now."""
    name, limit = evidence.edition.name, _clock(evidence.edition.limit)
    made_at = f"{evidence.made_at:%Y-%m-%d %H:%M:%S}"
    return {
        "title": say("Evidence for the hand-in, edition {name}", name=name),
        "asked": say("Asked of AWS on {moment} UTC", moment=made_at),
        "whose": say(
            "target {target}, region {region}, account {account}",
            target=evidence.target,
            region=evidence.region,
            account=evidence.account,
        ),
        "kept": say("Every requirement is kept."),
        "broken": say("Not kept: {names}.", names=", ".join(evidence.broken)),
        "architecture": say("Architecture"),
        "evidence": say("Evidence"),
        "wrong": say("Wrong:"),
        "mend": say("Mend it:"),
        "at": say("asked at (UTC)"),
        "yours": say("Yours to write:"),
        "hand_in": say("What you hand in"),
        "script": say("A script for the video"),
        "ends": say(
            "It ends at {end}; this edition allows {limit}.",
            end=timed(evidence)[-1].end,
            limit=limit,
        ),
        "from": say("from"),
        "to": say("to"),
        "show": say("show"),
        "tell": say("say"),
    }


def timed(evidence: Evidence) -> tuple[Timed, ...]:
    """Return the scenes of the video, one after the other from 0:00."""
    scenes, at = [], 0
    for name, scene in evidence.edition.scenes:
        scenes.append(Timed(_clock(at), _clock(at + scene.seconds), name, scene))
        at += scene.seconds
    return tuple(scenes)


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def _plots(evidence: Evidence) -> list[Plot]:
    return [plot for proof in evidence.proofs for plot in proof.plots]


def _render(name: str, values: dict[str, object], *, escape: bool) -> str:
    environment = templates(__package__, escape=escape)
    environment.filters["code"] = _with_code
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|")
    return environment.get_template(name).render(**values)


def _with_code(text: str) -> Markup:
    """Return text as HTML, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text)))  # noqa: S704
