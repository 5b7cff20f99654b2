"""Every handler of the real wiring tolerates deliveries that are repeated, and in another order between aggregates."""

import copy
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from dependency_injector import providers
from hypothesis import given
from hypothesis import strategies as st

from adapters.ids import Lease
from adapters.memory.notifications.rows import notifications
from application.posts.editing import PostEdit
from application.posts.publishing import PostDraft
from application.shared.deliveries import Delivery, Settled
from application.shared.events import AccountDeleted, Event, MediaSettled, PostDeleted
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, Subscription, deliver_again
from domain.media import Media, MediaState
from domain.notifications import NotificationKind
from domain.posts import Engagement, Visibility
from domain.shared import MAX_ID, DomainError, EventId, MediaId, PostId, UserId
from entrypoints.container import Container, build
from entrypoints.settings import Settings
from tests.port_contracts.stores import an_account
from tests.unit.test_posts_with_media import RESULT

NAMES = ("ann", "bob", "eve", "dan")
Tables = dict[str, dict[Any, Any]]
UNSTABLE = {"outbox", "deliveries", "inbox", "security_events"}
"""Tables whose rows say which deliveries there were."""


def memory() -> Container:
    container = build(Settings.read({"WAGGLE_DATABASE_URL": "memory:", "WAGGLE_PASSWORD_COST": "4"}))
    lease = Lease(0, int(time.time() * 1000), MAX_ID >> 16)
    container.ids().renewed(lease, asked_at=time.monotonic())
    return container


@dataclass
class Actions:
    """The random actions of users, all of them before any event is delivered."""

    container: Container
    rng: random.Random
    users: Sequence[UserId]
    posts: list[PostId] = field(default_factory=list)
    has_deletion: bool = False
    engagements: list[tuple[UserId, PostId, Engagement]] = field(default_factory=list)

    @classmethod
    async def of(cls, seed: int, container: Container | None = None) -> "Actions":
        container = container or memory()
        users = []
        for name in NAMES:
            account = an_account(id=container.ids()(), username=name, email=f"{name}@example.org")
            async with container.identity_stores().open_tx() as tx:
                await tx.accounts.add(account)
            users.append(account.id)
        return cls(container, random.Random(seed), users)  # noqa: S311 - no secret

    async def act(self) -> None:
        user, other = self.rng.sample(self.users, 2)
        action = self.rng.choice(
            [
                *[
                    self.publish,
                    self.publish,
                    self.comment,
                    self.engage,
                    self.engage,
                    self.engage,
                    self.disengage,
                ],
                *[self.edit, self.delete, self.follow, self.follow, self.unfollow, self.block],
                *[self.set_private, self.settle_media],
            ]
        )
        with suppress(DomainError):
            await action(user, other)

    async def publish(self, user: UserId, other: UserId) -> None:
        media = (await self.upload(user),) if self.rng.random() < 0.3 else ()
        text = f"hello @{self.rng.choice(NAMES)} #{self.rng.choice(['bees', 'hives'])}"
        visibility = self.rng.choice([*Visibility, Visibility.PUBLIC])
        draft = PostDraft(text=text, visibility=visibility, media=media)
        published = await self.container.posts().publish_post(user, draft, None)
        self.posts.append(published.hydrated.post.id)

    async def upload(self, owner: UserId) -> MediaId:
        state = self.rng.choice([MediaState.READY, MediaState.PROCESSING])
        media = Media(id=MediaId(self.container.ids()()), owner=owner, secret="s" * 22, state=state, bytes=9)
        async with self.container.media_stores().open_tx() as tx:
            await tx.media.add(replace(media, result=RESULT) if state is MediaState.READY else media)
        return media.id

    async def settle_media(self, user: UserId, other: UserId) -> None:
        async with self.container.media_stores().open_tx() as tx:
            await tx.outbox.add(MediaSettled(media_id=self.container.ids()(), owner_id=user))

    async def comment(self, user: UserId, other: UserId) -> None:
        draft = PostDraft(text="indeed", reply_to=self.rng.choice(self.posts or [PostId(1)]))
        published = await self.container.posts().publish_post(user, draft, None)
        self.posts.append(published.hydrated.post.id)

    async def engage(self, user: UserId, other: UserId) -> None:
        post, kind = self.rng.choice(self.posts or [PostId(1)]), self.rng.choice([*Engagement])
        await self.container.posts().set_engagement(user, post, kind, on=True)
        self.engagements.append((user, post, kind))

    async def disengage(self, user: UserId, other: UserId) -> None:
        if self.engagements:
            undone = self.rng.choice(self.engagements)
            await self.container.posts().set_engagement(*undone, on=False)

    async def edit(self, user: UserId, other: UserId) -> None:
        media = () if self.rng.random() < 0.3 else None
        edit = PostEdit(text=f"again @{self.rng.choice(NAMES)} #hives", media=media)
        await self.container.posts().edit_post(user, self.rng.choice(self.posts or [PostId(1)]), edit, None)

    async def delete(self, user: UserId, other: UserId) -> None:
        await self.container.posts().delete_post(user, self.rng.choice(self.posts or [PostId(1)]))

    async def follow(self, user: UserId, other: UserId) -> None:
        await self.container.graph().follow(user, other)

    async def unfollow(self, user: UserId, other: UserId) -> None:
        await self.container.graph().unfollow(user, other)

    async def block(self, user: UserId, other: UserId) -> None:
        if self.rng.random() < 0.3:
            await self.container.graph().block(user, other)

    async def set_private(self, user: UserId, other: UserId) -> None:
        """Not where an account is deleted: whether its comments were withheld before decides about their tombstones."""
        if self.has_deletion:
            return
        private = self.rng.random() < 0.6
        await self.container.identity().edit_profile(user, None, None, None, private=private)

    async def leave(self) -> None:
        await self.container.identity().delete_account.by_operator(self.rng.choice(self.users))


async def undelivered(container: Container) -> Sequence[Delivery]:
    queue = container.outbox_queue()
    claimed = await queue.claim_events(100_000, timedelta(minutes=1))
    await queue.settle([Settled(delivery) for delivery in claimed])
    return claimed


async def handle(subscription: Subscription, delivery: Delivery) -> None:
    """To its end."""
    assert delivery.event is not None
    continue_from = await subscription.handle(delivery.event, delivery.event_id, None)
    while continue_from is not None:
        continue_from = await subscription.handle(delivery.event, delivery.event_id, continue_from)


async def deliver_once(container: Container, seen: Counter[tuple[str, str]]) -> None:
    """To each subscriber, in the order of the commits."""
    subscriptions = [one for module in container.modules() for one in module.subscriptions()]
    while claimed := await undelivered(container):
        for delivery in claimed:
            for one in subscriptions:
                if one.event_type is type(delivery.event):
                    seen[delivery.kind, one.subscriber] += 1
                    await handle(one, delivery)


async def deliver_again_and_again(container: Container, rng: random.Random) -> None:
    """Each delivery twice, some of them after later ones. Only the order of an aggregate and subscriber holds, up to
    the point where delivery starts anew."""
    subscriptions = [one for module in container.modules() for one in module.subscriptions()]
    while claimed := await undelivered(container):
        lines: dict[tuple[str, str], list[tuple[Subscription, Delivery]]] = {}
        for delivery in claimed:
            for one in subscriptions:
                if one.event_type is type(delivery.event):
                    lines.setdefault((delivery.aggregate, one.subscriber), []).append((one, delivery))
        pending = [repeated(line, rng) for line in lines.values()]
        while pending:
            line = rng.choice(pending)
            await handle(*line.pop(0))
            if not line:
                pending.remove(line)


def repeated(line: list[Any], rng: random.Random) -> list[Any]:
    if rng.random() < 0.5:
        return [one for one in line for _ in range(2)]
    return line + line


async def state(container: Container, users: Sequence[UserId]) -> dict[str, Any]:
    """All that is stored, without ids of new rows, and without the order of notifications about different things. Who
    is notified of a post depends on whether its author became private before: this order is of two aggregates."""
    store = container.store()
    found: dict[str, Any] = {
        name: dict(rows) for name, rows in store._tables.items() if rows and name not in UNSTABLE
    }
    for name in [name for name in found if name.startswith(("stream", "mails_due"))]:
        del found[name]
    # A deleted post is counted nowhere: it does not matter whether it was withheld before.
    found["posts"] = {
        post.id: replace(post, withheld=False) if post.deleted else post for post in store.all("posts")
    }
    found["follows"] = set(found.get("follows", {}))
    # A comment that arrives after its post was deleted leaves a signal, which expires and is checked when it is shown.
    deleted = {post.id for post in store.all("posts") if post.deleted}
    found["votes"] = {row for row in store.all("votes") if row.post not in deleted}
    for user in users:
        found[f"notifications of {user}"] = Counter(
            (entry.type, entry.actor, entry.post)
            for entry in notifications(store, user)
            if entry.post is None or entry.actor not in found.get("restricted_authors", {})
        )
        stream = store.get("streams", user)
        kinds = (NotificationKind(entry.type) for entry in notifications(store, user))
        told = Counter(kind for kind in kinds if not kind.is_quiet)
        assert stream is None or dict(stream.unread) == dict(told)
    return found


async def outcome(tables: Tables, users: Sequence[UserId], rng: random.Random | None) -> dict[str, Any]:
    """The state after all events in the outbox were delivered."""
    container = memory()
    store = container.store()
    for name, rows in copy.deepcopy(tables).items():
        store._tables[name].update(rows)
    store._sequence = 1_000_000
    if rng is None:
        await deliver_once(container, Counter())
    else:
        await deliver_again_and_again(container, rng)
    for user in await container.posts().list_recently_deleted():  # as the maintenance of a server does
        event = AccountDeleted(user_id=user)
        await deliver_again(container.subscribers(), event, EventId(container.ids()()))
        await deliver_once(container, Counter())
    return await state(container, users)


@given(seed=st.integers(0, 2**32), size=st.integers(1, 40), leaves=st.booleans())
async def test_repeated_deliveries_in_any_order_change_nothing(seed: int, size: int, leaves: bool) -> None:
    actions = await Actions.of(seed)
    actions.has_deletion = leaves
    for _ in range(size):
        await actions.act()
    if leaves:
        await actions.leave()
    tables = {name: dict(rows) for name, rows in actions.container.store()._tables.items()}

    once = await outcome(tables, actions.users, None)
    often = await outcome(tables, actions.users, random.Random(seed))  # noqa: S311 - no secret

    for name in once.keys() | often.keys():
        assert often.get(name) == once.get(name), name


async def test_the_random_actions_reach_every_subscription() -> None:
    seen = Counter[tuple[str, str]]()
    for seed in range(12):
        actions = await Actions.of(seed)
        for _ in range(60):
            await actions.act()
        await actions.leave()
        await deliver_once(actions.container, seen)

    modules = memory().modules()
    listed = {
        (one.event_type.__name__, one.subscriber) for module in modules for one in module.subscriptions()
    }
    assert listed - set(seen) == set()


async def test_erasing_an_account_with_400_posts_calls_each_subscriber_only_until_it_is_done() -> None:
    container, looks = memory(), 0.0

    def clock() -> float:
        """Every look at it takes a third of a second: long handlers stop and go on."""
        nonlocal looks
        looks += 1 / 3
        return looks

    container.monotonic.override(providers.Object(clock))
    actions = await Actions.of(1, container)
    user, other = actions.users[:2]
    for number in range(400):
        await container.posts().publish_post(user, PostDraft(text=f"hello {number}"), None)
    await container.graph().follow(other, user)
    await deliver_once(container, Counter())
    await container.identity().delete_account.by_operator(user)
    calls, ends = Counter[tuple[str, str]](), Counter[tuple[str, str]]()

    def counted(one: Subscription) -> Subscription:
        async def count(event: Event, event_id: EventId, continue_from: str | None) -> str | None:
            call = type(event).__name__, one.subscriber
            calls[call] += 1
            more = await one.handle(event, event_id, continue_from)
            ends[call] += more is None
            return more

        return replace(one, handle=count)

    subscriptions = [counted(one) for module in container.modules() for one in module.subscriptions()]
    relay = Relay(queue=container.outbox_queue(), subscribers=InProcess(subscriptions))
    while await relay.deliver():
        pass

    assert {post.deleted for post in container.store().all("posts")} <= {True}
    assert await container.outbox_queue().waiting() == 0
    assert calls[AccountDeleted.__name__, "posts.erase_author"] > 5
    assert set(ends.values()) == {1, 400}
    for event_type, number in ((AccountDeleted, 1), (PostDeleted, 400)):
        for one in subscriptions:
            if one.event_type is event_type:
                assert ends[event_type.__name__, one.subscriber] == number
    others = {call: number for call, number in calls.items() if number != ends[call]}
    assert set(others) == {(AccountDeleted.__name__, "posts.erase_author")}
