"""The contract of stores that read posts in two parts."""

from dataclasses import replace

from application.posts.hydration import ContentCache, ReadPostViews
from application.posts.views import PostView
from domain.posts import AuthorState, Engagement, Post
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.engagements import engage
from tests.port_contracts.posts import EVERYTHING, remove
from tests.port_contracts.stores import Stores, new_id
from tests.port_contracts.threads import ENTITIES, edit


async def everything(stores: Stores) -> Post:
    return await stores.add_post(**EVERYTHING, mentioned=frozenset({UserId(7)}), entities=ENTITIES)


class PostPartsContract:
    async def test_state_and_content_together_are_the_view_of_a_post(self, stores: Stores) -> None:
        post, ann = await everything(stores), UserId(new_id())
        await engage(stores, Engagement.REPOST, post.id, ann)

        [state] = await stores.posts.parts.states([post.id, PostId(1)], ann)
        contents = await stores.posts.parts.contents([post.id, PostId(1)])

        assert contents.keys() == {post.id}
        assert contents[post.id].belongs_to(state)
        assert PostView(state, contents[post.id]) == await stores.read(post.id, ann)
        assert (state.deleted, state.author_state) == (False, AuthorState.PUBLIC)

    async def test_engagements_are_those_of_the_viewer(self, stores: Stores) -> None:
        post, ann, bob = await stores.add_post(), UserId(new_id()), UserId(new_id())
        for engagement in Engagement:
            await engage(stores, engagement, post.id, ann)

        for viewer in (ann, bob, None):
            [state] = await stores.posts.parts.states([post.id], viewer)
            engagements = state.liked, state.reposted, state.bookmarked
            assert engagements == (viewer == ann,) * 3
            assert (state.likes, state.reposts) == (1, 1)

    async def test_a_state_shows_deleted_posts_and_private_or_deleted_authors(self, stores: Stores) -> None:
        gone, private, deleted = [await stores.add_post() for _ in range(3)]
        await remove(stores, deleted)
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_deleted(gone.author)
            await tx.authors.set_private(private.author, 2, private=True)

        found = await stores.posts.parts.states([gone.id, private.id, deleted.id], None)
        states = {state.id: state for state in found}

        assert states[gone.id].author_state is AuthorState.DELETED
        assert states[private.id].author_state is AuthorState.PRIVATE
        assert (states[deleted.id].deleted, states[deleted.id].author_state) == (True, AuthorState.PUBLIC)

    async def test_cached_content_is_never_joined_with_another_state(self, stores: Stores) -> None:
        read_views, post = ReadPostViews(stores.posts.parts, ContentCache()), await everything(stores)

        async def view() -> object:
            return (await read_views([post.id], ViewerContext())).get(post.id)

        for change in (
            lambda: edit(stores, post, text="new"),
            lambda: edit(stores, post, entities=ENTITIES[1:]),
            lambda: unmention(stores, post.id),
        ):
            assert await view() == await stores.read(post.id)  # cached from here on
            await change()
            assert await view() == await stores.read(post.id)
        await remove(stores, post)
        assert await view() is None


async def unmention(stores: Stores, post_id: PostId) -> None:
    """As the erasure of an account does: it makes no version of the post."""
    async with stores.posts.open_tx() as tx:
        post = await tx.posts.get(post_id)
        await tx.posts.save(replace(post, entities=ENTITIES).without_mention(of=UserId(7)))
