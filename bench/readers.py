"""Access tokens for the readers of a community, made as the server makes them, since thousands of logins take long."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from adapters.security.tokens import JwtAccessTokens, SigningKeys, load_keys
from adapters.sql.database import Database
from adapters.sql.identity.keys import SqlKeyStore
from bench.community import secrets, session_id, user_id
from bench.stack import ISSUER, Stack, request
from domain.shared import SessionId, UserId

HOME = "/api/v1/feeds/home"


def tokens(stores: Stack, numbers: Iterable[int]) -> list[str]:
    """Valid for ten minutes. A server must have run on `stores` before, since it creates the signing key."""
    return asyncio.run(_tokens(stores.database, numbers))


async def _tokens(url: str, numbers: Iterable[int]) -> list[str]:
    database = Database.at(url)
    await database.open()
    keys, now = SigningKeys(), datetime.now(UTC)
    await load_keys(keys, SqlKeyStore(database), secrets(), now)
    await database.close()
    issue = JwtAccessTokens(keys, ISSUER).issue
    return [issue(UserId(user_id(n)), SessionId(session_id(n)), now)[0] for n in numbers]


def homes(stores: Stack, numbers: Iterable[int]) -> list[str]:
    """A request for the home page of each reader."""
    return [request("GET", HOME, token) for token in tokens(stores, numbers)]
