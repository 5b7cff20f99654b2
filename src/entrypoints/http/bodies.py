"""Bodies as JSON, strictly: declared as such, of exactly the described shape, every fault named."""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.connection.base import AuthT, StateT, UserT

from domain.shared import Fault, Invalid
from entrypoints.http.errors import BodyMalformed, WrongMediaType

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
    if not isinstance(raw, dict):
        return [Fault("", "type", "the body must be an object")]
    members = {member.encode_name: member for member in msgspec.structs.fields(kind)}
    faults = [
        Fault(_pointer(name), "unknown", "there is no such member") for name in raw if name not in members
    ][:20]
    for name, member in members.items():
        if name not in raw:
            if member.required:
                faults.append(Fault(name, "missing", f"{name} is required"))
            continue
        try:
            msgspec.convert(raw[name], member.type, strict=True)
        except msgspec.ValidationError as error:
            faults.append(Fault(name, "type", str(error).partition(" - at ")[0]))
    return faults


def _pointer(name: str) -> str:
    """JSON Pointer to a member with a name that a client made up (RFC 6901)."""
    return "/" + name[:64].replace("~", "~0").replace("/", "~1")
