"""Maintenance deletes expired rows, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from adapters.sql import maintenance
from adapters.sql.feeds.stores import SIGNALS
from adapters.sql.feeds.tables import engagement_signals, hashtag_signals
from adapters.sql.graph.tables import mutes
from adapters.sql.idempotency import idempotency_keys
from adapters.sql.identity.stores import SESSIONS
from adapters.sql.identity.tables import pending_registrations, sessions
from adapters.sql.maintenance import HANDLED_EVENTS, IDEMPOTENCY_KEYS, purge_shared
from adapters.sql.notifications.tables import tickets
from adapters.sql.outbox import inbox
from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from domain.shared import EventId, PostId, SessionId, UserId
from tests.port_contracts.idempotency import an_idempotent_request, publish_once
from tests.port_contracts.pending import a_pending, add
from tests.port_contracts.process_numbers import db
from tests.port_contracts.sessions import a_session, add_session
from tests.port_contracts.stores import Stores, new_id
from tests.port_contracts.stream_tickets import a_ticket

LITTLE = timedelta(minutes=1)


def id_of_age(ago: timedelta) -> int:
    return int((datetime.now(UTC) - ago).timestamp() * 1000) << 16


async def counts(stores: Stores) -> list[int]:
    async with db(stores).begin() as transaction:
        return [
            (await transaction.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (
                idempotency_keys,
                inbox,
                sessions,
                engagement_signals,
                hashtag_signals,
                mutes,
                tickets,
                pending_registrations,
            )
        ]


async def purge_expired(stores: Stores) -> int:
    """Maintenance in one run: every module deletes its own rows."""
    modules = (stores.identity, stores.graph, stores.posts, stores.feeds, stores.notifications)
    return await purge_shared(db(stores))() + sum([await module.purge_expired() for module in modules])


class MaintenanceContract:
    async def test_only_expired_rows_are_deleted(self, stores: Stores) -> None:
        recent, old = an_idempotent_request(), an_idempotent_request()
        for idempotent_request, age in (
            (recent, IDEMPOTENCY_KEYS - LITTLE),
            (old, IDEMPOTENCY_KEYS + LITTLE),
        ):
            await publish_once(stores, idempotent_request)
            aged = update(idempotency_keys).where(idempotency_keys.c.key == idempotent_request.key)
            async with db(stores).begin() as transaction:
                await transaction.execute(aged.values(claimed_at=id_of_age(age) >> 16))
        account = await stores.add_account()
        for age in (SESSIONS - LITTLE, SESSIONS + LITTLE):
            await add_session(stores, a_session(account, id=SessionId(id_of_age(age))))
        async with stores.identity.open_tx() as tx:
            for age in (HANDLED_EVENTS - LITTLE, HANDLED_EVENTS + LITTLE):
                await tx.inbox.first_time("count", EventId(id_of_age(age)))

        async with stores.feeds.open_tx() as tx:
            for age in (SIGNALS - LITTLE, SIGNALS + LITTLE):
                post, at = PostId(id_of_age(age)), id_of_age(age) >> 16
                await tx.signals.add(EngagementSignal(post, account.id, 1, 1, at))
                await tx.signals.set_tags(post, [HashtagSignal("bees", post, account.id, at)])

        async with stores.graph.open_tx() as tx:
            for until in (datetime.now(UTC) + LITTLE, datetime.now(UTC) - LITTLE, None):
                pair = await tx.relationships.lock(account.id, UserId(new_id()))
                await tx.relationships.save(pair, pair.muted(until), new_id())

        for lasts in (LITTLE, -LITTLE):
            await stores.notifications.tickets.add(*a_ticket(), lasts)

        for left in (LITTLE, -LITTLE):
            await add(stores, a_pending(expires_at=datetime.now(UTC) + left))

        deleted = await purge_expired(stores)

        assert (deleted, await counts(stores)) == (8, [1, 1, 1, 1, 1, 2, 1, 1])
        assert (await publish_once(stores, recent)).replayed is True
        assert (await publish_once(stores, old)).replayed is False

    async def test_the_purge_deletes_batches_until_no_expired_row_is_left(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(maintenance, "BATCH", 2)
        async with stores.identity.open_tx() as tx:
            for number in range(5):
                await tx.inbox.first_time("count", EventId(id_of_age(HANDLED_EVENTS + LITTLE) + number))

        assert await purge_expired(stores) == 5
        assert await purge_expired(stores) == 0
