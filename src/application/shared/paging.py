"""Pages of lists that are ordered by id. They are read from an edge, never by offset."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from domain.dataclasses import dataclass
from domain.shared import MAX_ID

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that a page shows: up to `limit` items on one side of the item `edge`.

    The item at the edge is not part of the window, and need not exist any more.
    """

    limit: int
    edge: int | None = None
    """None for the beginning of the list."""
    back: bool = False
    """Whether the window extends from `edge` towards the beginning of the list."""
    seen: tuple[int, ...] = ()
    """Items beyond the edge that were already returned (see `application.feeds.polling`)."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next: Window | None
    """None at the end of the list, and only there."""
    prev: Window | None
    """None at the beginning of the list."""


def page(rows: Sequence[T], window: Window, key: Callable[[T], int], *, newest_first: bool) -> Page[T]:
    """The page of `window`. `rows` are its rows in the order of the list, and one more row beyond them if there is one."""
    limit = window.limit
    more = len(rows) > limit
    items = (rows[-limit:] if window.back else rows[:limit]) if more else rows
    has_next = window.back or more
    has_prev = more if window.back else window.edge is not None
    if not items:
        # Nothing was found backwards: the edge was at the beginning, so the list continues from there.
        beginning = MAX_ID if newest_first else 0
        # Nothing was found forwards: those items are gone. All others are before the edge, including the item at the edge.
        before = None if window.edge is None else window.edge - 1 if newest_first else window.edge + 1
        if window.back:
            return Page((), Window(limit, beginning), None)
        return Page((), None, None if before is None else Window(limit, before, back=True))
    return Page(
        items,
        Window(limit, key(items[-1])) if has_next else None,
        Window(limit, key(items[0]), back=True) if has_prev else None,
    )
