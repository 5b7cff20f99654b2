"""`@dataclass(frozen=True, slots=True)` that costs little at the start.

The one of the standard library compiles six functions for each class, with `exec`. For the 400 classes of Waggle, this was a
quarter of all that a start does. Here, all functions but `__init__` are closures, and `__init__` is compiled when the first
instance is made, which for half of the classes never happens. The result is a dataclass like any other: `fields`, `replace`,
`asdict`, `match`, `copy` and `pickle` work.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:  # so that type checkers know everything about it that they know about the original
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - exports it
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """As `dataclasses.dataclass`, for frozen classes with slots. Fields have no `init=False`, and annotations no
        `InitVar`."""
        if not (frozen and slots):
            raise TypeError("use dataclasses.dataclass for classes that are not frozen or have no slots")
        return lambda cls: _made(cls, kw_only=kw_only)


T = TypeVar("T")


def _made(cls: type[T], *, kw_only: bool) -> type[T]:
    own = set(cls.__dict__)
    has_hash = cls.__dict__.get("__hash__") is not None
    cls.__doc__ = cls.__doc__ or cls.__name__  # otherwise one is made, from the signature
    # Not frozen, because that would compile; it is made frozen below.
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    compared = [field.name for field in fields(cls) if field.compare]  # type: ignore[arg-type]  # just made one
    hashed = [field.name for field in fields(cls) if (field.compare if field.hash is None else field.hash)]  # type: ignore[arg-type]
    methods: dict[str, Any] = {
        "__init__": _init_on_first_use(cls),
        "__repr__": _repr,
        "__eq__": _eq(_values(compared)),
        "__setattr__": _refuse_setting,
        "__delattr__": _refuse_deleting,
        "__getstate__": _state,
        "__setstate__": _set_state,
    }
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    if not has_hash:
        cls.__hash__ = _hash(_values(hashed))  # type: ignore[assignment]  # a function becomes a method
    return cls


def _values(names: list[str]) -> Callable[[object], object]:
    return attrgetter(*names) if names else lambda _: ()


def _init_on_first_use(cls: type) -> Callable[..., None]:
    def __init__(self: object, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - its name in error messages
        compiled = cls.__init__ = _init(cls)  # type: ignore[misc]  # mypy protects methods from this
        compiled(self, *args, **kwargs)

    return __init__


def _init(cls: type) -> Callable[..., None]:
    known: dict[str, Any] = {"_missing": MISSING}
    parameters: list[str] = ["self"]
    named: list[str] = []
    body: list[str] = []
    for field in fields(cls):
        name, value = field.name, field.name
        parameter = name
        if field.default is not MISSING:
            known[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        elif field.default_factory is not MISSING:
            known[f"_factory_{name}"] = field.default_factory
            parameter = f"{name}=_missing"
            value = f"_factory_{name}() if {name} is _missing else {name}"
        (named if field.kw_only else parameters).append(parameter)
        known[f"_set_{name}"] = getattr(
            cls, name
        ).__set__  # of the slot: a little faster than object.__setattr__
        body.append(f" _set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    signature = ", ".join([*parameters, *(["*", *named] if named else [])])
    exec(f"def __init__({signature}):\n" + "\n".join(body or [" pass"]), known)  # noqa: S102 - as dataclasses does
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    return init


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(values: Callable[[object], object]) -> Callable[[object, object], object]:
    def __eq__(self: object, other: object) -> object:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return __eq__


def _hash(values: Callable[[object], object]) -> Callable[[object], int]:
    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _refuse_setting(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
