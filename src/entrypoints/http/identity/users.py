"""/api/v1/me and /api/v1/users, without the posts of a user."""

from typing import Annotated, Self

import msgspec
from litestar import Controller, Response, delete, get, patch
from litestar.params import FromPath, JSONBody, QueryParameter

from application.identity.accounts import DeleteAccount, EditProfile
from application.identity.queries import Profile, ReadAccount, ReadProfile
from application.shared.people import FollowSummaries, FollowSummary
from domain.identity import Account, ConfirmationNeeded, RecentLoginRequired, SessionEnded
from domain.shared import UserNotFound, made_at
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.bodies import In
from entrypoints.http.ids import user_from_path
from entrypoints.http.openapi import policy
from entrypoints.http.resources import IfMatch, IfNoneMatch, rfc3339, version_in
from entrypoints.http.responses import Out, ReadyResponse, tagged
from entrypoints.http.shapes import RelationshipOut


class Counts(Out):
    posts: int
    """Without comments."""
    followers: int
    following: int


class User(Out):
    """A public profile."""

    id: str
    username: str
    display_name: str
    bio: str
    avatar_url: str | None
    header_url: str | None
    private: bool
    """Whether only the account's followers, and the users it mentions, can see its posts."""
    created_at: str
    counts: Counts
    relationship: RelationshipOut | msgspec.UnsetType = msgspec.UNSET
    """Your relationship to this user. Only with a token, and not for yourself."""

    @classmethod
    def of(cls, profile: Profile, follow_summary: FollowSummary) -> Self:
        relationship = follow_summary.relationship
        return cls(
            id=str(profile.id),
            username=profile.username,
            display_name=profile.display_name,
            bio=profile.bio,
            avatar_url=None,
            header_url=None,
            private=profile.private,
            created_at=rfc3339(made_at(profile.id)),
            counts=Counts(profile.posts, follow_summary.followers, follow_summary.following),
            relationship=msgspec.UNSET if relationship is None else RelationshipOut.of(relationship),
        )


class Me(User, kw_only=True):
    """Your own account."""

    email: str

    @classmethod
    def of_account(cls, account: Account, follow_summary: FollowSummary) -> Self:
        public = User.of(Profile.of(account), follow_summary)
        return cls(**msgspec.structs.asdict(public), email=account.email)


class EditProfileIn(In):
    """Members that are not sent do not change."""

    display_name: Annotated[str, msgspec.Meta(max_length=400)] | None = None
    bio: Annotated[str, msgspec.Meta(max_length=4000, description="At most 500 characters.")] | None = None
    private: bool | None = None
    """If true, only the account's followers, and the users it mentions, can see its posts, the existing ones included."""


class MeController(Controller):
    follow_summaries: FollowSummaries
    read_account: ReadAccount
    edit_profile: EditProfile
    delete_account: DeleteAccount

    path = "/me"
    tags = ("users",)

    @get(operation_id="getMe", summary="Read your account", opt=policy("token", UserNotFound))
    async def read(self, request: AuthenticatedRequest, if_none_match: IfNoneMatch = None) -> Response[Me]:
        account = await self.read_account(request.user.user_id)
        follow_summary = await self.follow_summaries.of(None, account.id)
        return ReadyResponse(tagged(Me.of_account(account, follow_summary), account.version, if_none_match))

    @patch(operation_id="updateMe", summary="Edit your profile", opt=policy("token", UserNotFound))
    async def edit(
        self,
        request: AuthenticatedRequest,
        data: JSONBody[EditProfileIn],
        if_match: IfMatch = None,
    ) -> Response[Me]:
        account = await self.edit_profile(
            request.user.user_id, data.display_name, data.bio, version_in(if_match), private=data.private
        )
        follow_summary = await self.follow_summaries.of(None, account.id)
        return ReadyResponse(tagged(Me.of_account(account, follow_summary), account.version, None))

    @delete(
        operation_id="deleteMe",
        summary="Delete your account",
        opt=policy("token", UserNotFound, SessionEnded, ConfirmationNeeded, RecentLoginRequired),
    )
    async def remove(
        self,
        request: AuthenticatedRequest,
        confirm: Annotated[
            str | None,
            QueryParameter(max_length=64, description="The username of the account, as a confirmation."),
        ] = None,
    ) -> None:
        """Takes two requests: without `confirm` the response is 409 and describes what will be lost. Needs a session that
        gave its password within the last five minutes. The account, its sessions and its tokens are deleted when this
        answers. Its posts and likes are hidden at once and erased soon after. Its e-mail address is free again at once,
        its username after 90 days."""
        await self.delete_account(request.user.user_id, request.user.session_id, confirm)


class UsersController(Controller):
    follow_summaries: FollowSummaries
    read_profile: ReadProfile

    path = "/users"
    tags = ("users",)

    @get(
        "/{user_id:str}",
        operation_id="getUser",
        summary="Read a profile",
        opt=policy("optional", UserNotFound),
    )
    async def read(
        self,
        request: AnyRequest,
        user_id: FromPath[str],
        if_none_match: IfNoneMatch = None,
    ) -> Response[User]:
        return await self._response(request, await self.read_profile(user_from_path(user_id)), if_none_match)

    @get(
        operation_id="getUserByUsername",
        summary="Read a profile by username",
        opt=policy("optional", UserNotFound),
    )
    async def named(
        self,
        request: AnyRequest,
        username: Annotated[str, QueryParameter(min_length=1, max_length=64)],
        if_none_match: IfNoneMatch = None,
    ) -> Response[User]:
        return await self._response(request, await self.read_profile.named(username), if_none_match)

    async def _response(
        self, request: AnyRequest, profile: Profile, if_none_match: str | None
    ) -> Response[User]:
        follow_summary = await self.follow_summaries.of(viewer(request), profile.id)
        return ReadyResponse(tagged(User.of(profile, follow_summary), 0, if_none_match))
