"""The RateLimit headers of a response (IETF draft httpapi-ratelimit-headers)."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

from application.shared.limits import Rate
from entrypoints.access.limits import Caller

Header = tuple[bytes, bytes]


def rate_limit_headers(caller: Caller) -> Sequence[Header]:
    """The state of the budget that was charged last; nothing if none was."""
    rate, decision = caller.rate, caller.decision
    if rate is None or decision is None:
        return ()
    policy, state = _of_rate(rate)
    return policy, (b"ratelimit", state % (decision.remaining, ceil(decision.reset)))


@lru_cache(64)
def _of_rate(rate: Rate) -> tuple[Header, bytes]:
    """The policy, and the format of the state."""
    name = rate.name.encode()
    policy = b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, rate.limit, rate.seconds)
    return policy, b'"%s";r=%%d;t=%%d' % name
