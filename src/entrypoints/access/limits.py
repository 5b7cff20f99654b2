"""The rates at which each client may send requests: per user where there is a token, else per network.

An operation has a cost class, not a budget of its own. The adapter takes the class from the operation that handles it,
so no spelling of its name or path gets a separate budget.
"""

import re
from collections.abc import Mapping
from math import ceil
from typing import Literal, TypeAlias

from application.shared.limits import Decision, Limiter, LocalLimiter, Rate, RateLimited
from domain.shared import UserId

Cost: TypeAlias = Literal["read", "write", "auth", "expensive", "media", "probe", "none"]
"""The cost class of an operation. `auth` handles passwords and tokens. `expensive` reads a lot for one response or takes
a file. `media` serves a file. `probe` asks the stores whether they work. `none` touches nothing and is not counted."""

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
"""The defaults. Per network: `anonymous`, `media` (a page shows dozens of files), `probe` (load balancers ask every
second), and `auth` without a token. Per user: all others. A person who scrolls as fast as they can stays below a tenth
of `read`. Behind one IPv4 address there can be an office or a thousand customers of a provider; they share only the
budgets for requests without a token."""

EXPENSIVE = 5
"""Units of the `anonymous` budget that an expensive request takes."""

_OVERRIDE = re.compile(r"([a-z]{1,20})=([0-9]{1,7})/([0-9]{1,5})")


def rates(setting: str) -> Mapping[str, Rate] | None:
    """Parse the setting: `on` (the defaults), `off` (None), or changes to some rates like `read=2400/60,write=300/60`.

    Raises ValueError for anything else. Its message completes a sentence that begins with the name of the setting.
    """
    if setting == "off":
        return None
    changed: dict[str, Rate] = {}
    for part in () if setting == "on" else setting.split(","):
        match = _OVERRIDE.fullmatch(part.strip())
        if match is None:
            raise ValueError("must be on, off, or a list like read=2400/60,write=300/60")
        name, limit, seconds = match[1], int(match[2]), int(match[3])
        if name not in RATES or name in changed:
            raise ValueError(f"names {name}; it may name each of {', '.join(RATES)} once")
        if not (1 <= limit <= 1_000_000 and 1 <= seconds <= 86_400):
            raise ValueError(f"must set {name} to 1 to 1000000 requests per 1 to 86400 seconds")
        changed[name] = Rate(name, limit, seconds)
    return {**RATES, **changed}


class Caller:
    """The client of one request, as the limits see it. An adapter makes one for each request."""

    __slots__ = ("decision", "network", "rate")

    def __init__(self, network: str) -> None:
        self.network = network
        """As `Networks.of` names it."""
        self.rate: Rate | None = None
        """The rate that was charged last; None if nothing was charged yet."""
        self.decision: Decision | None = None
        """The remaining part of that budget."""


class RateLimits:
    """Charges requests to the budgets of clients, and leaves the state of the budget in the caller, also on refusal."""

    __slots__ = ("_local", "_rates", "_take")

    def __init__(self, limiter: Limiter, rates: Mapping[str, Rate] | None) -> None:
        """`rates` None switches all limits off."""
        self._take, self._rates = limiter.take, rates or {}
        self._local = limiter if isinstance(limiter, LocalLimiter) else None

    async def charge_user(self, caller: Caller, cost: Cost, user_id: UserId) -> None:
        """Raises RateLimited."""
        if self._rates and cost != "none":
            rate = self._rates[cost]
            _record(caller, rate, await self._take(str(user_id), rate))

    def charge_user_now(self, caller: Caller, cost: Cost, user_id: UserId) -> bool:
        """As `charge_user`, without suspending the task. False, and nothing is charged, if the limiter is not in this
        process. Raises RateLimited."""
        if self._local is None:
            return False
        if self._rates and cost != "none":
            rate = self._rates[cost]
            _record(caller, rate, self._local.take_now(str(user_id), rate))
        return True

    async def charge_network(self, caller: Caller, cost: Cost) -> None:
        """Raises RateLimited."""
        if self._rates and cost != "none":
            rate, units = self._of_network(cost)
            _record(caller, rate, await self._take(caller.network, rate, units))

    def charge_network_now(self, caller: Caller, cost: Cost) -> bool:
        """As `charge_user_now`. Raises RateLimited."""
        if self._local is None:
            return False
        if self._rates and cost != "none":
            rate, units = self._of_network(cost)
            _record(caller, rate, self._local.take_now(caller.network, rate, units))
        return True

    def _of_network(self, cost: Cost) -> tuple[Rate, int]:
        """The rate by which networks are charged, and the units."""
        rate = self._rates[cost if cost in {"auth", "media", "probe"} else "anonymous"]
        return rate, min(EXPENSIVE, rate.limit) if cost == "expensive" else 1


def _record(caller: Caller, rate: Rate, decision: Decision) -> None:
    caller.rate, caller.decision = rate, decision
    if not decision.allowed:
        seconds = max(1, ceil(decision.retry_after))
        raise RateLimited(f"too many requests; try again in {seconds} s", retry_after=seconds)
