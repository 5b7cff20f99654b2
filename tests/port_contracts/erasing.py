"""The contract of erasing a deleted account: no store keeps anything readable of it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from adapters.memory.posts.reading import MemoryPostsReader
from adapters.sql.metadata import metadata
from adapters.sql.posts.tables import restricted_authors
from application.identity.sessions import LoggedIn
from application.posts.deleting import EraseAuthor
from application.posts.editing import PostEdit
from application.posts.ports import PostsTx
from application.shared.events import AccountDeleted, Event
from application.shared.paging import Window
from application.shared.ports import IdempotentRequest, OpenTx
from application.shared.subscriptions import InProcess, Subscription, on_long
from domain.posts import Engagement, PostNotFound, Visibility
from domain.shared import EventId, PostId, UserId, UserNotFound
from tests.port_contracts.stores import Stores, new_id
from tests.unit.people import PASSWORD, Waggle, refused

CANARY = "kanarienvogel"
DIRECT = Visibility.DIRECT


async def everything(stores: Stores) -> dict[str, str]:
    """Everything that is stored, as text by table."""
    if stores.database is None:
        assert isinstance(stores.posts.reader, MemoryPostsReader)
        return {name: repr(rows) for name, rows in stores.posts.reader.store._tables.items()}
    async with stores.database.begin() as transaction:
        return {
            table.name: repr([tuple(row) for row in await transaction.execute(select(table))])
            for table in metadata.sorted_tables
        }


async def tables_with(stores: Stores, *needles: object, but: str = "\0") -> set[str]:
    tables = {name: rows.replace(but, "") for name, rows in (await everything(stores)).items()}
    return {name for name, rows in tables.items() if any(str(needle) in rows for needle in needles)}


@dataclass
class World:
    """Ann, whose account will be deleted, and Bob, who stays. Each has posts and engagements that involve the other."""

    waggle: Waggle
    ann: LoggedIn
    bob: UserId
    name: str
    hers: list[PostId]
    his: list[PostId]

    @classmethod
    async def of(cls, stores: Stores) -> "World":
        waggle = Waggle(stores)
        number = new_id() >> 16
        name = f"ann{number}"
        key = IdempotentRequest("anyone:open_account", f"key {number}", "f")
        ann = await waggle.register(name, f"{name}@example.org", PASSWORD, f"Ann {CANARY}", key)
        await waggle.edit_profile(ann.user.id, None, f"bio {CANARY}", None)
        bob = await waggle.new_user(f"bob{number}")
        world = cls(waggle, ann, bob, name, [], [])
        await world.live()
        return world

    async def live(self) -> None:
        ann, bob, waggle = self.ann.user.id, self.bob, self.waggle
        await waggle.new_user("confidant")
        for number in range(2):
            key = IdempotentRequest(f"{ann}:publish", f"key {ann} {number}", "f", owner=ann)
            hers = (
                await waggle.publish_text(ann, f"{CANARY} {number} @{self.name}", idempotent_request=key)
            ).hydrated.post.id
            his = (await waggle.post(bob, f"hello @{self.name}")).post.id
            comment = (await waggle.post(ann, CANARY, reply_to=his)).post.id
            answer = (await waggle.post(bob, "indeed", reply_to=comment)).post.id
            self.hers += [hers, comment, (await waggle.post(ann, f"{CANARY} @confidant", DIRECT)).post.id]
            self.his += [his, answer, (await waggle.post(bob, "so it is", reply_to=hers)).post.id]
        for post_id in self.his:
            for engagement in Engagement:
                await waggle.engage(ann, post_id, engagement, on=True)
        for post_id in self.hers[::3]:
            await waggle.like(bob, post_id, liked=True)
        await waggle.edit(ann, self.hers[0], PostEdit(text=f"{CANARY} again #{CANARY}"), None)
        await waggle.edit(bob, self.his[0], PostEdit(text=f"good day @{self.name}"), None)
        await waggle.pin(ann, self.hers[0], on=True)
        await waggle.post(bob, f"psst @{self.name}", DIRECT)
        secret = (await waggle.post(bob, "psst @confidant", DIRECT)).post.id
        for text in (f"not for @{self.name}", "nor for anybody"):
            # Named without being mentioned, and later in an earlier version only.
            await waggle.post(bob, text, reply_to=secret)
            await waggle.edit(bob, secret, PostEdit(text=text), None)
        await waggle.edit(bob, self.his[3], PostEdit(text="good day all"), None)
        gone = (await waggle.post(ann, CANARY)).post.id
        await waggle.delete(ann, gone)
        await settle(waggle)

    async def ann_goes(self) -> None:
        ann = self.ann
        claims = await self.waggle.authenticate(ann.tokens.access_token)
        await self.waggle.delete_account(ann.user.id, claims.session_id, self.name)

    async def check(self) -> None:
        """Everything of Ann is erased, everything of Bob exists, and all counts are correct."""
        stores = self.waggle.stores
        assert await tables_with(stores, self.ann.user.id) == {"restricted_authors"}
        assert await tables_with(stores, CANARY, self.ann.user.display_name) == set()
        words_of_others = f"@{self.name}"
        # Posts of others about her are found by their words: the mention in them is plain text now.
        assert await tables_with(stores, self.name, but=words_of_others) <= {"post_words"}
        for post_id in self.hers:
            assert await refused(self.waggle.read(self.bob, post_id)) is PostNotFound
        for post_id in self.his:
            seen = await self.waggle.read(None, post_id)
            assert (
                seen.post.state.comments,
                seen.post.state.likes,
                seen.post.state.reposts,
                seen.mentions,
            ) == (0, 0, 0, [])
        page = await self.waggle.by_author(None, self.bob, Window(100))
        assert [seen.post.id for seen in page.items] == self.his[::3][::-1]


async def settle(waggle: Waggle) -> None:
    """Delivers events until there are none left."""
    while await waggle.relay.deliver():
        pass


class ErasingContract:
    async def test_di7_nothing_of_a_deleted_account_is_left_in_any_table(self, stores: Stores) -> None:
        world = await World.of(stores)
        assert await tables_with(stores, CANARY) >= {"posts", "accounts", "tag_votes"}
        assert "votes" in await tables_with(stores, world.ann.user.id)

        await world.ann_goes()
        # identity deleted its data before it answered.
        assert await tables_with(stores, CANARY) <= {
            "posts",
            "post_edits",
            "hashtags",
            "post_words",
            "tag_votes",
        }
        await settle(world.waggle)

        await world.check()
        assert await refused(world.waggle.read_profile(world.ann.user.id)) is UserNotFound

    @pytest.mark.parametrize(("batch", "death"), [(1, 0), (1, 5), (1, 11), (1, 14), (2, 3), (5, 1), (5, 3)])
    async def test_di7_an_interrupted_erasure_continues_from_any_point(
        self, stores: Stores, batch: int, death: int
    ) -> None:
        world = await World.of(stores)
        await world.ann_goes()
        event, id_ = AccountDeleted(user_id=world.ann.user.id), EventId(new_id())

        with pytest.raises(ZeroDivisionError):
            await EraseAuthor(dying(stores, death), lambda: 0.0, batch)(event, id_)
        await EraseAuthor(stores.posts.open_tx, lambda: 0.0, batch)(event, id_)

        await settle(world.waggle)
        await world.check()

    async def test_di7_a_long_erasure_runs_in_steps_and_calls_no_other_subscriber_again(
        self, stores: Stores
    ) -> None:
        world = await World.of(stores)
        waggle, calls = world.waggle, Counter[str]()
        for _ in range(40):
            world.hers.append((await waggle.post(world.ann.user.id, CANARY)).post.id)
        await settle(waggle)
        await world.ann_goes()
        hasty = EraseAuthor(stores.posts.open_tx, lambda: 0.0, batch=4, budget=0.0)

        def counted(one: Subscription) -> Subscription:
            async def handle(event: Event, event_id: EventId, continue_from: str | None) -> str | None:
                calls[one.subscriber] += 1
                return await one.handle(event, event_id, continue_from)

            return replace(one, handle=handle)

        others = [one for one in waggle.subscriptions if one.event_type is AccountDeleted]
        others = [one for one in others if one.subscriber != "posts.erase_author"]
        rest = [one for one in waggle.subscriptions if one.event_type is not AccountDeleted]
        erasing = counted(on_long(AccountDeleted, "posts.erase_author", hasty))
        waggle.relay = replace(waggle.relay, subscribers=InProcess([*map(counted, others), erasing, *rest]))

        await settle(waggle)

        assert calls.pop("posts.erase_author") > 10
        assert calls == {one.subscriber: 1 for one in others}
        assert await waggle.stores.queue.waiting() == 0
        await world.check()

    async def test_di7_posts_are_hidden_before_they_are_erased(self, stores: Stores) -> None:
        world = await World.of(stores)
        await world.ann_goes()
        event, id_ = AccountDeleted(user_id=world.ann.user.id), EventId(new_id())

        with pytest.raises(ZeroDivisionError):
            await EraseAuthor(dying(stores, 1), lambda: 0.0)(event, id_)

        for post_id in world.hers:
            for viewer in (None, world.bob, world.ann.user.id):
                assert await refused(world.waggle.read(viewer, post_id)) is PostNotFound
                assert await refused(world.waggle.like(world.bob, post_id, liked=True)) is PostNotFound

    async def test_di7_editing_an_answer_does_not_mention_a_deleted_account_again(
        self, stores: Stores
    ) -> None:
        world = await World.of(stores)
        answer = (await world.waggle.post(world.bob, "so so", Visibility.FOLLOWERS, world.hers[0])).post
        assert answer.state.mentioned == (world.ann.user.id,)
        await world.ann_goes()
        await settle(world.waggle)

        edited = await world.waggle.edits(world.bob, answer.id, "as I said")

        assert edited.post.state.mentioned == ()

    async def test_di7_a_late_write_is_erased_by_the_sweep(self, stores: Stores) -> None:
        world = await World.of(stores)
        await world.ann_goes()
        await settle(world.waggle)
        async with stores.posts.open_tx() as tx:  # a request that began before the deletion
            await tx.posts.get(world.his[0])
            await tx.engagements.add(Engagement.LIKE, world.his[0], world.ann.user.id, new_id())

        await world.waggle.erase_late_writes()
        await settle(world.waggle)

        assert (await world.waggle.read(None, world.his[0])).post.state.likes == 0
        await world.check()

    async def test_di7_after_a_day_not_even_the_id_is_left(self, stores: Stores) -> None:
        if stores.database is None:
            return  # the memory store has no maintenance
        world = await World.of(stores)
        await world.ann_goes()
        await settle(world.waggle)

        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        async with stores.database.begin() as transaction:
            await transaction.execute(update(restricted_authors).values(gone_at=long_ago))
        await world.waggle.erase_late_writes()
        await settle(world.waggle)
        await stores.posts.purge_expired()

        assert await tables_with(stores, world.ann.user.id) == set()


def dying(stores: Stores, transactions: int) -> OpenTx[PostsTx]:
    """Opens that many transactions, and fails at the end of the next one, before the commit."""
    opened = 0

    @asynccontextmanager
    async def open_tx() -> AsyncIterator[PostsTx]:
        nonlocal opened
        async with stores.posts.open_tx() as tx:
            yield tx
            if opened == transactions:
                raise ZeroDivisionError
            opened += 1

    return open_tx
