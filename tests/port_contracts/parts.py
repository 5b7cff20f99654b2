"""What every store must do that gives posts in two parts."""

from dataclasses import replace

from application.posts.rows import joined
from application.posts.showing import Bodies, Hydrate
from domain.posts import AuthorState, Mark, Post
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.marks import leave
from tests.port_contracts.posts import EVERYTHING, remove
from tests.port_contracts.stores import Stores, new_id
from tests.port_contracts.threads import ENTITIES, edit


async def everything(stores: Stores) -> Post:
    return await stores.add_post(**EVERYTHING, mentioned=frozenset({UserId(7)}), entities=ENTITIES)


class PostPartsContract:
    async def test_the_parts_make_the_whole(self, stores: Stores) -> None:
        post, ann = await everything(stores), UserId(new_id())
        await leave(stores, Mark.REPOST, post.id, ann)

        [state] = await stores.parts.states([post.id, PostId(1)], ann)
        bodies = await stores.parts.bodies([post.id, PostId(1)])

        assert bodies.keys() == {post.id}
        assert bodies[post.id].of(state)
        assert joined(state, bodies[post.id]) == await stores.read(post.id, ann)
        assert (state.deleted, state.author_state) == (False, AuthorState.OPEN)

    async def test_a_mark_is_its_viewer_s_and_no_other_s(self, stores: Stores) -> None:
        post, ann, bob = await stores.add_post(), UserId(new_id()), UserId(new_id())
        for mark in Mark:
            await leave(stores, mark, post.id, ann)

        for viewer in (ann, bob, None):
            [state] = await stores.parts.states([post.id], viewer)
            left = state.liked, state.reposted, state.bookmarked
            assert left == (viewer == ann,) * 3
            assert (state.likes, state.reposts) == (1, 1)

    async def test_a_state_tells_what_was_deleted_and_whose_author_is_not_open(self, stores: Stores) -> None:
        gone, private, deleted = [await stores.add_post() for _ in range(3)]
        await remove(stores, deleted)
        async with stores.open_posts() as tx:
            await tx.authors.set_gone(gone.author)
            await tx.authors.set_private(private.author, 2, private=True)

        found = await stores.parts.states([gone.id, private.id, deleted.id], None)
        states = {state.id: state for state in found}

        assert states[gone.id].author_state is AuthorState.GONE
        assert states[private.id].author_state is AuthorState.PRIVATE
        assert (states[deleted.id].deleted, states[deleted.id].author_state) == (True, AuthorState.OPEN)

    async def test_words_that_are_kept_are_never_those_of_another_moment(self, stores: Stores) -> None:
        hydrate, post = Hydrate(stores.parts, Bodies()), await everything(stores)

        async def shown() -> object:
            return (await hydrate([post.id], ViewerContext())).get(post.id)

        for change in (
            lambda: edit(stores, post, text="new"),
            lambda: edit(stores, post, entities=ENTITIES[1:]),
            lambda: unmention(stores, post.id),
        ):
            assert await shown() == await stores.read(post.id)  # kept from here on
            await change()
            assert await shown() == await stores.read(post.id)
        await remove(stores, post)
        assert await shown() is None


async def unmention(stores: Stores, post_id: PostId) -> None:
    """As the account's erasure does: no version of the post."""
    async with stores.open_posts() as tx:
        post = await tx.posts.get(post_id)
        await tx.posts.save(replace(post, entities=ENTITIES).without_mention(of=UserId(7)))
