"""The evidence of a deployment: each requirement asked of AWS in turn, with the moment of it."""

from __future__ import annotations

import base64
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from matplotlib import pyplot as plt

from b3pipeline import athena, lake, names, plots
from b3pipeline.calendar import Clock, utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import B3Error, QueryError
from b3pipeline.evidence.proofs import Seen, make_again
from b3pipeline.evidence.requirements import Edition, Requirement, edition
from b3pipeline.language import say
from b3pipeline.refusals import explain

MOST_TICKERS = 10
"""On a plot: more lines cannot be told apart."""

_IN_AN_ARN = re.compile(r"(?<=:)\d{12}(?=:)")
_HIDDEN, _SHOWN = "•" * 8, 4


@dataclass(frozen=True)
class Plot:
    """A plot as PNG: its title, and the id of the query that it draws."""

    title: str
    query_id: str
    png: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """The picture as an address that a page can hold."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Proof:
    """What was seen of a requirement, and when (UTC); accounts are masked but for their end."""

    requirement: Requirement
    seen: Seen
    asked_at: dt.datetime
    plots: tuple[Plot, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.seen.wrong

    @property
    def facts(self) -> Mapping[str, str]:
        return self.seen.facts

    def __str__(self) -> str:
        line = f"{'✔' if self.ok else '✘'} {self.requirement.name}  "
        if self.ok:
            return line + say(self.requirement.asks)
        return f"{line}{self.seen.wrong}\n      {say('Try: {hint}', hint=self.seen.mend)}"


@dataclass(frozen=True)
class Evidence:
    """All proofs of an edition, and whose deployment it is."""

    edition: Edition
    target: str
    region: str
    account: str
    proofs: tuple[Proof, ...]
    made_at: dt.datetime

    @property
    def ok(self) -> bool:
        return all(proof.ok for proof in self.proofs)

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the requirements that are not kept."""
        return tuple(proof.requirement.name for proof in self.proofs if not proof.ok)

    def __str__(self) -> str:
        return "\n".join(map(str, self.proofs))


def masked(text: str, account: str) -> str:
    """Return text in which only the last four digits of `account` can be read.

    The same holds for any other account of which the text has an ARN.
    """
    hidden = f"{_HIDDEN}{account[-_SHOWN:]}"
    own = re.sub(rf"(?<![0-9A-Za-z]){account}(?![0-9A-Za-z])", hidden, text)
    return _IN_AN_ARN.sub(lambda found: f"{_HIDDEN}{found[0][-_SHOWN:]}", own)


def gather(
    cloud: Cloud,
    name: str,
    *,
    clock: Clock = utc_now,
    progress: Callable[..., Any] | None = None,
) -> Evidence:
    """Return the evidence for the edition "A" or "B", asked of AWS now.

    Only queries of Athena are made, which read. A call that is denied or fails makes its
    requirement red, with the reason. Raises ConfigError for another edition, and where nobody
    answers for the account at all, what boto3 raises.
    """
    wanted = edition(name)
    account = cloud.account_id
    steps = wanted.requirements
    bar = progress(steps, desc=say("evidence"), unit="requirement") if progress else steps
    proofs = tuple(_prove(cloud, requirement, clock, account) for requirement in bar)
    hidden = masked(account, account)
    return Evidence(wanted, cloud.config.target, cloud.config.region, hidden, proofs, clock())


def _prove(cloud: Cloud, requirement: Requirement, clock: Clock, account: str) -> Proof:
    asked_at = clock()
    drawn: tuple[Plot, ...] = ()
    try:
        if requirement.look is None:
            drawn = tuple(draw(cloud))
            facts = {plot.title: say("query {id}", id=plot.query_id) for plot in drawn}
            seen = Seen(facts)
        else:
            seen = requirement.look(cloud)
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        what = getattr(error, "operation_name", "AWS")
        hint = make_again(cloud) if refusal.kind in {"gone", "other"} else refusal.hint
        seen = Seen({}, refusal.about(what).rstrip("."), hint)
    except QueryError as error:
        seen = Seen({}, error.message.rstrip("."), f"{make_again(cloud)} && b3 refine --rebuild")
    except B3Error as error:
        seen = Seen({}, error.message.rstrip("."), error.hint)
    facts = {name: masked(value, account) for name, value in seen.facts.items()}
    wrong = masked(seen.wrong, account)
    return Proof(requirement, replace(seen, facts=facts, wrong=wrong), asked_at, drawn)


def draw(cloud: Cloud) -> Iterator[Plot]:
    """Yield plots of what silver holds: closes, growth, correlation; of ten tickers at most.

    Raises QueryError where silver holds nothing, or Athena refuses.
    """
    held = lake.list_partitions(cloud, names.SILVER_TABLE)
    if not held:
        raise QueryError(say("silver holds no partition to draw."), hint="b3 refine --rebuild")
    days = sorted({day for day, _ in held})
    codes = sorted({ticker for _, ticker in held})[:MOST_TICKERS]
    asked = {"start": days[0], "end": days[-1], "tickers": codes}
    newest = {code: [max(day for day, ticker in held if ticker == code)] for code in codes}
    origins = lake.origins_held(cloud, newest)
    simulated = any(one.simulated for days_of in origins.values() for one in days_of.values())
    drawings: dict[str, tuple[str, Callable[..., Any]]] = {
        "closes_with_ma5": (say("closes, with their mean of five sessions"), plots.closes_with_ma5),
        "cumulative_return": (say("growth of each share"), plots.cumulative_returns),
        "correlation": (say("who moves with whom"), plots.correlation),
    }
    for query, (title, make) in drawings.items():
        answer = athena.query(cloud, query, params=asked)
        figure = make(answer.frame, simulated=simulated).figure
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", bbox_inches="tight")
        plt.close(figure)
        yield Plot(title, answer.query_id, buffer.getvalue())
