"""/api/v1/auth: registration, login and sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from application.identity.confirming import ConfirmRegistration, RequestRegistration
from application.identity.ending import EndOwnSession, EndOwnSessions, LogOut
from application.identity.passwords import ChangePassword, ConfirmPassword
from application.identity.queries import ListSessions
from application.identity.registration import Register
from application.identity.sessions import (
    ClientInfo,
    LogIn,
    Refresh,
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
)
from domain.shared import SessionId, UserNotFound, id_from
from entrypoints.access.networks import site_of
from entrypoints.http.auth import LIMITED_AS_AUTH, AnyRequest, AuthenticatedRequest
from entrypoints.http.identity.session_shapes import (
    ChangePasswordIn,
    ConfirmIn,
    ConfirmRegistrationIn,
    LoggedInOut,
    LogInIn,
    PendingRegistrationOut,
    RefreshIn,
    RegisterIn,
    SessionOut,
    TokensOut,
)
from entrypoints.http.network import network_of
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.resources import IdempotencyKey, IdempotentRequests, created

KeepCurrent = Annotated[bool, QueryParameter(description="Do not end the session of the request.")]


@dataclass(frozen=True, slots=True)
class ClientInfoReader:
    """Reads the ClientInfo of a request. The network address is hashed, not stored."""

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
    """None on servers that do not confirm e-mail addresses."""
    confirm_registration: ConfirmRegistration
    log_in: LogIn
    refresh: Refresh
    log_out: LogOut
    end_own_session: EndOwnSession
    end_own_sessions: EndOwnSessions
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
        summary="Register an account",
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
        """If this server confirms addresses (`WAGGLE_CONFIRM_EMAIL`), the response is 202 for every address, and a mail
        follows. The username is reserved until the token in that mail expires, after 24 hours."""
        account = data.username, data.email, data.password, data.display_name
        idempotent_request, client = (
            await self.idempotent_request(request, idempotency_key),
            self.client(request),
        )
        if self.request_registration is not None:
            result = await self.request_registration(*account, idempotent_request, client)
            return _accepted(replayed=result.replayed)
        done = await self.register(*account, idempotent_request, client)
        location = f"/api/v1/users/{done.user.id}"
        return created(LoggedInOut.of(done, FollowSummary()), location, replayed=done.replayed)

    @post(
        "/register/confirm",
        operation_id="confirmRegistration",
        summary="Confirm the e-mail address of a registration",
        opt=policy("public", RegistrationTokenInvalid),
    )
    async def confirm_account(
        self, request: AnyRequest, data: JSONBody[ConfirmRegistrationIn]
    ) -> Response[LoggedInOut]:
        """Registers the account with the mailed token, and logs it in. A token can be used once."""
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
        """The old token becomes invalid. If it is sent again within 30 seconds after its exchange, the response is the same
        again, however often the session was refreshed since. So a lost response, or two tabs that race, do not log the
        user out. A later use of the old token ends the session."""
        return Response(TokensOut.of(await self.refresh(data.refresh_token)), headers=no_store())

    @post("/logout", status_code=204, operation_id="logoutSession", summary="Log out", opt=policy("token"))
    async def end_session(self, request: AuthenticatedRequest) -> None:
        """Ends the session of the access token. All its tokens are refused from now on."""
        await self.log_out(request.user.session_id)

    @post(
        "/logout-all",
        status_code=204,
        operation_id="logoutAllSessions",
        summary="Log out everywhere",
        opt=policy("token", UserNotFound, SessionEnded, RecentLoginRequired),
    )
    async def end_sessions(self, request: AuthenticatedRequest, *, keep_current: KeepCurrent = False) -> None:
        """Ends all sessions of the account, on every device. Their tokens are refused within five seconds. Needs a session
        that gave its password within the last five minutes."""
        user = request.user
        await self.end_own_sessions(user.user_id, user.session_id, keep_current=keep_current)

    @get("/sessions", operation_id="listSessions", summary="List your sessions", opt=policy("token"))
    async def sessions(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[SessionOut]]:
        """Your active sessions, newest first."""
        page = await self.list_sessions(request.user.user_id, self.pager.window(request, limit, cursor))
        current = request.user.session_id
        return self.pager.response(request, page, [SessionOut.of(row, current) for row in page.items])

    @delete(
        "/sessions/{session_id:str}",
        operation_id="deleteSession",
        summary="Log a device out",
        opt=policy("token", SessionNotFound, UserNotFound, SessionEnded, RecentLoginRequired),
    )
    async def end_other_session(self, request: AuthenticatedRequest, session_id: FromPath[str]) -> None:
        """Ends one of your sessions, which may be the current one. Its tokens are refused within five seconds. To end any
        other session, the current one must have given its password within the last five minutes."""
        user = request.user
        await self.end_own_session(user.user_id, user.session_id, session_from_path(session_id))

    @post(
        "/confirm",
        status_code=200,
        operation_id="confirmPassword",
        summary="Confirm your password",
        opt=policy("token", WrongPassword, SessionEnded, UserNotFound, TooManyAttempts),
    )
    async def confirm(self, request: AuthenticatedRequest, data: JSONBody[ConfirmIn]) -> Response[TokensOut]:
        """For five minutes this session may then perform dangerous actions, as after a login. The response has new tokens
        for the session; its earlier refresh tokens are refused."""
        user = request.user
        tokens = await self.confirm_password(user.user_id, user.session_id, data.password)
        return Response(TokensOut.of(tokens), headers=no_store())

    @post(
        "/password",
        status_code=200,
        operation_id="changePassword",
        summary="Change your password",
        opt=policy("token", WrongPassword, SessionEnded, UserNotFound, TooManyAttempts),
    )
    async def set_password(
        self, request: AuthenticatedRequest, data: JSONBody[ChangePasswordIn]
    ) -> Response[TokensOut]:
        """Ends all other sessions of the account. The response has new tokens for this session; its earlier refresh tokens
        are refused."""
        user = request.user
        tokens = await self.change_password(
            user.user_id, user.session_id, data.current_password, data.new_password
        )
        return Response(TokensOut.of(tokens), headers=no_store())


def session_from_path(path: str) -> SessionId:
    """The session id in a path. Raises SessionNotFound for a malformed id."""
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
