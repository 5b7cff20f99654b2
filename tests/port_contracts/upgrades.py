"""The events that are still to be delivered when a database is upgraded."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.migrate import migrate
from adapters.sql.outbox import SqlInbox
from application.shared.deliveries import NOT_DISTRIBUTED
from application.shared.events import Edited, PostDeleted, Published
from domain.shared import EventId, made_at
from tests.port_contracts.schema import migrate_to


class UpgradeContract:
    """`database` is a new and empty one."""

    async def test_events_undelivered_before_the_upgrade_are_delivered_after_it(
        self, database: Database
    ) -> None:
        """0020: an event goes to all subscribers. One that meant "call me again" goes to the one that it was for, and a
        dead letter to all when it is replayed: which one had failed is not known."""
        await migrate_to(database, "0019")
        day = datetime(2026, 3, 4, tzinfo=UTC).date().toordinal()
        published = '{"post_id":7,"author_id":2,"reply_to":null,"visibility":"public"}'
        edited = json.dumps({"post_id": 5, "author_id": 3, "day": day, "after": 40})
        rows = [
            (11, "post:7", "Published", published, 3),
            (12, "post:5", "EditToTell", edited, 2),
            (13, "post:6", "PostToForget", '{"post_id":6}', 0),
        ]
        async with database.begin() as transaction:
            for event_id, aggregate, kind, data, attempts in rows:
                row = {"id": event_id, "of": aggregate, "kind": kind, "data": data, "attempts": attempts}
                await transaction.execute(
                    text(
                        "INSERT INTO outbox (event_id, aggregate, kind, data, attempts)"
                        " VALUES (:id, :of, :kind, :data, :attempts)"
                    ),
                    row,
                )
                await transaction.execute(
                    text(
                        "INSERT INTO dead_letters (seq, event_id, aggregate, kind, data, attempts, error)"
                        " VALUES (:id + 1000, :id, :of, :kind, :data, 12, 'no')"
                    ),
                    row,
                )
            await transaction.execute(
                text("INSERT INTO inbox (reaction, event_id) VALUES ('identity.count_posts', 11)")
            )

        await migrate(database)

        await database.open()
        queue, minute = queue_on(database, lambda: 0.0), timedelta(minutes=1)
        (event,) = await queue.claim_events(10, minute)
        assert (event.event, event.subscriber) == (
            Published(post_id=7, author_id=2, reply_to=None, visibility="public"),
            NOT_DISTRIBUTED,
        )
        remaining = {one.subscriber: one for one in await queue.claim_remaining(10, minute)}
        edit, deletion = remaining["notifications.notify_of_edit"], remaining["notifications.retract_post"]
        assert (edit.continue_from, edit.attempts, edit.aggregate) == ("40", 2, "post:5")
        assert isinstance(edit.event, Edited)
        assert (edit.event.post_id, edit.event.author_id) == (5, 3)
        assert made_at(edit.event_id).date().toordinal() == day, (
            "it decides whether somebody was notified already"
        )
        assert isinstance(deletion.event, PostDeleted)
        assert (deletion.event.post_id, deletion.event_id, deletion.continue_from) == (6, 13, None)

        letters = [letter for letter, _ in await queue.dead(10)]
        assert [(one.subscriber, one.kind, one.continue_from) for one in letters] == [
            (NOT_DISTRIBUTED, "Published", None),
            ("notifications.notify_of_edit", "Edited", "40"),
            ("notifications.retract_post", "PostDeleted", None),
        ]
        assert await queue.replay() == 3
        assert [
            one.event_id for one in await queue.claim_events(10, minute)
        ] == []  # behind the one that is leased
        await queue.release([event])
        assert [one.event_id for one in await queue.claim_events(10, minute)] == [11, 11]

        async with database.begin() as transaction:
            inbox = SqlInbox(transaction)
            assert await inbox.first_time("identity.count_posts", EventId(11)) is False
