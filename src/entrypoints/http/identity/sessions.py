"""/api/v1/auth: registering, logging in, sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from application.identity.confirming import ConfirmRegistration, RequestRegistration
from application.identity.ending import LogOut, LogOutElsewhere, LogOutEverywhere
from application.identity.passwords import ChangePassword, ConfirmPassword
from application.identity.ports import SessionRow
from application.identity.queries import ListSessions
from application.identity.registration import Register
from application.identity.sessions import (
    ClientInfo,
    LoggedIn,
    LogIn,
    Refresh,
    Tokens,
)
from application.identity.throttle import TooManyAttempts
from application.shared.people import FollowSummaries, FollowSummary
from domain.identity import (
    EmailTaken,
    RecentLoginRequired,
    RegistrationTokenInvalid,
    SessionEnded,
    SessionNotFound,
    UsernameTaken,
    WrongCredentials,
    WrongPassword,
    session_expires,
)
from domain.shared import SessionId, UserNotFound, id_from, made_at
from entrypoints.access.networks import site_of
from entrypoints.http.answers import Out
from entrypoints.http.auth import LIMITED_AS_AUTH, AnyRequest, AuthenticatedRequest
from entrypoints.http.bodies import In
from entrypoints.http.identity.users import User
from entrypoints.http.network import network_of
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.resources import IdempotencyKey, IdempotentRequests, created, rfc3339


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
    def of(cls, logged_in: LoggedIn, follow_summary: FollowSummary) -> Self:
        return cls(User.of(logged_in.user, follow_summary), TokensOut.of(logged_in.tokens))


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


class PendingRegistrationOut(Out):
    """Says nothing about the address: the mail does."""

    status: Annotated[Literal["confirmation_required"], msgspec.Meta(description="What is next.")]


class ConfirmRegistrationIn(In):
    token: Annotated[str, msgspec.Meta(max_length=200, description="From the mail.")]


class LogInIn(In):
    login: Annotated[str, msgspec.Meta(max_length=320, description="The username or the e-mail address.")]
    password: Password


class RefreshIn(In):
    refresh_token: Annotated[str, msgspec.Meta(max_length=200)]


class ConfirmIn(In):
    password: Password


class ChangePasswordIn(In):
    current_password: Password
    new_password: Password


KeepCurrent = Annotated[bool, QueryParameter(description="Leave the session that asks alone.")]


class SessionOut(Out):
    """A login on a device that lives."""

    id: str
    device: str
    """What the client said that it is, empty if it said nothing: its word only."""
    created_at: str
    last_used_at: str
    """The last refresh: a client in use refreshes every ten minutes."""
    expires_at: str
    """When it ends if it is not used again."""
    current: bool
    """Whether it is the one that asks."""

    @classmethod
    def of(cls, row: SessionRow, current: SessionId) -> Self:
        created_at = made_at(row.id)  # by the clock of the ids, which is not the wall clock
        last_used_at = max(created_at, row.last_used_at)
        return cls(
            id=str(row.id),
            device=row.device,
            created_at=rfc3339(created_at),
            last_used_at=rfc3339(last_used_at),
            expires_at=rfc3339(session_expires(created_at, row.last_used_at)),
            current=row.id == current,
        )


@dataclass(frozen=True, slots=True)
class ClientInfoReader:
    """Tells where a session is opened, without keeping an address."""

    fingerprint: Callable[..., str]
    """A keyed hash of bytes."""

    def __call__(self, request: Request[Any, Any, Any]) -> ClientInfo:
        user_agent = request.headers.get("user-agent", "")[:1000]
        network = network_of(request)
        site = site_of(network)
        return ClientInfo(
            user_agent,
            self.fingerprint(b"network", network.encode()),
            self.fingerprint(b"site", site.encode()) if site else "",
        )


class AuthController(Controller):
    follow_summaries: FollowSummaries
    register: Register
    request_registration: RequestRegistration | None
    """Where addresses must be confirmed."""
    confirm_registration: ConfirmRegistration
    log_in: LogIn
    refresh: Refresh
    log_out: LogOut
    log_out_elsewhere: LogOutElsewhere
    log_out_everywhere: LogOutEverywhere
    list_sessions: ListSessions
    confirm_password: ConfirmPassword
    change_password: ChangePassword
    idempotent_request: IdempotentRequests
    client: ClientInfoReader
    pager: Pager

    path = "/auth"
    tags = ("auth",)
    opt = LIMITED_AS_AUTH

    @post(
        "/register",
        operation_id="registerUser",
        summary="Open an account",
        opt=policy("public", UsernameTaken, EmailTaken, TooManyAttempts),
        responses={
            202: ResponseSpec(
                PendingRegistrationOut, generate_examples=False, description="The address must be confirmed"
            )
        },
    )
    async def open_account(
        self,
        request: AnyRequest,
        data: JSONBody[RegisterIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[LoggedInOut]:
        """Where this server has addresses confirmed (`WAGGLE_CONFIRM_EMAIL`) every address is answered alike with 202, and
        a mail tells the rest. The name is held until the token in that mail has expired, for 24 hours."""
        given = data.username, data.email, data.password, data.display_name
        idempotent_request, client = (
            await self.idempotent_request(request, idempotency_key),
            self.client(request),
        )
        if self.request_registration is not None:
            result = await self.request_registration(*given, idempotent_request, client)
            return _accepted(replayed=result.replayed)
        done = await self.register(*given, idempotent_request, client)
        location = f"/api/v1/users/{done.user.id}"
        return created(LoggedInOut.of(done, FollowSummary()), location, replayed=done.replayed)

    @post(
        "/register/confirm",
        operation_id="confirmRegistration",
        summary="Confirm one's address",
        opt=policy("public", RegistrationTokenInvalid),
    )
    async def confirm_account(
        self, request: AnyRequest, data: JSONBody[ConfirmRegistrationIn]
    ) -> Response[LoggedInOut]:
        """Opens the account with the token that was mailed and logs it in. A token is good once."""
        done = await self.confirm_registration(data.token, self.client(request))
        return created(LoggedInOut.of(done, FollowSummary()), f"/api/v1/users/{done.user.id}", replayed=False)

    @post(
        "/login",
        status_code=200,
        operation_id="loginUser",
        summary="Log in",
        opt=policy("public", WrongCredentials, TooManyAttempts),
    )
    async def start_session(
        self,
        request: AnyRequest,
        data: JSONBody[LogInIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[LoggedInOut]:
        done = await self.log_in(
            data.login,
            data.password,
            await self.idempotent_request(request, idempotency_key),
            self.client(request),
        )
        follow_summary = await self.follow_summaries.of(None, done.user.id)
        return Response(LoggedInOut.of(done, follow_summary), headers=no_store(replayed=done.replayed))

    @post(
        "/refresh",
        status_code=200,
        operation_id="refreshTokens",
        summary="Exchange a refresh token",
        opt=policy("public", SessionEnded),
    )
    async def renew(self, data: JSONBody[RefreshIn]) -> Response[TokensOut]:
        """The old token is spent. Sent again within 30 seconds after its exchange it brings the same answer, however
        often the session was refreshed since: a lost answer or two tabs that race log nobody out. After that its use
        ends the session."""
        return Response(TokensOut.of(await self.refresh(data.refresh_token)), headers=no_store())

    @post("/logout", status_code=204, operation_id="logoutSession", summary="Log out", opt=policy("token"))
    async def end_session(self, request: AuthenticatedRequest) -> None:
        """Ends the session of the access token. Its tokens are refused from now on."""
        await self.log_out(request.user.session_id)

    @post(
        "/logout-all",
        status_code=204,
        operation_id="logoutAllSessions",
        summary="Log out everywhere",
        opt=policy("token", UserNotFound, SessionEnded, RecentLoginRequired),
    )
    async def end_sessions(self, request: AuthenticatedRequest, *, keep_current: KeepCurrent = False) -> None:
        """Ends all sessions of the account, on every device, and their tokens within five seconds. Needs a session
        that has given its password within five minutes."""
        user = request.user
        await self.log_out_everywhere(user.user_id, user.session_id, keep_current=keep_current)

    @get("/sessions", operation_id="listSessions", summary="Where one is logged in", opt=policy("token"))
    async def sessions(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[SessionOut]]:
        """The sessions that live, the newest first."""
        page = await self.list_sessions(request.user.user_id, self.pager.window(request, limit, cursor))
        current = request.user.session_id
        return self.pager.answer(request, page, [SessionOut.of(row, current) for row in page.items])

    @delete(
        "/sessions/{session_id:str}",
        operation_id="deleteSession",
        summary="Log a device out",
        opt=policy("token", SessionNotFound, UserNotFound, SessionEnded, RecentLoginRequired),
    )
    async def end_other_session(self, request: AuthenticatedRequest, session_id: FromPath[str]) -> None:
        """Ends one of your sessions, the present one too. Its tokens are refused within five seconds. To end another
        one than the present one needs a session that has given its password within five minutes."""
        user = request.user
        await self.log_out_elsewhere(user.user_id, user.session_id, a_session(session_id))

    @post(
        "/confirm",
        status_code=200,
        operation_id="confirmPassword",
        summary="Give one's password again",
        opt=policy("token", WrongPassword, SessionEnded, UserNotFound, TooManyAttempts),
    )
    async def confirm(self, request: AuthenticatedRequest, data: JSONBody[ConfirmIn]) -> Response[TokensOut]:
        """For five minutes this session may then do what is dangerous, as after a login. The answer has new tokens for
        it; the refresh tokens from before are refused."""
        user = request.user
        tokens = await self.confirm_password(user.user_id, user.session_id, data.password)
        return Response(TokensOut.of(tokens), headers=no_store())

    @post(
        "/password",
        status_code=200,
        operation_id="changePassword",
        summary="Change one's password",
        opt=policy("token", WrongPassword, SessionEnded, UserNotFound, TooManyAttempts),
    )
    async def set_password(
        self, request: AuthenticatedRequest, data: JSONBody[ChangePasswordIn]
    ) -> Response[TokensOut]:
        """Ends all other sessions of the account. This one goes on with new tokens; the refresh tokens from before are
        refused."""
        user = request.user
        tokens = await self.change_password(
            user.user_id, user.session_id, data.current_password, data.new_password
        )
        return Response(TokensOut.of(tokens), headers=no_store())


def a_session(path: str) -> SessionId:
    """The id in a path; what is no id names no session."""
    session_id = id_from(path)
    if session_id is None:
        raise SessionNotFound("no such session")
    return SessionId(session_id)


def _accepted(*, replayed: bool) -> Response[Any]:
    out = PendingRegistrationOut("confirmation_required")
    return Response(out, status_code=202, headers={"Idempotency-Replayed": "true"} if replayed else None)


def no_store(*, replayed: bool = False) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    return headers | {"Idempotency-Replayed": "true"} if replayed else headers
