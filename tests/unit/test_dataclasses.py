"""`domain.dataclasses` gives what the standard library gives, for less."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any, ClassVar

import pytest

from domain import dataclasses as ours


@ours.dataclass(frozen=True, slots=True)
class Ours:
    """A value."""

    limit: ClassVar[int] = 3
    id: int
    name: str = "unnamed"
    tags: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="hidden", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """A value."""

    limit: ClassVar[int] = 3
    id: int
    name: str = "unnamed"
    tags: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="hidden", repr=False)


@ours.dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    low: int
    high: int = 9

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@ours.dataclass(frozen=True, slots=True)
class Empty:
    pass


@ours.dataclass(frozen=True, slots=True)
class Longer(Ours):
    more: int = 7


@ours.dataclass(frozen=True, slots=True)
class Own:
    value: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __hash__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "own"


BOTH = pytest.mark.parametrize("cls", [Ours, Theirs])


@BOTH
def test_an_instance_has_its_fields_and_defaults(cls: Callable[..., Any]) -> None:
    one = cls(1, tags=["a"])
    assert (one.id, one.name, one.tags, one.secret) == (1, "unnamed", ["a"], "hidden")
    assert cls(2).tags is not cls(2).tags


@BOTH
def test_equality_and_hash_follow_the_compared_fields(cls: Callable[..., Any]) -> None:
    assert cls(1, tags=["a"]) == cls(1, tags=["b"])
    assert hash(cls(1, tags=["a"])) == hash(cls(1))
    assert cls(1) != cls(2)
    assert cls(1) != cls(1, secret="other")
    assert cls(1) != (1, "unnamed", "hidden")


@BOTH
def test_the_text_shows_the_fields(cls: Callable[..., Any]) -> None:
    assert repr(cls(1)) == f"{cls.__qualname__}(id=1, name='unnamed', tags=[])"


@BOTH
def test_an_instance_is_frozen(cls: Callable[..., Any]) -> None:
    one = cls(1)
    with pytest.raises(FrozenInstanceError):
        one.id = 2
    with pytest.raises(FrozenInstanceError):
        del one.id
    assert one == cls(1)


@BOTH
def test_the_functions_of_the_standard_library_work(cls: Any) -> None:
    one = cls(1, "a", ["t"])
    assert [member.name for member in dataclasses.fields(cls)] == ["id", "name", "tags", "secret"]
    assert dataclasses.replace(one, id=2) == cls(2, "a")
    assert dataclasses.asdict(one) == {"id": 1, "name": "a", "tags": ["t"], "secret": "hidden"}
    assert cls.__match_args__ == ("id", "name", "tags", "secret")
    for copied in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):  # noqa: S301 - its own
        assert (copied, copied.tags) == (one, ["t"])


@BOTH
def test_wrong_arguments_are_refused_by_name(cls: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'id'"):
        cls()
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'nickname'"):
        cls(1, nickname="a")


def test_keyword_only_fields_take_no_positions() -> None:
    assert (Checked(low=1).low, Checked(high=3, low=2).high) == (1, 3)
    with pytest.raises(TypeError, match="positional"):
        Checked(1)  # type: ignore[call-arg]  # on purpose


def test_the_check_of_a_class_runs_for_every_instance() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="low is above high"):
            Checked(low=10)
    with pytest.raises(ValueError, match="low is above high"):
        dataclasses.replace(Checked(low=1), low=11)


def test_a_subclass_adds_fields_and_differs_from_its_base() -> None:
    assert (Longer(1).more, Longer(1, more=8).id) == (7, 1)
    assert Longer(1) != Ours(1)
    assert Longer(1) == Longer(1, more=7)
    assert isinstance(Longer(1), Ours)


def test_classes_without_fields_work() -> None:
    assert (Empty(), hash(Empty()), repr(Empty())) == (Empty(), hash(Empty()), "Empty()")


def test_methods_that_a_class_defines_itself_stay() -> None:
    assert (Own(1), hash(Own(2)), repr(Own(3))) == (Own(4), 5, "own")


def test_only_frozen_classes_with_slots_are_made() -> None:
    decorator: Any = ours.dataclass
    with pytest.raises(TypeError, match=r"use dataclasses\.dataclass"):
        decorator(frozen=False, slots=True)
