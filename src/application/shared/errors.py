"""Refusals that belong to no module."""

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
    """The access token is malformed, forged, expired or made for something else, or its session ended."""

    code = "invalid_token"


class StorageFull(Unavailable):
    """The disk of the server, or its database, is full. Reads go on; what was refused had no effect."""

    code = "storage_full"

    def __init__(self, detail: str, *, retry_after: int = 30) -> None:
        super().__init__(detail, retry_after=retry_after)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def full_disk(error: OSError) -> bool:
    """Whether it says that there is no room."""
    return error.errno in _FULL


class Overloaded(Unavailable):
    """Too much of this kind of work at once."""

    code = "overloaded"
