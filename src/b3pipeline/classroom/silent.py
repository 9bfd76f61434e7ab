"""papermill's engine of a run that nobody reads: of all that cells show, only errors are kept.

So a cell that prints without end fills neither memory nor disk, and takes its own time alone:
papermill writes the notebook with its outputs after each cell.
"""

from __future__ import annotations

from typing import Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

ENGINE = "silent"
_SHOWN = frozenset({"stream", "display_data", "execute_result", "update_display_data"})


class SilentClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """The client that drops what a cell shows."""

    def process_message(self, msg: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """Return the output that a message brings, where it is kept."""
        if msg["msg_type"] in _SHOWN:
            return None
        return super().process_message(msg, *rest, **named)


class SilentEngine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine, with that client."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, start_timeout: int, **others: Any
    ) -> Any:
        """Return the notebook, run; `others` are settings of nbclient, and of papermill's log."""
        others.pop("input_path", None)
        client = SilentClient(
            nb_man, kernel_name=kernel_name, startup_timeout=start_timeout, **others
        )
        return client.execute()


papermill_engines.register(ENGINE, SilentEngine)
