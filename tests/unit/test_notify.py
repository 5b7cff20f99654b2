"""Who is told what, and what is taken back: by the facts, however often and in whatever order they arrive."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.notifications.rows import MAILS
from application.notifications.ports import BATCH
from application.shared.events import (
    AccountDeleted,
    Blocked,
    Edited,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaSettled,
    PostDeleted,
    Published,
    Reposted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from domain.notifications import MAX_REPEATS_PER_DAY, Channel, Kind
from domain.posts import Visibility
from domain.shared import EventId, PostId, UserId, made_at
from tests.unit.notification_harness import MAIL_DELAY, NOW, Note, World

MAYA, WILLY, FLIP, THEKLA, *_ = USERS = [UserId(number) for number in range(1, 6)]


@pytest.fixture
def world() -> World:
    return World()


def some(number: int) -> list[UserId]:
    return [UserId(100 + n) for n in range(number)]


# --- What is told ------------------------------------------------------------------------------------


async def test_the_author_hears_of_likes_and_reposts(world: World) -> None:
    post = world.publish(MAYA)
    world.like(WILLY, post)
    world.repost(FLIP, post)
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.LIKE, WILLY, post), (Kind.REPOST, FLIP, post)]
    assert world.hinted_users == [MAYA, MAYA]


async def test_who_is_answered_hears_of_the_comment_and_not_of_the_mention_in_it(world: World) -> None:
    post = world.publish(MAYA)
    comment = world.publish(WILLY, MAYA, FLIP, answers=post)
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.COMMENT, WILLY, comment)]
    assert await world.notes(FLIP) == [(Kind.MENTION, WILLY, comment)]


async def test_who_wants_no_comments_hears_of_the_mention_in_one(world: World) -> None:
    await world.set_preferences(MAYA, {Channel.APP: {Kind.COMMENT: False}})
    post = world.publish(MAYA)
    world.publish(FLIP, answers=post)
    comment = world.publish(WILLY, MAYA, answers=post)
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.MENTION, WILLY, comment)]


async def test_nobody_hears_of_a_comment_on_what_is_gone(world: World) -> None:
    post = world.publish(MAYA)
    world.publish(WILLY, answers=post)
    world.delete(post)
    await world.deliver()

    assert await world.notes(MAYA) == []


async def test_an_edit_mentions_those_whom_the_old_words_did_not(world: World) -> None:
    post = world.publish(MAYA, WILLY)
    await world.deliver()
    world.edit(post, WILLY, FLIP)
    world.edit(post)
    world.edit(post, WILLY, FLIP)
    await world.deliver()

    assert await world.notes(WILLY) == [(Kind.MENTION, MAYA, post)]
    assert await world.notes(FLIP) == [(Kind.MENTION, MAYA, post)]


async def test_who_liked_reposted_or_answered_hears_of_edits_once_a_day(world: World) -> None:
    post = world.publish(MAYA)
    world.like(WILLY, post)
    world.repost(WILLY, post)
    world.repost(FLIP, post)
    world.publish(THEKLA, answers=post)
    world.publish(MAYA, answers=post)
    await world.deliver()
    before = await world.notes(MAYA)

    for day in (0, 0, 0, 1, 1):
        world.edit(post, day=day)
    await world.deliver()

    for user in (WILLY, FLIP, THEKLA):
        assert await world.notes(user) == [(Kind.EDIT, MAYA, post)] * 2
    assert await world.notes(MAYA) == before


async def test_who_is_followed_asked_or_let_in_hears_of_it(world: World) -> None:
    world.fact(Followed(user_id=WILLY, other_id=MAYA))
    world.fact(FollowRequested(user_id=WILLY, other_id=THEKLA))
    await world.deliver()
    assert await world.notes(MAYA) == [(Kind.FOLLOW, WILLY, None)]
    assert await world.notes(THEKLA) == [(Kind.FOLLOW_REQUEST, WILLY, None)]

    world.fact(Followed(user_id=WILLY, other_id=THEKLA, accepted=True))
    await world.deliver()
    assert await world.notes(THEKLA) == []  # it is answered
    assert await world.notes(WILLY) == [(Kind.FOLLOW_ACCEPTED, THEKLA, None)]


async def test_nobody_hears_of_themselves(world: World) -> None:
    post = world.publish(MAYA, MAYA)
    world.like(MAYA, post)
    world.repost(MAYA, post)
    world.publish(MAYA, MAYA, answers=post)
    world.edit(post)
    await world.deliver()

    assert await world.notes(MAYA) == []
    assert world.hinted_users == []


# --- Who may not know, or does not want to -----------------------------------------------------------


def everything(world: World, whom: UserId, by: UserId) -> None:
    post, of_by = world.publish(whom), world.publish(by, whom)
    world.like(by, post)
    world.repost(by, post)
    world.publish(by, answers=post)
    world.like(whom, of_by)
    world.edit(of_by, whom)
    world.fact(FollowRequested(user_id=by, other_id=whom))
    world.fact(Followed(user_id=by, other_id=whom))
    world.fact(FollowRequested(user_id=whom, other_id=by))
    world.fact(Followed(user_id=whom, other_id=by, accepted=True))


def settled(world: World, owner: UserId) -> None:
    for media, reason in ((7, None), (8, "damaged")):
        world.fact(MediaSettled(media_id=media, owner_id=owner, reason=reason))


async def test_what_came_of_an_upload_is_told_to_its_owner_once(world: World) -> None:
    settled(world, MAYA)
    settled(world, MAYA)
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.MEDIA_READY, None, None), (Kind.MEDIA_FAILED, None, None)]


async def test_media_that_is_ready_is_listed_but_neither_unread_nor_mailed(world: World) -> None:
    await world.set_preferences(MAYA, {Channel.EMAIL: {Kind.MEDIA_READY: True}})
    world.fact(MediaSettled(media_id=7, owner_id=MAYA, reason=None))
    await world.deliver()

    stream = await world.reader.stream(MAYA)
    assert await world.notes(MAYA) == [(Kind.MEDIA_READY, None, None)]
    assert stream is not None
    assert (stream.head, stream.total, stream.unread) == (1, 0, {})
    assert list(world.store.all(MAILS)) == []


async def test_of_whom_one_may_hear_everything_is_told(world: World) -> None:
    everything(world, MAYA, WILLY)
    settled(world, MAYA)
    await world.deliver()

    kinds = {kind for kind, _, _ in await world.notes(MAYA)}
    assert kinds == {*Kind} - {Kind.FOLLOW_REQUEST}  # answered


@pytest.mark.parametrize("end", ["blocks", "is blocked", "mutes"])
async def test_who_blocks_mutes_or_is_blocked_hears_nothing(world: World, end: str) -> None:
    everything(world, MAYA, WILLY)
    if end == "mutes":
        world.graph.mute(MAYA, WILLY)
    else:
        world.graph.block(*((MAYA, WILLY) if end == "blocks" else (WILLY, MAYA)))
    await world.deliver()

    assert await world.notes(MAYA) == []


async def test_who_is_muted_hears_all_the_same(world: World) -> None:
    world.graph.mute(WILLY, MAYA)
    world.like(WILLY, post := world.publish(MAYA))
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.LIKE, WILLY, post)]


@pytest.mark.parametrize("kind", Kind)
async def test_what_is_off_in_the_app_is_not_noted(world: World, kind: Kind) -> None:
    await world.set_preferences(MAYA, {Channel.APP: {kind: False}, Channel.EMAIL: {kind: True}})
    everything(world, MAYA, WILLY)
    settled(world, MAYA)
    await world.deliver()

    kinds = {one for one, _, _ in await world.notes(MAYA)}
    assert kinds == {*Kind} - {Kind.FOLLOW_REQUEST, kind}
    assert [*world.store.all(MAILS)] == []


async def test_nobody_is_told_of_a_post_that_they_may_not_see(world: World) -> None:
    world.graph.follow(FLIP, MAYA)
    post = world.publish(MAYA)
    for user in (WILLY, FLIP):
        answer = world.publish(user, answers=post)
        world.publish(MAYA, answers=answer, visibility=Visibility.FOLLOWERS)
    secret = world.publish(MAYA, THEKLA, visibility=Visibility.DIRECT)
    for user in (WILLY, FLIP, THEKLA):
        world.like(user, secret)
    world.edit(secret, THEKLA)
    await world.deliver()

    assert await world.notes(WILLY) == []
    assert [kind for kind, _, _ in await world.notes(FLIP)] == [Kind.COMMENT]
    assert await world.notes(THEKLA) == [(Kind.MENTION, MAYA, secret), (Kind.EDIT, MAYA, secret)]


async def test_a_mail_is_due_about_what_is_wanted_by_mail_and_was_told(world: World) -> None:
    await world.set_preferences(MAYA, {Channel.EMAIL: {Kind.LIKE: True}})
    post = world.publish(MAYA)
    world.repost(FLIP, post)
    world.like(MAYA, post)
    world.like(WILLY, post)
    await world.deliver(times=3)

    (mail,) = world.store.all(MAILS)
    assert (mail.user, mail.since, mail.last, mail.due) == (MAYA, 2, 2, NOW + MAIL_DELAY)


# --- Once --------------------------------------------------------------------------------------------


Step = Callable[[World, PostId, int], None]
AGAIN: dict[Kind, tuple[Step, Step]] = {
    Kind.LIKE: (
        lambda world, post, day: world.like(WILLY, post, day),
        lambda world, post, day: world.unlike(WILLY, post, day),
    ),
    Kind.REPOST: (
        lambda world, post, day: world.repost(WILLY, post, day),
        lambda world, post, day: world.unrepost(WILLY, post, day),
    ),
    Kind.FOLLOW: (
        lambda world, _post, day: world.fact(Followed(user_id=WILLY, other_id=MAYA), day),
        lambda world, _post, day: world.fact(Unfollowed(user_id=WILLY, other_id=MAYA), day),
    ),
    Kind.FOLLOW_REQUEST: (
        lambda world, _post, day: world.fact(FollowRequested(user_id=WILLY, other_id=MAYA), day),
        lambda world, _post, day: world.fact(FollowRequestEnded(user_id=WILLY, other_id=MAYA), day),
    ),
    Kind.FOLLOW_ACCEPTED: (
        lambda world, _post, day: world.fact(Followed(user_id=MAYA, other_id=WILLY, accepted=True), day),
        lambda world, _post, day: world.fact(Unfollowed(user_id=MAYA, other_id=WILLY), day),
    ),
}
"""How WILLY does what MAYA is told, and how that ends."""


@pytest.mark.parametrize("kind", AGAIN)
@pytest.mark.parametrize("read", [False, True])
async def test_what_is_taken_back_and_done_again_is_told_again_a_few_times_a_day(
    world: World, kind: Kind, *, read: bool
) -> None:
    post = world.publish(MAYA)
    begin, end = AGAIN[kind]
    note = (kind, WILLY, post if kind in {Kind.LIKE, Kind.REPOST} else None)
    for day in (0, 1):
        for number in range(1, MAX_REPEATS_PER_DAY + 2):
            begin(world, post, day)
            await world.deliver(times=3)
            assert await world.all_notes(MAYA) == ([note] if number <= MAX_REPEATS_PER_DAY else [])
            if read:
                await world.mark_read(MAYA, 1_000)
            end(world, post, day)
            await world.deliver(times=3)
            assert await world.all_notes(MAYA) == []

    assert len(world.hinted_users) >= 2 * 2 * MAX_REPEATS_PER_DAY


async def test_what_is_dismissed_is_not_told_again_by_the_same_event(world: World) -> None:
    post = world.publish(MAYA)
    await world.deliver()
    world.like(WILLY, post)
    liked = world.late[0]
    await world.deliver()
    await world.dismiss(MAYA, 1)

    await world.react(*liked)

    assert await world.notes(MAYA) == []


async def test_an_end_that_arrives_once_more_takes_back_nothing_that_began_since(world: World) -> None:
    """As when a process was stopped in the middle of it, and goes on after another one did its work."""
    post = world.publish(MAYA)
    world.like(WILLY, post)
    await world.deliver()
    world.unlike(WILLY, post)
    unliked = world.late[0]
    await world.deliver()
    world.like(WILLY, post)
    await world.deliver()

    await world.react(*unliked)

    assert await world.notes(MAYA) == [(Kind.LIKE, WILLY, post)]


async def test_requests_of_two_people_have_nothing_to_do_with_each_other(world: World) -> None:
    for _ in range(MAX_REPEATS_PER_DAY + 1):
        world.fact(FollowRequested(user_id=WILLY, other_id=MAYA))
        world.fact(FollowRequestEnded(user_id=WILLY, other_id=MAYA))
    world.fact(FollowRequested(user_id=WILLY, other_id=MAYA))
    world.fact(FollowRequested(user_id=FLIP, other_id=MAYA))
    world.fact(FollowRequested(user_id=WILLY, other_id=THEKLA))
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.FOLLOW_REQUEST, FLIP, None)]
    assert await world.notes(THEKLA) == [(Kind.FOLLOW_REQUEST, WILLY, None)]


# --- Taken back --------------------------------------------------------------------------------------


async def test_what_is_ended_is_taken_back_and_the_rest_stays(world: World) -> None:
    first, second = world.publish(MAYA), world.publish(MAYA)
    for post in (first, second):
        world.like(WILLY, post)
        world.repost(WILLY, post)
        world.like(FLIP, post)
    world.fact(Followed(user_id=WILLY, other_id=MAYA))
    world.fact(Followed(user_id=MAYA, other_id=WILLY))
    world.fact(FollowRequested(user_id=FLIP, other_id=MAYA))
    await world.deliver()

    world.unlike(WILLY, first)
    world.unrepost(WILLY, second)
    world.fact(Unfollowed(user_id=WILLY, other_id=MAYA))
    world.fact(FollowRequestEnded(user_id=FLIP, other_id=MAYA))
    await world.deliver()

    assert Counter(await world.notes(MAYA)) == Counter(
        [
            (Kind.REPOST, WILLY, first),
            (Kind.LIKE, WILLY, second),
            (Kind.LIKE, FLIP, first),
            (Kind.LIKE, FLIP, second),
        ]
    )
    assert await world.notes(WILLY) == [(Kind.FOLLOW, MAYA, None)]


async def test_who_is_not_followed_any_more_had_not_let_anybody_in(world: World) -> None:
    world.fact(FollowRequested(user_id=WILLY, other_id=MAYA))
    world.fact(Followed(user_id=WILLY, other_id=MAYA, accepted=True))
    await world.deliver()
    world.fact(Unfollowed(user_id=WILLY, other_id=MAYA))
    await world.deliver()

    assert await world.notes(WILLY) == []


@pytest.mark.parametrize("who", ["maya", "willy"])
async def test_a_block_takes_back_what_either_was_told_of_the_other(world: World, who: str) -> None:
    everything(world, MAYA, WILLY)
    everything(world, WILLY, MAYA)
    world.like(FLIP, post := world.publish(MAYA))
    await world.deliver()

    world.block(*((MAYA, WILLY) if who == "maya" else (WILLY, MAYA)))
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.LIKE, FLIP, post)]
    assert await world.notes(WILLY) == []


async def test_of_a_deleted_post_nothing_is_left(world: World) -> None:
    post, other = world.publish(MAYA, THEKLA), world.publish(MAYA, THEKLA)
    for user in (WILLY, FLIP):
        world.like(user, post)
    world.repost(WILLY, other)
    world.edit(post, THEKLA)
    await world.deliver()

    world.delete(post)
    await world.deliver()

    assert await world.notes(MAYA) == [(Kind.REPOST, WILLY, other)]
    assert await world.notes(THEKLA) == [(Kind.MENTION, MAYA, other)]
    assert await world.notes(WILLY) == []


async def test_of_a_deleted_account_nothing_is_left(world: World) -> None:
    crowd = some(BATCH * 2 + 7)
    for author in crowd:
        world.like(WILLY, world.publish(author))
    world.like(MAYA, of_willy := world.publish(WILLY, FLIP))
    world.fact(Followed(user_id=WILLY, other_id=MAYA))
    world.like(MAYA, kept := world.publish(crowd[0]))
    await world.deliver()
    assert await world.notes(WILLY) == [(Kind.LIKE, MAYA, of_willy)]

    world.leave(WILLY)
    world.like(WILLY, kept)  # of before, and late
    await world.deliver(times=2)

    assert await world.reader.stream(WILLY) is None
    for user in (*crowd[1:], MAYA, FLIP):
        assert await world.notes(user) == []
    assert await world.notes(crowd[0]) == [(Kind.LIKE, MAYA, kept)]


# --- Budgets -----------------------------------------------------------------------------------------


def times(world: World, subscriber: str) -> int:
    """How often it was called."""
    return [name for name, _ in world.calls].count(subscriber)


async def test_an_edit_that_concerns_a_thousand_goes_on_where_it_stopped() -> None:
    world, crowd = World(budget=2.5), some(1_000)
    post = world.publish(MAYA)
    for user in crowd:
        world.like(user, post)
    await world.deliver()
    del world.calls[:]

    world.edit(post)
    await world.deliver()

    # At the third look at the clock the time is up. After the last of three hundred it goes on.
    after = [crowd[n - 1] for n in (300, 600, 900)]
    assert world.calls == [("of_post", None), *(("of_edit", at) for at in (None, *map(str, after)))]
    for user in crowd:
        assert await world.notes(user) == [(Kind.EDIT, MAYA, post)]


async def test_an_edit_that_is_cut_short_and_begun_again_tells_everybody_once() -> None:
    world, crowd = World(budget=0.0), some(BATCH * 3)
    post = world.publish(MAYA)
    for user in crowd:
        world.like(user, post)
    world.edit(post)
    await world.deliver(times=2)

    for user in crowd:
        assert await world.notes(user) == [(Kind.EDIT, MAYA, post)]


async def test_what_goes_on_after_midnight_tells_of_the_day_before() -> None:
    """Or the event that was cut short, delivered again, would tell again those who were told by what went on."""
    world, crowd = World(budget=0.0), some(BATCH * 2)
    post = world.publish(MAYA)
    for user in crowd:
        world.like(user, post)
    await world.deliver()
    world.edit(post, day=-9)
    edited = world.late[0]

    await world.deliver()
    world.budget = 1_000.0
    world.__post_init__()  # which hands it on
    await world.react(*edited)
    await world.deliver()

    for user in crowd:
        assert await world.notes(user) == [(Kind.EDIT, MAYA, post)]


async def test_what_a_thousand_were_told_of_a_deleted_post_is_taken_back_in_parts() -> None:
    world, crowd = World(budget=1.5), some(1_000)
    post = world.publish(MAYA, *crowd)
    await world.deliver()
    assert len(world.hinted_users) == len(crowd)

    world.delete(post)
    await world.deliver()

    assert times(world, "forget_post") in {3, 4}
    for user in crowd:
        assert await world.notes(user) == []


async def test_what_a_thousand_were_told_of_a_deleted_account_is_taken_back_in_parts() -> None:
    world, crowd = World(budget=1.5), some(1_000)
    for user in crowd:
        world.like(WILLY, world.publish(user))
    await world.deliver()

    world.leave(WILLY)
    await world.deliver()

    assert times(world, "forget_account") in {3, 4}
    for user in crowd:
        assert await world.notes(user) == []


# --- In any order ------------------------------------------------------------------------------------

ACTS = [
    "publish",
    "publish",
    "answer",
    "answer",
    "edit",
    "like",
    "like",
    "unlike",
    "repost",
    "unrepost",
    "follow",
    "follow",
    "block",
    "mute",
    "delete",
    "leave",
]
"""Those that make something are there twice, so that there is something to end."""


def act(  # noqa: C901, PLR0912 - one line for each act
    world: World, rng: random.Random, ties: dict[tuple[int, int], str]
) -> None:
    """Something that may happen: what an account does that is gone, or on a post that is, is left out."""
    people = [user for user in USERS if user not in world.gone]
    if len(people) < 2:
        return
    who, whom = rng.sample(people, 2)
    there = [said for said in world.posts_said.values() if not said.deleted]
    on = rng.choice(there).id if there else None
    mentioned = rng.sample(people, rng.randrange(3))
    match rng.choice(ACTS):
        case "publish":
            world.publish(who, *mentioned, visibility=rng.choice([*Visibility]))
        case "answer" if on is not None:
            world.publish(who, *mentioned, answers=on)
        case "edit" if on is not None:
            world.edit(on, *mentioned, day=rng.randrange(2))
        case "like" if on is not None:
            world.like(who, on)
        case "unlike" if on is not None:
            world.unlike(who, on)
        case "repost" if on is not None:
            world.repost(who, on)
        case "unrepost" if on is not None:
            world.unrepost(who, on)
        case "follow":
            follow(world, rng, ties, who, whom)
        case "block" if rng.random() < 0.3:
            world.block(who, whom)
        case "mute" if rng.random() < 0.3:
            world.graph.mute(who, whom)
        case "delete" if on is not None:
            world.delete(on)
        case "leave" if rng.random() < 0.1:
            world.leave(who)


def follow(
    world: World,
    rng: random.Random,
    ties: dict[tuple[int, int], str],
    who: UserId,
    whom: UserId,
) -> None:
    day, pair, tie = rng.randrange(2), (who, whom), ties.get((who, whom))
    if tie is None and rng.random() < 0.5:
        world.fact(Followed(user_id=who, other_id=whom), day)
        ties[pair] = "follows"
    elif tie is None:
        world.fact(FollowRequested(user_id=who, other_id=whom), day)
        ties[pair] = "asks"
    elif tie == "asks" and rng.random() < 0.7:
        world.fact(Followed(user_id=who, other_id=whom, accepted=True), day)
        ties[pair] = "follows"
    else:
        ended = FollowRequestEnded if tie == "asks" else Unfollowed
        world.fact(ended(user_id=who, other_id=whom), day)
        del ties[pair]


def shuffled(facts: list[tuple[EventId, Event]], rng: random.Random) -> Iterator[tuple[EventId, Event]]:
    """Each three times, in its order among those of its aggregate and in none among the others."""
    queues: dict[str, list[tuple[EventId, Event]]] = {}
    for id_, event in facts:
        queues.setdefault(event.aggregate, []).extend([(id_, event)] * 3)
    while queues:
        name = rng.choice([*queues])
        yield queues[name].pop(0)
        if not queues[name]:
            del queues[name]


async def expected(  # noqa: C901, PLR0912 - one line for each fact
    world: World, off: dict[UserId, set[Kind]]
) -> dict[int, Counter[Note]]:
    """What must have been told once all facts are delivered, of the world as it is then: said plainly."""
    notes: dict[int, dict[object, Note]] = {user: {} for user in USERS}
    told: Counter[tuple[int, object]] = Counter()

    async def tell(user: int, key: object, note: Note, often: int = 1) -> None:
        kind, actor, post = note
        viewer_context = await world.graph.of(UserId(user))
        near = user != actor and actor not in viewer_context.blocked | viewer_context.muted
        there = not {user, actor} & world.gone
        sees = post is None or user in await world.who_sees(PostId(post), [viewer_context])
        if near and there and sees and kind not in off[UserId(user)] and told[user, key] < often:
            told[user, key] += 1
            notes[user][key] = note

    def end(user: int, *which: Note) -> None:
        notes[user] = {key: note for key, note in notes[user].items() if note not in which}

    for id_, event in world.all_facts:
        day = made_at(id_).date()
        match event:
            case Liked(post_id=post, author_id=author, user_id=user):
                await tell(author, ("like", user, post, day), (Kind.LIKE, user, post), MAX_REPEATS_PER_DAY)
            case Reposted(post_id=post, author_id=author, user_id=user):
                await tell(
                    author, ("repost", user, post, day), (Kind.REPOST, user, post), MAX_REPEATS_PER_DAY
                )
            case Unliked(post_id=post, author_id=author, user_id=user):
                end(author, (Kind.LIKE, user, post))
            case Unreposted(post_id=post, author_id=author, user_id=user):
                end(author, (Kind.REPOST, user, post))
            case Published(post_id=post, author_id=author, reply_to=above):
                if above is not None and not world.posts_said[PostId(above)].deleted:
                    await tell(world.posts_said[PostId(above)].author, post, (Kind.COMMENT, author, post))
                for user in world.posts_said[PostId(post)].mentioned:
                    await tell(user, post, (Kind.MENTION, author, post))
            case Edited(post_id=post, author_id=author, mentioned_new=new):
                for user in new:
                    await tell(user, post, (Kind.MENTION, author, post))
                for user in world.all_involved(PostId(post)):
                    await tell(user, ("edit", post, day), (Kind.EDIT, author, post))
            case FollowRequested(user_id=user, other_id=other):
                await tell(
                    other, ("request", user, day), (Kind.FOLLOW_REQUEST, user, None), MAX_REPEATS_PER_DAY
                )
            case FollowRequestEnded(user_id=user, other_id=other):
                end(other, (Kind.FOLLOW_REQUEST, user, None))
            case Followed(user_id=user, other_id=other, accepted=True):
                end(other, (Kind.FOLLOW_REQUEST, user, None))
                note = (Kind.FOLLOW_ACCEPTED, other, None)
                await tell(user, ("accepted", other, day), note, MAX_REPEATS_PER_DAY)
            case Followed(user_id=user, other_id=other):
                end(other, (Kind.FOLLOW_REQUEST, user, None))
                await tell(other, ("follow", user, day), (Kind.FOLLOW, user, None), MAX_REPEATS_PER_DAY)
            case Unfollowed(user_id=user, other_id=other):
                end(other, (Kind.FOLLOW, user, None))
                end(user, (Kind.FOLLOW_ACCEPTED, other, None))
            case PostDeleted() | Blocked() | AccountDeleted():
                pass  # of what is gone or blocked in the end nothing was told above
    return {user: Counter(of_user.values()) for user, of_user in notes.items()}


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
async def test_facts_three_times_and_in_any_order_tell_what_the_end_says(seed: int, size: int) -> None:
    rng, world = random.Random(seed), World(budget=2.0)  # noqa: S311 - no secret
    ties: dict[tuple[int, int], str] = {}
    off = {user: {kind for kind in Kind if rng.random() < 0.1} for user in USERS}
    for user, kinds in off.items():
        await world.set_preferences(user, {Channel.APP: dict.fromkeys(kinds, False)})
    for _ in range(size):
        act(world, rng, ties)

    world.late.clear()
    for id_, event in shuffled(world.all_facts, rng):
        await world.react(id_, event)
    await world.deliver()

    for somebody, notes in (await expected(world, off)).items():
        assert Counter(await world.notes(UserId(somebody))) == notes


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
async def test_while_things_happen_nothing_is_told_that_may_not_be_seen_in_the_end(
    seed: int, size: int
) -> None:
    """Facts arrive at any time; what became invisible since is healed by looking."""
    rng, world = random.Random(seed), World()  # noqa: S311 - no secret
    ties: dict[tuple[int, int], str] = {}
    for _ in range(size):
        act(world, rng, ties)
        if rng.random() < 0.3:
            await world.deliver()
    await world.deliver()

    for user in USERS:
        await world.hydrate(user, await world.reader.after(user, 0, 10_000))
        viewer_context = await world.graph.of(user)
        for kind, actor, post in await world.notes(user):
            assert actor is not None
            assert actor not in viewer_context.blocked | world.gone
            assert post is None or user in await world.who_sees(PostId(post), [viewer_context])
            assert kind is not Kind.LIKE or (Liked, actor, post) in world.marks
            assert kind is not Kind.REPOST or (Reposted, actor, post) in world.marks
            assert kind is not Kind.FOLLOW or ties.get((actor, user)) == "follows"
            assert kind is not Kind.FOLLOW_ACCEPTED or ties.get((user, actor)) == "follows"
            assert kind is not Kind.FOLLOW_REQUEST or ties.get((actor, user)) == "asks"
        if user in world.gone:
            assert await world.reader.stream(user) is None
