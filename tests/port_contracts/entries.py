"""The contract of stores that read feed entries."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.sql.database import Database, Row
from adapters.sql.posts.entries import SqlEntries
from adapters.sql.posts.row_cards import PostCards
from adapters.sql.statements import Prepared
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from application.shared.readings import Readings
from domain.posts import Engagement, Post, Visibility, find_entities, resolve_mentions
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.engagements import engage
from tests.port_contracts.posts import remove
from tests.port_contracts.stores import Stores, new_id


def user() -> UserId:
    return UserId(new_id())


def place(post: Post) -> FeedEntry:
    return FeedEntry(post.id, post.id, post.author)


async def repost(stores: Stores, post: PostId, by: UserId) -> FeedEntry:
    engagement_id = new_id()
    async with stores.posts.open_tx() as tx:
        await tx.posts.get(post)
        await tx.engagements.add(Engagement.REPOST, post, by, engagement_id)
    return FeedEntry(engagement_id, post, by)


async def disengage(stores: Stores, post: PostId, by: UserId) -> None:
    async with stores.posts.open_tx() as tx:
        await tx.posts.get(post)
        await tx.engagements.remove(Engagement.REPOST, post, by)


async def tagged(stores: Stores, text: str = "#bees", **members: object) -> Post:
    return await stores.add_post(text=text, entities=resolve_mentions(find_entities(text), {}), **members)


def part(entries: Collection[FeedEntry], window: Window) -> Sequence[FeedEntry]:
    """The window of a list, computed in the simplest way."""
    if window.back:
        above = sorted(entry for entry in entries if entry.id > (window.edge or 0))
        return above[: window.limit][::-1]
    below = sorted(entry for entry in entries if window.edge is None or entry.id < window.edge)
    return below[::-1][: window.limit]


@dataclass
class Places:
    """Twenty users, nineteen of whom have posted and reposted at random."""

    users: Sequence[UserId]
    entries: Sequence[FeedEntry]


async def places(stores: Stores, steps: Sequence[tuple[int, str, int]]) -> Places:
    users = [user() for _ in range(20)]
    posts: list[Post] = []
    entries: dict[int, FeedEntry] = {}
    for who, what, which in steps:
        author = users[who]
        if what == "post" or not posts:
            posts.append(await stores.add_post(author=author))
            entries[posts[-1].id] = place(posts[-1])
        elif what == "comment":
            posts.append(await stores.add_post(author=author, reply_to=posts[which % len(posts)].id))
        elif what == "delete":
            gone = posts[which % len(posts)]
            async with stores.posts.open_tx() as tx:
                stored = await tx.posts.get(gone.id)
                if not stored.deleted:
                    await tx.posts.save(stored.removed(by=stored.author))
            entries.pop(gone.id, None)
        else:
            on = posts[which % len(posts)].id
            entry = await repost(stores, on, author)
            if not any(e.post == on and e.by == author and e.is_repost for e in entries.values()):
                entries[entry.id] = entry
    return Places(users, [*entries.values()])


STEPS = st.lists(
    st.tuples(
        st.integers(0, 18), st.sampled_from("post post repost comment delete".split()), st.integers(0, 99)
    ),
    max_size=40,
)


@dataclass
class Interrupted:
    """A database that runs a change after the first query."""

    database: Database
    happens: Callable[[], Awaitable[object]]
    happened: bool = False

    async def fetch(self, statement: Prepared, **params: object) -> Sequence[Row]:
        rows = await self.database.fetch(statement, **params)
        if not self.happened:
            self.happened = True
            await self.happens()
        return rows


class EntriesContract:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
    @given(
        steps=STEPS,
        sources=st.sets(st.integers(0, 19)),
        limit=st.integers(1, 12),
        edge=st.one_of(st.none(), st.integers(0, 40)),
        back=st.booleans(),
        last=st.one_of(st.none(), st.integers(0, 40)),
    )
    async def test_posts_and_reposts_of_the_sources_and_nothing_else(
        self,
        stores: Stores,
        steps: Sequence[tuple[int, str, int]],
        sources: set[int],
        limit: int,
        edge: int | None,
        back: bool,
        last: int | None,
    ) -> None:
        made = await places(stores, steps)
        chosen = {made.users[number] for number in sources}
        expected = [entry for entry in made.entries if entry.by in chosen]
        ids = sorted(entry.id for entry in made.entries)
        at = None if edge is None or not ids else ids[edge % len(ids)]
        window = Window(limit, at, back=back and at is not None)

        up_to = None if last is None or not ids else ids[last % len(ids)]
        if up_to is not None:
            expected = [e for e in expected if (e.id <= up_to if window.back else e.id >= up_to)]

        assert [*await stores.posts.feed_entries.by_sources(chosen, window, up_to)] == part(expected, window)

    async def test_with_many_sources_the_newest_entries_of_any_source_come_first(
        self, stores: Stores
    ) -> None:
        sources = [user() for _ in range(30)]
        prolific = sources[7]
        entries = [place(await stores.add_post(author=source)) for source in sources]
        entries += [place(await stores.add_post(author=prolific)) for _ in range(15)]
        entries += [await repost(stores, entries[0].post, source) for source in sources[20:]]

        for window in (Window(5), Window(10), Window(12, entries[-10].id), Window(40), Window(100)):
            assert [*await stores.posts.feed_entries.by_sources(sources, window)] == part(entries, window)
        for window in (Window(5, 0, back=True), Window(12, entries[20].id, back=True)):
            assert [*await stores.posts.feed_entries.by_sources(sources, window)] == part(entries, window)

    @pytest.mark.parametrize("back", [False, True])
    @pytest.mark.parametrize("limit", [4, 10])
    async def test_deletions_during_a_read_make_no_list_shorter(
        self, stores: Stores, limit: int, back: bool
    ) -> None:
        """A short list would be taken for the whole feed, and a timeline would be stored like that."""
        posts = [await stores.add_post() for _ in range(2 * limit + 10)]
        entries = [place(post) for post in posts]
        window = Window(limit, 0, back=True) if back else Window(limit)
        gone = part(entries, window)[limit // 2]
        delete = partial(remove, stores, posts[entries.index(gone)])
        if stores.database is None:  # memory reads in one step
            candidates = stores.posts.feed_entries
            await delete()
        else:
            candidates = SqlEntries(Interrupted(stores.database, delete), PostCards(Readings()))  # type: ignore[arg-type]

        found = await candidates.by_sources([entry.by for entry in entries], window)

        assert [*found] == part([entry for entry in entries if entry != gone], window)

    async def test_without_sources_there_are_no_entries(self, stores: Stores) -> None:
        await stores.add_post()

        assert [*await stores.posts.feed_entries.by_sources([], Window(5))] == []
        assert [*await stores.posts.feed_entries.by_sources([user()], Window(5))] == []

    async def test_the_first_repost_is_the_oldest_by_a_source(self, stores: Stores) -> None:
        post, other, unknown = await stores.add_post(), await stores.add_post(), PostId(new_id())
        ann, bob, cid = user(), user(), user()
        of_cid = await repost(stores, post.id, cid)
        of_ann = await repost(stores, post.id, ann)
        await repost(stores, post.id, bob)
        await repost(stores, other.id, cid)
        ids = [post.id, other.id, unknown]

        assert await stores.posts.feed_entries.first_reposts(ids, {ann, bob}) == {post.id: of_ann.id}
        assert (await stores.posts.feed_entries.first_reposts(ids, {cid}))[post.id] == of_cid.id
        assert await stores.posts.feed_entries.first_reposts([post.id], frozenset[UserId]()) == {}

        await disengage(stores, post.id, ann)
        assert (await stores.posts.feed_entries.first_reposts(ids, {ann, bob}))[post.id] > of_ann.id

    async def test_the_first_repost_by_a_source_is_found_after_many_by_others(self, stores: Stores) -> None:
        post, ann, bob = await stores.add_post(), user(), user()
        for _ in range(40):
            await engage(stores, Engagement.REPOST, post.id, user())
        of_ann = await repost(stores, post.id, ann)
        await repost(stores, post.id, bob)

        assert await stores.posts.feed_entries.first_reposts([post.id], [bob, ann]) == {post.id: of_ann.id}
        assert await stores.posts.feed_entries.first_reposts([post.id], [user()]) == {}

    async def test_the_public_list_has_all_public_posts_without_comments(self, stores: Stores) -> None:
        shown = [await stores.add_post() for _ in range(3)]
        for visibility in (Visibility.UNLISTED, Visibility.FOLLOWERS, Visibility.DIRECT):
            await stores.add_post(visibility=visibility)
        await stores.add_post(reply_to=shown[0].id)
        await remove(stores, await stores.add_post())
        expected = [place(post) for post in reversed(shown)]

        first = await stores.posts.feed_entries.public(Window(2), ViewerContext())
        rest = await stores.posts.feed_entries.public(Window(20, first[-1].id), ViewerContext())
        back = await stores.posts.feed_entries.public(Window(1, shown[0].id, back=True), ViewerContext())

        assert [*first] == expected[:2]
        assert [*rest] == expected[2:]
        assert [*back] == [expected[1]]

    @pytest.mark.parametrize("kind", ["public", "tagged"])
    async def test_public_lists_omit_blocked_muted_and_closed_authors(
        self, stores: Stores, kind: str
    ) -> None:
        private, gone, blocked, muted = user(), user(), user(), user()
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_private(private, 2, private=True)
            await tx.authors.set_deleted(gone)
        edge = new_id()
        for author in (private, gone, blocked, muted):
            await tagged(stores, author=author)
        post = await tagged(stores)
        viewer_context = ViewerContext(
            user(), frozenset({private}), frozenset({blocked}), frozenset({muted}), 1
        )
        window = Window(20, edge, back=True)

        if kind == "public":
            found = await stores.posts.feed_entries.public(window, viewer_context)
        else:
            found = await stores.posts.feed_entries.tagged("bees", window, viewer_context)

        assert [*found] == [place(post)]

    async def test_the_list_of_a_tag_has_posts_and_comments_with_it(self, stores: Stores) -> None:
        edge = new_id()
        post = await tagged(stores, "#honey and #Bees")
        comment = await tagged(stores, "#bees too", reply_to=post.id)
        await tagged(stores, "#bee")
        await tagged(stores, visibility=Visibility.UNLISTED)
        await remove(stores, await tagged(stores))
        newest = await tagged(stores)

        async def found(tag: str, window: Window) -> Sequence[FeedEntry]:
            return await stores.posts.feed_entries.tagged(tag, window, ViewerContext())

        assert [*await found("bees", Window(2, edge, back=True))] == [place(comment), place(post)]
        assert [*await found("bees", Window(2))] == [place(newest), place(comment)]
        assert [*await found("bees", Window(1, comment.id))] == [place(post)]
        assert [*await found("wasps", Window(2))] == []

    async def test_reposts_of_a_user_are_visible_to_those_who_see_their_public_posts(
        self, stores: Stores
    ) -> None:
        open_, private, gone, viewer = user(), user(), user(), user()
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_private(private, 2, private=True)
            await tx.authors.set_deleted(gone)
        follower = ViewerContext(viewer, frozenset({private, gone}))

        async def shown(viewer_context: ViewerContext) -> list[bool]:
            return [
                await stores.posts.feed_entries.shows_reposts(who, viewer_context)
                for who in (open_, private, gone)
            ]

        assert await shown(ViewerContext()) == [True, False, False]
        assert await shown(ViewerContext(viewer)) == [True, False, False]
        assert await shown(follower) == [True, True, False]
        assert await shown(ViewerContext(private)) == [True, True, False]
        assert await shown(ViewerContext(viewer, blocked=frozenset({open_}))) == [False, False, False]
