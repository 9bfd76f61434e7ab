"""What a reconciliation of bronze with a source has found, and how it tells it."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from b3pipeline.language import later, retold, say, say_many
from b3pipeline.reconcile.factors import written
from b3pipeline.sources.base import Failure

EQUAL, SPLIT, BREAK = "equal", "split", "break"
ONLY_BRONZE, ONLY_SOURCE = "only in bronze", "only in the source"

_SHOWN = 20
_TITLES = {
    "compared": later("compared"),
    "factors": later("factors"),
    "breaks": later("breaks"),
    "volume_off": later("volume off"),
    "only_bronze": later("only in bronze"),
    "only_source": later("only in the source"),
}
"""How the columns of the summary are called where people read them."""


@dataclass(frozen=True)
class Break:
    """The session at which a ticker's factor (source / bronze) changes, and both factors.

    `split`: the split that bronze or the source has there, if it explains the change, else None.
    """

    ticker: str
    date: dt.date
    before: float
    after: float
    split: float | None = None

    def __str__(self) -> str:
        change = {
            "ticker": self.ticker,
            "day": self.date,
            "before": written(self.before),
            "after": written(self.after),
        }
        if not self.split:
            return say("{ticker} {day}: factor {before} to {after}", **change)
        return say(
            "{ticker} {day}: factor {before} to {after}, as the split of {split} explains",
            split=written(self.split),
            **change,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Reconciliation:
    """What bronze and a source say of the same sessions.

    `frame` has a row a ticker and session that either has: `ticker`, `trade_date` (datetime64),
    `close` and `volume` of bronze, `source_close` and `source_volume`, `ratio` (source_close /
    close), `factor` (the constant that explains the ratio), `volume_ratio` (volume /
    source_volume / factor), `state` ("equal", "split" or "break" where a factor begins, "only in
    bronze", "only in the source"), `volume_agrees` (bool). `breaks` has every change of factor,
    those that a split explains included; `failures` is what the source could not bring.
    """

    source: str
    simulated: bool
    frame: pd.DataFrame
    breaks: tuple[Break, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def unexplained(self) -> tuple[Break, ...]:
        """The changes of factor that no split explains."""
        return tuple(found for found in self.breaks if found.split is None)

    @property
    def missing(self) -> int:
        """The number of sessions of a ticker that only one of the two has."""
        return int(self.frame["state"].isin([ONLY_BRONZE, ONLY_SOURCE]).sum())

    @property
    def volumes_off(self) -> int:
        """The number of sessions of a ticker whose volumes differ by more than is tolerated."""
        return int((~self.frame["volume_agrees"]).sum())

    @property
    def ok(self) -> bool:
        """Whether all is explained: no break, no session missing, no volume off."""
        return not (self.unexplained or self.missing or self.volumes_off)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row a ticker: sessions compared, its factors, and how many of each finding."""
        state = self.frame["state"]
        counted = self.frame.assign(
            compared=~state.isin([ONLY_BRONZE, ONLY_SOURCE]),
            breaks=state == BREAK,
            volume_off=~self.frame["volume_agrees"],
            only_bronze=state == ONLY_BRONZE,
            only_source=state == ONLY_SOURCE,
        )
        columns = ["compared", "breaks", "volume_off", "only_bronze", "only_source"]
        groups = counted.groupby("ticker")
        table: pd.DataFrame = groups[columns].sum().astype("int64")
        table.insert(1, "factors", groups["factor"].agg(_factors))
        return table.reset_index()

    @property
    def finding(self) -> str:
        """What was found, in a sentence."""
        compared = int(self.summary["compared"].sum())
        if self.ok:
            changed = (self.frame["factor"] != 1).any()
            if changed:
                return say("all {count:,} closes agree after each ticker's factor", count=compared)
            return say("all {count:,} closes agree to the cent", count=compared)
        broken, lonely, off = len(self.unexplained), self.missing, self.volumes_off
        parts = [
            say_many("{count:,} break of the factor", "{count:,} breaks of the factor", broken)
            if broken
            else "",
            say_many(
                "{count:,} session that only one side has",
                "{count:,} sessions that only one side has",
                lonely,
            )
            if lonely
            else "",
            say_many("{count:,} volume off", "{count:,} volumes off", off) if off else "",
        ]
        return say(
            "{findings}, among {count:,} closes compared",
            findings=", ".join(part for part in parts if part),
            count=compared,
        )

    @property
    def _label(self) -> str:
        return say("{source} (simulated)", source=self.source) if self.simulated else self.source

    def __str__(self) -> str:
        days = self.frame["trade_date"]
        return "\n".join(
            [
                say(
                    "Bronze against {source}, {first} to {last}: {finding}.",
                    source=self._label,
                    first=f"{days.min():%Y-%m-%d}",
                    last=f"{days.max():%Y-%m-%d}",
                    finding=self.finding,
                ),
                self.summary.to_string(index=False),
                *self._remarks(),
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        titles = {name: say(title) for name, title in _TITLES.items()}
        table = self.summary.rename(columns=titles).to_html(index=False, border=0)
        remarks = "<br>".join(html.escape(line) for line in self._remarks())
        finding = html.escape(
            say("Bronze against {source}: {finding}.", source=self._label, finding=self.finding)
        )
        return f"<p><b>{finding}</b></p>{table}<p style='font-size:90%'>{remarks}</p>"

    def _remarks(self) -> list[str]:
        lines = [str(found) for found in self.breaks]
        lines += [f"{failure.ticker}: {retold(failure.reason)}" for failure in self.failures]
        rest = len(lines) - _SHOWN
        return lines[:_SHOWN] + (
            [say("… and {count:,} more, see breaks", count=rest)] if rest > 0 else []
        )


def _factors(factors: pd.Series[float]) -> str:
    values = [written(value) for value in dict.fromkeys(factors.dropna())]
    return ", ".join(values[:4]) + (", …" if len(values) > 4 else "")
