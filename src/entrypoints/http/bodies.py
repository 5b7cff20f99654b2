"""Strict JSON bodies: declared as JSON, of exactly the described shape, with every error reported."""

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
from entrypoints.http.expectations import MAX_FIELD_ERRORS, field_errors_in, pointer_to

T = TypeVar("T", bound=msgspec.Struct)

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)


class In(msgspec.Struct, forbid_unknown_fields=True):
    """A schema of requests. Undeclared members are refused."""


class StrictRequest(Request[UserT, AuthT, StateT]):
    """Decodes the body for the handler's `data`. Litestar's own decoding accepts "1" as a number and any content type as
    JSON, and responds with 500 to some bodies."""

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
    """Whether the content type has no charset, or UTF-8."""
    charset = _CHARSET.search(content_type)
    return charset is None or charset[1].lower() in {"utf-8", "utf8"}


def decode(body: bytes, kind: type[T]) -> T:
    """Raises BodyMalformed if the body is not JSON, and Invalid if it does not match the struct or repeats a member."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    try:
        decoded = decoder.decode(body)
        repeats = _repeated_members(body)
    except msgspec.ValidationError:
        raise Invalid(*_field_errors(body, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deeply") from None
    if repeats:
        raise Invalid(*repeats)
    return decoded


class _WithRepeats(dict[str, Any]):
    """An object with repeated member names."""

    names: Sequence[str] = ()


class _RepeatFound(Exception):
    """Not an error: it ends the search."""


def has_repeated_members(body: bytes | str) -> bool:
    """Whether an object in `body`, which is JSON, repeats a member name. Some parsers take the first and some the last
    value, and the code that checks a document must not read another one than the code that acts on it."""
    try:
        _SEARCH.decode(body if isinstance(body, str) else body.decode())
    except _RepeatFound:
        return True
    return False


def _repeated_members(body: bytes) -> list[FieldError]:
    if not has_repeated_members(body):
        return []
    document = json.loads(body, object_pairs_hook=_keep_repeats, parse_int=str, parse_float=str, strict=False)
    pointers = islice(_pointers(document, ""), MAX_FIELD_ERRORS)
    return [FieldError(pointer, "duplicate", "this member is repeated") for pointer in pointers]


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatFound
    return members


def _keep_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = _WithRepeats(members)
    repeated.names = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return repeated


_SEARCH = json.JSONDecoder(object_pairs_hook=_refuse_repeats, parse_int=str, parse_float=str, strict=False)


def _pointers(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, _WithRepeats):
        yield from (at + pointer_to(name) for name in value.names)
    members = (
        enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    )
    for name, member in members:
        yield from _pointers(member, at + pointer_to(name))


@lru_cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _field_errors(body: bytes, kind: type[msgspec.Struct]) -> list[FieldError]:
    """msgspec stops at the first error; the client gets all of them."""
    try:
        raw = msgspec.json.decode(body)
        field_errors = _repeated_members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deeply") from None
    field_errors += islice(field_errors_in(raw, _described(kind)), MAX_FIELD_ERRORS)
    return field_errors or [FieldError("", "type", "the body does not have the described form")]


@lru_cache
def _described(kind: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)
