"""Bodies as JSON, strictly: declared as such, of exactly the described shape, every fault named."""

from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.connection.base import AuthT, StateT, UserT

from domain.shared import Fault, Invalid
from entrypoints.http.errors import BodyMalformed, WrongMediaType
from entrypoints.http.expectations import MAX_FAULTS, faults_in

T = TypeVar("T", bound=msgspec.Struct)


class In(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends. Members that are not declared are refused."""


class StrictRequest(Request[UserT, AuthT, StateT]):
    """Decodes the body for the handler's `data` by itself, since Litestar's own way takes "1" for a
    number, any content type for JSON, and answers 500 to some bodies."""

    async def json(self) -> Any:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise WrongMediaType("the body must be declared as application/json")
        wanted = self.route_handler.parsed_data_field
        if wanted is None:
            raise RuntimeError("this route declares no body")
        return decode(await self.body(), wanted.annotation)


def decode(body: bytes, kind: type[T]) -> T:
    """Raises BodyMalformed for what is no JSON, Invalid for what is not of this kind."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Invalid(*_faults(body, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deep") from None


@lru_cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _faults(body: bytes, kind: type[msgspec.Struct]) -> list[Fault]:
    """msgspec stops at the first fault; the client is told all of them."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BodyMalformed("the body is not JSON in UTF-8, or nested too deep") from None
    return list(islice(faults_in(raw, _described(kind)), MAX_FAULTS)) or [
        Fault("", "type", "the body is not of the described form")
    ]


@lru_cache
def _described(kind: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)
