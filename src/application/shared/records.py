"""Records that are made by the dozen for one answer."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

R = TypeVar("R", bound=tuple[Any, ...])


def maker(record: type[R]) -> Callable[[Iterable[Any]], R]:
    """Makes a NamedTuple of all its members in their order, past the function in Python that its class calls: that
    takes four times as long."""
    return partial(tuple.__new__, record)
