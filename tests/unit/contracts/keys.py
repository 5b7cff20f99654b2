"""What every store of signing keys must do."""

import asyncio
from datetime import timedelta

from application.identity.ports import StoredKey
from tests.unit.contracts.stores import BEGINNING, Stores


def a_key(kid: str = "k1") -> StoredKey:
    made_at = BEGINNING + timedelta(milliseconds=123)
    return StoredKey(kid, b"\0sealed\xff", bytes(range(32)), made_at, active=True)


class KeysContract:
    async def test_a_new_server_has_none(self, stores: Stores) -> None:
        assert list(await stores.keys.keys()) == []

    async def test_every_member_makes_the_round_trip(self, stores: Stores) -> None:
        await stores.keys.add_first(a_key())

        assert list(await stores.keys.keys()) == [a_key()]

    async def test_of_processes_that_start_together_one_wins(self, stores: Stores) -> None:
        offered = [a_key(f"k{number}") for number in range(8)]

        await asyncio.gather(*(stores.keys.add_first(key) for key in offered))

        (stored,) = await stores.keys.keys()
        assert stored in offered
