"""The teacher's page: a table and a histogram, in one file that runs no script."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from b3pipeline.files import write_whole
from b3pipeline.language import LANGUAGES, language, say, say_many
from b3pipeline.pages import resource, templates

if TYPE_CHECKING:
    from b3pipeline.classroom.grade import Grades

BAR = 180
"""The height of the tallest bar, in the units of the drawing."""


def write_page(path: Path, grades: Grades) -> Path:
    """Return the path of the page, just written; every text of a student is escaped."""
    made = templates(__package__).get_template("grades.html")
    speech = {"say": say, "say_many": say_many, "language": LANGUAGES[language()]}
    known = {"grades": grades.grades, "bars": histogram(grades), "walls": _walls(grades.walls)}
    style = Markup(resource(__package__, "grades.css"))  # noqa: S704  # a file of the package
    write_whole(path, made.render(title=say("Grades"), style=style, **known, **speech))
    return path


def _walls(standing: tuple[str, ...]) -> str:
    """Return the walls in words of the reader's language."""
    words = {"files": say("files"), "processes": say("processes"), "network": say("network")}
    return ", ".join(words[wall] for wall in standing)


def histogram(grades: Grades) -> list[dict[str, int]]:
    """Return a bar for each number of points, none left out: points, hand-ins, height and place."""
    counted = Counter(grade.points for grade in grades.grades)
    most = max([grade.of for grade in grades.grades] + [grade.points for grade in grades.grades])
    tallest = max(counted.values())
    return [
        {
            "points": points,
            "count": counted[points],
            "height": round(BAR * counted[points] / tallest),
            "x": 50 + 90 * points,
        }
        for points in range(most + 1)
    ]
