"""The contract of engagement signals. Other tests add signals at the same time, so each test reads only its own."""

from collections.abc import Sequence

from application.feeds.signals import LIKED, REPOSTED
from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from domain.shared import PostId, UserId
from tests.port_contracts.stores import Stores, new_id

AT = 1_800_000_000_000


def a_signal(post: PostId, **members: int) -> EngagementSignal:
    defaults = {"user": new_id(), "source": LIKED, "weight": 1, "at": AT}
    return EngagementSignal(post=post, **{**defaults, **members})  # type: ignore[arg-type]


def a_hashtag_signal(post: PostId, tag: str, **members: int) -> HashtagSignal:
    return HashtagSignal(**{"tag": tag, "post": post, "user": 7, "at": AT, **members})  # type: ignore[arg-type]


def a_post_id() -> PostId:
    return PostId(new_id())


async def add(stores: Stores, *signals: EngagementSignal) -> None:
    async with stores.feeds.open_tx() as tx:
        for signal in signals:
            await tx.signals.add(signal)


async def set_tags(stores: Stores, post: PostId, *signals: HashtagSignal) -> None:
    async with stores.feeds.open_tx() as tx:
        await tx.signals.set_tags(post, signals)


async def signals_for(
    stores: Stores, *posts: PostId, since: int = 0, batch: int = 1000
) -> list[EngagementSignal]:
    found: list[EngagementSignal] = []
    last: EngagementSignal | None = None
    while some := await stores.feeds.signals.signals(since, last, batch):
        found += [signal for signal in some if signal.post in posts]
        last = some[-1]
    return found


async def tags_of(stores: Stores, *posts: PostId, since: int = 0, batch: int = 1000) -> list[HashtagSignal]:
    found: list[HashtagSignal] = []
    last: HashtagSignal | None = None
    while some := await stores.feeds.signals.hashtag_signals(since, last, batch):
        found += [signal for signal in some if signal.post in posts]
        last = some[-1]
    return found


def newest_first(signals: Sequence[EngagementSignal]) -> list[EngagementSignal]:
    return sorted(
        signals, key=lambda signal: (signal.at, signal.post, signal.user, signal.source), reverse=True
    )


class SignalsContract:
    async def test_a_signal_is_stored_completely(self, stores: Stores) -> None:
        post, comment = a_post_id(), new_id()
        signals = [
            a_signal(post, at=AT + 3),
            a_signal(post, source=REPOSTED, weight=2, at=AT + 2),
            a_signal(post, source=comment, weight=2, at=AT + 1),
        ]
        await add(stores, *signals)

        assert await signals_for(stores, post) == signals

    async def test_adding_a_signal_twice_stores_it_once(self, stores: Stores) -> None:
        signal = a_signal(a_post_id())

        for _ in range(2):
            await add(stores, signal)

        assert await signals_for(stores, signal.post) == [signal]

    async def test_signals_of_different_sources_are_removed_separately(self, stores: Stores) -> None:
        post = a_post_id()
        liked = a_signal(post)
        reposted = liked._replace(source=REPOSTED, weight=2)
        await add(stores, liked, reposted)

        async with stores.feeds.open_tx() as tx:
            for _ in range(2):
                await tx.signals.remove(post, liked.user, LIKED)

        assert await signals_for(stores, post) == [reposted]

    async def test_signals_are_read_newest_first_in_complete_batches(self, stores: Stores) -> None:
        posts = [a_post_id() for _ in range(3)]
        signals = [
            a_signal(posts[number % 3], user=100 + number % 2, source=number + 1, at=AT + number // 4)
            for number in range(12)
        ]
        await add(stores, *signals)

        for batch in (1, 2, 5, 1000):
            assert await signals_for(stores, *posts, batch=batch, since=AT) == newest_first(signals)

    async def test_signals_older_than_since_are_not_read(self, stores: Stores) -> None:
        post = a_post_id()
        older, younger = a_signal(post, at=AT - 1), a_signal(post, at=AT)
        await add(stores, older, younger)

        assert await signals_for(stores, post, since=AT) == [younger]

    async def test_setting_tags_replaces_all_tags_of_the_post(self, stores: Stores) -> None:
        post, other = a_post_id(), a_post_id()
        await set_tags(stores, other, a_hashtag_signal(other, "honey"))
        await set_tags(stores, post, a_hashtag_signal(post, "honey"), a_hashtag_signal(post, "straße"))
        for _ in range(2):
            await set_tags(stores, post, a_hashtag_signal(post, "straße"), a_hashtag_signal(post, "日本"))

        assert {signal.tag for signal in await tags_of(stores, post)} == {"straße", "日本"}
        assert await tags_of(stores, other) == [a_hashtag_signal(other, "honey")]

        await set_tags(stores, post)
        assert await tags_of(stores, post) == []

    async def test_hashtag_signals_are_read_newest_first_in_complete_batches(self, stores: Stores) -> None:
        posts = [a_post_id() for _ in range(4)]
        for number, post in enumerate(posts):
            signals = [a_hashtag_signal(post, tag, at=AT + number // 2) for tag in ("bees", "honey", "wax")]
            await set_tags(stores, post, *signals)

        for batch in (1, 2, 5, 1000):
            found = await tags_of(stores, *posts, batch=batch, since=AT)
            assert [(signal.at, signal.post) for signal in found] == [
                (AT + number // 2, posts[number]) for number in (3, 2, 1, 0) for _ in range(3)
            ]
            assert len(set(found)) == 12

    async def test_signals_for_a_post_are_deleted_in_batches(self, stores: Stores) -> None:
        post, other = a_post_id(), a_post_id()
        await add(stores, *(a_signal(post) for _ in range(5)), a_signal(other))
        await set_tags(stores, post, a_hashtag_signal(post, "bees"), a_hashtag_signal(post, "wax"))
        await set_tags(stores, other, a_hashtag_signal(other, "bees"))

        deleted_counts = []
        for _ in range(4):
            async with stores.feeds.open_tx() as tx:
                deleted_counts.append(await tx.signals.delete_for_post(post, 3))

        assert deleted_counts == [3, 3, 1, 0]
        assert (await signals_for(stores, post), await tags_of(stores, post)) == ([], [])
        assert (len(await signals_for(stores, other)), len(await tags_of(stores, other))) == (1, 1)

    async def test_signals_by_a_user_are_deleted_in_batches(self, stores: Stores) -> None:
        posts, user = [a_post_id() for _ in range(3)], UserId(new_id())
        for post in posts:
            await add(stores, a_signal(post, user=user), a_signal(post))
        await set_tags(stores, posts[0], a_hashtag_signal(posts[0], "bees", user=user))

        deleted_counts = []
        for _ in range(3):
            async with stores.feeds.open_tx() as tx:
                deleted_counts.append(await tx.signals.delete_by_user(user, 3))

        assert deleted_counts == [3, 1, 0]
        assert user not in {signal.user for signal in await signals_for(stores, *posts)}
        assert len(await signals_for(stores, *posts)) == 3
        assert await tags_of(stores, posts[0]) == []

    async def test_private_and_deleted_accounts_are_closed(self, stores: Stores) -> None:
        private, deleted, open_again, unknown = (UserId(new_id()) for _ in range(4))
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_private(private, 1, private=True)
            await tx.authors.set_deleted(deleted)
            await tx.authors.set_private(open_again, 1, private=True)
            await tx.authors.set_private(open_again, 2, private=False)

        assert await stores.posts.restricted_authors.restricted([private, deleted, open_again, unknown]) == {
            private,
            deleted,
        }
        assert await stores.posts.restricted_authors.restricted([]) == frozenset()
