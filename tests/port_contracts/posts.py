"""The contract of stores of posts."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.posts.views import PostContent, PostState
from application.shared.paging import Window
from domain.posts import AuthorState, Engagement, Post, PostNotFound, Visibility, can_view
from domain.shared import PostId, UserId, ViewerContext, made_at
from tests.port_contracts.engagements import engage
from tests.port_contracts.stores import Stores, a_post, new_id, with_retries

EVERYTHING = {
    "text": "one\ntwo 🐝 \U0001f468‍\U0001f469‍\U0001f467 شهد",
    "visibility": Visibility.UNLISTED,
    "content_warning": "stings",
    "language": "zh-Hant-TW",
    "edited_at": made_at(new_id()) + timedelta(milliseconds=7),
    "comments": 3,
    "likes": 5,
    "reposts": 2,
    "pin": 12345,
    "version": 4,
}


async def remove(stores: Stores, post: Post) -> Post:
    async with stores.posts.open_tx() as tx:
        tombstone = (await tx.posts.get(post.id)).removed(by=post.author)
        await tx.posts.save(tombstone)
    return tombstone


async def stored(stores: Stores, post_id: PostId) -> Post:
    async with stores.posts.open_tx() as tx:
        return await tx.posts.get(post_id)


class PostsContract:
    async def test_every_member_makes_the_round_trip(self, stores: Stores) -> None:
        above = await stores.add_post()
        named = frozenset(UserId(new_id()) for _ in range(3))
        post = await stores.add_post(**EVERYTHING, reply_to=above.id, mentioned=named)

        assert await stored(stores, post.id) == post

    async def test_an_unknown_post_is_not_found(self, stores: Stores) -> None:
        with pytest.raises(PostNotFound):
            await stored(stores, PostId(new_id()))

    async def test_a_removed_post_is_stored_without_content(self, stores: Stores) -> None:
        post = await stores.add_post(**EVERYTHING, mentioned=frozenset({UserId(new_id())}))

        tombstone = await remove(stores, post)

        assert await stored(stores, post.id) == tombstone
        assert (tombstone.text, tombstone.content_warning, tombstone.mentioned) == ("", "", frozenset())

    async def test_saving_leaves_the_counters_alone(self, stores: Stores) -> None:
        post = await stores.add_post(likes=2, comments=1)

        async with stores.posts.open_tx() as tx:
            await tx.posts.save(replace(post, text="new", likes=99, comments=99, reposts=99, version=2))

        assert await stored(stores, post.id) == replace(post, text="new", version=2)

    async def test_saving_does_not_change_members_that_an_author_cannot_change(self, stores: Stores) -> None:
        post = await stores.add_post()

        async with stores.posts.open_tx() as tx:
            await tx.posts.save(
                replace(post, author=UserId(1), visibility=Visibility.DIRECT, reply_to=post.id, text="new")
            )

        assert await stored(stores, post.id) == replace(post, text="new")

    async def test_saving_other_mentions_changes_who_may_see_the_post(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        post = await stores.add_post(visibility=Visibility.DIRECT, mentioned=frozenset({ann}))

        async with stores.posts.open_tx() as tx:
            await tx.posts.save(replace(post, mentioned=frozenset({bob})))

        assert await stores.posts.reader.post(post.id, ViewerContext(ann)) is None
        assert (await stores.read(post.id, bob)).state.mentioned == (bob,)

    async def test_comments_are_counted_up_and_down(self, stores: Stores) -> None:
        post = await stores.add_post()

        async with stores.posts.open_tx() as tx:
            await tx.posts.count_replies(post.id, comments=1, replies=1)
            await tx.posts.count_replies(post.id, comments=1, replies=1)
            await tx.posts.count_replies(post.id, comments=-1, replies=-1)
            await tx.posts.count_replies(PostId(new_id()), comments=1, replies=1)  # no such post: no effect

        assert (await stores.read(post.id)).state.comments == 1

    async def test_twenty_concurrent_comments_are_all_counted(self, stores: Stores) -> None:
        post = await stores.add_post()

        async def count() -> None:
            async with stores.posts.open_tx() as tx:
                await tx.posts.count_replies(post.id, comments=1, replies=1)

        await asyncio.gather(*(with_retries(count) for _ in range(20)))

        assert (await stores.read(post.id)).state.comments == 20


class PostsReaderContract:
    async def test_every_member_is_read(self, stores: Stores) -> None:
        above, ann = await stores.add_post(), UserId(new_id())
        named = frozenset(UserId(new_id()) for _ in range(3))
        post = await stores.add_post(**EVERYTHING, reply_to=above.id, mentioned=named)
        await engage(stores, Engagement.LIKE, post.id, ann)

        view = await stores.read(post.id, ann)
        assert view.content == PostContent(
            version=4,
            revision=view.state.content_revision,
            text=post.text,
            content_warning=post.content_warning,
            language=post.language,
            edited_at=post.edited_at,
            entities=post.entities,
        )
        assert view.state == PostState(
            id=post.id,
            author=post.author,
            version=4,
            reply_to=above.id,
            comments=3,
            likes=6,
            reposts=2,
            mentioned=tuple(sorted(named)),
            visibility=post.visibility,
            pinned=True,
            liked=True,
            reposted=False,
            bookmarked=False,
            author_state=AuthorState.PUBLIC,
            deleted=False,
            content_revision=view.content.revision,
        )

    async def test_the_list_of_a_user_has_only_their_posts_and_no_comments(self, stores: Stores) -> None:
        post = await stores.add_post()
        newer = await stores.add_post(author=post.author)
        await stores.add_post(author=post.author, reply_to=newer.id)
        await stores.add_post()

        rows = await stores.posts.reader.by_author(post.author, Window(10), ViewerContext())

        assert [row.id for row in rows] == [newer.id, post.id]

    async def test_comments_are_the_direct_answers_oldest_first(self, stores: Stores) -> None:
        post = await stores.add_post()
        first = await stores.add_post(reply_to=post.id)
        second = await stores.add_post(reply_to=post.id)
        await stores.add_post(reply_to=first.id)

        rows = await stores.posts.reader.comments(post.id, Window(10), ViewerContext())

        assert [row.id for row in rows] == [first.id, second.id]

    async def test_hidden_posts_are_left_out_before_the_limit(self, stores: Stores) -> None:
        shown = await stores.add_post()
        for _ in range(4):
            await stores.add_post(author=shown.author, visibility=Visibility.DIRECT)

        rows = await stores.posts.reader.by_author(shown.author, Window(1), ViewerContext())

        assert [row.id for row in rows] == [shown.id]


# --- Visibility: one rule in Python and in SQL ----------------------------------------------------------------

PEOPLE = range(1, 6)
SOME = st.frozensets(st.sampled_from(PEOPLE))


@dataclass(frozen=True)
class Sketch:
    """A random post in a population of users 1 to 5."""

    author: int
    visibility: Visibility
    mentioned: frozenset[int]
    deleted: bool
    comment: bool


SKETCHES = st.builds(
    Sketch,
    author=st.sampled_from(PEOPLE),
    visibility=st.sampled_from(Visibility),
    mentioned=SOME,
    deleted=st.booleans(),
    comment=st.booleans(),
)
STANDINGS = st.tuples(st.none() | st.sampled_from(PEOPLE), SOME, SOME, SOME)


def _state(person: int, private: frozenset[int], gone: frozenset[int]) -> AuthorState:
    if person in gone:
        return AuthorState.DELETED
    return AuthorState.PRIVATE if person in private else AuthorState.PUBLIC


class AuthorsContract:
    """The author state of posts, as it shows in a post that is read."""

    async def test_an_author_without_data_is_open(self, stores: Stores) -> None:
        assert await state(stores, await stores.add_post()) is AuthorState.PUBLIC

    async def test_the_last_change_of_an_account_applies(self, stores: Stores) -> None:
        post = await stores.add_post()

        await set_private(stores, post, 2, private=True)
        assert await state(stores, post) is AuthorState.PRIVATE
        await set_private(stores, post, 3, private=False)
        assert await state(stores, post) is AuthorState.PUBLIC

    async def test_a_late_event_of_an_older_version_changes_nothing(self, stores: Stores) -> None:
        post = await stores.add_post()
        await set_private(stores, post, 3, private=False)

        await set_private(stores, post, 2, private=True)
        await set_private(stores, post, 3, private=True)

        assert await state(stores, post) is AuthorState.PUBLIC

    @pytest.mark.parametrize("known", [None, True, False])
    async def test_a_deleted_account_stays_deleted(self, stores: Stores, known: bool | None) -> None:
        post = await stores.add_post()
        if known is not None:
            await set_private(stores, post, 2, private=known)

        for _ in range(2):
            async with stores.posts.open_tx() as tx:
                await tx.authors.set_deleted(post.author)
        await set_private(stores, post, 9, private=False)

        assert await state(stores, post) is AuthorState.DELETED

    async def test_the_author_state_is_not_stored_with_the_post(self, stores: Stores) -> None:
        post = await stores.add_post()
        await set_private(stores, post, 2, private=True)
        async with stores.posts.open_tx() as tx:
            await tx.posts.save(await tx.posts.get(post.id))
            await tx.engagements.add(Engagement.LIKE, post.id, UserId(new_id()), new_id())

        await set_private(stores, post, 3, private=False)

        assert (await stores.read(post.id)).state.likes == 1


async def state(stores: Stores, post: Post) -> AuthorState:
    return (await stored(stores, post.id)).author_state


async def set_private(stores: Stores, post: Post, version: int, *, private: bool) -> None:
    async with stores.posts.open_tx() as tx:
        await tx.authors.set_private(post.author, version, private=private)


class VisibilityContract:
    @given(
        sketches=st.lists(SKETCHES, min_size=1, max_size=6),
        viewers=st.lists(STANDINGS, min_size=1, max_size=4),
        private=SOME,
        gone=SOME,
    )
    async def test_az3_the_store_shows_exactly_the_posts_that_the_domain_rule_allows(
        self,
        stores: Stores,
        sketches: list[Sketch],
        viewers: list[tuple[int | None, frozenset[int], frozenset[int], frozenset[int]]],
        private: frozenset[int],
        gone: frozenset[int],
    ) -> None:
        ids = {person: UserId(new_id()) for person in PEOPLE}
        above = a_post()
        world = [
            a_post(
                author=ids[sketch.author],
                visibility=sketch.visibility,
                mentioned=frozenset(ids[person] for person in sketch.mentioned),
                deleted=sketch.deleted,
                reply_to=above.id if sketch.comment else None,
                author_state=_state(sketch.author, private, gone),
            )
            for sketch in sketches
        ]
        async with stores.posts.open_tx() as tx:
            for post in [above, *world]:
                await tx.posts.add(post)
            for person in private:
                await tx.authors.set_private(ids[person], 2, private=True)
            for person in gone:
                await tx.authors.set_deleted(ids[person])
            assert [await tx.posts.get(post.id) for post in world] == world

        for viewer, follows, blocked, muted in viewers:
            viewer_context = ViewerContext(
                ids[viewer] if viewer else None,
                frozenset(ids[person] for person in follows),
                frozenset(ids[person] for person in blocked),
                frozenset(ids[person] for person in muted - {viewer}),
            )
            visible = [post for post in world if can_view(post, viewer_context)]

            for post in world:
                assert (await stores.posts.reader.post(post.id, viewer_context) is not None) is (
                    post in visible
                )
            every = [post.id for post in world]
            states = await stores.posts.parts.states(every, viewer_context.viewer)
            assert {state.id for state in states if can_view(state, viewer_context)} == {
                p.id for p in visible
            }
            assert {*await stores.posts.reader.by_ids(every, viewer_context)} == {post.id for post in visible}
            answers = await stores.posts.reader.comments(above.id, Window(10), viewer_context)
            listed = [post for post in visible if post.author not in viewer_context.muted]
            assert [row.id for row in answers] == [post.id for post in listed if post.reply_to]
            for person, id_ in ids.items():
                rows = await stores.posts.reader.by_author(id_, Window(10), viewer_context)
                mine = [p.id for p in visible if p.author == id_ and p.reply_to is None]
                assert [row.id for row in rows] == mine[::-1], person
