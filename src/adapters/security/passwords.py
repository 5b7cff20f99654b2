"""bcrypt over SHA-256, in a few dedicated threads."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from passlib.context import CryptContext

from application.shared.errors import Overloaded

T = TypeVar("T")

WAITING_PER_CORE = 8
"""Logins that may wait for a thread. At 230 ms each, the last one waits two seconds. Beyond that it is better to refuse at
once."""
MAX_WAIT = 2.0
"""Seconds that a login may have to wait. On a busy machine fewer logins wait."""
NICE = 10
"""The threads get a tenth of a core that is needed elsewhere too, so that logins do not slow down reads."""


class BcryptPasswords:
    """bcrypt releases the GIL, so a thread does not block the event loop. There is one thread for two cores, since the event
    loop needs a core too. SHA-256 comes first, since bcrypt ignores all but the first 72 bytes."""

    def __init__(self, cost: int, cores: int | None = None) -> None:
        self._cores = cores or max(1, _cores() // 2)
        self._context = CryptContext(
            schemes=["bcrypt_sha256", "bcrypt"],
            deprecated="auto",
            bcrypt_sha256__rounds=cost,
        )
        self._pool = ThreadPoolExecutor(self._cores, "password", initializer=_lower_priority)
        self._work = 0
        self._took = 0.0  # seconds, a moving average
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        return await self._run(lambda: str(self._context.hash(password)))

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        if self._dummy is None:  # a hash without a password, at the current cost
            self._dummy = await self.hash(os.urandom(16).hex())
        known, against = hashed is not None, hashed or self._dummy

        def check() -> tuple[bool, str | None]:
            try:
                right, new_hash = self._context.verify_and_update(password, against)
            except ValueError:  # bcrypt without SHA-256 accepts neither a NUL nor more than 72 bytes
                return False, None
            return known and right, new_hash if known else None

        return await self._run(check)

    def admit(self) -> None:
        wait = self._work / self._cores * self._took if self._work >= self._cores else 0.0
        if wait > MAX_WAIT or self._work >= self._cores * (1 + WAITING_PER_CORE):
            raise Overloaded("too many logins at this moment", retry_after=2)

    async def _run(self, work: Callable[[], T]) -> T:
        self.admit()
        self._work += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, work)
        finally:
            self._work -= 1

    def _timed(self, work: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            return work()
        finally:
            self._took += (time.monotonic() - started - self._took) / 4

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _lower_priority() -> None:
    if sys.platform == "linux":  # only there a thread has its own priority
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
