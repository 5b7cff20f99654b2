"""The readiness of this process, as load balancers ask for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

CHECK_TIMEOUT = 1.5
"""Seconds that a readiness check may take. A burst of load must not look like an unavailable database."""

RESULT_SECONDS = 1.0
"""Seconds for which a result is reused, counted from the start of its checks."""

Check = Callable[[], Awaitable[None]]
"""Raises if the checked part does not work."""


class Report(NamedTuple):
    status: str
    """`ok`; `degraded` while an optional part is unavailable; or `unready`."""
    checks: dict[str, str]
    """`ok`, or the name of the error, by the name of the check."""


class Readiness:
    """The readiness of this process. The stores are checked at most once a second, however many requests there are."""

    def __init__(
        self, checks: Mapping[str, Check], soft_checks: Mapping[str, Check], draining: Callable[[], bool]
    ) -> None:
        """`checks` are required parts, `soft_checks` optional ones. `draining` is true when the server is about to stop."""
        self._checks, self._soft_checks, self._draining = checks, soft_checks, draining
        self._report: asyncio.Task[Report] | None = None
        self._valid_until = 0.0

    async def __call__(self) -> Report:
        if self._draining():
            return Report("unready", {"process": "draining"})
        now = asyncio.get_running_loop().time()
        if self._report is None or (self._report.done() and now >= self._valid_until):
            self._valid_until = now + RESULT_SECONDS
            self._report = asyncio.create_task(self._check())
        return await asyncio.shield(self._report)  # a cancelled request must not cancel it for the others

    async def _check(self) -> Report:
        names = [*self._checks, *self._soft_checks]
        checks = [*self._checks.values(), *self._soft_checks.values()]
        found = dict(zip(names, await asyncio.gather(*map(_state, checks)), strict=True))
        if any(found[name] != "ok" for name in self._checks):
            return Report("unready", found)
        return Report("ok" if all(state == "ok" for state in found.values()) else "degraded", found)


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await check()
    except Exception as error:  # noqa: BLE001 - the probe answers whatever the error is
        return type(error).__name__
    return "ok"
