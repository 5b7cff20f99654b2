"""/api/v1/auth: registering, logging in, sessions."""

from typing import Annotated, Self

import msgspec
from litestar import Controller, Response, post
from litestar.params import JSONBody

from application.identity.commands import Register
from application.identity.sessions import LoggedIn, LogIn, LogOut, Refresh, Tokens
from domain.identity import EmailTaken, SessionEnded, UsernameTaken, WrongCredentials
from entrypoints.http.answers import Out
from entrypoints.http.auth import LIMITED_AS_AUTH, Anyones, Mine
from entrypoints.http.bodies import In
from entrypoints.http.identity.users import User
from entrypoints.http.openapi import policy
from entrypoints.http.resources import Attempts, IdempotencyKey, created


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


class AuthController(Controller):
    register: Register
    log_in: LogIn
    refresh: Refresh
    log_out: LogOut
    attempt: Attempts

    path = "/auth"
    tags = ("auth",)
    opt = LIMITED_AS_AUTH

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
