"""Controllers get what they declare, by type."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest
from litestar import Controller

from entrypoints.http.binding import bound

T = TypeVar("T")


class Read:
    pass


class List(Generic[T]):
    pass


@dataclass
class Module(Generic[T]):
    read_it: Read
    list_all: List[T]


@dataclass
class Parts:
    is_odd: Callable[[int], bool]
    length: Callable[[str], int]


MODULE: Module[str] = Module(Read(), List())
PARTS = Parts(is_odd=lambda number: number % 2 == 1, length=len)


def test_an_attribute_gets_the_member_of_its_type_whatever_its_name() -> None:
    class Reading(Controller):
        read: Read
        count: Callable[[str], int]

    reading = bound(Reading, MODULE, PARTS)

    assert vars(reading)["read"] is MODULE.read_it
    assert vars(reading)["count"] is PARTS.length


def test_the_parameter_of_a_generic_class_does_not_matter() -> None:
    class Listing(Controller):
        listed: List[int]

    assert vars(bound(Listing, MODULE))["listed"] is MODULE.list_all


def test_an_attribute_of_a_type_that_is_not_offered_is_refused() -> None:
    class Asking(Controller):
        ask: Callable[[], str]

    with pytest.raises(TypeError, match=r"Asking\.ask: 0 members of that type"):
        bound(Asking, MODULE, PARTS)


def test_an_attribute_of_a_type_that_is_offered_twice_is_refused() -> None:
    class Reading(Controller):
        read: Read

    with pytest.raises(TypeError, match=r"Reading\.read: 2 members of that type"):
        bound(Reading, MODULE, MODULE)
