"""What a teacher does at the command line: `b3 class`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="A class: a market for each student, and what they hand in.")
top = typer.Typer()
"""The verb of a class that stands among those of the pipeline."""

ClassOption = Annotated[
    str, typer.Option("--class", help="The name of the class: another class has other markets.")
]

RosterOption = Annotated[
    Path | None, typer.Option(help="The class: a login a line, a seed after a comma where wanted.")
]


@app.callback(invoke_without_command=True)
def _verbs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("seed")
def seed(
    login: Annotated[str, typer.Argument(help="The student's login, such as ana.silva.")],
    class_name: ClassOption = "",
) -> None:
    """Print the seed of a student's own market, for the parameter `seed` and `--seed`."""
    from b3pipeline.classroom.seed import seed_of_login

    typer.echo(seed_of_login(login, class_name))


@app.command("work")
def work() -> None:
    """Make copies of the notebooks to write in, in work/: git does not see them.

    What you wrote in them is never overwritten; `make lab` does this, too.
    """
    from b3pipeline.classroom.work import refresh
    from b3pipeline.cloud.config import project_root

    typer.echo(refresh(project_root()))


@app.command("reset")
def reset(
    numbers: Annotated[
        list[str] | None, typer.Argument(help="Numbers of notebooks, such as 02; all without.")
    ] = None,
) -> None:
    """Begin the notebooks anew; what you wrote is kept in work/_kept/.

    The copies in work/ are made again, and the notebooks in notebooks/ are as git has them.
    """
    from b3pipeline.classroom.work import reset as begin_anew
    from b3pipeline.cloud.config import project_root

    typer.echo(begin_anew(project_root(), tuple(numbers or ())))


@app.command("handout")
def handout(
    folder: Annotated[Path, typer.Argument(help="Where the notebooks are written.")],
    roster: RosterOption = None,
    class_name: ClassOption = "",
) -> None:
    """Write the notebooks for students: without solutions, without outputs.

    With a roster each student gets a folder, with the seed of an own market in notebook 02.
    """
    from b3pipeline.classroom.handout import hand_out
    from b3pipeline.classroom.roster import read_roster
    from b3pipeline.cloud.config import project_root

    known = read_roster(roster, class_name) if roster else None
    typer.echo(hand_out(folder, project_root(), known))


@top.command()
def grade(
    folder: Annotated[Path, typer.Argument(help="The hand-ins: LOGIN.ipynb, or LOGIN/….ipynb.")],
    roster: RosterOption = None,
    class_name: ClassOption = "",
    out: Annotated[Path, typer.Option(help="Folder of the grades and of the page.")] = Path(
        "build/grades"
    ),
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Notebooks at a time; as many as cores, without.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds that a notebook may take.")] = 300,
    memory: Annotated[int, typer.Option(min=500, help="Megabytes that it may take.")] = 6_000,
    tickers: Annotated[str, typer.Option(help="Tickers of the markets, with commas.")] = "",
    start: Annotated[str, typer.Option(help="First date of the markets, YYYY-MM-DD.")] = "",
    end: Annotated[str, typer.Option(help="Last date, itself included.")] = "",
) -> None:
    """Grade a folder of notebooks: a CSV, a JSON and a page.

    Each notebook runs by itself on a copy of its student's market, with limits; the answers are
    judged outside of it. Exit code 3 where a hand-in could not be run at all.
    """
    from b3pipeline.classroom.folder import check_folder

    check_folder(folder)
    from b3pipeline.classroom.exam import Limits
    from b3pipeline.classroom.grade import grade as grade_all
    from b3pipeline.classroom.roster import read_roster
    from b3pipeline.cloud.config import project_root
    from b3pipeline.progress import bar_here

    given = {"tickers": tickers, "start": start, "end": end}
    grades = grade_all(
        folder,
        out,
        project_root(),
        roster=read_roster(roster, class_name) if roster else None,
        class_name=class_name,
        limits=Limits(seconds=seconds, memory_megabytes=memory),
        jobs=jobs,
        given={name: value for name, value in given.items() if value},
        progress=bar_here(),
    )
    typer.echo(grades)
    if not grades.complete:
        raise typer.Exit(3)
