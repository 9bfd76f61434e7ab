"""What is put right in the object store after a server was killed."""

from __future__ import annotations

import os
from pathlib import Path

METADATA_SUFFIX = ".meta.json"


def drop_torn_metadata(s3_data_dir: Path) -> int:
    """Remove the metadata of every body that is newer than its metadata; return how many.

    ministack writes an object's body first and its metadata second, each atomically. A kill
    between the two leaves the size and the checksum of the object before; without them it
    computes both from the body when it starts.
    """
    dropped = 0
    for folder, _, files in os.walk(s3_data_dir):
        for name in files:
            if name.endswith(METADATA_SUFFIX) and _is_torn(os.path.join(folder, name)):  # noqa: PTH118
                os.unlink(os.path.join(folder, name))  # noqa: PTH108, PTH118
                dropped += 1
    return dropped


def _is_torn(metadata: str) -> bool:
    # Plain strings and os.stat: Path objects make a walk over many objects several times slower.
    try:
        body = os.stat(metadata.removesuffix(METADATA_SUFFIX))  # noqa: PTH116
    except FileNotFoundError:
        return False
    return body.st_mtime_ns > os.stat(metadata).st_mtime_ns  # noqa: PTH116
