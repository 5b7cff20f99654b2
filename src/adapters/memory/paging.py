"""Windows of lists that are in memory."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from application.shared.paging import Window

T = TypeVar("T")


def window_of(
    items: Iterable[T], window: Window, key: Callable[[T], int], *, newest_first: bool
) -> Sequence[T]:
    """The items of the window in the order of the list, and one more if there is one."""
    descending = newest_first != window.back
    beyond = [
        item
        for item in items
        if window.edge is None or (key(item) < window.edge if descending else key(item) > window.edge)
    ]
    beyond.sort(key=key, reverse=descending)
    found = beyond[: window.limit + 1]
    return found[::-1] if window.back else found
