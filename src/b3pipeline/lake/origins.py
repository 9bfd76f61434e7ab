"""Where the quotes of bronze come from: source, simulated or real, and length of their bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.lake.bronze import find_partitions
from b3pipeline.lake.manifest import BatchManifest, list_manifests
from b3pipeline.language import note
from b3pipeline.sources.seeds import SAMPLE

_created_at = attrgetter("created_at")


def is_made_up(source: str) -> bool:
    """Return whether every quote of a source is simulated, going by its name alone."""
    return source.partition(":")[0] == SAMPLE


@dataclass(frozen=True)
class Origin:
    """What quotes must have in common to make one history; `interval` is '' where none is told."""

    source: str
    simulated: bool
    interval: str = ""

    @classmethod
    def of(cls, manifest: BatchManifest) -> Origin:
        """Return the origin of what a batch wrote."""
        return cls(manifest.source, manifest.simulated, manifest.interval)

    @classmethod
    def told(cls, label: str) -> Origin:
        """Return the origin that `str` gave this label to."""
        source, _, interval = label.partition(", bars of ")
        name = source.removesuffix(" (simulated)")
        return cls(name, name != source, interval)

    def fits(self, other: Origin) -> bool:
        """Return whether quotes of the two may stand in one history."""
        alike = (self.source, self.simulated) == (other.source, other.simulated)
        return alike and ("" in (self.interval, other.interval) or self.interval == other.interval)

    def meets(self, other: Origin) -> bool:
        """Return whether quotes of the two may stand in one bucket.

        Simulated ones and real ones may not, and neither may those of two simulated markets.
        """
        if not (self.simulated and other.simulated):
            return self.simulated is other.simulated
        made_up = is_made_up(self.source) and is_made_up(other.source)
        return self.source == other.source or not made_up

    def __str__(self) -> str:
        label = note("{source} (simulated)", source=self.source) if self.simulated else self.source
        if not self.interval:
            return label
        return note("{source}, bars of {interval}", source=label, interval=self.interval)


Origins = Mapping[str, Mapping[str, Origin]]
"""The origin of each session (YYYY-MM-DD) of each ticker."""


def origins_of(manifests: Iterable[BatchManifest]) -> dict[str, dict[str, Origin]]:
    """Return the origin of every session that batches wrote, the latest batch's where several.

    A session may have been taken away since: what bronze holds is asked of the catalog. Of batches
    of one second nobody knows the order: where their origins differ, the session is left out.
    """
    found: dict[str, dict[str, Origin]] = {}
    for _, alike in groupby(sorted(manifests, key=_created_at), key=_created_at):
        told: dict[tuple[str, str], set[Origin]] = {}
        for manifest in alike:
            origin = Origin.of(manifest)
            for ticker, days in manifest.partitions.items():
                for day in days:
                    told.setdefault((ticker, day), set()).add(origin)
        for (ticker, day), origins in told.items():
            of_ticker = found.setdefault(ticker, {})
            of_ticker.pop(day, None)
            if len(origins) == 1:
                of_ticker[day] = next(iter(origins))
    return found


def origins_held(
    cloud: Cloud,
    held: Mapping[str, Sequence[str]],
    known: Origins | None = None,
) -> dict[str, dict[str, Origin]]:
    """Return the origin of each of the sessions `held`, of every ticker named there.

    The manifests tell it (`known`, where they have been read already); an object that none of
    them names, put by hand, is read for its `source`: a name, or all that `str` says of an origin.
    """
    told = origins_of(list_manifests(cloud)) if known is None else known
    found = {
        ticker: {day: told[ticker][day] for day in days if day in told.get(ticker, {})}
        for ticker, days in held.items()
    }
    untold = [(t, day) for t, days in held.items() for day in days if day not in found[t]]
    keys = [names.bronze_key(day, ticker) for ticker, day in untold]
    for (ticker, day), bars in zip(untold, find_partitions(cloud, keys), strict=True):
        if bars is not None and len(bars):
            origin = Origin.told(str(bars["source"].iloc[0]))
            simulated = origin.simulated or is_made_up(origin.source)
            found[ticker][day] = replace(origin, simulated=simulated)
    return found
