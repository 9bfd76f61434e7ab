"""The command line `python -m localaws`: serve, up, down, status."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from localaws import process
from localaws.errors import LocalAwsError
from localaws.settings import DEFAULT_PORT, STANDBYS, Settings


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code of one command: 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    try:
        text = options.run(options)
    except LocalAwsError as error:
        sys.stderr.write(f"{error.message}\nTry: {error.hint}\n")
        return 1
    if text:
        sys.stdout.write(f"{text}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localaws", description="AWS on this machine: one process, one folder."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, run, text in (
        ("serve", _serve, "serve in the foreground"),
        ("up", _up, "start in the background"),
        ("down", _down, "stop, and end all that was started"),
        ("status", _status, "say whether it runs, and where"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(run=run)
        verb.add_argument(
            "--state-dir", type=Path, default=Path(".localaws"), help="default: .localaws"
        )
        if name in ("serve", "up"):
            _add_server_options(verb)
    return parser


def _add_server_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}; 0 is any free one")
    verb.add_argument(
        "--any-key",
        action="store_true",
        help="look at no signature and no policy: whoever reaches the port may do everything",
    )
    verb.add_argument(
        "--seconds-per-minute",
        type=float,
        default=60.0,
        help="length of a minute of a job's time-out, for tests",
    )
    verb.add_argument(
        "--ended-run-seconds",
        type=float,
        default=0.0,
        help="how long an ended run counts against its job's limit, for tests",
    )
    verb.add_argument(
        "--allow-host",
        action="append",
        default=[],
        help="a further name under which clients may call; may be repeated",
    )
    verb.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        help="a web page that may call, such as http://localhost:3000; may be repeated",
    )
    verb.add_argument(
        "--late-log-seconds",
        type=float,
        default=0.0,
        help="how late the lines of a run arrive, for tests",
    )
    verb.add_argument(
        "--athena-memory-mb",
        type=int,
        default=0,
        help="what queries may hold in memory before they spill; default: what fits the machine",
    )
    verb.add_argument(
        "--athena-seconds",
        type=float,
        default=1800.0,
        help="how long a statement of Athena may take",
    )
    verb.add_argument(
        "--standby",
        choices=STANDBYS,
        help="a process that waits for the next Spark run: made on idle cores, now, or not at all; "
        "default: $LOCALAWS_STANDBY, else idle",
    )
    verb.add_argument(
        "--standby-java",
        default="",
        help="its extra Java options: a script that asks for others starts cold",
    )
    verb.add_argument("--owner", type=int, help="id of a process with which the server ends")


def _serve(options: argparse.Namespace) -> str:
    # The server is heavy to import, and the other verbs do without it.
    from localaws.server import serve

    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    port = DEFAULT_PORT if options.port is None else options.port
    serve(
        Settings(
            options.state_dir,
            port,
            any_key=options.any_key,
            seconds_per_minute=options.seconds_per_minute,
            ended_run_seconds=options.ended_run_seconds,
            late_log_seconds=options.late_log_seconds,
            athena_memory_mb=options.athena_memory_mb,
            athena_seconds=options.athena_seconds,
            owner=options.owner,
            hosts=tuple(options.allow_host),
            origins=tuple(options.allow_origin),
            standby=options.standby or STANDBYS[0],
            standby_java=options.standby_java,
        )
    )
    return ""


def _up(options: argparse.Namespace) -> str:
    info = process.start(
        options.state_dir,
        options.port,
        any_key=options.any_key,
        seconds_per_minute=options.seconds_per_minute,
        ended_run_seconds=options.ended_run_seconds,
        late_log_seconds=options.late_log_seconds,
        athena_memory_mb=options.athena_memory_mb,
        athena_seconds=options.athena_seconds,
        owner=options.owner,
        hosts=tuple(options.allow_host),
        origins=tuple(options.allow_origin),
        standby=options.standby or "",
        standby_java=options.standby_java,
    )
    done = "started" if info.started else "runs already"
    return f"{done}: {info.endpoint_url} (process {info.pid})"


def _down(options: argparse.Namespace) -> str:
    return "stopped" if process.stop(options.state_dir) else "was not running"


def _status(options: argparse.Namespace) -> str:
    info = process.status(options.state_dir)
    if info is None:
        raise LocalAwsError("it is down.", hint="start it: python -m localaws up")
    standby = f"standby for Spark runs: {info.standby}"
    return "\n".join([f"up: {info.endpoint_url} (process {info.pid})", standby, *info.troubles])


if __name__ == "__main__":
    sys.exit(main())
