"""Opens JupyterLab on the first notebook, its menus in the reader's language: `make lab`.

Options that are not `--lang` go to JupyterLab. A language that somebody chose in JupyterLab's own
settings is stronger, for it is kept for that person.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from b3pipeline import language

ROOT = Path(__file__).resolve().parents[1]
FIRST = "01_provisioning_check.ipynb"
SETTINGS = ROOT / "build" / "lab"
TRANSLATION = "@jupyterlab/translation-extension:plugin"
