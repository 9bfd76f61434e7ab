"""Files of the state folder that make no sense: named, set aside, and made anew.

Nothing is thrown away: a damaged file is moved to the folder `damaged`, under the moment at which
that was noticed.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_COMPANIONS = ("-wal", "-shm")


class Damage:
    """What was found damaged in one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "damaged"
        self.sentences: list[str] = []
        """One sentence for each file that this server has set aside, then one for earlier ones."""
        if earlier := self._names():
            self.sentences.append(
                f"Set aside earlier as damaged, in {self._folder}: {', '.join(earlier)}. "
                "Remove them when you need them no more."
            )

    def set_aside(self, path: Path, why: str, lost: str) -> None:
        """Move a file out of the way; `lost` says what is gone with it, and what makes it anew."""
        self._folder.mkdir(exist_ok=True)
        stem = f"{_moment()}-{path.name}"
        for companion in ("", *_COMPANIONS):
            source = path.with_name(path.name + companion)
            if os.path.lexists(source):
                source.rename(self._folder / f"{stem}{companion}")
        sentence = f"{path} is damaged ({why}) and was moved to {self._folder / stem}. {lost}"
        logger.error("%s", sentence)
        self.sentences.insert(0, sentence)

    def set_aside_all(self, files: Mapping[Path, str], root: Path, lost: str) -> None:
        """Move files out of the way, each with what is wrong with it, under their paths in `root`.

        They are one sentence, which names the first of them; the log names them all.
        """
        if not files:
            return
        folder = self._folder / f"{_moment()}-{root.name}"
        for path, why in files.items():
            target = folder / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            logger.error("%s is damaged (%s) and was moved to %s", path, why, target)
        first, why = next(iter(files.items()))
        sentence = f"{first} is damaged ({why}) and was moved to {folder}"
        if len(files) > 1:
            sentence += f", and so were {len(files) - 1:,} other files of {root}"
        self.sentences.insert(0, f"{sentence}. {lost}")

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        found = sorted(path.name for path in self._folder.iterdir())
        return [name for name in found if not name.endswith(_COMPANIONS)]


def _moment() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1000:03d}"


def check_control(
    control_dir: Path,
    damage: Damage,
    versions: Mapping[str, int],
    default_version: int,
    restore: Callable[[dict[str, Any]], object] | None = None,
) -> None:
    """Set aside each control file that ministack would pass over and then write over.

    `versions`: the newest format of each service that is understood, where it is not the default.
    `restore` makes what ministack keeps of an object of JSON.
    """
    for path in sorted(control_dir.glob("*.json")):
        why = _control_problem(path, versions.get(path.stem, default_version), restore)
        if why:
            damage.set_aside(path, why, control_lost(path.stem))


def control_lost(service: str) -> str:
    """Return what goes with a control file, and what makes it anew."""
    kept = " Objects are still there." if service == "s3" else ""
    return (
        f"What {service} knew is gone.{kept} `b3 local up` makes what the pipeline needs anew; "
        "what else was made by hand has to be made again."
    )


def _control_problem(
    path: Path, newest: int, restore: Callable[[dict[str, Any]], object] | None
) -> str:
    """Return what is wrong with a control file; empty where nothing is."""
    try:
        text = path.read_bytes()
        content = json.loads(text)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}" if path.stat().st_size else "it is empty"
    version = content.get("__ministack_format__") if isinstance(content, dict) else None
    if not isinstance(version, int) or not isinstance(content.get("payload"), dict):
        return "it is not what ministack writes"
    try:
        json.loads(text, object_hook=restore)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return f"ministack cannot read it: {error}"
    return f"its format {version} is newer than {newest}" if version > newest else ""
