"""The bronze lake: its objects, its partitions in the catalog, the manifests of its batches."""

from b3pipeline.lake.bronze import (
    bronze_objects,
    decode_partition,
    encode_partition,
    read_bronze,
)
from b3pipeline.lake.catalog import (
    check_table,
    list_partitions,
    register_existing,
    register_partitions,
)
from b3pipeline.lake.manifest import (
    BatchManifest,
    Gap,
    list_manifests,
    new_batch_id,
    read_manifest,
    write_manifest,
)
from b3pipeline.lake.storage import check_bucket, put_objects, stored_partitions

__all__ = [
    "BatchManifest",
    "Gap",
    "bronze_objects",
    "check_bucket",
    "check_table",
    "decode_partition",
    "encode_partition",
    "list_manifests",
    "list_partitions",
    "new_batch_id",
    "put_objects",
    "read_bronze",
    "read_manifest",
    "register_existing",
    "register_partitions",
    "stored_partitions",
    "write_manifest",
]
