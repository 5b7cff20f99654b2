"""Following, blocking and muting people, and the lists of them."""

from datetime import timedelta
from typing import Annotated

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, QueryParameter

from application.graph.ports import RelationshipList
from application.graph.queries import ListPeople, ReadRelationships
from application.graph.relationships import Follow, Mute, UpdateRelationship
from domain.graph import (
    AccountPrivate,
    BlockedByOther,
    BlocksOther,
    FollowRequestNotFound,
    SelfRelationship,
    TooManyBlocks,
    TooManyFollows,
    TooManyMutes,
)
from domain.shared import FieldError, UserId, UserNotFound, id_from
from entrypoints.http.answers import Out
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.shapes import Author, RelationshipOut

MAX_BATCH = 100
Ids = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=MAX_BATCH * 20,
        pattern=r"^[1-9][0-9]{0,18}(,[1-9][0-9]{0,18}){0,99}$",
        description="Up to 100 ids, with commas between them.",
    ),
]
Duration = Annotated[
    int | None,
    QueryParameter(
        ge=60,
        le=31_536_000,
        description="Seconds after which the mute ends by itself. Without it, it does not.",
    ),
]


class Relationships(Out):
    items: list[RelationshipOut]


def user_from_path(path: str) -> UserId:
    """An id as it came in; what is no id names nobody."""
    user_id = id_from(path)
    if user_id is None:
        raise UserNotFound("no such user")
    return UserId(user_id)


def users_from_query(ids: str) -> list[UserId]:
    found = [id_from(id_) for id_ in ids.split(",")]
    good = [UserId(id_) for id_ in found if id_ is not None]
    if len(good) != len(found) or len(found) > MAX_BATCH:
        raise QueryInvalid(FieldError("?ids", "ids_format", "up to 100 ids, with commas between them"))
    return good


class UserRelationshipController(Controller):
    follow: Follow
    unfollow: UpdateRelationship
    block: UpdateRelationship
    unblock: UpdateRelationship
    mute: Mute
    unmute: UpdateRelationship
    list_people: ListPeople
    pager: Pager

    path = "/users/{user_id:str}"
    tags = ("users",)

    @put(
        "/follow",
        operation_id="followUser",
        summary="Follow a user",
        opt=policy("token", UserNotFound, SelfRelationship, BlockedByOther, BlocksOther, TooManyFollows),
    )
    async def put_follow(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Of a private account one asks to be a follower: `requested` is true until it answers. A user follows at
        most 5,000 others."""
        return RelationshipOut.of(await self.follow(request.user.user_id, user_from_path(user_id)))

    @delete(
        "/follow",
        status_code=200,
        operation_id="unfollowUser",
        summary="Unfollow a user",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_follow(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Also takes a request back."""
        return RelationshipOut.of(await self.unfollow(request.user.user_id, user_from_path(user_id)))

    @put(
        "/block",
        operation_id="blockUser",
        summary="Block a user",
        opt=policy("token", UserNotFound, SelfRelationship, TooManyBlocks),
    )
    async def put_block(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """The two see nothing of each other from now on, and neither follows the other any more."""
        return RelationshipOut.of(await self.block(request.user.user_id, user_from_path(user_id)))

    @delete(
        "/block",
        status_code=200,
        operation_id="unblockUser",
        summary="End a block",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_block(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Who followed whom before is not restored."""
        return RelationshipOut.of(await self.unblock(request.user.user_id, user_from_path(user_id)))

    @put(
        "/mute",
        operation_id="muteUser",
        summary="Mute a user",
        opt=policy("token", UserNotFound, SelfRelationship, TooManyMutes),
    )
    async def put_mute(
        self, request: AuthenticatedRequest, user_id: FromPath[str], duration: Duration = None
    ) -> RelationshipOut:
        """Feeds, search, trends and threads leave the user out for you; nobody else notices. Who goes to the user's
        page or posts sees them. Sent again it sets a new end."""
        lasting = None if duration is None else timedelta(seconds=duration)
        return RelationshipOut.of(await self.mute(request.user.user_id, user_from_path(user_id), lasting))

    @delete(
        "/mute",
        status_code=200,
        operation_id="unmuteUser",
        summary="End a mute",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_mute(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        return RelationshipOut.of(await self.unmute(request.user.user_id, user_from_path(user_id)))

    @get(
        "/followers",
        operation_id="listFollowers",
        summary="Who follows a user",
        opt=policy("optional", UserNotFound, AccountPrivate),
    )
    async def followers(
        self, request: AnyRequest, user_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """The newest first. A page may hold less than `limit` before the end. Those of a private account are shown to its
        followers only."""
        return await self._people(request, user_id, "followers", limit, cursor)

    @get(
        "/following",
        operation_id="listFollowing",
        summary="Whom a user follows",
        opt=policy("optional", UserNotFound, AccountPrivate),
    )
    async def following(
        self, request: AnyRequest, user_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Whom the user followed last comes first; otherwise as the followers."""
        return await self._people(request, user_id, "following", limit, cursor)

    async def _people(
        self,
        request: AnyRequest,
        user_id: str,
        relationship_list: RelationshipList,
        limit: int,
        cursor: str | None,
    ) -> Response[PageOut[Author]]:
        window = self.pager.window(request, limit, cursor)
        page = await self.list_people(viewer(request), user_from_path(user_id), relationship_list, window)
        return self.pager.answer(request, page, [Author.of(card) for card in page.items])


class MyRelationshipsController(Controller):
    list_people: ListPeople
    accept: UpdateRelationship
    reject: UpdateRelationship
    remove_follower: UpdateRelationship
    pager: Pager

    path = "/me"
    tags = ("users",)

    @get(
        "/follow-requests",
        operation_id="listFollowRequests",
        summary="Who asks to follow you",
        opt=policy("token"),
    )
    async def requests(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """The newest first."""
        return await self._own(request, "requests", limit, cursor)

    @put(
        "/follow-requests/{user_id:str}",
        operation_id="acceptFollowRequest",
        summary="Accept a request to follow you",
        opt=policy("token", UserNotFound, FollowRequestNotFound, SelfRelationship),
    )
    async def put_request(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        return RelationshipOut.of(await self.accept(request.user.user_id, user_from_path(user_id)))

    @delete(
        "/follow-requests/{user_id:str}",
        status_code=200,
        operation_id="rejectFollowRequest",
        summary="Reject a request to follow you",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_request(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Harmless if there is none."""
        return RelationshipOut.of(await self.reject(request.user.user_id, user_from_path(user_id)))

    @delete(
        "/followers/{user_id:str}",
        status_code=200,
        operation_id="removeFollower",
        summary="Remove a follower",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_follower(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Harmless if the user does not follow you."""
        return RelationshipOut.of(await self.remove_follower(request.user.user_id, user_from_path(user_id)))

    @get("/blocks", operation_id="listBlockedUsers", summary="Whom you block", opt=policy("token"))
    async def blocks(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """The newest block first."""
        return await self._own(request, "blocks", limit, cursor)

    @get("/mutes", operation_id="listMutedUsers", summary="Whom you mute", opt=policy("token"))
    async def mutes(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """The newest mute first."""
        return await self._own(request, "mutes", limit, cursor)

    async def _own(
        self,
        request: AuthenticatedRequest,
        relationship_list: RelationshipList,
        limit: int,
        cursor: str | None,
    ) -> Response[PageOut[Author]]:
        # The path is the same for everybody, and cursors are good for one list only.
        of = str(request.user.user_id)
        window = self.pager.window(request, limit, cursor, of)
        page = await self.list_people.own(request.user.user_id, relationship_list, window)
        return self.pager.answer(request, page, [Author.of(card) for card in page.items], of)


class RelationshipsController(Controller):
    read_relationships: ReadRelationships

    path = "/relationships"
    tags = ("users",)

    @get(
        operation_id="listRelationships",
        summary="What you and several users are to each other",
        opt=policy("token"),
    )
    async def several(self, request: AuthenticatedRequest, ids: Ids) -> Relationships:
        """In the order asked for, each once. Those that do not exist are left out, and you."""
        relationships = await self.read_relationships(request.user.user_id, users_from_query(ids))
        return Relationships([RelationshipOut.of(relationship) for relationship in relationships])
