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
    """Return a row a ticker: `expected`, `came`, `missing`, `quarantined`, `restated`, `reason`.

    Sessions, but for `quarantined`, which counts the sessions and days with quotes held back;
    `restated` is the factor of new closes to old ones (NaN: not restated). Expected is what came
    and what is missing. The index is the ticker.
    """
    tickers = sorted({*manifest.partitions, *(gap.ticker for gap in manifest.missing)})
    missing = Counter(gap.ticker for gap in manifest.missing)
    held = Counter(gap.ticker for gap in manifest.quarantined)
    factors = {one.ticker: one.factor for one in manifest.restated}
    came = {ticker: len(manifest.partitions.get(ticker, ())) for ticker in tickers}
    return pd.DataFrame(
        {
            "expected": [came[ticker] + missing[ticker] for ticker in tickers],
            "came": [came[ticker] for ticker in tickers],
            "missing": [missing[ticker] for ticker in tickers],
            "quarantined": [held[ticker] for ticker in tickers],
            "restated": pd.array([factors.get(ticker) for ticker in tickers], dtype="Float64"),
        },
        index=pd.Index(tickers, name="ticker"),
    )


def session_states(manifest: lake.BatchManifest) -> pd.DataFrame:
    """Return a row a ticker and session: `ticker`, `dt`, `state`, `reason`; for a heat map.

    `state` is `came`, `restated`, `corrected`, `missing` or `quarantined`; all columns are str.
    """
    states: dict[tuple[str, str], tuple[str, str]] = {}
    again = {one.ticker: one.reason for one in manifest.restated}
    for ticker, days in manifest.partitions.items():
        state = ("restated", again[ticker]) if ticker in again else ("came", "")
        states |= {(ticker, day): state for day in days}
    for name in ("corrected", "missing", "quarantined"):
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
        missing = len(self.manifest.missing)
        lines = [
            f"Batch {self.batch_id} from {self.manifest.label}: {self.objects:,} objects, "
            f"{self.rows:,} rows in {self.seconds:.1f} s ({self.rate:,.0f} objects/s), "
            f"{f'{missing:,} missing' if missing else 'nothing missing'}.",
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
    shown = _shown(table)
    total = table.drop(columns="restated").sum()
    rest = len(table) - len(shown)
    lines = [f"  {'':8}{'expected':>9}{'came':>7}{'missing':>9}{'quarantined':>13}{'restated':>10}"]
    for ticker, row in shown.iterrows():
        factor = "" if pd.isna(row["restated"]) else f"x{row['restated']:.4g}"
        lines.append(
            f"  {ticker!s:8}{row['expected']:9,.0f}{row['came']:7,.0f}{row['missing']:9,.0f}"
            f"{row['quarantined']:13,.0f}{factor:>10}"
        )
    lines.append(
        f"  {'all':8}{total['expected']:9,}{total['came']:7,}{total['missing']:9,}"
        f"{total['quarantined']:13,}{int(table['restated'].count()):10,}"
    )
    return [*lines, f"  (and {rest} tickers more)"] if rest else lines


def _notes(manifest: lake.BatchManifest) -> list[str]:
    """Return a line for each thing that a person should know, a few of each kind."""
    lines = [f"  restated {one.ticker}: {one.reason}" for one in manifest.restated]
    for name in ("corrected", "quarantined", "missing"):
        gaps: tuple[lake.Gap, ...] = getattr(manifest, name)
        lines += [f"  {name} {gap.ticker} {gap.dt}: {gap.reason}" for gap in gaps[:GAPS_SHOWN]]
        if len(gaps) > GAPS_SHOWN:
            lines.append(f"  {name}: {len(gaps) - GAPS_SHOWN:,} more, in the manifest")
    return lines + [f"  {day} has not closed yet: left out" for day in manifest.open_sessions]
