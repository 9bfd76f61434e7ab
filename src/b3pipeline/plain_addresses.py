"""Imported before nbformat, so that nbformat and papermill are imported in a third of the time.

Their validator, jsonschema, checks internationalised addresses where `rfc3987_syntax` is installed,
as it is with JupyterLab. At its import that makes a grammar: three CPU seconds of each process, for
a check that the schema of notebooks never asks for. jsonschema goes without where it is missing.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # "is not installed"
