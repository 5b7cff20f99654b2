"""Describe what an input should have been in the terms of the API: no names of Python types, no regular expressions."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec
from litestar.typing import FieldDefinition
from msgspec import inspect

from domain.shared import FieldError

MAX_FIELD_ERRORS = 100
"""In one response, as the Problem schema promises."""
MAX_UNKNOWN = 20
_MAX_NAME = 64
"""Characters of an unknown name that are sent back."""

Type: TypeAlias = inspect.Type


def pointer_to(*names: str | int) -> str:
    """The JSON Pointer (RFC 6901) of these names."""
    return "".join(
        "/" + str(name)[:_MAX_NAME].encode(errors="replace").decode().replace("~", "~0").replace("/", "~1")
        for name in names
    )


def field_errors_in(value: object, wanted: Type, at: str = "") -> Iterator[FieldError]:
    """The places where a decoded JSON value does not match the type, as deep as possible."""
    kind = next((one for one in _alternatives(wanted) if _is(value, one)), None)
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        yield from _member_errors(value, kind, at)
    elif isinstance(kind, inspect.ListType) and isinstance(value, list) and _within(len(value), kind):
        for index, item in enumerate(value):
            yield from field_errors_in(item, kind.item_type, at + pointer_to(index))
    elif kind is None or not _fits(value, kind):
        yield FieldError(at, "type", f"{at.lstrip('/') or 'the body'} must be {expected(wanted)}")


def _member_errors(value: dict[str, Any], kind: inspect.StructType, at: str) -> Iterator[FieldError]:
    members = {member.encode_name: member for member in kind.fields}
    for name in [name for name in value if name not in members][:MAX_UNKNOWN]:
        yield FieldError(at + pointer_to(name), "unknown", "there is no such member")
    for name, member in members.items():
        if name in value:
            yield from field_errors_in(value[name], member.type, at + pointer_to(name))
        elif member.required:
            yield FieldError(at + pointer_to(name), "missing", f"{name} is required")


def expected(wanted: Type) -> str:
    """A phrase that completes the sentence "it must be …"."""
    return " or ".join(_phrase(one) for one in _alternatives(wanted))


def expected_of(field: FieldDefinition) -> str:
    """The same for a parameter of a handler."""
    kinds = _alternatives(inspect.type_info(field.annotation))
    wanted = next(kind for kind in kinds if not isinstance(kind, inspect.NoneType))
    rules = field.kwarg_definition
    limits = {
        name: limit
        for name in ("ge", "le", "min_length", "max_length")
        if hasattr(wanted, name) and (limit := getattr(rules, name, None)) is not None
    }
    if getattr(rules, "pattern", None):  # the description begins with its meaning
        form: str = getattr(rules, "description", "").partition(".")[0]
        return f"{form[:1].lower()}{form[1:]}"
    return expected(msgspec.structs.replace(wanted, **limits))


def _alternatives(wanted: Type) -> tuple[Type, ...]:
    match wanted:
        case inspect.Metadata():
            return _alternatives(wanted.type)
        case inspect.UnionType():
            return tuple(kind for one in wanted.types for kind in _alternatives(one))
        case inspect.CustomType():  # msgspec.UNSET, which a client cannot send
            return ()
        case _:
            return (wanted,)


_KINDS: dict[type[Type], tuple[type, ...]] = {
    inspect.NoneType: (type(None),),
    inspect.BoolType: (bool,),
    inspect.IntType: (int,),
    inspect.FloatType: (int, float),
    inspect.StrType: (str,),
    inspect.EnumType: (str,),
    inspect.LiteralType: (str,),
    inspect.ListType: (list,),
    inspect.StructType: (dict,),
    inspect.DictType: (dict,),
}
"""The Python types of decoded JSON, by the msgspec type."""


def _is(value: object, kind: Type) -> bool:
    """Whether the value has this type, regardless of limits."""
    kinds = _KINDS[type(kind)]
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _fits(value: Any, kind: Type) -> bool:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            return (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
        case inspect.StrType() | inspect.ListType():
            return _within(len(value), kind)
        case inspect.EnumType() | inspect.LiteralType():
            return value in _values(kind)
        case _:
            return True


def _within(length: int, kind: inspect.StrType | inspect.ListType) -> bool:
    return (kind.min_length or 0) <= length and (kind.max_length is None or length <= kind.max_length)


def _values(kind: inspect.EnumType | inspect.LiteralType) -> list[Any]:
    return (
        [one.value for one in kind.cls] if isinstance(kind, inspect.EnumType) else list(map(str, kind.values))
    )


_PLAIN: dict[type[Type], str] = {inspect.NoneType: "null", inspect.BoolType: "true or false"}


def _phrase(kind: Type) -> str:
    match kind:
        case inspect.IntType():
            return "a whole number" + _from_to(kind.ge, kind.le)
        case inspect.FloatType():
            return "a number" + _from_to(kind.ge, kind.le)
        case inspect.StrType():
            return "a string" + _of_length(kind, "character")
        case inspect.EnumType() | inspect.LiteralType():
            return "one of " + ", ".join(map(str, _values(kind)))
        case inspect.ListType():
            return "an array" + _of_length(kind, "item")
        case _:
            return _PLAIN.get(type(kind), "an object")


def _from_to(low: float | None, high: float | None) -> str:
    bounds = [f"from {low:g}"] if low is not None and high is not None else []
    if low is not None and high is None:
        bounds = [f"of at least {low:g}"]
    if high is not None:
        bounds.append(f"{'to' if bounds else 'of at most'} {high if isinstance(high, int) else f'{high:g}'}")
    return "".join(f" {bound}" for bound in bounds)


def _of_length(kind: inspect.StrType | inspect.ListType, unit: str) -> str:
    low, high = kind.min_length or 0, kind.max_length
    if high is None:
        return f" of at least {_count(low, unit)}" if low else ""
    return f" of {low} to {_count(high, unit)}" if low else f" of at most {_count(high, unit)}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")
