"""The contract of the key store."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from application.identity.ports import KeyState, StoredKey
from tests.port_contracts.stores import BEGINNING, Stores


def a_key(kid: str = "k1", state: KeyState = "active") -> StoredKey:
    made_at = BEGINNING + timedelta(milliseconds=123)
    return StoredKey(kid, b"\0sealed\xff", bytes(range(32)), made_at, state)


class KeysContract:
    async def test_a_new_server_has_no_keys(self, stores: Stores) -> None:
        assert list(await stores.identity.keys.keys()) == []

    async def test_every_member_makes_the_round_trip(self, stores: Stores) -> None:
        retired = replace(a_key("k2", "retiring"), private_sealed=b"", retired_at=BEGINNING)
        made = [a_key("k0", "next"), a_key(), retired]
        async with stores.identity.keys.changing() as keys:
            for key in made:
                await keys.put(key)
            assert sorted(await keys.all(), key=lambda key: key.kid) == made

        assert sorted(await stores.identity.keys.keys(), key=lambda key: key.kid) == made

    async def test_a_key_is_replaced_and_removed(self, stores: Stores) -> None:
        async with stores.identity.keys.changing() as keys:
            await keys.put(a_key())
            await keys.put(a_key("k2", "next"))
        async with stores.identity.keys.changing() as keys:
            await keys.put(replace(a_key(), state="retiring", retired_at=BEGINNING))
            await keys.remove("k2")
            await keys.remove("no such key")

        assert list(await stores.identity.keys.keys()) == [
            replace(a_key(), state="retiring", retired_at=BEGINNING)
        ]

    async def test_an_unfinished_change_is_rolled_back(self, stores: Stores) -> None:
        async def fail() -> None:
            async with stores.identity.keys.changing() as keys:
                await keys.put(a_key())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        assert list(await stores.identity.keys.keys()) == []

    async def test_one_of_several_concurrent_first_starts_makes_the_key(self, stores: Stores) -> None:
        async def first(key: StoredKey) -> None:
            async with stores.identity.keys.changing() as keys:
                if not await keys.all():
                    await asyncio.sleep(0)
                    await keys.put(key)

        offered = [a_key(f"k{number}") for number in range(8)]
        await asyncio.gather(*(first(key) for key in offered))

        (stored,) = await stores.identity.keys.keys()
        assert stored in offered
