"""How long work reports itself: any callable shaped like tqdm."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from b3pipeline.language import say, shown

T = TypeVar("T")


class Progress(Protocol):
    """A wrapper of an iterable that shows how far it has come; `tqdm` is one as it stands.

    It is handed the iterable, how many items to expect (None where nobody knows) and a few
    words on what is being done, and yields the same items.
    """

    def __call__(
        self, iterable: Iterable[T], /, *, total: int | None = None, desc: str | None = None
    ) -> Iterable[T]: ...


def track(
    items: Iterable[T], progress: Progress | None, *, total: int | None = None, desc: str = ""
) -> Iterable[T]:
    """Return `items`, wrapped in `progress` where there is one.

    An item counts as done when the next one is asked for; so wrap what is finished, not what
    is about to begin.
    """
    return items if progress is None else progress(items, total=total, desc=desc)


class StageLine(tqdm):  # type: ignore[type-arg]
    """A bar for a log: nothing while it moves, and one line on stderr once its stage is done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": io.StringIO(), "mininterval": 3600})

    def close(self) -> None:
        """Write the line: what was done, how much of it, and how long it took."""
        if self.disable:
            return
        seconds = self.format_dict["elapsed"]
        super().close()
        sys.stderr.write(f"{self._line(self.desc.removesuffix(': '), seconds)}\n")

    def _line(self, stage: str, seconds: float) -> str:
        if self.total and self.total != self.n:
            return say(
                "{stage}: {done:,} of {total:,} in {seconds:.1f} s",
                stage=stage,
                done=self.n,
                total=self.total,
                seconds=seconds,
            )
        if self.n:
            return say(
                "{stage}: {done:,} in {seconds:.1f} s", stage=stage, done=self.n, seconds=seconds
            )
        return f"{stage}: {shown(seconds, '.1f')} s"


def bar_here() -> type[tqdm]:  # type: ignore[type-arg]
    """Return tqdm where a person watches the terminal; elsewhere a bar that writes one line."""
    return tqdm if sys.stderr.isatty() else StageLine
