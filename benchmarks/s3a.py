"""Hadoop's S3A for plain Spark: two jars that PySpark lacks, fetched for the benchmark alone.

They lie in the source distribution of `sagemaker_pyspark`, 180 MB, which pip fetches from the
registry that it is set to. A cache folder outside the repository keeps the two; B3_BENCHMARK_CACHE
names another one. Nothing of it reaches the product.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "sagemaker_pyspark==1.4.5"
PACKAGE_SHA256 = "05ca2d5081d7138ce29a8fb0a9cba077f28c825288ed07aed46a82e63c0bf1fb"
HADOOP, SDK = "hadoop-aws-3.3.1.jar", "aws-java-sdk-bundle-1.11.901.jar"
JARS = {
    HADOOP: "6be50ad8a8b445d2802381b085b2a3ede5c29d353450a6a21f16b2fefa962b6e",
    SDK: "b87175b32a16544cc1b37cf40390eb375833e62bed67f8ce6cde4b7ad6429ead",
}
"""Names and SHA-256. They work with the Hadoop 3.3.4 of PySpark 3.5.6."""


def cache_folder() -> Path:
    """Return the folder that keeps the jars."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("B3_BENCHMARK_CACHE") or caches / "b3pipeline-benchmarks")


def class_path() -> str:
    """Return the jars as a class path; they are fetched where the cache does not hold them."""
    folder = cache_folder()
    if not all(is_whole(folder / name) for name in JARS):
        fetch(folder)
    return os.pathsep.join(str(folder / name) for name in JARS)


def is_whole(jar: Path) -> bool:
    """Return whether a jar is there with all its bytes."""
    return jar.is_file() and sha256(jar) == JARS[jar.name]


def fetch(folder: Path) -> None:
    """Take the jars out of the source distribution; raise ValueError where they are others."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"fetching Hadoop's S3A, 180 MB, into {folder}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wish = Path(name) / "wish.txt"
        wish.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
        # pip looks at the hash before it runs anything of the package.
        options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *options]
        subprocess.run([*command, "--dest", name, "--requirement", str(wish)], check=True)
        (package,) = Path(name).glob("*.tar.gz")
        with tarfile.open(package) as archive:
            for member in archive:
                if (place := Path(member.name).name) in JARS:
                    save(archive, member, folder / place)


def save(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Write a member to its place, whole or not at all."""
    part = place.with_suffix(".part")
    body = archive.extractfile(member)
    assert body is not None
    part.write_bytes(body.read())
    if (found := sha256(part)) != JARS[place.name]:
        part.unlink()
        raise ValueError(f"{place.name} has the SHA-256 {found}, not {JARS[place.name]}.")
    part.rename(place)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
