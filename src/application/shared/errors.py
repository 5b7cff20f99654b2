"""Refusals that belong to no module."""

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


class Overloaded(Unavailable):
    """Too much of this kind of work at once."""

    code = "overloaded"
