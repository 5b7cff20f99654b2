"""Follow, block and mute users, and list them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, QueryParameter

from application.graph.ports import RelationshipList
from application.graph.queries import ListPeople, ReadRelationships
from application.graph.relationships import (
    AcceptRequest,
    Block,
    Follow,
    Mute,
    RejectRequest,
    RemoveFollower,
    Unblock,
    Unfollow,
    Unmute,
)
from domain.graph import (
    AccountPrivate,
    BlockedByOther,
    BlocksOther,
    FollowRequestNotFound,
    Relationship,
    SelfRelationship,
    TooManyBlocks,
    TooManyFollows,
    TooManyMutes,
)
from domain.shared import UserId, UserNotFound
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.ids import Ids, ids_from_query, user_from_path
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.responses import Out
from entrypoints.http.shapes import Author, RelationshipOut

Duration = Annotated[
    int | None,
    QueryParameter(
        ge=60,
        le=31_536_000,
        description="Seconds after which the mute ends. Without it, the mute has no end.",
    ),
]


class Relationships(Out):
    items: list[RelationshipOut]


async def _apply(
    change: Callable[[UserId, UserId], Awaitable[Relationship]], request: AuthenticatedRequest, user_id: str
) -> RelationshipOut:
    return RelationshipOut.of(await change(request.user.user_id, user_from_path(user_id)))


class UserRelationshipController(Controller):
    follow: Follow
    unfollow: Unfollow
    block: Block
    unblock: Unblock
    mute: Mute
    unmute: Unmute
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
        """If the account is private, this sends a follow request: `requested` is true until the account accepts or rejects
        it. A user follows at most 5,000 others."""
        return await _apply(self.follow, request, user_id)

    @delete(
        "/follow",
        status_code=200,
        operation_id="unfollowUser",
        summary="Unfollow a user",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_follow(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Also withdraws a follow request."""
        return await _apply(self.unfollow, request, user_id)

    @put(
        "/block",
        operation_id="blockUser",
        summary="Block a user",
        opt=policy("token", UserNotFound, SelfRelationship, TooManyBlocks),
    )
    async def put_block(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """From now on neither of the two sees anything of the other, and all follows between them end."""
        return await _apply(self.block, request, user_id)

    @delete(
        "/block",
        status_code=200,
        operation_id="unblockUser",
        summary="End a block",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_block(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Follows that the block ended are not restored."""
        return await _apply(self.unblock, request, user_id)

    @put(
        "/mute",
        operation_id="muteUser",
        summary="Mute a user",
        opt=policy("token", UserNotFound, SelfRelationship, TooManyMutes),
    )
    async def put_mute(
        self, request: AuthenticatedRequest, user_id: FromPath[str], duration: Duration = None
    ) -> RelationshipOut:
        """Feeds, search, trends and threads leave the user out for you. Nobody else notices. The user's profile and posts
        stay visible to you. A repeated request sets a new end."""
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
        return await _apply(self.unmute, request, user_id)

    @get(
        "/followers",
        operation_id="listFollowers",
        summary="List the followers of a user",
        opt=policy("optional", UserNotFound, AccountPrivate),
    )
    async def followers(
        self, request: AnyRequest, user_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest first. A page may have fewer than `limit` items before the end of the list. Only the followers of a
        private account can see its followers."""
        return await self._people(request, user_id, "followers", limit, cursor)

    @get(
        "/following",
        operation_id="listFollowing",
        summary="List the users that a user follows",
        opt=policy("optional", UserNotFound, AccountPrivate),
    )
    async def following(
        self, request: AnyRequest, user_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest follow first. Otherwise like the list of followers."""
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
        return self.pager.response(request, page, [Author.of(card) for card in page.items])


class MyRelationshipsController(Controller):
    list_people: ListPeople
    accept: AcceptRequest
    reject: RejectRequest
    remove_follower: RemoveFollower
    pager: Pager

    path = "/me"
    tags = ("users",)

    @get(
        "/follow-requests",
        operation_id="listFollowRequests",
        summary="List the requests to follow you",
        opt=policy("token"),
    )
    async def requests(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest first."""
        return await self._own(request, "requests", limit, cursor)

    @put(
        "/follow-requests/{user_id:str}",
        operation_id="acceptFollowRequest",
        summary="Accept a request to follow you",
        opt=policy("token", UserNotFound, FollowRequestNotFound, SelfRelationship),
    )
    async def put_request(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        return await _apply(self.accept, request, user_id)

    @delete(
        "/follow-requests/{user_id:str}",
        status_code=200,
        operation_id="rejectFollowRequest",
        summary="Reject a request to follow you",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_request(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Does nothing if there is no such request."""
        return await _apply(self.reject, request, user_id)

    @delete(
        "/followers/{user_id:str}",
        status_code=200,
        operation_id="removeFollower",
        summary="Remove a follower",
        opt=policy("token", UserNotFound, SelfRelationship),
    )
    async def delete_follower(self, request: AuthenticatedRequest, user_id: FromPath[str]) -> RelationshipOut:
        """Does nothing if the user does not follow you."""
        return await _apply(self.remove_follower, request, user_id)

    @get("/blocks", operation_id="listBlockedUsers", summary="List the users you block", opt=policy("token"))
    async def blocks(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest block first."""
        return await self._own(request, "blocks", limit, cursor)

    @get("/mutes", operation_id="listMutedUsers", summary="List the users you mute", opt=policy("token"))
    async def mutes(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest mute first."""
        return await self._own(request, "mutes", limit, cursor)

    async def _own(
        self,
        request: AuthenticatedRequest,
        relationship_list: RelationshipList,
        limit: int,
        cursor: str | None,
    ) -> Response[PageOut[Author]]:
        # The path is the same for all users, but a cursor is valid for one list only.
        of = str(request.user.user_id)
        window = self.pager.window(request, limit, cursor, of)
        page = await self.list_people.own(request.user.user_id, relationship_list, window)
        return self.pager.response(request, page, [Author.of(card) for card in page.items], of)


class RelationshipsController(Controller):
    read_relationships: ReadRelationships

    path = "/relationships"
    tags = ("users",)

    @get(
        operation_id="listRelationships",
        summary="Read your relationships to several users",
        opt=policy("token"),
    )
    async def several(self, request: AuthenticatedRequest, ids: Ids) -> Relationships:
        """In the order of `ids`, each once. Users that do not exist are left out, and so are you."""
        relationships = await self.read_relationships(
            request.user.user_id, [UserId(id_) for id_ in ids_from_query(ids)]
        )
        return Relationships([RelationshipOut.of(relationship) for relationship in relationships])
