"""Common parts of single resources over HTTP: entity tags, idempotency keys, times."""

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
        description="The ETag of the version that you edit, or several ETags. Weak ETags, and ETags that a proxy has "
        "changed, are accepted. If the resource was edited since, the response is 412 and nothing is changed.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        max_length=MAX_TAGS,
        description="The ETags that you have. If one of them is current, the response is 304.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="1 to 255 printable ASCII characters without blanks. Choose a new key for each action. If you repeat the "
        "same request with the same key within 24 hours, you get the same response, and there is no second effect.",
    ),
]


def rfc3339(at: datetime) -> str:
    """UTC with exactly three fractional digits: `2026-01-31T12:00:00.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_in(if_match: str | None) -> int | None:
    """The version that the client wants to edit; None if it names none. Versions only grow, so of several versions only the
    highest can be current. Raises Stale if no tag is from Waggle, since the current version has none of them."""
    if if_match is None or if_match.strip() == "*":
        return None
    versions = versions_in(if_match)
    if not versions:
        raise Stale("If-Match contains no ETag of this resource")
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
