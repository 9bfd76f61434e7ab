"""The bronze lake: its objects, its partitions in the catalog, the manifests of its batches."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from b3pipeline.lake.catalog import (
    check_table,
    forget_partitions,
    held_dates,
    held_sessions,
    list_partitions,
    register_existing,
    register_partitions,
)
from b3pipeline.lake.manifest import (
    BatchManifest,
    Gap,
    Replacement,
    Restatement,
    list_answers,
    list_manifests,
    new_batch_id,
    read_manifest,
    write_answer,
    write_manifest,
)
from b3pipeline.lake.storage import check_bucket, delete_objects, put_objects, stored_partitions

if TYPE_CHECKING:
    from b3pipeline.lake.bronze import (
        bronze_objects,
        decode_partition,
        encode_partition,
        find_partitions,
        partition_rows,
        read_bronze,
        read_quarantine,
        write_quarantine,
    )
    from b3pipeline.lake.journal import Journal, list_journals
    from b3pipeline.lake.origins import Origin, is_made_up, origins_held, origins_of

__all__ = [
    "BatchManifest",
    "Gap",
    "Journal",
    "Origin",
    "Replacement",
    "Restatement",
    "bronze_objects",
    "check_bucket",
    "check_table",
    "decode_partition",
    "delete_objects",
    "encode_partition",
    "find_partitions",
    "forget_partitions",
    "held_dates",
    "held_sessions",
    "is_made_up",
    "list_answers",
    "list_journals",
    "list_manifests",
    "list_partitions",
    "new_batch_id",
    "origins_held",
    "origins_of",
    "partition_rows",
    "put_objects",
    "read_bronze",
    "read_manifest",
    "read_quarantine",
    "register_existing",
    "register_partitions",
    "stored_partitions",
    "write_answer",
    "write_manifest",
    "write_quarantine",
]


def __getattr__(name: str) -> Any:
    """Return what reads or writes Parquet: pyarrow comes with the first of it that is asked for.

    Who looks into the catalog or lists objects, as a refused `b3 refine` does, needs none.
    """
    if name in __all__:
        for part in ("bronze", "journal", "origins"):
            module = import_module(f"{__name__}.{part}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(name)
