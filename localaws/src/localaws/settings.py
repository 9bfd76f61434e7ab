"""Where a local AWS lives and how it answers: one frozen value."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from localaws.errors import LocalAwsError
from localaws.keys import Keys, keys_of

DEFAULT_PORT = 4566
LOCALHOST = "127.0.0.1"
STANDBYS = ("idle", "now", "no")


@dataclass(frozen=True)
class Option:
    """How a setting is given: by a flag of the command line, else by a variable if it has one."""

    help: str
    flag: str = ""
    variable: str = ""
    choices: tuple[str, ...] = ()


def _option(default: Any, text: str, **how: Any) -> Any:
    """Return a field that the command line sets, under its own name unless `flag` says another."""
    return field(default=default, metadata={"option": Option(text, **how)})


@dataclass(frozen=True)
class Settings:
    """One local AWS: its folder, its address, its account, and what the command line sets of it."""

    state_dir: Path
    port: int = DEFAULT_PORT
    host: str = LOCALHOST
    account_id: str = "0" * 12
    region: str = "us-east-1"
    any_key: bool = _option(
        False, "look at no signature and no policy: whoever reaches the port may do everything"
    )
    """Whether anybody who reaches the port is the account's root: no signature is looked at."""
    seconds_per_minute: float = _option(60.0, "length of a minute of a job's time-out, for tests")
    ended_run_seconds: float = _option(
        0.0, "how long an ended run counts against its job's limit, for tests"
    )
    """On AWS some seconds."""
    late_log_seconds: float = _option(0.0, "how late the lines of a run arrive, for tests")
    """On AWS up to a minute. Where it is above zero they come as there: several to an event, in
    streams whose names are longer than the run's id."""
    athena_memory_mb: int = _option(
        0, "what queries may hold in memory before they spill; 0 is what fits the machine"
    )
    athena_seconds: float = _option(1800.0, "how long a statement of Athena may take")
    """On AWS half an hour."""
    audit: bool = _option(
        False, "keep who did what, and whether it was allowed, in audit.jsonl of the state folder"
    )
    owner: int | None = _option(None, "id of a process with which the server ends")
    """A test run that is killed leaves nothing."""
    hosts: tuple[str, ...] = _option(
        (),
        "a further name under which clients may call; may be repeated",
        flag="--allow-host",
        variable="LOCALAWS_HOSTS",
    )
    """`nas` on the server's port, `nas:8080`, `nas:*`.

    A tunnel or a proxy before the server changes the port, and a signature covers what the
    client called: such names must be given.
    """
    origins: tuple[str, ...] = _option(
        (),
        "a web page that may call, such as http://localhost:3000; may be repeated",
        flag="--allow-origin",
        variable="LOCALAWS_ORIGINS",
    )
    standby: str = _option(
        STANDBYS[0],
        "a process that waits for the next Spark run: made on idle cores, now, or not at all",
        variable="LOCALAWS_STANDBY",
        choices=STANDBYS,
    )
    standby_java: str = _option(
        "", "the extra Java options of the standby: a script that asks for others starts cold"
    )

    @property
    def keys(self) -> Keys:
        """The key pair with which requests are signed, made at the first question."""
        return keys_of(self.state_dir)

    @property
    def endpoint_url(self) -> str:
        return endpoint_url(self.host, self.port)

    @property
    def s3_data_dir(self) -> Path:
        """Folder of the object bodies: `<account>/<bucket>/<key>` under it."""
        return self.state_dir / "s3"

    @property
    def kept_dir(self) -> Path:
        """Folder of what a request replaces, while it does: where ministack looks for no bucket."""
        return self.s3_data_dir / ".versions" / ".kept"

    @property
    def control_dir(self) -> Path:
        """Folder of the state that ministack writes."""
        return self.state_dir / "control"

    @property
    def glue_dir(self) -> Path:
        """Folder of the Data Catalog, the jobs and the work of their runs."""
        return self.state_dir / "glue"

    @property
    def athena_dir(self) -> Path:
        """Folder of Athena's own state."""
        return self.state_dir / "athena"

    @property
    def events_dir(self) -> Path:
        """Folder of the events that are owed to functions."""
        return self.state_dir / "events"

    @property
    def audit_file(self) -> Path:
        """Who did what, and whether it was allowed: a JSON object a line, see `audit`."""
        return self.state_dir / "audit.jsonl"

    @property
    def temp_dir(self) -> Path:
        """Folder of the temporary files of the server and of all that it starts."""
        return self.state_dir / "tmp"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of files that are no databases: these say for themselves where they lie."""
        kept = (self.s3_data_dir, self.kept_dir.parent, self.kept_dir)
        return (*kept, self.control_dir, self.temp_dir, self.state_dir / "damaged")


def endpoint_url(host: str, port: int) -> str:
    """Return the address under which clients reach a server."""
    return f"http://{host}:{port}"


def add_options(parser: ArgumentParser) -> None:
    """Let a command take every setting that has a flag."""
    for setting, option in _options():
        default = setting.default
        how: dict[str, Any] = {"type": int if default is None else type(default)}
        if default is False:
            how = {"action": "store_true"}
        elif default == ():
            how = {"action": "append", "metavar": option.flag.rpartition("-")[2].upper()}
        elif option.choices:
            how = {"choices": option.choices}
        shown = f"; default: {default}" if default else ""
        parser.add_argument(
            option.flag, dest=setting.name, default=SUPPRESS, help=option.help + shown, **how
        )


def given(options: Namespace) -> dict[str, Any]:
    """Return the settings that a command line names, by the names of their fields."""
    found = {s.name: getattr(options, s.name) for s, _ in _options() if hasattr(options, s.name)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}


def from_environment(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with those that are not given taken from their variables.

    Where a setting may be repeated, there are commas between. Raises LocalAwsError for a value
    that is none of a setting's choices.
    """
    found = {name: value for name, value in settings.items() if value not in ("", ())}
    for setting, option in _options():
        told = os.environ.get(option.variable, "") if option.variable else ""
        listed = tuple(value.strip() for value in told.split(",") if value.strip())
        if listed and setting.name not in found:
            found[setting.name] = listed if setting.default == () else told.strip()
        value = found.get(setting.name, setting.default)
        if option.choices and value not in option.choices:
            raise LocalAwsError(
                f"{setting.name} is {value!r}.", hint=f"say one of: {', '.join(option.choices)}."
            )
    return found


def command_line(settings: Settings) -> list[str]:
    """Return the arguments under which `serve` has these settings."""
    line = ["--state-dir", str(settings.state_dir), "--port", str(settings.port)]
    for setting, option in _options():
        value = getattr(settings, setting.name)
        if value == setting.default:
            continue
        values = value if isinstance(value, tuple) else (value,)
        line += [option.flag if one is True else f"{option.flag}={one}" for one in values]
    return line


def _options() -> Iterator[tuple[Field[Any], Option]]:
    """Yield each setting that has a flag, with how it is given."""
    for setting in fields(Settings):
        option = setting.metadata.get("option")
        if option is not None:
            flag = option.flag or f"--{setting.name.replace('_', '-')}"
            yield setting, replace(option, flag=flag)
