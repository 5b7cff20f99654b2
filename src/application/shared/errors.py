"""Errors that belong to no module."""

import errno

from domain.shared import Conflict, Invalid, Unauthenticated, Unavailable


class KeyReused(Invalid):
    """The Idempotency-Key was used before with another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("this Idempotency-Key was used before with another request",)


class KeyInFlight(Conflict):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_key_in_flight"
    retry_after = 1


class TokenInvalid(Unauthenticated):
    """The access token is malformed, forged, expired or issued for another purpose, or its session has ended."""

    code = "invalid_token"


class StorageFull(Unavailable):
    """The disk of the server or of its database is full. Reads still work; the refused request had no effect."""

    code = "storage_full"

    def __init__(self, detail: str, *, retry_after: int = 30) -> None:
        super().__init__(detail, retry_after=retry_after)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def full_disk(error: OSError) -> bool:
    """Whether the error means that the disk is full."""
    return error.errno in _FULL


class Overloaded(Unavailable):
    """The server is doing too much work of this kind at once."""

    code = "overloaded"
