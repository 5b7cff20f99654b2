"""The contract of stores of posts for edits and threads."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from application.posts.deleting import remove
from application.posts.ports import Tombstone
from application.posts.views import PostView
from application.shared.paging import Window
from domain.posts import Entity, EntityType, Post, Visibility
from domain.shared import PostId, UserId, ViewerContext, made_at
from tests.port_contracts.stores import Stores, a_post, new_id

ENTITIES = (
    Entity(EntityType.MENTION, 0, 4, "ann", UserId(7)),
    Entity(EntityType.HASHTAG, 5, 12, "straße"),
    Entity(EntityType.LINK, 13, 32, 'https://x.org/"\\'),
)
NOBODY = ViewerContext()


async def edit(stores: Stores, post: Post, **words: object) -> Post:
    async with stores.posts.open_tx() as tx:
        stored = await tx.posts.get(post.id)
        at = made_at(post.id) + timedelta(minutes=stored.version)
        edited = replace(stored, edited_at=at, version=stored.version + 1, **words)  # type: ignore[arg-type]
        await tx.posts.archive_version(stored)
        await tx.posts.save(edited)
    return edited


async def answer(stores: Stores, above: Post, **members: object) -> Post:
    """Adds and counts a comment as PublishPost does."""
    post = a_post(reply_to=above.id, **members)
    async with stores.posts.open_tx() as tx:
        await tx.posts.add(post)
        if post.counts_in(above):
            await tx.posts.count_replies(above.id, comments=1, replies=1)
    return post


async def delete(stores: Stores, post: Post) -> None:
    async with stores.posts.open_tx() as tx:
        await remove(tx, await tx.posts.get(post.id), by=post.author)


class EditsContract:
    async def test_entities_make_the_round_trip(self, stores: Stores) -> None:
        post = await stores.add_post(entities=ENTITIES)

        async with stores.posts.open_tx() as tx:
            stored = await tx.posts.get(post.id)

        assert stored == post
        assert (await stores.read(post.id)).content.entities == ENTITIES

    async def test_earlier_versions_are_kept_and_the_current_one_is_last(self, stores: Stores) -> None:
        post = await stores.add_post(text="one", content_warning="w", language="en", entities=ENTITIES)
        await edit(stores, post, text="two", content_warning="", language=None, entities=())
        await edit(stores, post, text="three")

        rows = await stores.posts.reader.versions(post.id, Window(10), NOBODY)

        assert [(row.version, row.text, row.content_warning, row.language) for row in rows] == [
            (1, "one", "w", "en"),
            (2, "two", "", None),
            (3, "three", "", None),
        ]
        assert [row.entities for row in rows] == [ENTITIES, (), ()]
        begin = made_at(post.id)
        assert [row.created_at - begin for row in rows] == [timedelta(minutes=n) for n in range(3)]

    async def test_versions_are_read_in_pages_both_ways(self, stores: Stores) -> None:
        post = await stores.add_post()
        for number in range(4):
            await edit(stores, post, text=f"edit {number}")

        async def versions(window: Window) -> list[int]:
            return [row.version for row in await stores.posts.reader.versions(post.id, window, NOBODY)]

        assert await versions(Window(2)) == [1, 2, 3]
        assert await versions(Window(2, 2)) == [3, 4, 5]
        assert await versions(Window(2, 4)) == [5]
        assert await versions(Window(2, 4, back=True)) == [1, 2, 3]

    async def test_the_original_has_the_first_text_and_the_current_counters(self, stores: Stores) -> None:
        ann = UserId(new_id())
        post = await stores.add_post(text="one", mentioned=frozenset({ann}), entities=ENTITIES)
        await edit(stores, post, text="two", mentioned=frozenset(), entities=())
        edited = await edit(stores, post, text="three")

        async with stores.posts.open_tx() as tx:
            await tx.posts.count_replies(post.id, comments=1, replies=2)
            original = await tx.posts.original(await tx.posts.get(post.id))
            untouched = await tx.posts.original(replace(edited, id=PostId(1)))

        assert original == replace(post, comments=1, replies=2)
        assert untouched == replace(edited, id=PostId(1)), "what was never edited is its own original"

    async def test_removing_a_version_removes_the_names_that_only_it_had(self, stores: Stores) -> None:
        ann, bob, cat = (UserId(new_id()) for _ in range(3))
        post = await stores.add_post(text="secret one", mentioned=frozenset({ann, bob}), entities=ENTITIES)
        await edit(stores, post, text="two", mentioned=frozenset({bob}), entities=())
        edited = await edit(stores, post, text="three", mentioned=frozenset({cat}))

        for _ in range(2):
            async with stores.posts.open_tx() as tx:
                stored = await tx.posts.get(post.id)
                await tx.posts.remove_version(stored, 1)
                assert (await tx.posts.original(stored)).text == "two"

        rows = await stores.posts.reader.versions(post.id, Window(10), ViewerContext(post.author))
        assert [(row.version, row.text) for row in rows] == [(2, "two"), (3, "three")]
        async with stores.posts.open_tx() as tx:
            assert await tx.posts.get(post.id) == edited
            naming = [await tx.erasure.find_posts_naming(user, 10) for user in (ann, bob, cat)]
            assert naming == [[], [post.id], [post.id]]
            await tx.posts.remove_version(edited, 2)
            assert await tx.erasure.find_posts_naming(bob, 10) == []
            assert await tx.posts.original(edited) == edited

    async def test_nothing_of_a_deleted_post_stays(self, stores: Stores) -> None:
        post = await stores.add_post(text="secret one", entities=ENTITIES, mentioned=frozenset({UserId(7)}))
        await edit(stores, post, text="secret two")

        await delete(stores, post)

        assert list(await stores.posts.reader.versions(post.id, Window(10), ViewerContext(post.author))) == []
        async with stores.posts.open_tx() as tx:
            stored = await tx.posts.get(post.id)
            assert await tx.posts.original(stored) == stored
        assert (stored.text, stored.entities, stored.mentioned, stored.edited_at) == (
            "",
            (),
            frozenset(),
            None,
        )

    async def test_versions_of_a_hidden_post_are_hidden(self, stores: Stores) -> None:
        post = await stores.add_post(visibility=Visibility.FOLLOWERS)
        await edit(stores, post, text="two")

        assert list(await stores.posts.reader.versions(post.id, Window(10), NOBODY)) == []
        assert len(await stores.posts.reader.versions(post.id, Window(10), ViewerContext(post.author))) == 2


class ThreadsContract:
    async def test_several_posts_are_read_at_once(self, stores: Stores) -> None:
        one, two = await stores.add_post(), await stores.add_post()
        hidden = await stores.add_post(visibility=Visibility.DIRECT)

        rows = await stores.posts.reader.by_ids([two.id, hidden.id, PostId(1), one.id], NOBODY)

        assert rows == {one.id: await stores.read(one.id), two.id: await stores.read(two.id)}

    async def test_ancestors_are_listed_nearest_first_even_if_hidden_or_deleted(self, stores: Stores) -> None:
        top = await stores.add_post(visibility=Visibility.FOLLOWERS)
        middle = await answer(stores, top, visibility=Visibility.DIRECT)
        low = await answer(stores, middle)
        await delete(stores, middle)

        places = [Tombstone(middle.id, top.id), Tombstone(top.id, None)]
        assert list(await stores.posts.reader.ancestors(low.id, 10)) == places
        assert list(await stores.posts.reader.ancestors(low.id, 1)) == places[:1]
        assert list(await stores.posts.reader.ancestors(top.id, 10)) == []

    async def test_the_first_answers_to_each_post_are_in_order(self, stores: Stores) -> None:
        one, two, none = [await stores.add_post() for _ in range(3)]
        below: dict[PostId, list[PostId]] = {one.id: [], two.id: []}
        for above in (one, two, one, two, one, two, two):
            below[above.id].append((await answer(stores, above)).id)
            await answer(stores, above, visibility=Visibility.DIRECT)  # hidden, so it takes no place
        ids = [one.id, two.id, none.id]

        rows = await stores.posts.reader.replies(ids, 2, 10, NOBODY)
        fewer = await stores.posts.reader.replies(ids, 3, 4, NOBODY)

        assert [row.id for row in rows] == sorted(below[one.id][:2] + below[two.id][:2])
        assert [row.id for row in fewer] == sorted(below[one.id][:3] + below[two.id][:3])[:4]
        assert set(await stores.posts.reader.with_replies(ids, NOBODY)) == {one.id, two.id}

    async def test_a_deleted_comment_leaves_a_tombstone_while_it_has_answers(self, stores: Stores) -> None:
        top = await stores.add_post()
        middle = await answer(stores, top)
        low = await answer(stores, middle)

        await delete(stores, middle)
        stone = Tombstone(middle.id, top.id)
        listed = await stores.posts.reader.comments(top.id, Window(10), NOBODY)
        opened = await stores.posts.reader.replies([top.id], 5, 10, NOBODY)
        shown, comments = (
            await stores.posts.reader.tombstone(middle.id),
            (await stores.read(top.id)).state.comments,
        )
        await delete(stores, low)

        assert (list(listed), list(opened), shown, comments) == ([stone], [stone], stone, 0)
        assert list(await stores.posts.reader.comments(top.id, Window(10), NOBODY)) == []
        assert await stores.posts.reader.tombstone(middle.id) is None
        assert set(await stores.posts.reader.with_replies([top.id], NOBODY)) == set()

    async def test_a_post_that_is_not_a_comment_leaves_no_tombstone(self, stores: Stores) -> None:
        top = await stores.add_post()
        await answer(stores, top)

        await delete(stores, top)

        assert await stores.posts.reader.tombstone(top.id) is None

    @given(
        tree=st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from([Visibility.PUBLIC, Visibility.FOLLOWERS])),
            min_size=1,
            max_size=10,
        ),
        deleted=st.permutations(range(11)),
        how_many=st.integers(0, 11),
    )
    async def test_a_thread_does_not_depend_on_the_order_of_its_changes(
        self, stores: Stores, tree: list[tuple[int, Visibility]], deleted: list[int], how_many: int
    ) -> None:
        posts = [await stores.add_post()]
        for above, wanted in tree:
            under = posts[above % len(posts)]
            visibility = min(wanted, under.visibility, key=lambda one: one.width)
            posts.append(await answer(stores, under, visibility=visibility))
        gone = {posts[number].id for number in deleted[:how_many] if number < len(posts)}
        for number in deleted[:how_many]:
            if number < len(posts):
                await delete(stores, posts[number])

        def stands(post: Post) -> bool:
            below = [one for one in posts if one.reply_to == post.id and one.visibility is Visibility.PUBLIC]
            return any(one.id not in gone or stands(one) for one in below)

        for post in posts:
            expected = [
                (one.id, one.id in gone)
                for one in posts
                if one.reply_to == post.id
                and one.visibility is Visibility.PUBLIC
                and (one.id not in gone or stands(one))
            ]
            rows = await stores.posts.reader.comments(post.id, Window(20), NOBODY)
            assert [(row.id, not isinstance(row, PostView)) for row in rows] == expected
            async with stores.posts.open_tx() as tx:
                stored = await tx.posts.get(post.id)
            live = sum(not buried for _, buried in expected)
            assert (stored.comments, stored.replies) == (live, len(expected))
