"""Bodies as JSON, strictly: declared as such, of exactly the described shape, every fault named."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.connection.base import AuthT, StateT, UserT

from domain.shared import FieldError, Invalid
from entrypoints.http.errors import BodyMalformed, WrongMediaType
from entrypoints.http.expectations import MAX_FAULTS, faults_in, pointer_to

T = TypeVar("T", bound=msgspec.Struct)

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)


class In(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends. Members that are not declared are refused."""


class StrictRequest(Request[UserT, AuthT, StateT]):
    """Decodes the body for the handler's `data` by itself, since Litestar's own way takes "1" for a
    number, any content type for JSON, and answers 500 to some bodies."""

    async def json(self) -> Any:
        declared = self.headers.get("content-type", "")
        if declared.partition(";")[0].strip().lower() != "application/json":
            raise WrongMediaType("the body must be declared as application/json")
        if not is_utf8(declared):
            raise WrongMediaType("the charset must be utf-8")
        wanted = self.route_handler.parsed_data_field
        if wanted is None:
            raise RuntimeError("this route declares no body")
        return decode(await self.body(), wanted.annotation)


def is_utf8(content_type: str) -> bool:
    """Whether it names no charset, or this one."""
    charset = _CHARSET.search(content_type)
    return charset is None or charset[1].lower() in {"utf-8", "utf8"}


def decode(body: bytes, kind: type[T]) -> T:
    """Raises BodyMalformed for what is no JSON, Invalid for what is not of this kind or names a member twice."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    try:
        decoded = decoder.decode(body)
        twice = _members_twice(body)
    except msgspec.ValidationError:
        raise Invalid(*_faults(body, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deep") from None
    if twice:
        raise Invalid(*twice)
    return decoded


class _Twice(dict[str, Any]):
    """An object with members of the same name."""

    names: Sequence[str] = ()


class _FoundTwice(Exception):
    """No error: what ends the search."""


def has_members_twice(body: bytes | str) -> bool:
    """Whether an object in `body`, which is JSON, names a member twice: some readers take the first and some the last, and
    who checks must not read another document than who acts."""
    try:
        _SEARCH.decode(body if isinstance(body, str) else body.decode())
    except _FoundTwice:
        return True
    return False


def _members_twice(body: bytes) -> list[FieldError]:
    if not has_members_twice(body):
        return []
    whole = json.loads(body, object_pairs_hook=_marked, parse_int=str, parse_float=str, strict=False)
    pointers = islice(_pointers(whole, ""), MAX_FAULTS)
    return [FieldError(pointer, "duplicate", "this member is there twice") for pointer in pointers]


def _unmarked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _FoundTwice
    return members


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    twice = _Twice(members)
    twice.names = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return twice


_SEARCH = json.JSONDecoder(object_pairs_hook=_unmarked, parse_int=str, parse_float=str, strict=False)


def _pointers(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, _Twice):
        yield from (at + pointer_to(name) for name in value.names)
    members = (
        enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    )
    for name, member in members:
        yield from _pointers(member, at + pointer_to(name))


@lru_cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _faults(body: bytes, kind: type[msgspec.Struct]) -> list[FieldError]:
    """msgspec stops at the first fault; the client is told all of them."""
    try:
        raw = msgspec.json.decode(body)
        field_errors = _members_twice(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deep") from None
    field_errors += islice(faults_in(raw, _described(kind)), MAX_FAULTS)
    return field_errors or [FieldError("", "type", "the body is not of the described form")]


@lru_cache
def _described(kind: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)
