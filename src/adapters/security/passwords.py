"""bcrypt over SHA-256, in a few threads of its own."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from passlib.context import CryptContext

from application.shared.errors import Overloaded

T = TypeVar("T")

WAITING_PER_CORE = 8
"""Logins that may wait for a core. At 230 ms each the last one waits two seconds; more than that
and a client is better told at once to come back."""


class BcryptPasswords:
    """bcrypt releases the GIL, so one thread a core leaves the event loop free. SHA-256 first, since
    bcrypt by itself ignores all but 72 bytes."""

    def __init__(self, cost: int, cores: int | None = None) -> None:
        self._cores = cores or os.cpu_count() or 1
        self._context = CryptContext(
            schemes=["bcrypt_sha256", "bcrypt"],
            deprecated="auto",
            bcrypt_sha256__rounds=cost,
        )
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix="password")
        self._work = 0
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        return await self._run(lambda: str(self._context.hash(password)))

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        if self._dummy is None:  # a hash that no password has, at today's cost
            self._dummy = await self.hash(os.urandom(16).hex())
        known, against = hashed is not None, hashed or self._dummy

        def check() -> tuple[bool, str | None]:
            try:
                right, new_hash = self._context.verify_and_update(password, against)
            except ValueError:  # bcrypt without SHA-256 takes neither a NUL nor more than 72 bytes
                return False, None
            return known and right, new_hash if known else None

        return await self._run(check)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._work >= self._cores * (1 + WAITING_PER_CORE):
            raise Overloaded("too many log in at this moment", retry_after=2)
        self._work += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._work -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
