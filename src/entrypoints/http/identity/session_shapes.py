"""The bodies of /api/v1/auth."""

from typing import Annotated, Literal, Self

import msgspec

from application.identity.ports import SessionRow
from application.identity.sessions import LoggedIn, Tokens
from application.shared.people import FollowSummary
from domain.identity import session_expires
from domain.shared import SessionId, made_at
from entrypoints.http.bodies import In
from entrypoints.http.identity.users import User
from entrypoints.http.resources import rfc3339
from entrypoints.http.responses import Out


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
    str,
    msgspec.Meta(
        max_length=1024,
        description="8 to 256 characters of any script, spaces included. Common and guessable passwords are refused.",
    ),
]


class RegisterIn(In):
    username: Annotated[
        str,
        msgspec.Meta(
            max_length=64,
            description="3 to 30 of the characters a-z, 0-9 and _. Unique, whatever the case.",
            examples=["maya"],
        ),
    ]
    email: Annotated[str, msgspec.Meta(max_length=320, examples=["maya@example.org"])]
    password: Password
    display_name: Annotated[
        str, msgspec.Meta(max_length=400, description="At most 50 characters.", examples=["Maya 🐝"])
    ] = ""


class PendingRegistrationOut(Out):
    """The registration is stored. The response is the same whether or not the address has an account; the mail tells."""

    status: Annotated[Literal["confirmation_required"], msgspec.Meta(description="The next step.")]


class ConfirmRegistrationIn(In):
    token: Annotated[str, msgspec.Meta(max_length=200, description="The token from the mail.")]


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


class SessionOut(Out):
    """An active session: a login on a device."""

    id: str
    device: str
    """The name that the client sent for its device, not verified; empty if it sent none."""
    created_at: str
    last_used_at: str
    """The last refresh: a client in use refreshes every ten minutes."""
    expires_at: str
    """When the session ends if it is not used again."""
    current: bool
    """Whether this is the session of the request."""

    @classmethod
    def of(cls, row: SessionRow, current: SessionId) -> Self:
        created_at = made_at(row.id)  # the clock of the ids may differ from the wall clock
        last_used_at = max(created_at, row.last_used_at)
        return cls(
            id=str(row.id),
            device=row.device,
            created_at=rfc3339(created_at),
            last_used_at=rfc3339(last_used_at),
            expires_at=rfc3339(session_expires(created_at, row.last_used_at)),
            current=row.id == current,
        )
