"""One module's question, answered by another."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from application.identity.ports import AuthorPostCounts, IdentityReader
from application.media.ports import MediaReader
from application.media.serving import card_of
from application.notifications.ports import PostAddressees, StreamHint, StreamHints
from application.posts.views import PostState
from application.shared.attachments import MediaCard
from application.shared.events import AccountDeleted, PostDeleted, ProfileChanged, Published
from application.shared.feed_entries import FeedEntry
from application.shared.people import AuthorCard
from application.shared.ports import Clock
from domain.media import ATTACH_MARGIN, ATTACH_WITHIN
from domain.posts import can_view
from domain.shared import EventId, MediaId, PostId, SessionId, UserId, UserNotFound, ViewerContext


@dataclass(frozen=True, slots=True)
class PeopleOfIdentity:
    """posts asks identity who somebody is. Cards are asked for with every post that is read, and seldom
    change, so they are kept for `ttl` seconds, and dropped when the fact of a change arrives. That fact
    reaches one process only: where there are several, `ttl` is how old a name can be."""

    reader: IdentityReader
    monotonic: Callable[[], float]
    ttl: float
    capacity: int = 10_000
    _cards: OrderedDict[UserId, tuple[AuthorCard, float]] = field(default_factory=OrderedDict, compare=False)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        now = self.monotonic()
        found: dict[UserId, AuthorCard] = {}
        for user_id in ids:
            kept = self._cards.get(user_id)
            if kept is not None and now < kept[1]:
                found[user_id] = kept[0]
        if len(found) < len(ids):
            missing = [user_id for user_id in ids if user_id not in found]
            for user_id, card in (await self.reader.cards(missing)).items():
                found[user_id] = card
                self._cards[user_id] = card, now + self.ttl
            while len(self._cards) > self.capacity:
                self._cards.popitem(last=False)
        return found

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        return await self.reader.ids_named(usernames)

    async def forget(self, event: ProfileChanged | AccountDeleted, _event_id: EventId) -> None:
        self._cards.pop(UserId(event.user_id), None)


@dataclass(frozen=True, slots=True)
class AccountsOfIdentity:
    """graph asks identity whether somebody is there, and how. It is asked of the store each time: who goes private
    is not followed a moment later without being asked."""

    reader: IdentityReader
    people: PeopleOfIdentity

    async def is_private(self, user: UserId) -> bool | None:
        try:
            return (await self.reader.account(user)).private
        except UserNotFound:
            return None

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(await self.people.cards(users))


class AuthoredPosts(Protocol):
    async def authored(
        self, authors: Collection[UserId], subscriber: str
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        """How many posts each has that everybody may see, comments aside, and the events about posts that are
        not delivered to `subscriber` yet, dead letters included: both as of one moment."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorshipOfPosts:
    """identity asks posts who wrote how many."""

    posts: AuthoredPosts

    async def of(self, authors: Collection[UserId], subscriber: str) -> AuthorPostCounts:
        return AuthorPostCounts(*await self.posts.authored(authors, subscriber))


@dataclass(frozen=True, slots=True)
class SessionsOfIdentity:
    """The stream asks identity whose sessions still live."""

    reader: IdentityReader
    now: Clock

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        return await self.reader.sessions_alive(sessions, self.now())


class PostParts(Protocol):
    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]: ...


class Involved(Protocol):
    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]: ...


@dataclass(frozen=True, slots=True)
class NotifiedPosts:
    """notifications asks posts whom a post concerns, and who may see it."""

    parts: PostParts
    engagements: Involved

    async def addressees(self, post: PostId) -> PostAddressees | None:
        state = await self._state(post)
        if state is None:
            return None
        above = await self._state(state.reply_to) if state.reply_to is not None else None
        return PostAddressees(state.author, above and above.author, state.mentioned)

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        state = await self._state(post)
        if state is None:
            return frozenset()
        return frozenset(
            viewer_context.viewer
            for viewer_context in viewer_contexts
            if viewer_context.viewer and can_view(state, viewer_context)
        )

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        return await self.engagements.involved(post, after, limit)

    async def _state(self, post: PostId) -> PostState | None:
        state = next(iter(await self.parts.states([post], None)), None)
        return None if state is None or state.deleted else state


@dataclass(frozen=True, slots=True)
class AddressesOfIdentity:
    """notifications asks identity where mail goes, each time one is sent."""

    reader: IdentityReader

    async def of(self, user: UserId) -> str | None:
        try:
            return (await self.reader.account(user)).email
        except UserNotFound:
            return None


@dataclass(frozen=True, slots=True)
class StreamHomeViewers:
    """feeds reaches through notifications who has a home feed in sight."""

    hints: StreamHints

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        await self.hints.send_hint(readers, StreamHint.HOME)


class ShowsEntries(Protocol):
    async def __call__(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, object]: ...


@dataclass(frozen=True, slots=True)
class ShownPosts:
    """notifications asks posts for what somebody was told about, as it may be seen now."""

    show: ShowsEntries

    async def __call__(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        places = [FeedEntry(post, post, UserId(0)) for post in posts]  # nobody brought it there
        return {PostId(id_): seen for id_, seen in (await self.show(viewer_context, places)).items()}


class ClosedAuthors(Protocol):
    async def closed(self, users: Collection[UserId]) -> frozenset[UserId]: ...


@dataclass(frozen=True, slots=True)
class OwnersOfPosts:
    """media asks posts, which knows of every account that is private or gone, by facts."""

    authors: ClosedAuthors

    async def is_open(self, owner: UserId) -> bool:
        return not await self.authors.closed([owner])


@dataclass(frozen=True, slots=True)
class MediaToAttach:
    """posts asks media what an author may attach, and how it is shown."""

    reader: MediaReader
    now: Clock

    async def cards(self, owner: UserId, ids: Collection[MediaId]) -> Mapping[MediaId, MediaCard]:
        found = await self.reader.media(ids)
        # What is about to be swept is gone already: else a post could get it in the same moment.
        oldest = self.now() - ATTACH_WITHIN + ATTACH_MARGIN
        return {
            id_: card_of(one)
            for id_, one in found.items()
            if one.owner == owner and not one.deleted and (one.post is not None or one.created_at > oldest)
        }
