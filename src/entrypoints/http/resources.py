"""Single resources over HTTP: what they have in common, from entity tags to idempotency keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from litestar import Request, Response
from litestar.params import HeaderParameter

from application.shared.ports import IdempotentRequest
from domain.shared import FieldError, Stale
from entrypoints.access.idempotency import KeyInvalid, idempotent_request
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.etags import versions_in

T = TypeVar("T")

MAX_TAGS = 1000

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=MAX_TAGS,
        description="The ETag of what you edit, or several of them; weak ones, and what a proxy made of ours, are taken "
        "as well. If it was edited since, the answer is 412 and nothing happens.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        max_length=MAX_TAGS,
        description="ETags that you have: if one is current, the answer is 304.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="1 to 255 printable ASCII characters without blanks. Choose a new one for each thing that you do: sent "
        "again with the same request within 24 hours it brings the same answer and no second effect.",
    ),
]


def rfc3339(at: datetime) -> str:
    """UTC with exactly three fractional digits: `2026-01-31T12:00:00.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_in(if_match: str | None) -> int | None:
    """The version that the client means to edit; None if it does not say. Versions only grow, so of several the highest
    is the one that may be current. Raises Stale for what is no tag of ours, since nothing current has it."""
    if if_match is None or if_match.strip() == "*":
        return None
    versions = versions_in(if_match)
    if not versions:
        raise Stale("If-Match names no version that there ever was")
    return max(versions)


@dataclass(frozen=True, slots=True)
class IdempotentRequests:
    """Makes the IdempotentRequest of a request that has an Idempotency-Key; None without a key."""

    fingerprint: Callable[..., str]
    """A keyed hash of bytes: there may be a password in them."""

    async def __call__(self, request: Request[Any, Any, Any], key: str | None) -> IdempotentRequest | None:
        """Raises QueryInvalid for a malformed key."""
        return None if key is None else self.of(request, key, await request.body())

    def of(
        self, request: Request[Any, Any, Any], key: str | None, content: bytes
    ) -> IdempotentRequest | None:
        """The same, where `content` stands for a body that is not kept in memory."""
        if key is None:
            return None
        principal = request.scope.get("user")
        try:
            return idempotent_request(
                self.fingerprint,
                key,
                owner=principal.user_id if principal else None,
                operation=request.route_handler.handler_name,
                target=request.scope["path"],
                content=content,
            )
        except KeyInvalid as error:
            raise QueryInvalid(FieldError("header:Idempotency-Key", "key_format", str(error))) from None


def created(out: T, location: str, *, replayed: bool) -> Response[T]:
    headers = {"Location": location}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(out, status_code=201, headers=headers)
