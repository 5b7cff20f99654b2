"""Random actions on a NotificationHarness, and a reference for the notifications that they lead to."""

import random
from collections import Counter
from collections.abc import Iterator

from application.shared.events import (
    AccountDeleted,
    Blocked,
    Edited,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    PostDeleted,
    Published,
    Reposted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from domain.notifications import MAX_REPEATS_PER_DAY, NotificationKind
from domain.posts import Visibility
from domain.shared import EventId, PostId, UserId, made_at
from tests.unit.notification_harness import (
    USERS,
    NotificationHarness,
    Notified,
)

ACTIONS = [
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
"""Actions that create something are listed twice, so that there is something to undo."""


def act_randomly(  # noqa: C901, PLR0912 - one line per action
    harness: NotificationHarness, rng: random.Random, relationships: dict[tuple[int, int], str]
) -> None:
    """A random possible action: none by a deleted account, and none on a deleted post."""
    people = [user for user in USERS if user not in harness.deleted_accounts]
    if len(people) < 2:
        return
    user, other = rng.sample(people, 2)
    existing = [post_state for post_state in harness.stored_posts.values() if not post_state.deleted]
    on = rng.choice(existing).id if existing else None
    mentioned = rng.sample(people, rng.randrange(3))
    match rng.choice(ACTIONS):
        case "publish":
            harness.publish(user, *mentioned, visibility=rng.choice([*Visibility]))
        case "answer" if on is not None:
            harness.publish(user, *mentioned, reply_to=on)
        case "edit" if on is not None:
            harness.edit(on, *mentioned, day=rng.randrange(2))
        case "like" if on is not None:
            harness.like(user, on)
        case "unlike" if on is not None:
            harness.unlike(user, on)
        case "repost" if on is not None:
            harness.repost(user, on)
        case "unrepost" if on is not None:
            harness.unrepost(user, on)
        case "follow":
            follow(harness, rng, relationships, user, other)
        case "block" if rng.random() < 0.3:
            harness.block(user, other)
        case "mute" if rng.random() < 0.3:
            harness.graph.mute(user, other)
        case "delete" if on is not None:
            harness.delete(on)
        case "leave" if rng.random() < 0.1:
            harness.delete_account(user)


def follow(
    harness: NotificationHarness,
    rng: random.Random,
    relationships: dict[tuple[int, int], str],
    user: UserId,
    other: UserId,
) -> None:
    day, pair, relationship = rng.randrange(2), (user, other), relationships.get((user, other))
    if relationship is None and rng.random() < 0.5:
        harness.emit(Followed(user_id=user, other_id=other), day)
        relationships[pair] = "follows"
    elif relationship is None:
        harness.emit(FollowRequested(user_id=user, other_id=other), day)
        relationships[pair] = "asks"
    elif relationship == "asks" and rng.random() < 0.7:
        harness.emit(Followed(user_id=user, other_id=other, accepted=True), day)
        relationships[pair] = "follows"
    else:
        ended = FollowRequestEnded if relationship == "asks" else Unfollowed
        harness.emit(ended(user_id=user, other_id=other), day)
        del relationships[pair]


def redelivered(events: list[tuple[EventId, Event]], rng: random.Random) -> Iterator[tuple[EventId, Event]]:
    """Each event three times, in order within its aggregate and in any order across aggregates."""
    queues: dict[str, list[tuple[EventId, Event]]] = {}
    for id_, event in events:
        queues.setdefault(event.aggregate, []).extend([(id_, event)] * 3)
    while queues:
        name = rng.choice([*queues])
        yield queues[name].pop(0)
        if not queues[name]:
            del queues[name]


async def expected(  # noqa: C901, PLR0912 - one case per event
    harness: NotificationHarness, off: dict[UserId, set[NotificationKind]]
) -> dict[int, Counter[Notified]]:
    """The reference: the notifications that exist once all events are delivered, given the final state."""
    notifications_of: dict[int, dict[object, Notified]] = {user: {} for user in USERS}
    notified: Counter[tuple[int, object]] = Counter()

    async def notify(user: int, key: object, notification: Notified, limit: int = 1) -> None:
        kind, actor, post = notification
        viewer_context = await harness.graph.of(UserId(user))
        unblocked = user != actor and actor not in viewer_context.blocked | viewer_context.muted
        existing = not {user, actor} & harness.deleted_accounts
        sees = post is None or user in await harness.who_sees(PostId(post), [viewer_context])
        if unblocked and existing and sees and kind not in off[UserId(user)] and notified[user, key] < limit:
            notified[user, key] += 1
            notifications_of[user][key] = notification

    def retract(user: int, *which: Notified) -> None:
        notifications_of[user] = {
            key: notification
            for key, notification in notifications_of[user].items()
            if notification not in which
        }

    for id_, event in harness.all_events:
        day = made_at(id_).date()
        match event:
            case Liked(post_id=post, author_id=author, user_id=user):
                await notify(
                    author,
                    ("like", user, post, day),
                    (NotificationKind.LIKE, user, post),
                    MAX_REPEATS_PER_DAY,
                )
            case Reposted(post_id=post, author_id=author, user_id=user):
                await notify(
                    author,
                    ("repost", user, post, day),
                    (NotificationKind.REPOST, user, post),
                    MAX_REPEATS_PER_DAY,
                )
            case Unliked(post_id=post, author_id=author, user_id=user):
                retract(author, (NotificationKind.LIKE, user, post))
            case Unreposted(post_id=post, author_id=author, user_id=user):
                retract(author, (NotificationKind.REPOST, user, post))
            case Published(post_id=post, author_id=author, reply_to=parent):
                if parent is not None and not harness.stored_posts[PostId(parent)].deleted:
                    await notify(
                        harness.stored_posts[PostId(parent)].author,
                        post,
                        (NotificationKind.COMMENT, author, post),
                    )
                for user in harness.stored_posts[PostId(post)].mentioned:
                    await notify(user, post, (NotificationKind.MENTION, author, post))
            case Edited(post_id=post, author_id=author, mentioned_new=new):
                for user in new:
                    await notify(user, post, (NotificationKind.MENTION, author, post))
                for user in harness.all_involved(PostId(post)):
                    await notify(user, ("edit", post, day), (NotificationKind.EDIT, author, post))
            case FollowRequested(user_id=user, other_id=other):
                await notify(
                    other,
                    ("request", user, day),
                    (NotificationKind.FOLLOW_REQUEST, user, None),
                    MAX_REPEATS_PER_DAY,
                )
            case FollowRequestEnded(user_id=user, other_id=other):
                retract(other, (NotificationKind.FOLLOW_REQUEST, user, None))
            case Followed(user_id=user, other_id=other, accepted=True):
                retract(other, (NotificationKind.FOLLOW_REQUEST, user, None))
                notification = (NotificationKind.FOLLOW_ACCEPTED, other, None)
                await notify(user, ("accepted", other, day), notification, MAX_REPEATS_PER_DAY)
            case Followed(user_id=user, other_id=other):
                retract(other, (NotificationKind.FOLLOW_REQUEST, user, None))
                await notify(
                    other, ("follow", user, day), (NotificationKind.FOLLOW, user, None), MAX_REPEATS_PER_DAY
                )
            case Unfollowed(user_id=user, other_id=other):
                retract(other, (NotificationKind.FOLLOW, user, None))
                retract(user, (NotificationKind.FOLLOW_ACCEPTED, other, None))
            case PostDeleted() | Blocked() | AccountDeleted():
                pass  # the final state excludes notifications of deleted and blocked accounts
    return {user: Counter(of_user.values()) for user, of_user in notifications_of.items()}
