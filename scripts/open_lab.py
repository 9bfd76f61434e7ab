"""Opens JupyterLab on the copy of the first notebook, in the reader's language: `make lab`.

The language is that of `--lang`, else B3_LANG's or the system's. Whoever has chosen another one in
JupyterLab's settings keeps it there. All other options go to JupyterLab.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from b3pipeline import language

ROOT = Path(__file__).resolve().parents[1]
FIRST = "01_provisioning_check.ipynb"
TRANSLATION = "@jupyterlab/translation-extension:plugin"
NEWS = "@jupyterlab/apputils-extension:notification"


def main() -> None:
    """Become JupyterLab."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--lang", default=language.language(), help="pt-BR or en")
    given, options = parser.parse_known_args()
    spoken = language.parse(given.lang)
    if spoken is None:
        parser.error(f"the course does not speak {given.lang!r}: use pt-BR or en")
    command = lab_command(spoken, options)
    os.execv(command[0], command)  # noqa: S606  # of this environment


def lab_command(spoken: str, options: Sequence[str], root: Path = ROOT) -> list[str]:
    """Return the command of JupyterLab in a language; its settings are written into the build."""
    settings = root / "build" / "lab" / spoken
    settings.mkdir(parents=True, exist_ok=True)
    chosen = {TRANSLATION: {"locale": spoken}, NEWS: {"fetchNews": "false"}}
    (settings / "overrides.json").write_text(json.dumps(chosen), encoding="utf-8")
    folder = "work" if spoken == language.ENGLISH else f"work/{language.LANGUAGES[spoken]}"
    return [
        *(sys.executable, "-m", "jupyter", "lab", *options),
        *(f"--LabApp.app_settings_dir={settings}", f"--notebook-dir={root}", f"{folder}/{FIRST}"),
    ]


if __name__ == "__main__":
    main()
