"""How long work reports itself: any callable shaped like tqdm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

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
