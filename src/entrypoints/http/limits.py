"""How much each client may ask: by user where there is a token, else by network.

A route has a class by what it costs, not a budget of its own, and the class is that of the route that
answers: no spelling of a path is counted apart.
"""

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Literal, TypeAlias

from application.shared.limits import Decision, Limiter, Rate, RateLimited
from domain.shared import UserId

Cost: TypeAlias = Literal["read", "write", "auth", "expensive", "media", "probe", "none"]
"""What a route costs. `auth` is what deals with passwords and tokens, `expensive` what reads a lot for one
answer or takes a file, `media` what serves one, `probe` what looks at the stores, `none` what looks at nothing."""

RATES: Mapping[str, Rate] = {
    rate.name: rate
    for rate in (
        Rate("read", 1200, 60),
        Rate("write", 300, 60),
        Rate("expensive", 120, 60),
        Rate("auth", 300, 60),
        Rate("anonymous", 300, 60),
        Rate("media", 3000, 60),
        Rate("probe", 600, 60),
    )
}
"""Per user; `anonymous`, `media` (a page shows dozens), `probe` (balancers ask each second), and `auth` without a token,
per network. A person who scrolls as fast as thumbs go
stays below a tenth of it. Behind one IPv4 address there can be an office or a provider's thousand customers,
who share only what is asked without a token."""

EXPENSIVE = 5
"""What an expensive request costs of the anonymous budget."""

_OVERRIDE = re.compile(r"([a-z]{1,20})=([0-9]{1,7})/([0-9]{1,5})")


def rates(setting: str) -> Mapping[str, Rate] | None:
    """The rates that a setting means: `on`, `off` (None), or changes to some as `read=2400/60,write=300/60`.

    Raises ValueError, in words for the operator, for anything else.
    """
    if setting == "off":
        return None
    changed: dict[str, Rate] = {}
    for part in () if setting == "on" else setting.split(","):
        match = _OVERRIDE.fullmatch(part.strip())
        if match is None:
            raise ValueError("is on, off, or a list like read=2400/60,write=300/60")
        name, limit, seconds = match[1], int(match[2]), int(match[3])
        if name not in RATES or name in changed:
            raise ValueError(f"names {name}; there is one each of {', '.join(RATES)}")
        if not (1 <= limit <= 1_000_000 and 1 <= seconds <= 86_400):
            raise ValueError(f"{name} needs 1 to 1000000 requests per 1 to 86400 seconds")
        changed[name] = Rate(name, limit, seconds)
    return {**RATES, **changed}


class Limits:
    """Takes from the budgets of clients, and notes what is left of them for the answer's headers."""

    def __init__(self, limiter: Limiter, rates: Mapping[str, Rate] | None) -> None:
        self._take = limiter.take
        self._rates = {name: _Counted(rate) for name, rate in (rates or {}).items()}

    async def of_user(self, scope: Any, cost: Cost, user_id: UserId) -> None:
        """Raises RateLimited."""
        if self._rates and cost != "none":
            counted = self._rates[cost]
            counted.note(scope, await self._take(str(user_id), counted.rate))

    async def of_network(self, scope: Any, cost: Cost) -> None:
        """Raises RateLimited."""
        if self._rates and cost != "none":
            counted = self._rates[cost if cost in {"auth", "media", "probe"} else "anonymous"]
            units = min(EXPENSIVE, counted.rate.limit) if cost == "expensive" else 1
            counted.note(scope, await self._take(scope.get("network", ""), counted.rate, units))


class _Counted:
    """A rate, and what of its headers is known beforehand."""

    __slots__ = ("left", "policy", "rate")

    def __init__(self, rate: Rate) -> None:
        name = rate.name.encode()
        self.rate = rate
        self.policy = b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, rate.limit, rate.seconds)
        self.left = b'"%s";r=%%d;t=%%d' % name

    def note(self, scope: Any, decision: Decision) -> None:
        allowed, remaining, retry_after, reset = decision
        scope["limits"] = self.policy, (b"ratelimit", self.left % (remaining, ceil(reset)))
        if not allowed:
            raise RateLimited(
                "too many requests; RateLimit tells how many there may be",
                retry_after=max(1, ceil(retry_after)),
            )


def counted(scope: Any) -> bool:
    """Whether somebody has paid for this request."""
    return "limits" in scope


def headers(scope: Any) -> Sequence[tuple[bytes, bytes]]:
    """RateLimit and RateLimit-Policy of the budget that was asked last (IETF draft httpapi-ratelimit-headers)."""
    noted: Sequence[tuple[bytes, bytes]] = scope.get("limits", ())
    return noted
