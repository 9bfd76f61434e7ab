"""The journal of a batch under way: what came from the source, before anything is made of it.

It lies beside the manifests, not among them: its arrival starts nothing. A run that was cut off
leaves it, the next one completes the batch from it, and a batch that is done has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import DamagedJournalError, DateRangeError, StorageError
from b3pipeline.lake.manifest import BatchManifest
from b3pipeline.lake.storage import delete_objects, find_objects, list_keys, put_object
from b3pipeline.language import say

if TYPE_CHECKING:
    import pandas as pd

PLAN, SEAL = "plan.json", "seal.json"
_SLICE, _WRITTEN = ".parquet", ".written"
_NOTES = b"b3.notes"
UNREADABLE = (
    *(ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError),
    *(pa.ArrowException, DateRangeError),
)
"""What content raises that is not what was written; a plan's dates may lie beyond the calendar."""


@dataclass(frozen=True)
class Journal:
    """The folder of one batch: its plan, its slices of quotes by number, and the seal.

    The plan comes first. Each slice is one object, its notes included: it is there whole or not at
    all. The seal is the manifest as it is going to be, and says that no slice lacks.
    """

    cloud: Cloud
    batch_id: str

    @property
    def folder(self) -> str:
        return f"{names.JOURNAL_PREFIX}{self.batch_id}/"

    def write_plan(self, plan: dict[str, Any]) -> None:
        self._put(PLAN, json.dumps(plan, separators=(",", ":")).encode())

    def read_plan(self) -> dict[str, Any]:
        """Return the plan; raises StorageError where it cannot be read."""
        with self.reading():
            return dict(json.loads(self._get(PLAN)))

    def write_slice(self, number: int, frame: pd.DataFrame, notes: dict[str, Any]) -> None:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), _NOTES: json.dumps(notes).encode()}
        )
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        self._put(f"{number:04}{_SLICE}", sink.getvalue().to_pybytes())

    def read_slice(self, number: int) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the frame and the notes of a slice, as they were written."""
        with self.reading():
            table = pq.read_table(pa.BufferReader(self._get(f"{number:04}{_SLICE}")))
            notes = json.loads(table.schema.metadata[_NOTES])
            return table.to_pandas(), notes

    def slices(self) -> set[int]:
        """Return the numbers of the slices that are there."""
        return self._numbers(_SLICE)

    def mark_written(self, number: int) -> None:
        """Note that all bronze objects of a slice stand."""
        self._put(f"{number:04}{_WRITTEN}", b"")

    def written(self) -> set[int]:
        return self._numbers(_WRITTEN)

    def seal(self, manifest: BatchManifest) -> None:
        self._put(SEAL, manifest.to_json().encode())

    def sealed(self) -> BatchManifest | None:
        """Return the manifest-to-be, or None where the batch is not all there yet."""
        if f"{self.folder}{SEAL}" not in self._keys():
            return None
        with self.reading():
            return BatchManifest.from_json(self._get(SEAL), self.cloud.config.raw_data_bucket)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what unreadable content raises while the block runs into DamagedJournalError."""
        try:
            yield
        except DamagedJournalError:
            raise
        except (*UNREADABLE, StorageError) as error:
            if isinstance(error, StorageError) and not isinstance(error.__cause__, UNREADABLE):
                raise  # the bucket, and not what lies in it
            raise DamagedJournalError(
                say(
                    "the journal of batch {batch_id} cannot be replayed: {error}.",
                    batch_id=self.batch_id,
                    error=error,
                ),
                hint=say("`b3 resume` sets it aside and goes on with what is left."),
            ) from error

    def set_aside(self) -> str:
        """Return where the journal now lies, whole, and out of the way of every later run."""
        aside = f"{names.ASIDE_PREFIX}{self.batch_id}/"
        keys = sorted(self._keys(), key=lambda key: key.endswith(PLAN))
        for key, body in zip(keys, find_objects(self.cloud, keys), strict=True):
            put_object(self.cloud, f"{aside}{key.removeprefix(self.folder)}", body or b"")
        delete_objects(self.cloud, keys)
        return f"s3://{self.cloud.config.raw_data_bucket}/{aside}"

    def drop_slices(self) -> None:
        """Forget what came: it is older than what bronze holds by now."""
        delete_objects(self.cloud, [key for key in self._keys() if not key.endswith(PLAN)])

    def discard(self) -> None:
        """Remove the journal, its plan last: cut off on the way, it can be removed again."""
        delete_objects(self.cloud, sorted(self._keys(), key=lambda key: key.endswith(PLAN)))

    def _keys(self) -> Sequence[str]:
        return list(list_keys(self.cloud, self.folder))

    def _numbers(self, suffix: str) -> set[int]:
        found = (key.removeprefix(self.folder) for key in self._keys())
        return {int(name.removesuffix(suffix)) for name in found if name.endswith(suffix)}

    def _put(self, name: str, body: bytes) -> None:
        put_object(self.cloud, f"{self.folder}{name}", body)

    def _get(self, name: str) -> bytes:
        [body] = find_objects(self.cloud, [f"{self.folder}{name}"])
        if body is None:
            raise DamagedJournalError(
                say(
                    "the journal of batch {batch_id} lacks its {name}.",
                    batch_id=self.batch_id,
                    name=name,
                ),
                hint=say("`b3 resume` sets it aside and goes on with what is left."),
            )
        return body


def list_journals(cloud: Cloud) -> list[Journal]:
    """Return the journals of the batches that are not done, oldest first.

    A folder that lacks its plan is one, too: it cannot be replayed, and is not overlooked.
    """
    found = {
        rest.partition("/")[0]
        for key in list_keys(cloud, names.JOURNAL_PREFIX)
        if "/" in (rest := key.removeprefix(names.JOURNAL_PREFIX))  # not the console's "folder"
    }
    return [Journal(cloud, batch_id) for batch_id in sorted(found)]
