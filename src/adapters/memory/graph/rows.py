"""The rows of graph in memory."""

from dataclasses import dataclass
from datetime import datetime

from adapters.memory.store import Rows
from domain.graph import Relationship
from domain.shared import UserId

TABLES = ("follows", "follow_requests", "blocks", "mutes")
USERS = "graph_users"


@dataclass(frozen=True, slots=True)
class RelationshipRow:
    """`user` follows, requests to follow, blocks or mutes `other`; which of these, the table says."""

    id: int
    user: UserId
    other: UserId
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GraphUser:
    id: UserId
    followers: int = 0
    following: int = 0
    version: int = 0
    popular: bool = False


def relationship(rows: Rows, user: UserId, other: UserId) -> Relationship:
    forth, back = (user, other), (other, user)
    mute: RelationshipRow | None = rows.get("mutes", forth)
    return Relationship(
        user=user,
        other=other,
        following=rows.get("follows", forth) is not None,
        followed_by=rows.get("follows", back) is not None,
        requested=rows.get("follow_requests", forth) is not None,
        requested_by=rows.get("follow_requests", back) is not None,
        blocking=rows.get("blocks", forth) is not None,
        blocked_by=rows.get("blocks", back) is not None,
        muting=mute is not None,
        muted_until=mute.until if mute else None,
    )
