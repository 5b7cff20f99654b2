"""Accounts that act on each other, and a reference model of their relationships."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.graph.ports import RelationshipList
from application.graph.relationships import ChangeRelationship, Follow, Mute
from application.shared.paging import Window
from domain.graph import BlockedByOther, BlocksOther, FollowRequestNotFound, Relationship
from domain.shared import UserId
from tests.port_contracts.stores import BEGINNING, Stores, new_id

NONE = {"followers": 0, "following": 0}
NOW = BEGINNING
LATER = NOW + timedelta(hours=1)
CHANGES: Mapping[str, Callable[[Relationship], Relationship]] = {
    "unfollow": Relationship.unfollowed,
    "block": Relationship.blocked,
    "unblock": Relationship.unblocked,
    "unmute": Relationship.unmuted,
    "accept": Relationship.accepted,
    "reject": Relationship.rejected,
    "remove": Relationship.without_follower,
}


ACTIONS = ("follow", "follow", "mute", "mute for an hour", *CHANGES)


@dataclass
class People:
    """Some accounts of a store. Answers which of them are private, and runs their actions."""

    stores: Stores
    users: Sequence[UserId]
    private: set[UserId] = field(default_factory=set)
    gone: set[UserId] = field(default_factory=set)

    async def is_private(self, user: UserId) -> bool | None:
        return None if user in self.gone else user in self.private

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(users) - self.gone

    async def do(self, user: UserId, action: str, other: UserId) -> bool:
        """Whether the action was done; False if it was refused for a reason that the model expects."""
        change = ChangeRelationship(self.stores.graph.open_tx, new_id, forget)
        try:
            if action == "follow":
                await Follow(change, self, lambda: NOW)(user, other)
            elif action.startswith("mute"):
                lasting = timedelta(hours=1) if action == "mute for an hour" else None
                await Mute(change, self, lambda: NOW)(user, other, lasting)
            else:
                await change(user, other, CHANGES[action])
        except (BlockedByOther, BlocksOther, FollowRequestNotFound):
            return False
        return True

    async def listed(self, relationship_list: RelationshipList, user: UserId) -> list[UserId]:
        found = await self.stores.graph.reader.listed_users(relationship_list, user, Window(100), (), NOW)
        return [one.user for one in found]


def forget(*_users: UserId) -> None:
    """No viewer contexts are cached."""


def add_people(stores: Stores, number: int) -> People:
    return People(stores, [UserId(new_id()) for _ in range(number)])


Pair = tuple[UserId, UserId]


@dataclass
class Model:
    """A reference model. It uses dictionaries because they keep the order of insertion."""

    private: set[UserId]
    follows: dict[Pair, None] = field(default_factory=dict)
    requests: dict[Pair, None] = field(default_factory=dict)
    blocks: dict[Pair, None] = field(default_factory=dict)
    mutes: dict[Pair, datetime | None] = field(default_factory=dict)

    def do(self, a: UserId, action: str, b: UserId) -> bool:
        forth, back = (a, b), (b, a)
        if action == "follow":
            return self._follow(forth)
        if action == "accept":
            return self._accept(back)
        if action in {"unfollow", "block"}:
            self._end(forth)
        if action in {"remove", "block"}:
            self._end(back)
        if action == "block":
            self.blocks.setdefault(forth)
        elif action == "unblock":
            self.blocks.pop(forth, None)
        elif action == "unmute":
            self.mutes.pop(forth, None)
        elif action == "reject":
            self.requests.pop(back, None)
        elif action.startswith("mute"):
            self.mutes[forth] = None if action == "mute" else LATER
        return True

    def _follow(self, pair: Pair) -> bool:
        if pair in self.blocks or pair[::-1] in self.blocks:
            return False
        if pair not in self.follows:
            if pair[1] in self.private:
                self.requests.setdefault(pair)
            else:
                self.follows[pair] = None
        return True

    def _accept(self, pair: Pair) -> bool:
        if pair in self.requests:
            self._end(pair)
            self.follows[pair] = None
        return pair in self.follows

    def _end(self, pair: Pair) -> None:
        self.follows.pop(pair, None)
        self.requests.pop(pair, None)

    def lists(self, user: UserId) -> dict[RelationshipList, list[UserId]]:
        """Newest first."""
        return {
            "followers": [a for a, b in reversed(self.follows) if b == user],
            "following": [b for a, b in reversed(self.follows) if a == user],
            "requests": [a for a, b in reversed(self.requests) if b == user],
            "blocks": [b for a, b in reversed(self.blocks) if a == user],
            "mutes": [b for a, b in reversed(self.mutes) if a == user],
        }

    def relationships(self, user: UserId, other: UserId) -> Relationship:
        forth, back = (user, other), (other, user)
        return Relationship(
            user=user,
            other=other,
            following=forth in self.follows,
            requested=forth in self.requests,
            followed_by=back in self.follows,
            requested_by=back in self.requests,
            blocking=forth in self.blocks,
            blocked_by=back in self.blocks,
            muting=forth in self.mutes,
            muted_until=self.mutes.get(forth),
        )
