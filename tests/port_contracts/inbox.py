"""The contract of the inbox."""

import pytest

from domain.shared import EventId
from tests.port_contracts.stores import Stores, new_id


class InboxContract:
    async def test_an_event_is_new_to_each_handler_once(self, stores: Stores) -> None:
        event, other = EventId(new_id()), EventId(new_id())

        async def first_time(handler: str, event: EventId) -> bool:
            async with stores.identity.open_tx() as tx:
                return await tx.inbox.first_time(handler, event)

        assert await first_time("count", event) is True
        assert await first_time("count", event) is False
        assert await first_time("mail", event) is True
        assert await first_time("count", other) is True

    async def test_an_event_is_new_again_after_a_rollback(self, stores: Stores) -> None:
        event = EventId(new_id())

        async def fail() -> None:
            async with stores.identity.open_tx() as tx:
                await tx.inbox.first_time("count", event)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        async with stores.identity.open_tx() as tx:
            assert await tx.inbox.first_time("count", event) is True
