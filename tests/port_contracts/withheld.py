"""Comments of private accounts: their audience and the counts, when an account becomes private or open."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from application.posts.event_handlers import BATCH, ApplyPrivacy, ApplyPrivacyToComment
from application.posts.repair import RepairPosts
from application.shared.events import ProfileChanged, Published
from domain.posts import OPEN_VISIBILITIES, PostNotFound, Visibility
from domain.shared import EventId, PostId, UserId
from tests.port_contracts.erasing import settle
from tests.port_contracts.repair import NONE
from tests.port_contracts.stores import Stores, new_id
from tests.unit.people import Waggle, refused

EVENT = EventId(1)


async def somebody(waggle: Waggle) -> tuple[UserId, str]:
    name = f"w{new_id() >> 16}"
    return await waggle.new_user(name), name


async def goes_private(waggle: Waggle, user: UserId, *, private: bool = True) -> None:
    await waggle.edit_profile(user, None, None, None, private=private)
    await settle(waggle)


async def comments(waggle: Waggle, post: PostId) -> int:
    return (await waggle.read(None, post)).post.state.comments


class WithheldContract:
    async def test_a_comment_of_a_private_account_reaches_the_author_above_and_its_mentions_and_is_not_counted(
        self, stores: Stores
    ) -> None:
        waggle = Waggle(stores)
        (ann, _), (bob, _), (cat, name), (dan, _) = [await somebody(waggle) for _ in range(4)]
        post = (await waggle.post(ann)).post.id
        await goes_private(waggle, bob)

        comment = (await waggle.post(bob, f"hello @{name}", reply_to=post)).post
        await settle(waggle)

        assert comment.visibility is Visibility.PUBLIC
        assert comment.state.mentioned == tuple(sorted([ann, cat]))
        assert await comments(waggle, post) == 0
        for viewer in (ann, bob, cat):
            assert (await waggle.read(viewer, comment.id)).post.id == comment.id
        for stranger in (dan, None):
            assert await refused(waggle.read(stranger, comment.id)) is PostNotFound
        await waggle.edits(bob, comment.id, "hello")
        assert (await waggle.read(ann, comment.id)).post.state.mentioned == (ann,)
        await waggle.delete(bob, comment.id)
        assert await RepairPosts(stores.posts.counters)(repair=False) == NONE

    async def test_earlier_comments_follow_their_account_however_many_they_are(self, stores: Stores) -> None:
        waggle = Waggle(stores)
        (ann, _), (bob, _) = [await somebody(waggle) for _ in range(2)]
        post = (await waggle.post(ann)).post.id
        written = [(await waggle.post(bob, reply_to=post)).post.id for _ in range(2 * BATCH + 1)]
        await waggle.post(bob, reply_to=post, visibility=Visibility.FOLLOWERS)

        for _ in range(2):
            await goes_private(waggle, bob)
            assert await comments(waggle, post) == 0
            assert await refused(waggle.read(ann, written[0])) is PostNotFound
            await goes_private(waggle, bob, private=False)
            assert await comments(waggle, post) == len(written)
            assert (await waggle.read(None, written[-1])).post.id == written[-1]
        assert await RepairPosts(stores.posts.counters)(repair=False) == NONE

    async def test_restricting_an_author_continues_in_another_call_after_the_time_budget(
        self, stores: Stores
    ) -> None:
        waggle = Waggle(stores)
        (ann, _), (bob, _) = [await somebody(waggle) for _ in range(2)]
        post = (await waggle.post(ann)).post.id
        for _ in range(BATCH + 1):
            await waggle.post(bob, reply_to=post)
        await settle(waggle)
        restrict = ApplyPrivacy(stores.posts.open_tx, lambda: 0.0, budget=0.0)

        changed = ProfileChanged(user_id=bob, private=True, version=7)
        below = await restrict(changed, EVENT)

        assert await comments(waggle, post) == 1
        assert await restrict(changed, EVENT, below) is None
        assert await comments(waggle, post) == 0

    async def test_a_comment_that_raced_with_its_author_becoming_private_is_corrected(
        self, stores: Stores
    ) -> None:
        waggle = Waggle(stores)
        (ann, _), (bob, _) = [await somebody(waggle) for _ in range(2)]
        post = (await waggle.post(ann)).post.id
        comment = (await waggle.post(bob, reply_to=post)).post.id
        async with stores.posts.open_tx() as tx:  # as if the comment was committed last
            await tx.authors.set_private(bob, 7, private=True)
        published = Published(post_id=comment, author_id=bob, reply_to=post, visibility="public")

        for _ in range(2):
            await ApplyPrivacyToComment(stores.posts.open_tx, stores.posts.restricted_authors)(
                published, EVENT
            )

        assert await comments(waggle, post) == 0
        assert await RepairPosts(stores.posts.counters)(repair=False) == NONE

    async def test_tombstones_appear_and_disappear_with_their_answers(self, stores: Stores) -> None:
        waggle = Waggle(stores)
        (ann, _), (bob, _) = [await somebody(waggle) for _ in range(2)]
        post = (await waggle.post(ann)).post.id
        upper = (await waggle.post(ann, reply_to=post)).post.id
        lower = (await waggle.post(ann, reply_to=upper)).post.id
        await waggle.post(bob, reply_to=lower)
        await waggle.delete(ann, lower)
        await waggle.delete(ann, upper)
        for private, stones in ((True, 0), (False, 2), (True, 0)):
            await goes_private(waggle, bob, private=private)
            below = await waggle.context(None, post)
            assert len(below.descendants) == (3 if stones else 0)
            assert await RepairPosts(stores.posts.counters)(repair=False) == NONE

    @settings(max_examples=20)
    @given(seed=st.integers(0, 2**32))
    async def test_di2_counts_include_only_open_posts_after_random_changes(
        self, stores: Stores, seed: int
    ) -> None:
        waggle, rng = Waggle(stores), random.Random(seed)  # noqa: S311 - no secret
        people = [(await somebody(waggle))[0] for _ in range(3)]
        private = dict.fromkeys(people, False)
        top = (await waggle.post(people[0], "top")).post
        posts = {top.id: top}
        alive = {top.id}
        for _ in range(12):
            who, on = rng.choice(people), rng.choice(sorted(posts))
            match rng.randrange(5):
                case 0:
                    private[who] = not private[who]
                    await goes_private(waggle, who, private=private[who])
                case 1 if on in alive and on != top.id:
                    alive.discard(on)
                    await waggle.delete(posts[on].author, on)
                case _ if on in alive and await refused(waggle.read(who, on)) is None:
                    wanted = rng.choice([None, None, Visibility.FOLLOWERS])
                    new = (await waggle.post(who, visibility=wanted, reply_to=on)).post
                    posts[new.id] = new
                    alive.add(new.id)
        await settle(waggle)

        for id_ in alive:
            counted = sum(
                one.reply_to == id_
                and one.id in alive
                and one.visibility in OPEN_VISIBILITIES
                and not private[one.author]
                for one in posts.values()
            )
            assert (await waggle.read(posts[id_].author, id_)).post.state.comments == counted
        assert await RepairPosts(stores.posts.counters)(repair=False) == NONE
