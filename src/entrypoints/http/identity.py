"""/api/v1/auth, /api/v1/me and /api/v1/users, but for the posts of a user."""

from typing import Annotated, Self

import msgspec
from litestar import Controller, Response, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.identity.commands import EditProfile, LoggedIn, LogIn, LogOut, Refresh, Register, Tokens
from application.identity.queries import Profile, ReadAccount, ReadProfile
from domain.identity import Account, EmailTaken, SessionEnded, UsernameTaken, UserNotFound, WrongCredentials
from domain.shared import UserId, id_from, made_at
from entrypoints.http.answers import Answer, Out, tagged
from entrypoints.http.auth import Anyones, Mine
from entrypoints.http.bodies import In
from entrypoints.http.openapi import policy
from entrypoints.http.resources import (
    Attempts,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    created,
    rfc3339,
    version_in,
)


class Counts(Out):
    posts: int
    """Comments do not count."""
    followers: int = 0
    following: int = 0


class User(Out):
    """A public profile."""

    id: str
    username: str
    display_name: str
    bio: str
    avatar_url: str | None
    header_url: str | None
    private: bool
    created_at: str
    counts: Counts

    @classmethod
    def of(cls, profile: Profile) -> Self:
        return cls(
            id=str(profile.id),
            username=profile.username,
            display_name=profile.display_name,
            bio=profile.bio,
            avatar_url=None,
            header_url=None,
            private=False,
            created_at=rfc3339(made_at(profile.id)),
            counts=Counts(profile.posts),
        )


class Me(User, kw_only=True):
    """One's own account."""

    email: str

    @classmethod
    def of_account(cls, account: Account) -> Self:
        public = User.of(Profile.of(account))
        return cls(**msgspec.structs.asdict(public), email=account.email)


class TokensOut(Out):
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        return cls(tokens.access_token, "Bearer", tokens.expires_in, tokens.refresh_token)


class LoggedInOut(Out):
    user: User
    tokens: TokensOut

    @classmethod
    def of(cls, logged_in: LoggedIn) -> Self:
        return cls(User.of(logged_in.user), TokensOut.of(logged_in.tokens))


Password = Annotated[
    str, msgspec.Meta(max_length=1024, description="8 to 256 characters of any script; no other rule.")
]


class RegisterIn(In):
    username: Annotated[
        str,
        msgspec.Meta(
            max_length=64,
            description="3 to 30 of a-z, 0-9 and _, unique without regard to case.",
            examples=["maya"],
        ),
    ]
    email: Annotated[str, msgspec.Meta(max_length=320, examples=["maya@example.org"])]
    password: Password
    display_name: Annotated[
        str, msgspec.Meta(max_length=400, description="At most 50 characters.", examples=["Maya 🐝"])
    ] = ""


class LogInIn(In):
    login: Annotated[str, msgspec.Meta(max_length=320, description="The username or the e-mail address.")]
    password: Password


class RefreshIn(In):
    refresh_token: Annotated[str, msgspec.Meta(max_length=200)]


class EditProfileIn(In):
    """Members that are not sent stay as they are."""

    display_name: Annotated[str, msgspec.Meta(max_length=400)] | None = None
    bio: Annotated[str, msgspec.Meta(max_length=4000, description="At most 500 characters.")] | None = None


def a_user(path: str) -> UserId:
    """The id in a path; what is no id names nobody."""
    user_id = id_from(path)
    if user_id is None:
        raise UserNotFound("no such user")
    return UserId(user_id)


class AuthController(Controller):
    register: Register
    log_in: LogIn
    refresh: Refresh
    log_out: LogOut
    attempt: Attempts

    path = "/auth"
    tags = ("auth",)

    @post("/register", summary="Open an account", opt=policy("public", UsernameTaken, EmailTaken))
    async def open_account(
        self,
        request: Anyones,
        data: JSONBody[RegisterIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[LoggedInOut]:
        done = await self.register(
            data.username,
            data.email,
            data.password,
            data.display_name,
            await self.attempt(request, idempotency_key),
        )
        location = f"/api/v1/users/{done.user.id}"
        return created(LoggedInOut.of(done), location, replayed=done.replayed)

    @post("/login", status_code=200, summary="Log in", opt=policy("public", WrongCredentials))
    async def start_session(
        self,
        request: Anyones,
        data: JSONBody[LogInIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[LoggedInOut]:
        done = await self.log_in(data.login, data.password, await self.attempt(request, idempotency_key))
        return Response(LoggedInOut.of(done), headers=no_store(replayed=done.replayed))

    @post("/refresh", status_code=200, summary="Exchange a refresh token", opt=policy("public", SessionEnded))
    async def renew(self, data: JSONBody[RefreshIn]) -> Response[TokensOut]:
        """The old token is spent. Sent again within 30 seconds it brings the same successor, so a lost answer or
        two tabs that race log nobody out; after that its use ends the session."""
        return Response(TokensOut.of(await self.refresh(data.refresh_token)), headers=no_store())

    @post("/logout", status_code=204, summary="Log out", opt=policy("token"))
    async def end_session(self, request: Mine) -> None:
        """Ends the session of the access token. Its tokens are refused from now on."""
        await self.log_out(request.user.session_id)


def no_store(*, replayed: bool = False) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    return headers | {"Idempotency-Replayed": "true"} if replayed else headers


class MeController(Controller):
    read_account: ReadAccount
    edit_profile: EditProfile

    path = "/me"
    tags = ("users",)

    @get(summary="One's own account", opt=policy("token", UserNotFound))
    async def read(self, request: Mine, if_none_match: IfNoneMatch = None) -> Response[Me]:
        account = await self.read_account(request.user.user_id)
        return Answer(tagged(Me.of_account(account), account.version, if_none_match))

    @patch(summary="Edit one's profile", opt=policy("token", UserNotFound))
    async def edit(
        self,
        request: Mine,
        data: JSONBody[EditProfileIn],
        if_match: IfMatch = None,
    ) -> Response[Me]:
        account = await self.edit_profile(
            request.user.user_id, data.display_name, data.bio, version_in(if_match)
        )
        return Answer(tagged(Me.of_account(account), account.version, None))


class UsersController(Controller):
    read_profile: ReadProfile

    path = "/users"
    tags = ("users",)

    @get("/{user_id:str}", summary="A profile", opt=policy("optional", UserNotFound))
    async def read(
        self,
        request: Anyones,
        user_id: FromPath[str],
        if_none_match: IfNoneMatch = None,
    ) -> Response[User]:
        return Answer(tagged(User.of(await self.read_profile(a_user(user_id))), 0, if_none_match))

    @get(summary="A profile by its name", opt=policy("optional", UserNotFound))
    async def named(
        self,
        request: Anyones,
        username: Annotated[str, QueryParameter(min_length=1, max_length=64)],
        if_none_match: IfNoneMatch = None,
    ) -> Response[User]:
        return Answer(tagged(User.of(await self.read_profile.named(username)), 0, if_none_match))
