"""What a teacher does at the command line: `b3 class`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="A class: a market for each student, and what they hand in.")

ClassOption = Annotated[
    str, typer.Option("--class", help="The name of the class: another class has other markets.")
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
