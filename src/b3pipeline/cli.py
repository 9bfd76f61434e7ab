"""The command line `b3`: the pipeline's acts as verbs."""

from __future__ import annotations

import gettext
import json
import logging
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import __version__
from b3pipeline.classroom import verbs as classroom
from b3pipeline.errors import B3Error
from b3pipeline.files import unwritten
from b3pipeline.language import (
    LANGUAGES,
    PORTUGUESE,
    SETTING,
    english,
    language,
    later,
    parse,
    retold,
    say,
    say_many,
)

EXIT_FAILED = 1
EXIT_INCOMPLETE = 3
HELP_OPTIONS = ["-h", "--help"]

app = typer.Typer(
    help="A batch pipeline for Brazilian stock quotes: ingest, refine, query.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_OPTIONS},
)
local = typer.Typer(help="The AWS of this machine: no account needed.", no_args_is_help=True)
app.add_typer(local, name="local")
app.add_typer(classroom.app, name="class")
app.add_typer(classroom.top)


def _known_target(target: str) -> str:
    """Return a target that there is: refused before a command imports what it works with."""
    from b3pipeline.cloud.config import check_target

    return check_target(target)


def _dates(param: typer.CallbackParam, text: str | None) -> str | None:
    """Return a date, or dates with commas between, as written; raise DateRangeError for another."""
    from b3pipeline.calendar import parse_date

    for day in _split(text or ""):
        parse_date(day, param.name if param.name in ("start", "end") else "")
    return text


def _codes(text: str) -> str:
    """Return codes with commas between, as written; raise InvalidTickerError for what is none."""
    from b3pipeline.names import normalise_ticker
    from b3pipeline.sources.portfolio import is_index

    for code in _split(text):
        if not is_index(code):
            normalise_ticker(code)
    return text


TargetOption = Annotated[
    str,
    typer.Option(
        "--target",
        envvar="B3_TARGET",
        callback=_known_target,
        help="'local' for this machine, 'aws' for yours.",
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option(help="File or folder of the exchange's files, for the source cotahist."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be asked and written; do nothing.")
]
WindowOption = Annotated[
    int, typer.Option(min=0, help="Sessions of a ticker to compare with bronze.")
]
FaultOption = Annotated[
    str, typer.Option(help="What shall go wrong with the sample, such as 429:BBAS3.")
]
SeedOption = Annotated[
    str | None,
    typer.Option(help="Number of the simulated market; `b3 class seed LOGIN` gives one."),
]
BucketOption = Annotated[
    str | None, typer.Option(envvar="RAW_BUCKET", help="Raw bucket, instead of the target's.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for the refine run that the batch starts.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document for programs, and nothing else.")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1; B3_PORT, else 4566."),
]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"b3 {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A batch pipeline for Brazilian stock quotes: ingest, refine, query."""


def bar_here() -> Any:
    """Return the bar of this terminal; its library is imported where one is drawn."""
    from b3pipeline.progress import bar_here as bar

    return bar()


def main() -> None:
    """Run the command line; an error of ours is one sentence on stderr and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        command_line()()
    except B3Error as error:
        _fail(error.message, error.hint)
    except (ClientError, BotoCoreError) as error:
        from b3pipeline.refusals import call_failed

        _fail(*call_failed(error))
    except OSError as error:
        if (told := unwritten(error)) is None:
            raise
        _fail(*told)


TYPERS_HELP = (
    later("Show this message and exit."),
    later("Install completion for the current shell."),
    later("Show completion for the current shell, to copy it or customize the installation."),
)
"""What Typer writes of its own options, word for word."""
TYPERS_ERRORS = (
    later("No such option: {name}"),
    later("No such option: {name} (Possible options: {names})"),
    later("{said} Did you mean {names}?"),
    later("Option {name} requires an argument."),
    later("Option {name} does not take a value."),
    later("Got unexpected extra argument(s) ({words})"),
    later("Missing argument {name}."),
    later("Missing option {name}."),
    later("Invalid value for {name}: {why}"),
    later("Input should be a valid integer, unable to parse string as an integer"),
    later("Input should be a valid number, unable to parse string as a number"),
    later("Input should be greater than or equal to {least}"),
    later("Input should be less than or equal to {most}"),
)
"""What it says of words that it does not take, in English alone: `retold` finds them again."""
TYPERS_WORDS = (later("[OPTIONS]"), later("COMMAND [ARGS]..."))
"""What stands for these in a line of usage."""


def command_line() -> Any:
    """Return the command `b3` with its help in the language of now.

    Raises ConfigError where B3_LANG names a language that is not spoken here.
    """
    chosen = os.environ.get(SETTING)
    if chosen and parse(chosen) is None:
        from b3pipeline.errors import ConfigError

        raise ConfigError(
            say("{variable} is {value!r}.", variable=SETTING, value=chosen),
            hint=say("write en or pt_BR."),
        )
    command = typer.main.get_command(app)
    if language() == PORTUGUESE:
        # Typer says its own words (Usage, Options, what is wrong with one) by Python's gettext.
        os.environ["LANGUAGE"] = PORTUGUESE
        gettext.bindtextdomain("messages", str(Path(__file__).parent / "locale"))
        _translate_help(command)
    return command


def _translate_help(command: Any) -> None:
    context, formatter = command.context_class, command.context_class.formatter_class

    def write_usage(self: Any, prog: str, args: str = "", prefix: str | None = None) -> None:
        formatter.write_usage(self, prog, args, prefix or say("Usage: "))

    def leave(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        if hasattr(error, "format_message"):  # an error of Typer's, which says it so
            told = error.format_message
            error.format_message = lambda: retold(told())
        return context.__exit__(self, kind, error, trace)

    translated = type("Formatter", (formatter,), {"write_usage": write_usage})
    own = {"formatter_class": translated, "__exit__": leave}
    command.context_class = type("Context", (context,), own)
    command.options_metavar = say(command.options_metavar)
    if hasattr(command, "subcommand_metavar"):
        command.subcommand_metavar = say(command.subcommand_metavar)
    ask_help = command.get_help_option(context(command, help_option_names=HELP_OPTIONS))
    ask_help.help = say(ask_help.help)
    for spoken in (command, *command.params):
        if getattr(spoken, "help", None):
            spoken.help = say(spoken.help)
    for verb in getattr(command, "commands", {}).values():
        _translate_help(verb)


def _fail(message: str, hint: str) -> None:
    typer.secho(say("error: {message}", message=message), fg=typer.colors.RED, err=True)
    typer.echo(say("  try: {hint}", hint=hint), err=True)
    sys.exit(EXIT_FAILED)


@local.command("up")
def local_up(
    port: PortOption = None,
    database: Annotated[
        str | None,
        typer.Option(help="The Data Catalog's database, such as default; without, as last time."),
    ] = None,
) -> None:
    """Start the local AWS and make the pipeline's resources in it."""
    from b3pipeline.deployment import sandbox

    with bar_here()(desc=say("local AWS"), bar_format="{desc} {elapsed}") as bar:
        config = sandbox.up(
            port=port,
            database=database,
            step=lambda title: bar.set_description(say("making {title}", title=title)),
        )
        bar.set_description(say("local AWS ready"))
    typer.echo(
        say(
            "The local AWS is up at {url}; raw bucket {bucket}.",
            url=config.endpoint_url,
            bucket=config.raw_data_bucket,
        )
    )
    typer.echo(say('Other tools find it after: eval "$(b3 local env)"'))
    for trouble in sandbox.status().troubles:
        typer.echo(retold(trouble), err=True)


@local.command("down")
def local_down() -> None:
    """Stop the local AWS and all that it started; its data stays."""
    from b3pipeline.deployment import sandbox

    was_up = sandbox.down()
    typer.echo(
        say("The local AWS is stopped.") if was_up else say("The local AWS was not running.")
    )


@local.command("status")
def local_status(as_json: JsonOption = False) -> None:
    """Say whether the local AWS runs; exit code 1 where it does not."""
    from b3pipeline.deployment import sandbox

    status = sandbox.status()
    typer.echo(_json(status) if as_json else status)
    if not status.running:
        raise typer.Exit(EXIT_FAILED)


@local.command("env")
def local_env() -> None:
    """Print `export` lines that point any AWS tool at the local AWS."""
    from b3pipeline.cloud.clients import keep_off_proxies
    from b3pipeline.cloud.config import load_config
    from b3pipeline.deployment import sandbox

    if not sandbox.status().running:
        raise _local_is_down()
    keep_off_proxies()
    variables = load_config("local").environment()
    variables |= {name: os.environ[name] for name in ("NO_PROXY", "no_proxy") if name in os.environ}
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@local.command("reset")
def local_reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the local AWS and delete all that it holds."""
    from b3pipeline.deployment import sandbox

    if not yes:
        typer.confirm(
            say("Delete everything in {folder}?", folder=sandbox.state_folder()), abort=True
        )
    sandbox.reset()
    typer.echo(say("The local AWS is gone, with all that it held."))


@app.command()
def ingest(
    source: Annotated[
        str, typer.Option(help="Where quotes come from: sample, yahoo or cotahist.")
    ] = "sample",
    seed: SeedOption = None,
    path: PathOption = None,
    tickers: Annotated[
        str,
        typer.Option(
            envvar="TICKERS",
            callback=_codes,
            help="Codes of the exchange, with commas between; an index such as IBOV.",
        ),
    ] = "",
    start: Annotated[
        str | None,
        typer.Option(envvar="START_DATE", callback=_dates, help="First date, YYYY-MM-DD."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(envvar="END_DATE", callback=_dates, help="Last date, itself included."),
    ] = None,
    interval: Annotated[str, typer.Option(help="Length of a bar: 1d, 60m, 15m, …")] = "1d",
    since: Annotated[
        str | None,
        typer.Option(
            help="'last': each ticker from its own last session on; without --tickers all that "
            "bronze holds."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Load histories of another source, or of other bars, anew."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Write nothing where the source does not know a ticker."),
    ] = False,
    fallback: Annotated[
        str, typer.Option(help="Whom to ask for daily bars where Yahoo refuses (429): cotahist.")
    ] = "",
    resume_too: Annotated[bool, typer.Option("--resume", hidden=True)] = False,
    dry_run: DryRunOption = False,
    window: WindowOption = 10,
    fault: FaultOption = "",
    bucket: BucketOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
    target: TargetOption = "local",
) -> None:
    """Fetch quotes and put them into bronze: objects first, the manifest last.

    Exit code 0 where every session of the calendar came, 3 where the batch was written with
    sessions missing (all of a ticker, where the source does not know it) or quotes held back, 1
    where it failed.
    """
    since_last = _is_since_last(since)
    from b3pipeline.sources.portfolio import expand
    from b3pipeline.sources.seeds import with_seed

    source = with_seed(source, seed)
    if resume_too and since_last:
        from b3pipeline.errors import ConfigError

        raise ConfigError(
            say("--since last and --resume exclude each other."),
            hint=say("`b3 resume` first, then --since."),
        )
    if resume_too:  # as it was called before it was a verb
        resume(path, dry_run, window, fault, bucket, wait, as_json, target)
        return
    _refuse_to_wait_on_host(wait)
    if fallback:
        from b3pipeline.ingest import check_fallback

        check_fallback(source, fallback, interval)
    own_path = None if fallback else path  # with a fallback, the path is the fallback's
    cloud, market = _connect(target, bucket), _open_source(source, own_path, fault)
    from b3pipeline import ingest as ingestion

    request = ingestion.Request.of(
        market.name,
        expand(_split(tickers)) or None,
        start or None,
        end or None,
        interval=interval,
        since_last=since_last,
        window=window,
        replace=replace,
        strict=strict,
    )
    with _nothing_to_do_is_well(as_json):
        if fallback:
            second = partial(_open_source, fallback, path)
            act = _preview_both if dry_run else partial(_ingest_or_fall_back, wait=wait)
            act(cloud, market, request, fallback, second, as_json=as_json)
        elif dry_run:
            plan = ingestion.preview(cloud, market, request)
            typer.echo(_json(plan) if as_json else plan.describe())
        else:
            batch = ingestion.ingest(cloud, market, request, progress=bar_here())
            _report(cloud, batch, wait, as_json)


def _preview_both(
    cloud: Any,
    market: Any,
    request: Any,
    fallback: str,
    open_fallback: Callable[[], Any],
    *,
    as_json: bool,
) -> None:
    """Say what both sources would be asked at first; a refusal is not foreseen."""
    from b3pipeline import ingest as ingestion

    first, second = ingestion.shares(cloud, request, fallback)
    plans = [ingestion.preview(cloud, market, first)] if first else []
    plans += [ingestion.preview(cloud, open_fallback(), second)] if second else []
    typer.echo(_json({"plans": plans}) if as_json else "\n".join(plan.describe() for plan in plans))


def _ingest_or_fall_back(
    cloud: Any,
    market: Any,
    request: Any,
    fallback: str,
    open_fallback: Callable[[], Any],
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Ingest from two sources, print their batches, and end as `_report` does."""
    from b3pipeline import ingest as ingestion

    served = ingestion.ingest_or_fall_back(
        cloud, market, request, fallback, open_fallback, progress=bar_here()
    )
    told = [_tell(cloud, batch, wait, as_json) for batch in served.batches]
    if as_json:
        typer.echo(_json({"complete": served.complete, "batches": told}))
    if served.error:
        raise served.error
    if not served.complete:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def resume(
    path: PathOption = None,
    dry_run: DryRunOption = False,
    window: WindowOption = 10,
    fault: FaultOption = "",
    bucket: BucketOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
    target: TargetOption = "local",
) -> None:
    """Complete what was cut off, or ask for what incomplete batches lack.

    The source and the rest are those of that batch. Exit codes as of `b3 ingest`; 0 where there
    is nothing to do.
    """
    _refuse_to_wait_on_host(wait)
    cloud = _connect(target, bucket)
    from b3pipeline import ingest as ingestion

    with _nothing_to_do_is_well(as_json):
        if dry_run:
            plan = ingestion.preview_resume(cloud, window=window)
            typer.echo(_json(plan) if as_json else plan.describe())
        else:
            batch = ingestion.resume(
                cloud,
                lambda name: _open_source(name, path, fault),
                window=window,
                progress=bar_here(),
            )
            _report(cloud, batch, wait, as_json)


def _refuse_to_wait_on_host(wait: bool) -> None:
    from b3pipeline.cloud.config import refuse_on_host

    if wait:
        refuse_on_host("`--wait`", say("the right to follow runs of the Glue job"))


@contextmanager
def _nothing_to_do_is_well(as_json: bool) -> Iterator[None]:
    """Say that there was nothing to do, and end with 0."""
    from b3pipeline.errors import NothingToDoError

    try:
        yield
    except NothingToDoError as nothing:
        said = f"{nothing.message} {nothing.hint}"
        if as_json:
            said = f"{english(nothing.message)} {english(nothing.hint)}"
            said = _json({"batch_id": None, "message": said})
        typer.echo(said)


def _report(cloud: Any, batch: Any, wait: bool, as_json: bool) -> None:
    """Print a batch, and end with 3 where it is incomplete."""
    told = _tell(cloud, batch, wait, as_json)
    if as_json:
        typer.echo(_json(told))
    if not batch.complete:
        raise typer.Exit(EXIT_INCOMPLETE)


def _tell(cloud: Any, batch: Any, wait: bool, as_json: bool) -> dict[str, Any]:
    """Print a batch, but not for `as_json`; return it for JSON, with the run waited for."""
    if not as_json:
        typer.echo(batch)
    run = _follow_batch(cloud, batch.manifest.uri, as_json) if wait else None
    names = ("batch_id", "complete", "objects", "rows")
    figures = {name: getattr(batch, name) for name in names}
    return {**figures, **_plain(batch), "run": run}


@app.command("tickers")
def show_tickers(
    index: Annotated[
        str, typer.Option(help="An index of the exchange, such as IBOV, SMLL or IDIV.")
    ] = "IBOV",
    only_codes: Annotated[
        bool, typer.Option("--codes", help="Print the codes alone, with commas between.")
    ] = False,
) -> None:
    """Show the theoretical portfolio of an index: from B3's page, else the kept copy."""
    from b3pipeline.sources.portfolio import portfolio

    found = portfolio(index)
    typer.echo(",".join(found.tickers) if only_codes else found)


@app.command()
def refine(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Recompute everything that bronze holds.")
    ] = False,
    manifest: Annotated[str | None, typer.Option(help="s3:// address of a batch manifest.")] = None,
    dates: Annotated[
        str, typer.Option(callback=_dates, help="Sessions to recompute, with commas between.")
    ] = "",
    tickers: Annotated[
        str, typer.Option(callback=_codes, help="Tickers to recompute, with commas between.")
    ] = "",
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set unreadable objects aside, refine the rest.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show state and log until the run ends.")
    ] = True,
    as_json: JsonOption = False,
    target: TargetOption = "local",
) -> None:
    """Start a run of the refine job by hand; without a choice, for the batches that are owed.

    Owed is a batch whose manifest landed and that no run has refined or is going to: `b3 status`
    names them. Everything is recomputed with --rebuild.
    """
    cloud = _connect(target)
    from b3pipeline import refine as refining

    chosen = (_split(dates), _split(tickers))
    if not (rebuild or manifest or any(chosen)):
        batches = refining.find_batches(cloud)
        if not batches.owed:
            said = say(
                "Nothing is owed: {summary}. `b3 refine --rebuild` does all again.",
                summary=batches.summary,
            )
            typer.echo(_json({"run": None, "message": english(said)}) if as_json else said)
            return
        typer.echo(say("Owed: {batches}", batches=batches.named), err=as_json)
        # A run takes its own batch and all undone ones that are younger.
        manifest = batches.owed[0].manifest
    else:
        refining.check_asked(cloud, manifest=manifest, dates=chosen[0], tickers=chosen[1])
    run = refining.start_refine(
        cloud,
        manifest=manifest,
        rebuild=rebuild,
        dates=chosen[0],
        tickers=chosen[1],
        quarantine=quarantine,
    )
    typer.echo(
        say("Run {run_id} of {job} has started.", run_id=run.run_id, job=run.job_name), err=as_json
    )
    report = _follow_run(cloud, run.run_id, as_json) if follow else {"run": run}
    if as_json:
        typer.echo(_json(report))


@app.command()
def reconcile(
    source: Annotated[
        str, typer.Option(help="What bronze is compared with: cotahist, yahoo or sample.")
    ] = "cotahist",
    path: PathOption = None,
    tickers: Annotated[
        str,
        typer.Option(
            callback=_codes, help="Codes, with commas between; all that bronze holds, without."
        ),
    ] = "",
    start: Annotated[
        str | None, typer.Option(callback=_dates, help="First date, YYYY-MM-DD.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(callback=_dates, help="Last date, itself included.")
    ] = None,
    volume_tolerance: Annotated[
        float, typer.Option(min=0, help="Part by which volumes may differ.")
    ] = 0.02,
    target: TargetOption = "local",
) -> None:
    """Compare bronze with the exchange's file: exit code 0 where all is explained, 3 where not."""
    cloud, market = _connect(target), _open_source(source, path)
    from b3pipeline.reconcile import reconcile as run_reconcile

    found = run_reconcile(
        cloud,
        market,
        _split(tickers) or None,
        start,
        end,
        volume_tolerance=volume_tolerance,
        progress=bar_here(),
    )
    typer.echo(found)
    if not found.ok:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A statement in Athena's SQL.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    as_json: JsonOption = False,
    target: TargetOption = "local",
) -> None:
    """Ask Athena, and print its answer."""
    from b3pipeline.cloud.config import refuse_on_host

    refuse_on_host("`b3 query`", say("rights on Athena"))
    cloud = _connect(target)
    from b3pipeline import athena

    answer = athena.ask(cloud, sql)
    if csv:
        typer.echo(answer.to_csv(), nl=False)
    elif as_json:
        figures = {"bytes_scanned": answer.bytes_scanned, "seconds": answer.seconds}
        columns = [name for name, _ in answer.columns]
        typer.echo(_json({"columns": columns, "rows": answer.records()} | figures))
    else:
        if answer.columns:
            typer.echo(answer)
        typer.echo(
            say_many(
                "{count:,} row, {bytes:,} bytes scanned, {seconds:.1f} s",
                "{count:,} rows, {bytes:,} bytes scanned, {seconds:.1f} s",
                len(answer.rows),
                bytes=answer.bytes_scanned,
                seconds=answer.seconds,
            ),
            err=True,
        )


@app.command()
def status(as_json: JsonOption = False, target: TargetOption = "local") -> None:
    """Say which batches are refined, at work and owed; exit code 3 where one is owed."""
    from b3pipeline import refine as refining
    from b3pipeline.deployment import sandbox

    cloud = _connect(target)
    if target == "local" and not as_json:
        typer.echo(sandbox.status())
    batches = refining.find_batches(cloud)
    typer.echo(_json({"owed": batches.owed} | _plain(batches)) if as_json else batches)
    if batches.owed:
        typer.echo(say("  try: {hint}", hint=say("`b3 refine` takes just those.")), err=True)
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def doctor(as_json: JsonOption = False, target: TargetOption = "local") -> None:
    """Check this machine, the account and the deployment; exit code 1 where something is wrong."""
    from b3pipeline import checks
    from b3pipeline.cloud.config import check_target, is_host

    if is_host():
        report = checks.check_host(_connect("aws"))
        typer.echo(report)
        raise typer.Exit(0 if report.ok else EXIT_FAILED)

    from b3pipeline.deployment import sandbox

    reports = [checks.check_machine(sandbox.state_folder(), sandbox.java())]
    reports += _aws_reports() if check_target(target) == "aws" else _local_reports()
    ok = all(report.ok for report in reports)
    if as_json:
        findings = [finding for report in reports for finding in report.findings]
        typer.echo(_json({"ok": ok, "findings": findings}))
    else:
        for report in reports:
            typer.echo(report)
    if not ok:
        raise typer.Exit(EXIT_FAILED)


def _local_reports() -> list[Any]:
    from b3pipeline import checks
    from b3pipeline.cloud.config import outputs_path
    from b3pipeline.deployment import sandbox

    if not sandbox.status().running:
        if outputs_path("local").exists():  # it was made, and what it holds cannot be used
            down = _local_is_down()
            found = checks.Finding(say("local AWS"), False, down.message, down.hint)
            return [checks.CheckReport((found,))]
        typer.echo(
            say("The local AWS is down: `b3 local up` starts it, then its parts are checked too."),
            err=True,
        )
        return []
    return [checks.check_deployment(_connect("local"))]


def _aws_reports() -> list[Any]:
    """Return the checks of the account, then of the deployment where there is one."""
    from b3pipeline import checks
    from b3pipeline.checks.account import check_account
    from b3pipeline.cloud.config import project_root
    from b3pipeline.cloud.terraform import terraform_made, terraform_variables
    from b3pipeline.errors import ConfigError

    try:
        cloud = _connect("aws")
    except ConfigError:
        typer.echo(
            say("Nothing is deployed that is known here: `terraform apply`, then `b3 outputs`."),
            err=True,
        )
        folder = project_root() / "infra"
        return [check_account(variables=terraform_variables(folder), made=terraform_made(folder))]
    host = [checks.CheckReport((checks.check_mark(cloud),))] if cloud.config.ec2_instance_id else []
    return [check_account(deployed=True), checks.check_deployment(cloud), *host]


@app.command()
def buckets(
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what this command made, after destroy.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Terraform's folder, instead of infra/.")
    ] = None,
) -> None:
    """Make the buckets that infra/terraform.tfvars names, before Terraform uses them.

    For AWS Academy. Safe to repeat: what stands is found again, and what a lab denies is said.
    """
    import boto3

    from b3pipeline.cloud import buckets as lab_buckets
    from b3pipeline.cloud.config import project_root

    where, session = folder or project_root() / "infra", boto3.Session()
    if not remove:
        for bucket in lab_buckets.prepare_all(session, where):
            typer.echo(bucket)
        return
    if not yes:
        question = say("Remove the buckets that `b3 buckets` made, with all objects?")
        typer.confirm(question, abort=True)
    for sentence in lab_buckets.remove_all(session, where):
        typer.echo(sentence)


@app.command()
def outputs(
    folder: Annotated[
        Path | None, typer.Option(help="Terraform's folder, instead of infra/.")
    ] = None,
) -> None:
    """Ask Terraform for its outputs and keep them where the target `aws` reads them."""
    from b3pipeline.cloud.config import fetch_outputs

    config = fetch_outputs(folder)
    typer.echo(
        say(
            "The target 'aws' is {bucket} in {region}.",
            bucket=config.raw_data_bucket,
            region=config.region,
        )
    )


@app.command()
def tutorial(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="A notebook's number, such as 03; repeatable."),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="name=value for the notebooks.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Where quotes come from: sample, yahoo or cotahist; else simulated."),
    ] = None,
    path: PathOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the executed notebooks and the report.")
    ] = Path("build"),
    target: TargetOption = "local",
    lang: Annotated[
        str | None, typer.Option("--lang", help="pt-BR or en; without, B3_LANG or the system's.")
    ] = None,
) -> None:
    """Execute the notebooks one after the other and write the report."""
    if lang is not None:
        os.environ[SETTING] = _read_language(lang)
    from b3pipeline.cloud.config import project_root
    from b3pipeline.course.chosen import chosen

    chosen(project_root(), only or [])  # a wrong number is said before seconds of imports
    from b3pipeline.course.tutorial import run

    options = {"source": source, "path": path and str(path.resolve()), "seed": seed}
    given = _parameters(param or [])
    given |= {name: value for name, value in options.items() if value is not None}
    typer.echo(run(only=only or [], parameters=given, out=out, target=target))


@app.command()
def evidence(
    edition: Annotated[
        str, typer.Option(help="Edition of the challenge: A (portfolio, plots) or B (quotes).")
    ] = "B",
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("build/evidence"),
    target: TargetOption = "local",
) -> None:
    """Prove each requirement of the challenge by what AWS answers now; exit code 3 where one lacks.

    One page for the hand-in, in HTML and Markdown: drawing, evidence, plots, what you write, and
    a script for the video.
    """
    from b3pipeline import evidence as proving

    found = proving.gather(_connect(target), edition, progress=bar_here())
    typer.echo(found)
    typer.echo(proving.write_pages(found, out))
    if not found.ok:
        raise typer.Exit(EXIT_INCOMPLETE)


def _read_language(name: str) -> str:
    from b3pipeline.errors import ConfigError

    spoken = parse(name)
    if spoken is None:
        raise ConfigError(
            say("the course does not speak {name}.", name=repr(name)),
            hint=say("use one of {known}.", known=", ".join(LANGUAGES.values())),
        )
    return spoken


def _connect(target: str, bucket: str | None = None) -> Any:
    from dataclasses import replace

    from b3pipeline.cloud.config import load_config

    config = load_config(target)
    if config.target == "local" and not _is_served(config.endpoint_url):
        raise _local_is_down()
    from b3pipeline.cloud.clients import Cloud

    return Cloud(replace(config, raw_data_bucket=bucket) if bucket else config)


def _is_served(url: str | None) -> bool:
    """Return whether anything listens at the address of a local AWS."""
    import socket
    from urllib.parse import urlsplit

    place = urlsplit(url or "")
    try:
        with socket.create_connection((place.hostname or "", place.port or 80), timeout=5):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:  # whoever uses it says why
        return True


def _local_is_down() -> B3Error:
    from b3pipeline.errors import ConfigError

    return ConfigError(say("the local AWS is down."), hint=say("start it with `b3 local up`."))


def _open_source(name: str, path: Path | None = None, fault: str = "") -> Any:
    from b3pipeline.sources import open_source

    given = {"path": path, "faults": fault}
    return open_source(name, **{option: value for option, value in given.items() if value})


def _is_since_last(since: str | None) -> bool:
    """Return whether only new sessions are wanted; raise ConfigError for another word."""
    from b3pipeline.errors import ConfigError

    if since not in (None, "last"):
        raise ConfigError(
            say("--since is {since!r}.", since=since),
            hint=say("write --since last; for a date there is --start."),
        )
    return since == "last"


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parameters(pairs: list[str]) -> dict[str, Any]:
    """Return name=value pairs as parameters; a value that is JSON keeps its type."""
    parameters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(say("{pair!r} is not name=value", pair=pair))
        try:
            parameters[name] = json.loads(value)
        except (ValueError, RecursionError):
            parameters[name] = value
    return parameters


def _follow_batch(cloud: Any, manifest_uri: str, quiet: bool = False) -> Any:
    from b3pipeline import refine

    typer.echo(say("Waiting for the event, the Lambda and its run …"), err=True)
    return _follow_run(cloud, refine.wait_for_start(cloud, manifest_uri).run_id, quiet)


def _follow_run(cloud: Any, run_id: str, quiet: bool = False) -> Any:
    """Show a run until it ends, on stderr where stdout belongs to JSON; return its report."""
    from b3pipeline import refine
    from b3pipeline.errors import JobError

    for line in refine.follow_run(cloud, run_id):
        typer.echo(line, err=quiet)
    run = refine.get_run(cloud, run_id)
    report = refine.describe(cloud, run)
    if report.set_aside:
        typer.echo(report, err=quiet)
    if run.state != "SUCCEEDED":
        raise JobError(
            say(
                "run {run_id} ended {state}: {reason}",
                run_id=run_id,
                state=run.state,
                reason=run.error or say("no reason given"),
            ),
            hint=say(
                "do what the reason says, then `b3 refine --rebuild`; docs/troubleshooting.md."
            ),
        )
    if not quiet:
        typer.echo(report)
    return report


def _json(value: Any) -> str:
    """Return a value as a JSON document, in English: dataclasses by their fields, dates as text."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else f"{'-' * (value < 0)}Infinity"  # as Athena writes it
    return english(value)


if __name__ == "__main__":
    main()
