"""A batch that is done, and how complete it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from b3pipeline import lake
from b3pipeline.markup import facts_table
from b3pipeline.sources.base import Failure

ROWS_SHOWN = 12
"""Tickers that a table shows; of more, those with something to say come first."""
GAPS_SHOWN = 5


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
        missing, settled = len(self.manifest.missing), len(self.manifest.no_trade)
        lines = [
            f"Batch {self.batch_id} from {self.manifest.label}: {self.objects:,} objects, "
            f"{self.rows:,} rows in {self.seconds:.1f} s ({self.rate:,.0f} objects/s), "
            f"{f'{missing:,} missing' if missing else 'nothing missing'}"
            f"{f', {settled:,} without a trade' if settled else ''}.",
            *(["It had been cut off, and was completed."] if self.resumed else []),
            *_table_lines(self.table),
            *(f"  {failure.ticker}: {failure.reason}" for failure in self.failures),
            *_notes(self.manifest),
            self.manifest.uri,
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        facts = facts_table(
            {
                "batch": self.batch_id,
                "source": self.manifest.label,
                "objects": f"{self.objects:,}",
                "rows": f"{self.rows:,}",
                "seconds": f"{self.seconds:.1f}",
                "objects/s": f"{self.rate:,.0f}",
                "missing": f"{len(self.manifest.missing):,}",
                "without a trade": f"{len(self.manifest.no_trade):,}",
                "manifest": self.manifest.uri,
            }
        )
        return facts + str(_shown(self.table).to_html(na_rep=""))


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows worth a line: all of a few, of many those that are not as expected."""
    if len(table) <= ROWS_SHOWN:
        return table
    eventful = (table["missing"] > 0) | (table["quarantined"] > 0) | table["restated"].notna()
    return table[eventful].head(ROWS_SHOWN)


def _table_lines(table: pd.DataFrame) -> list[str]:
    """Return the table as text; the column `no trade` where a session has none."""
    shown = _shown(table)
    counts = {"expected": 9, "came": 7, "missing": 9, "quarantined": 13}
    counts |= {"no_trade": 10} if table["no_trade"].any() else {}
    titles = "".join(f"{name.replace('_', ' '):>{width}}" for name, width in counts.items())
    lines = [f"  {'':8}{titles}{'restated':>10}"]
    for ticker, row in shown.iterrows():
        factor = "" if pd.isna(row["restated"]) else f"x{row['restated']:.4g}"
        figures = "".join(f"{row[name]:{width},.0f}" for name, width in counts.items())
        lines.append(f"  {ticker!s:8}{figures}{factor:>10}")
    total = table.drop(columns="restated").sum()
    figures = "".join(f"{total[name]:{width},.0f}" for name, width in counts.items())
    lines.append(f"  {'all':8}{figures}{int(table['restated'].count()):10,}")
    rest = len(table) - len(shown)
    return [*lines, f"  (and {rest} tickers more)"] if rest else lines


def _notes(manifest: lake.BatchManifest) -> list[str]:
    """Return a line for each thing that a person should know, a few of each kind."""
    lines = [f"  {manifest.instead_of} refused (429)"] if manifest.instead_of else []
    lines += [f"  restated {one.ticker}: {one.reason}" for one in manifest.restated]
    lines += [
        f"  replaced {one.ticker}: {one.before} before"
        + (f", {len(one.removed):,} sessions taken away" if one.removed else "")
        for one in manifest.replaced
    ]
    for name in ("corrected", "doubtful", "quarantined", "missing", "no_trade"):
        gaps: tuple[lake.Gap, ...] = getattr(manifest, name)
        title = name.replace("_", " ")
        lines += [f"  {title} {gap.ticker} {gap.dt}: {gap.reason}" for gap in gaps[:GAPS_SHOWN]]
        if len(gaps) > GAPS_SHOWN:
            lines.append(f"  {title}: {len(gaps) - GAPS_SHOWN:,} more, in the manifest")
    return lines + [f"  {day} has not closed yet: left out" for day in manifest.open_sessions]
