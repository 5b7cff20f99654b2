"""What is shown at places of feeds, and the words that are kept for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from application.posts.rows import Body, State
from application.posts.showing import Bodies, Hydrate, PostParts, ShowEntries
from application.shared.events import PostDeleted
from application.shared.feed_entries import FeedEntry
from application.shared.people import AuthorCard
from domain.posts import Post, Visibility
from domain.shared import EventId, PostId, UserId, ViewerContext
from tests.port_contracts.posts import remove
from tests.port_contracts.stores import Stores, memory, new_id
from tests.port_contracts.threads import edit

ANN, BOB, CAT = UserId(1), UserId(2), UserId(3)


@dataclass
class Cards:
    """People who exist, unless they are gone."""

    gone: set[UserId] = field(default_factory=set)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: AuthorCard(id_, f"user_{id_}", "") for id_ in ids if id_ not in self.gone}

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        raise NotImplementedError


@dataclass
class Parts:
    """Those of a store, where a test may let something happen between the two questions."""

    stores: Stores
    between: list[Post] = field(default_factory=list)
    """Edited one after the other, each time before words are read."""
    words_asked: int = 0

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[State]:
        return await self.stores.parts.states(ids, viewer)

    async def bodies(self, ids: Collection[PostId]) -> Mapping[PostId, Body]:
        self.words_asked += 1
        if self.between:
            await edit(self.stores, self.between.pop(), text=f"edited {self.words_asked}")
        return await self.stores.parts.bodies(ids)


@dataclass
class World:
    stores: Stores
    parts: Parts
    cards: Cards
    bodies: Bodies
    show: ShowEntries

    async def shown(self, *entries: FeedEntry, to: ViewerContext | None = None) -> set[int]:
        return {*await self.show(to or ViewerContext(), entries)}


@pytest.fixture
async def world() -> World:
    async with memory() as stores:
        parts, cards, bodies = Parts(stores), Cards(), Bodies()
        kept: PostParts = parts
        return World(stores, parts, cards, bodies, ShowEntries(Hydrate(kept, bodies), cards))


def place(post: Post) -> FeedEntry:
    return FeedEntry(post.id, post.id, post.author)


async def test_a_post_and_a_repost_of_it_are_two_places(world: World) -> None:
    post = await world.stores.add_post(author=ANN, mentioned=frozenset({CAT}))
    repost = FeedEntry(new_id(), post.id, BOB)

    seen = await world.show(ViewerContext(CAT), [place(post), repost])

    card = {who: AuthorCard(who, f"user_{who}", "") for who in (ANN, BOB, CAT)}
    assert {id_: one.reposted_by for id_, one in seen.items()} == {post.id: None, repost.id: card[BOB]}
    for one in seen.values():
        assert (one.author, [*one.mentions], one.viewer) == (card[ANN], [card[CAT]], CAT)
        assert one.row == await world.stores.read(post.id, CAT)


async def test_az3_what_one_may_not_see_stands_nowhere(world: World) -> None:
    hidden = await world.stores.add_post(author=ANN, visibility=Visibility.FOLLOWERS)
    post = await world.stores.add_post(author=ANN)
    places = [place(hidden), place(post), FeedEntry(new_id(), post.id, BOB)]

    assert await world.shown(*places) == {post.id, places[2].id}
    assert await world.shown(*places, to=ViewerContext(CAT, frozenset({ANN}))) == {
        entry.id for entry in places
    }
    assert await world.shown(*places, to=ViewerContext(CAT, blocked=frozenset({ANN}))) == set()
    assert await world.shown(*places, to=ViewerContext(CAT, blocked=frozenset({BOB}))) == {post.id}
    assert await world.shown(*places, to=ViewerContext(CAT, muted=frozenset({ANN, BOB}))) == {
        post.id,
        places[2].id,
    }


async def test_az4_a_deleted_post_stands_nowhere_although_its_words_are_kept(world: World) -> None:
    post = await world.stores.add_post()
    assert await world.shown(place(post)) == {post.id}

    await remove(world.stores, post)

    assert await world.shown(place(post)) == set()
    event = PostDeleted(post_id=post.id, author_id=post.author, reply_to=None)
    await world.bodies.forget(event, EventId(1))
    assert (len(world.bodies), world.bodies.bytes) == (0, 0)


async def test_who_is_gone_stands_nowhere(world: World) -> None:
    post, other = await world.stores.add_post(author=ANN), await world.stores.add_post(author=CAT)
    world.cards.gone.add(ANN)

    assert await world.shown(place(post), FeedEntry(7, other.id, ANN), place(other)) == {other.id}


async def test_words_are_asked_for_once(world: World) -> None:
    post = await world.stores.add_post()

    for _ in range(3):
        await world.shown(place(post))

    assert world.parts.words_asked == 1


async def test_an_edit_between_the_two_questions_is_shown_whole(world: World) -> None:
    post = await world.stores.add_post(text="first")
    world.parts.between = [post]

    seen = await world.show(ViewerContext(), [place(post)])

    assert seen[post.id].row == await world.stores.read(post.id)
    assert (seen[post.id].row.text, seen[post.id].row.version) == ("edited 1", 2)


async def test_what_changes_all_the_time_is_left_out_rather_than_mixed(world: World) -> None:
    post = await world.stores.add_post(text="first")
    world.parts.between = [post, post]

    assert await world.shown(place(post)) == set()
    assert await world.shown(place(post)) == {post.id}


def a_body(text: str) -> Body:
    return Body(1, 0, text, "", None, None, ())


def kept(bodies: Bodies, post_id: int, state: State) -> bool:
    return bodies.get(state._replace(id=PostId(post_id))) is not None


async def test_bodies_are_bounded_by_number_and_size_and_the_one_kept_last_stays(world: World) -> None:
    post = await world.stores.add_post()
    [state] = await world.stores.parts.states([post.id], None)
    few, small = Bodies(capacity=2), Bodies(max_bytes=10_000)

    for id_ in (1, 2):
        few.keep(PostId(id_), a_body("x"))
    assert kept(few, 1, state)
    few.keep(PostId(3), a_body("x"))
    for id_ in range(1, 100):
        small.keep(PostId(id_), a_body("x" * 1000))

    assert [kept(few, id_, state) for id_ in (1, 2, 3)] == [False, True, True]
    assert (len(small), kept(small, 99, state)) == (2, True)
    assert 0 < small.bytes <= small.max_bytes


async def test_a_body_that_is_kept_twice_counts_once() -> None:
    bodies = Bodies()
    bodies.keep(PostId(1), a_body("x" * 100))
    once = bodies.bytes

    bodies.keep(PostId(1), a_body("y" * 100))

    assert (bodies.bytes, len(bodies)) == (once, 1)
