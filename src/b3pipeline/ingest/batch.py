"""A batch that is done, and how complete it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from b3pipeline import lake
from b3pipeline.language import later, retold, say, say_many, shown
from b3pipeline.markup import facts_table
from b3pipeline.sources.base import Failure

ROWS_SHOWN = 12
"""Tickers that a table shows; of more, those with something to say come first."""
GAPS_SHOWN = 5
TITLES = {
    "expected": later("expected"),
    "came": later("came"),
    "missing": later("missing"),
    "quarantined": later("quarantined"),
    "no_trade": later("no trade"),
    "restated": later("restated"),
    "corrected": later("corrected"),
    "doubtful": later("doubtful"),
}
"""How the columns of the table, and the parts of a manifest, are called where people read them."""


def completeness(manifest: lake.BatchManifest) -> pd.DataFrame:
    """Return a row a ticker: `expected`, `came`, `missing`, `quarantined`, `no_trade`, `restated`.

    `no_trade` counts the sessions on which the ticker was not traded, for good: they are neither
    expected nor missing. `quarantined` counts the sessions and days with quotes held back;
    `restated` is the factor of new closes to old ones (NaN: not restated). Expected is what came
    and what is missing. The index is the ticker.
    """
    lacking = (*manifest.missing, *manifest.no_trade)
    tickers = sorted({*manifest.partitions, *(gap.ticker for gap in lacking)})
    settled = Counter(gap.ticker for gap in manifest.no_trade)
    removed = {one.ticker: len(one.removed) for one in manifest.replaced}
    missing = Counter(gap.ticker for gap in manifest.missing)
    held = Counter(gap.ticker for gap in manifest.quarantined)
    factors = {one.ticker: one.factor for one in manifest.restated}
    came = {
        ticker: len(manifest.partitions.get(ticker, ())) - removed.get(ticker, 0)
        for ticker in tickers
    }
    return pd.DataFrame(
        {
            "expected": [came[ticker] + missing[ticker] for ticker in tickers],
            "came": [came[ticker] for ticker in tickers],
            "missing": [missing[ticker] for ticker in tickers],
            "quarantined": [held[ticker] for ticker in tickers],
            "no_trade": [settled[ticker] for ticker in tickers],
            "restated": pd.array([factors.get(ticker) for ticker in tickers], dtype="Float64"),
        },
        index=pd.Index(tickers, name="ticker"),
    )


def session_states(manifest: lake.BatchManifest) -> pd.DataFrame:
    """Return a row a ticker and session: `ticker`, `dt`, `state`, `reason`; for a heat map.

    `state` is `came`, `restated`, `corrected`, `missing`, `no_trade` or `quarantined`; all columns
    are str.
    """
    states: dict[tuple[str, str], tuple[str, str]] = {}
    again = {one.ticker: one.reason for one in manifest.restated}
    for ticker, days in manifest.partitions.items():
        state = ("restated", again[ticker]) if ticker in again else ("came", "")
        states |= {(ticker, day): state for day in days}
    for name in ("corrected", "missing", "no_trade", "quarantined"):
        gaps: tuple[lake.Gap, ...] = getattr(manifest, name)
        states |= {(gap.ticker, gap.dt): (name, gap.reason) for gap in gaps}
    rows = [(*place, *state) for place, state in sorted(states.items())]
    return pd.DataFrame(rows, columns=["ticker", "dt", "state", "reason"])


@dataclass(frozen=True, repr=False)
class Batch:
    """An ingestion that is done: its manifest, the time it took, the tickers that failed.

    `resumed`: a run that was cut off had begun it.
    """

    manifest: lake.BatchManifest
    seconds: float
    failures: tuple[Failure, ...] = ()
    resumed: bool = False

    @property
    def batch_id(self) -> str:
        return self.manifest.batch_id

    @property
    def objects(self) -> int:
        return self.manifest.objects

    @property
    def rows(self) -> int:
        return self.manifest.rows

    @property
    def rate(self) -> float:
        """Objects a second, fetching and registering included."""
        return self.objects / self.seconds if self.seconds else 0.0

    @property
    def complete(self) -> bool:
        """Whether every quote that the calendar expects was written."""
        return self.manifest.complete

    @property
    def table(self) -> pd.DataFrame:
        """How complete each ticker is; see `completeness`."""
        return completeness(self.manifest)

    def __str__(self) -> str:
        lines = [
            f"{self._told}, {_lacking(len(self.manifest.missing), len(self.manifest.no_trade))}.",
            *([say("It had been cut off, and was completed.")] if self.resumed else []),
            *_table_lines(self.table),
            *(f"  {failure.ticker}: {retold(failure.reason)}" for failure in self.failures),
            *_notes(self.manifest),
            self.manifest.uri,
        ]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def _told(self) -> str:
        return say(
            "Batch {batch_id} from {source}: {objects}, {rows} in {seconds:.1f} s "
            "({rate:,.0f} objects/s)",
            batch_id=self.batch_id,
            source=retold(self.manifest.label),
            objects=say_many("{count:,} object", "{count:,} objects", self.objects),
            rows=say_many("{count:,} row", "{count:,} rows", self.rows),
            seconds=self.seconds,
            rate=self.rate,
        )

    def _repr_html_(self) -> str:
        facts = facts_table(
            {
                say("batch"): self.batch_id,
                say("source"): retold(self.manifest.label),
                say("objects"): shown(self.objects, ","),
                say("rows"): shown(self.rows, ","),
                say("seconds"): shown(self.seconds, ".1f"),
                say("objects/s"): shown(self.rate, ",.0f"),
                say("missing"): shown(len(self.manifest.missing), ","),
                say("without a trade"): shown(len(self.manifest.no_trade), ","),
                say("manifest"): self.manifest.uri,
            }
        )
        table = _worth_showing(self.table).rename(
            columns={name: say(TITLES[name]) for name in TITLES}
        )
        restated = say(TITLES["restated"])
        table[restated] = [_factor(value) or "–" for value in table[restated]]
        return facts + str(table.to_html())


def _lacking(missing: int, settled: int) -> str:
    gone = say("{count:,} missing", count=missing) if missing else say("nothing missing")
    if not settled:
        return gone
    return ", ".join([gone, say("{count:,} without a trade", count=settled)])


def _worth_showing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows worth a line: all of a few, of many those that are not as expected."""
    if len(table) <= ROWS_SHOWN:
        return table
    eventful = (table["missing"] > 0) | (table["quarantined"] > 0) | table["restated"].notna()
    return table[eventful].head(ROWS_SHOWN)


def _table_lines(table: pd.DataFrame) -> list[str]:
    """Return the table as text; the column `no trade` where a session has none."""
    rows = _worth_showing(table)
    counts = {"expected": 9, "came": 7, "missing": 9, "quarantined": 13}
    counts |= {"no_trade": 10} if table["no_trade"].any() else {}
    titles = "".join(f"{say(TITLES[name]):>{width}}" for name, width in counts.items())
    lines = [f"  {'':8}{titles}{say(TITLES['restated']):>10}"]
    for ticker, row in rows.iterrows():
        factor = _factor(row["restated"])
        figures = "".join(shown(row[name], f"{width},.0f") for name, width in counts.items())
        lines.append(f"  {ticker!s:8}{figures}{factor:>10}")
    total = table.drop(columns="restated").sum()
    figures = "".join(shown(total[name], f"{width},.0f") for name, width in counts.items())
    lines.append(f"  {say('all'):8}{figures}{shown(int(table['restated'].count()), '10,')}")
    if rest := len(table) - len(rows):
        more = say_many("(and {count:,} ticker more)", "(and {count:,} tickers more)", rest)
        lines.append(f"  {more}")
    return lines


def _factor(value: Any) -> str:
    return "" if pd.isna(value) else "x" + shown(value, ".4g")


def _notes(manifest: lake.BatchManifest) -> list[str]:
    """Return a line for each thing that a person should know, a few of each kind."""
    lines = []
    if manifest.instead_of:
        lines.append(say("  {source} refused (429)", source=manifest.instead_of))
    for restated in manifest.restated:
        reason = retold(restated.reason)
        lines.append(say("  restated {ticker}: {reason}", ticker=restated.ticker, reason=reason))
    lines += map(_replaced, manifest.replaced)
    for name in ("corrected", "doubtful", "quarantined", "missing", "no_trade"):
        gaps: tuple[lake.Gap, ...] = getattr(manifest, name)
        title = say(TITLES[name])
        lines += [
            f"  {title} {gap.ticker} {gap.dt}: {retold(gap.reason)}" for gap in gaps[:GAPS_SHOWN]
        ]
        if len(gaps) > GAPS_SHOWN:
            more = len(gaps) - GAPS_SHOWN
            lines.append(say("  {title}: {count:,} more, in the manifest", title=title, count=more))
    return lines + [
        say("  {day} has not closed yet: left out", day=d) for d in manifest.open_sessions
    ]


def _replaced(one: lake.Replacement) -> str:
    before = retold(one.before)
    if not one.removed:
        return say("  replaced {ticker}: {before} before", ticker=one.ticker, before=before)
    return say_many(
        "  replaced {ticker}: {before} before, {count:,} session taken away",
        "  replaced {ticker}: {before} before, {count:,} sessions taken away",
        len(one.removed),
        ticker=one.ticker,
        before=before,
    )
