"""Likes, reposts, bookmarks and pins. It is safe to set what is set, and to remove what is not there."""

from dataclasses import replace

from application.posts.access import locked_if_visible
from application.posts.ports import PostsTx
from application.shared.events import Event, Liked, Reposted, Unliked, Unreposted
from application.shared.ports import IdempotentRequest, NewId, OpenTx, ViewerContexts
from domain.dataclasses import dataclass
from domain.posts import (
    MAX_BOOKMARKS,
    MAX_PINS,
    Engagement,
    Post,
    PostNotFound,
    TooManyBookmarks,
    TooManyPins,
    can_view,
    check_engagement,
    check_pin,
    check_unpin,
    with_engagement_counted,
)
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class EngagementSummary:
    """The counts of a post and the engagements of one user with it. Counts that neither the user nor everybody may see
    are 0."""

    comments: int
    likes: int
    reposts: int
    engagements: frozenset[Engagement]
    pinned: bool


@dataclass(frozen=True, slots=True)
class SetEngagement:
    """Like, repost or bookmark a post, or undo it. Raises PostNotFound, CannotRepost, TooManyBookmarks.

    A user can undo an engagement after the post was hidden from them or deleted. A user who may not see the post and
    never had this engagement gets PostNotFound, as if there was no post.
    """

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    new_id: NewId

    async def __call__(
        self, user: UserId, post_id: PostId, engagement: Engagement, *, on: bool
    ) -> EngagementSummary:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            if on:
                post = await locked_if_visible(tx, viewer_context, post_id)
                engagement_id = await self._add(tx, post, user, engagement)
            else:
                post = await tx.posts.get(post_id)
                engagement_id = await tx.engagements.remove(engagement, post.id, user)
                if not can_view(post, viewer_context):
                    await _check_removed(tx, post, user, engagement, engagement_id)
            if engagement_id is not None:
                if event := _event(post, user, engagement, engagement_id, on=on):
                    await tx.outbox.add(event)
                post = with_engagement_counted(post, engagement, 1 if on else -1)
            return await _summary(tx, _without_hidden_counts(viewer_context, post), user)

    async def _add(self, tx: PostsTx, post: Post, user: UserId, engagement: Engagement) -> int | None:
        check_engagement(post, engagement)
        engagement_id = self.new_id()
        if not await tx.engagements.add(engagement, post.id, user, engagement_id):
            return None
        if engagement is Engagement.BOOKMARK and await tx.engagements.count_bookmarks(user) > MAX_BOOKMARKS:
            # Only now, since it looks at each bookmarked post.
            await tx.engagements.remove_bookmarks_of_deleted_posts(user)
            if await tx.engagements.count_bookmarks(user) > MAX_BOOKMARKS:
                raise TooManyBookmarks(f"a user keeps at most {MAX_BOOKMARKS:,} bookmarks")
        return engagement_id


async def _check_removed(
    tx: PostsTx, post: Post, user: UserId, engagement: Engagement, engagement_id: int | None
) -> None:
    """Raises PostNotFound unless the engagement with this hidden post was removed now, or within the last 24 hours: a
    client may repeat a request whose response was lost, and gets the same response."""
    idempotent_request = IdempotentRequest(
        f"{user}:take_back:{engagement}", str(post.id), fingerprint="", owner=user
    )
    repeated = await tx.idempotency.begin(idempotent_request) is not None
    if engagement_id is None and not repeated:
        raise PostNotFound("no such post")
    if not repeated:
        await tx.idempotency.finish(idempotent_request, {})


def _without_hidden_counts(viewer_context: ViewerContext, post: Post) -> Post:
    """The post without its counts if neither the viewer nor everybody may see it."""
    if can_view(post, viewer_context) or can_view(post, ViewerContext()):
        return post
    return replace(post, comments=0, likes=0, reposts=0, pin=None)


def _event(post: Post, user: UserId, engagement: Engagement, engagement_id: int, *, on: bool) -> Event | None:
    """The event for other modules. Bookmarks are private: they have none."""
    match engagement:
        case Engagement.LIKE:
            return (Liked if on else Unliked)(post_id=post.id, author_id=post.author, user_id=user)
        case Engagement.REPOST:
            return (Reposted if on else Unreposted)(
                post_id=post.id, author_id=post.author, user_id=user, repost_id=engagement_id
            )
        case Engagement.BOOKMARK:
            return None


@dataclass(frozen=True, slots=True)
class PinPost:
    """Pin a post to its author's profile, or unpin it. A post that is pinned already keeps its place among the pins.
    Raises PostNotFound, NotTheAuthor, CannotPin, TooManyPins."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, *, on: bool) -> EngagementSummary:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            (check_pin if on else check_unpin)(post, user)
            if on is (post.pin is None):
                post = replace(post, pin=self.new_id() if on else None)
                await tx.engagements.set_pin(post.id, post.pin)
                if on and await tx.engagements.count_pins(user) > MAX_PINS:
                    raise TooManyPins(f"at most {MAX_PINS} posts can be pinned")
            return await _summary(tx, post, user)


async def _summary(tx: PostsTx, post: Post, user: UserId) -> EngagementSummary:
    engagements = await tx.engagements.of_user(post.id, user)
    return EngagementSummary(post.comments, post.likes, post.reposts, engagements, post.pin is not None)
