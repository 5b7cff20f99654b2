"""The life cycle of signing keys: next, active, retiring, removed.

A key is published before it signs, so that everyone who verifies tokens knows it by then. It stays published after it
stops signing, until the last token that it signed has expired.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from application.identity.ports import Keys, KeyState, KeyStore, StoredKey
from application.identity.security import SecurityLog
from application.shared.ports import Clock
from domain.dataclasses import dataclass

PUBLISHED = timedelta(minutes=10)
"""For this long a key is published before it signs: twice the time for which caches may keep the list of keys."""
TRUSTED = timedelta(minutes=15)
"""For this long a key is still trusted after it stops signing: the lifetime of a token, and time for every process to
notice the change."""

MakeKey: TypeAlias = Callable[[datetime, KeyState], StoredKey]


def trusted(keys: Sequence[StoredKey], now: datetime) -> list[StoredKey]:
    """The keys whose tokens are valid at `now`, oldest first."""
    good = (key for key in keys if key.state != "retiring" or now < (key.retired_at or now) + TRUSTED)
    return in_order(good)


def in_order(keys: Iterable[StoredKey]) -> list[StoredKey]:
    """Oldest first. Keys that were made at the same time are in the order in which they sign."""
    return sorted(keys, key=lambda key: (key.made_at, ("retiring", "active", "next").index(key.state)))


def _in_state(keys: Sequence[StoredKey], state: KeyState) -> StoredKey | None:
    return next((key for key in keys if key.state == state), None)


@dataclass(frozen=True, slots=True)
class ListKeys:
    store: KeyStore

    async def __call__(self) -> list[StoredKey]:
        return in_order(await self.store.keys())


@dataclass(frozen=True, slots=True)
class EnsureKeys:
    """Make sure that there is an active key and a next key. Processes that start together agree on them."""

    store: KeyStore
    make: MakeKey
    clock: Clock

    async def __call__(self) -> None:
        stored = await self.store.keys()
        if _in_state(stored, "active") and _in_state(stored, "next"):
            return
        async with self.store.changing() as keys:
            for state in ("active", "next"):
                if not _in_state(await keys.all(), state):
                    await keys.put(self.make(self.clock(), state))


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation."""

    activated: str | None = None
    """The key that signs from now on; None if the active key did not change."""
    made: str | None = None
    """The next key, published from now on."""
    wait: timedelta = timedelta()
    """The time for which the next key must still be published before it may sign."""


@dataclass(frozen=True, slots=True)
class RotateKeys:
    """Activate the next key if it was published for long enough, and make a new next key. Removes the keys whose tokens
    have all expired."""

    store: KeyStore
    make: MakeKey
    clock: Clock
    security: SecurityLog

    async def __call__(self, published: timedelta = PUBLISHED) -> Rotation:
        done = await self._rotate(published)
        if done.activated is not None:
            self.security("key_rotated", reason=done.activated)
        return done

    async def _rotate(self, published: timedelta) -> Rotation:
        now = self.clock()
        async with self.store.changing() as keys:
            stored = await keys.all()
            for key in stored:
                if key not in trusted(stored, now):
                    await keys.remove(key.kid)
            ready = _in_state(stored, "next")
            if ready is None:
                return Rotation(made=await self._make_next(keys, now), wait=published)
            if now < ready.made_at + published:
                return Rotation(wait=ready.made_at + published - now)
            active = _in_state(stored, "active")
            if active is not None:  # retire it first: the store allows one active key at a time
                await keys.put(replace(active, state="retiring", retired_at=now, private_sealed=b""))
            await keys.put(replace(ready, state="active"))
            return Rotation(activated=ready.kid, made=await self._make_next(keys, now))

    async def _make_next(self, keys: Keys, now: datetime) -> str:
        key = self.make(now, "next")
        await keys.put(key)
        return key.kid


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Remove a key at once, because it leaked. Every token that it signed is refused within seconds; the operator should
    end all sessions too. If it was the active key, the next key signs from now on. Returns the removed key, or None if
    there is no such key."""

    store: KeyStore
    make: MakeKey
    clock: Clock
    security: SecurityLog

    async def __call__(self, kid: str) -> StoredKey | None:
        now = self.clock()
        async with self.store.changing() as keys:
            stored = await keys.all()
            revoked = next((key for key in stored if key.kid == kid), None)
            if revoked is None:
                return None
            await keys.remove(kid)
            ready = _in_state(stored, "next")
            if revoked.state == "active":
                await keys.put(replace(ready, state="active") if ready else self.make(now, "active"))
            if revoked.state != "retiring":
                await keys.put(self.make(now, "next"))
        self.security("key_revoked", reason=kid)
        return revoked
