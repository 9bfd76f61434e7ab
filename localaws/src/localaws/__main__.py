"""The command line `python -m localaws`: serve, up, down, status."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from pathlib import Path

from localaws import process
from localaws.errors import LocalAwsError
from localaws.settings import DEFAULT_PORT, Settings, add_options, given


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
            verb.add_argument(
                "--port", type=int, help=f"default: {DEFAULT_PORT}; 0 is any free one"
            )
            add_options(verb)
    return parser


def _serve(options: argparse.Namespace) -> str:
    # The server is heavy to import, and the other verbs do without it. What is imported stays: it
    # need not be looked through for garbage again and again, which took a tenth of the start.
    gc.disable()
    from localaws.server import serve

    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    port = DEFAULT_PORT if options.port is None else options.port
    serve(Settings(options.state_dir, port, **given(options)))
    return ""


def _up(options: argparse.Namespace) -> str:
    info = process.start(options.state_dir, options.port, **given(options))
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
