"""The keys that sign access tokens: made at the first start, rotated and revoked while several processes use them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from adapters.memory.identity.keys import MemoryKeyStore
from adapters.memory.identity.security import MemorySecurityRecords
from adapters.memory.store import Store
from adapters.security.sealing import Secrets
from adapters.security.tokens import (
    LIFE,
    JwtAccessTokens,
    SigningKeys,
    load_keys,
    make_key,
)
from application.identity.keys import PUBLISHED, TRUSTED, EnsureKeys, RevokeKey, RotateKeys, in_order
from application.identity.ports import KeyState
from application.identity.security import Origin, SecurityLog
from application.shared.errors import TokenInvalid
from tests.unit.token_samples import (
    ISSUER,
    NOW,
    SESSION,
    TOKEN,
    USER,
)

SECRETS = Secrets(bytes(range(32)))
DAY = timedelta(days=1)


class Server:
    """A store of keys, the processes that use it, and the commands of the operator."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryKeyStore(Store())
        parts = self.store, partial(make_key, SECRETS), lambda: self.now
        events = MemorySecurityRecords(Store())
        self.security = SecurityLog(events, lambda: self.now, lambda: 0.0, Origin)
        self.ensure = EnsureKeys(*parts)
        self.rotate, self.revoke = RotateKeys(*parts, self.security), RevokeKey(*parts, self.security)

    async def process(self) -> "Process":
        await self.ensure()
        process = Process(self, SigningKeys())
        await process.reloads()
        return process

    async def states(self) -> list[KeyState]:
        return [key.state for key in in_order(await self.store.keys())]


@dataclass
class Process:
    server: Server
    keys: SigningKeys

    async def reloads(self) -> bool:
        return await load_keys(self.keys, self.server.store, SECRETS, self.server.now)

    def issues(self) -> str:
        return JwtAccessTokens(self.keys, ISSUER).issue(USER, SESSION, self.server.now)[0]

    def takes(self, token: str) -> bool:
        try:
            JwtAccessTokens(self.keys, ISSUER).verify(token, self.server.now)
        except TokenInvalid:
            return False
        return True


async def test_id10_processes_that_start_together_sign_with_the_same_key() -> None:
    server = Server()

    processes = await asyncio.gather(*(server.process() for _ in range(3)))

    assert len({process.issues() for process in processes}) == 1
    assert [process.keys.jwks() for process in processes] == [processes[0].keys.jwks()] * 3
    assert await server.states() == ["active", "next"]


async def test_id10_a_restart_keeps_the_key() -> None:
    server = Server()
    token = (await server.process()).issues()

    assert (await server.process()).takes(token) is True


async def test_id10_a_server_without_a_next_key_gets_one() -> None:
    server = Server()
    async with server.store.changing() as keys:
        await keys.put(make_key(SECRETS, NOW, "active"))

    await server.process()

    assert sorted(await server.states()) == ["active", "next"]


async def test_id10_a_key_is_published_before_it_signs_and_after() -> None:
    server = Server()
    process = await server.process()
    (first, second) = (key["kid"] for key in process.keys.jwks())
    old = process.issues()

    early = await server.rotate()
    assert (early.activated, early.wait) == (None, PUBLISHED)
    server.now += PUBLISHED
    done = await server.rotate()
    await process.reloads()

    assert done.activated == process.keys.active_kid == second
    assert [key["kid"] for key in process.keys.jwks()] == [first, second, done.made]
    server.now = NOW + LIFE - timedelta(seconds=1)
    assert process.takes(old) is True
    server.now = NOW + PUBLISHED + TRUSTED
    assert await process.reloads() is True, "a key is no longer trusted"
    assert [key["kid"] for key in process.keys.jwks()] == [second, done.made]


async def test_id10_during_a_rotation_every_process_accepts_the_tokens_of_the_others() -> None:
    server = Server()
    quick, slow = await server.process(), await server.process()

    for _ in range(5):
        server.now += PUBLISHED
        before = [quick.issues(), slow.issues()]
        await server.rotate()
        await quick.reloads()
        between = [quick.issues(), slow.issues()]
        assert quick.keys.active_kid != slow.keys.active_kid
        assert all(process.takes(token) for token in before + between for process in (quick, slow))
        await slow.reloads()
        after = [quick.issues(), slow.issues()]
        tokens = before + between + after
        assert all(process.takes(token) for token in tokens for process in (quick, slow))


async def test_id10_keys_whose_tokens_have_expired_are_gone() -> None:
    server = Server()
    await server.process()
    for _ in range(10):
        server.now += DAY
        await server.rotate()

    assert await server.states() == ["retiring", "active", "next"]
    assert [bool(key.private_sealed) for key in in_order(await server.store.keys())] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("state", ["active", "retiring", "next"])
async def test_id10_a_revoked_key_is_refused_and_another_signs(state: str) -> None:
    server = Server()
    process = await server.process()
    server.now += PUBLISHED
    retiring = process.issues()
    await server.rotate()
    await process.reloads()
    active = process.issues()
    (kid,) = (key.kid for key in await server.store.keys() if key.state == state)

    revoked = await server.revoke(kid)
    assert revoked is not None
    assert (revoked.kid, revoked.state) == (kid, state)
    assert await server.revoke(kid) is None

    assert await process.reloads() is True
    assert kid not in {key["kid"] for key in process.keys.jwks()}
    assert (process.takes(retiring), process.takes(active)) == (state != "retiring", state != "active")
    assert process.takes(process.issues()) is True
    assert (await server.states())[-2:] == ["active", "next"]


async def test_id10_an_unknown_key_causes_no_read_of_the_store() -> None:
    process = await (server := Server()).process()
    server.store = None  # type: ignore[assignment]

    assert process.takes(TOKEN) is False


async def test_the_stored_key_is_sealed() -> None:
    process = await (server := Server()).process()

    stored = next(key for key in await server.store.keys() if key.state == "active")
    assert process.keys.private is not None
    assert process.keys.private.private_bytes_raw() not in stored.private_sealed
    with pytest.raises(ValueError, match="cannot open"):
        await load_keys(SigningKeys(), server.store, Secrets(bytes(range(1, 33))), NOW)
