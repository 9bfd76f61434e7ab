"""The requirements of the challenge, R1 to R9, in its two editions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from b3pipeline.errors import ConfigError
from b3pipeline.evidence import proofs
from b3pipeline.language import later, say

EDITIONS = ("A", "B")


@dataclass(frozen=True)
class Scene:
    """A part of the video: how long, what is seen, what is said; templates of messages."""

    seconds: int
    show: str
    tell: str


@dataclass(frozen=True)
class Requirement:
    """One requirement: what the challenge asks, who looks, and what the student writes of it.

    `look` is None for R9, whose proof are the plots. Texts are templates of messages.
    """

    name: str
    asks: str
    look: proofs.Look | None
    scene: Scene
    write: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Edition:
    """An edition of the challenge: its requirements, and how long its video may be, in seconds."""

    name: str
    requirements: tuple[Requirement, ...]
    opening: Scene
    closing: Scene
    limit: int
    hand_in: str

    @property
    def scenes(self) -> tuple[tuple[str, Scene], ...]:
        """The scenes of the video in their order, each with the requirement that it shows."""
        own = tuple((each.name, each.scene) for each in self.requirements)
        return (("", self.opening), *own, ("", self.closing))


def edition(name: str) -> Edition:
    """Return the edition called "A" or "B"; raise ConfigError for another name."""
    known = name.strip().upper()
    if known not in EDITIONS:
        raise ConfigError(
            say("there is no edition {name!r} of the challenge.", name=name),
            hint=say(
                "A asks for the index's portfolio and plots, B for quotes; see docs/teaching.md."
            ),
        )
    return _edition(known)


_WHY_MANIFEST = later(
    "In your own words: why does the manifest start the job, and not each Parquet object? "
    "Notebook 03 shows what the other way would cost."
)
_WHY_VISUAL = later(
    "This edition asks for a job made in Glue's visual mode, and here it is a script. Say what "
    "its three transforms do, and rebuild them in the visual mode if your teacher insists."
)
_OWN_QUESTION = later("One question of your own to the table, its SQL, and what the answer says.")
_OWN_READING = later("For each plot a sentence: what does it show, and what must one not conclude?")
_WHY_SOURCE = later(
    "Where do your quotes come from, and may they be used so? Simulated ones are named as such "
    "above; `make tutorial SOURCE=yahoo` runs everything on real ones."
)


def _edition(name: str) -> Edition:
    first = name == "A"
    length = _SHORT if first else _LONG
    texts: Sequence[tuple[str, str, proofs.Look | None, str, bool]] = (
        ("R1", _ASKS_PORTFOLIO if first else _ASKS_QUOTES,
         proofs.of_portfolio if first else proofs.of_source, _WHY_SOURCE, False),
        ("R2", later("Raw data lies in S3 as Parquet, partitioned by day."),
         proofs.of_raw, "", False),
        ("R3", later("The bucket triggers a Lambda, which calls the Glue job."),
         proofs.of_trigger, _WHY_MANIFEST, False),
        ("R4", later("The Lambda, in any language, only starts the job."),
         proofs.of_lambda, "", False),
        ("R5", _ASKS_VISUAL if first else _ASKS_JOB,
         proofs.of_job, _WHY_VISUAL if first else "", False),
        ("R6", later("Refined data lies as Parquet in a folder `refined`, by date and stock."),
         proofs.of_refined, "", False),
        ("R7", _ASKS_DEFAULT if first else _ASKS_CATALOG,
         proofs.of_default_catalog if first else proofs.of_catalog, "", False),
        ("R8", later("The data can be read in Athena, by SQL."),
         proofs.of_athena, _OWN_QUESTION, False),
        ("R9", later("A notebook with plots of the data (optional in A, not asked for in B)."),
         None, _OWN_READING, True),
    )  # fmt: skip
    requirements = tuple(
        Requirement(number, asks, look, Scene(length[number], *_SCENES[number]), write, optional)
        for number, asks, look, write, optional in texts
    )
    return Edition(
        name=name,
        requirements=requirements,
        opening=Scene(length["opening"], *_OPENING),
        closing=Scene(length["closing"], *_CLOSING),
        limit=75 if first else 600,
        hand_in=_HAND_IN_A if first else _HAND_IN_B,
    )


_ASKS_PORTFOLIO = later(
    "The source is the exchange's page with the theoretical portfolio of its index."
)
_ASKS_QUOTES = later("The source is daily quotes of stocks, scraped or by a library.")
_ASKS_VISUAL = later(
    "The job, made in Glue's visual mode, (A) groups and sums or counts, (B) renames two more "
    "columns, (C) calculates with a date."
)
_ASKS_JOB = later(
    "The job (A) groups and sums or counts, (B) renames two more columns, (C) calculates by "
    "date: a moving mean, a difference between periods, extremes."
)
_ASKS_DEFAULT = later("The job catalogs its data, in a table of the database `default`.")
_ASKS_CATALOG = later("The job catalogs its data, in a table of a database.")
_HAND_IN_A = later(
    "Link of the repository, drawing of the architecture, video of at most 1 min 15 s."
)
_HAND_IN_B = later(
    "Link of the repository, drawing of the architecture, video of at most 10 min that shows the "
    "services and each requirement."
)

_SHORT = {"opening": 8, "R1": 7, "R2": 7, "R3": 9, "R4": 6, "R5": 12, "R6": 6, "R7": 6, "R8": 8,
          "R9": 3, "closing": 3}  # fmt: skip
_LONG = {"opening": 45, "R1": 45, "R2": 45, "R3": 60, "R4": 45, "R5": 90, "R6": 40, "R7": 45,
         "R8": 60, "R9": 30, "closing": 25}  # fmt: skip
"""Seconds of the scenes: 75 in all for A, 530 for B, which leaves room to breathe."""

_OPENING = (
    later("the drawing of the architecture"),
    later("Your name, the challenge in a sentence, and the way of a quote along the arrows."),
)
_CLOSING = (
    later("the summary of this page"),
    later("What was hardest, what you would do next, and the link of the repository."),
)
_SCENES = {
    "R1": (
        later("the terminal: `b3 ingest` with its table"),
        later("Where the quotes come from, and how the calendar knows that all came."),
    ),
    "R2": (
        later("the bucket, opened down to one object below raw/"),
        later("One object for each day and share, and what its key says."),
    ),
    "R3": (
        later("the bucket's event notification, with its filter"),
        later("What calls the Lambda, and why it is the manifest."),
    ),
    "R4": (
        later("the Lambda's code and its log"),
        later("It starts one run, and raises what fails, so that AWS tries again."),
    ),
    "R5": (
        later("the job's script and its last run"),
        later("The grouping, the renames, the calculation by date: each with its line of code."),
    ),
    "R6": (
        later("the bucket, opened down to one object below refined/"),
        later("Partitioned by date and share, replaced as a whole, never doubled."),
    ),
    "R7": (
        later("the table in the Data Catalog, with its partitions"),
        later("The job registers them, so Athena sees new days at once."),
    ),
    "R8": (
        later("Athena: the query of this page, run live"),
        later("What you asked, the answer, and how many bytes it read."),
    ),
    "R9": (later("the plots of this page"), later("One finding, in a sentence.")),
}
