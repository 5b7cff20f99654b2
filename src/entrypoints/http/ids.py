"""Ids in paths and query parameters."""

from typing import Annotated

from litestar.params import QueryParameter

from domain.shared import FieldError, UserId, UserNotFound, id_from
from entrypoints.http.errors import QueryInvalid

MAX_IDS = 100

Ids = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=MAX_IDS * 20,
        pattern=r"^[1-9][0-9]{0,18}(,[1-9][0-9]{0,18}){0,99}$",
        description="Up to 100 ids, separated by commas.",
    ),
]


def ids_from_query(ids: str) -> list[int]:
    """The ids in `?ids=`. Raises QueryInvalid for a malformed id and for more than MAX_IDS."""
    found = [id_from(id_) for id_ in ids.split(",")]
    valid = [id_ for id_ in found if id_ is not None]
    if len(valid) != len(found) or len(found) > MAX_IDS:
        raise QueryInvalid(FieldError("?ids", "ids_format", "up to 100 ids, separated by commas"))
    return valid


def user_from_path(path: str) -> UserId:
    """The user id in a path. Raises UserNotFound for a malformed id, since no user has it."""
    user_id = id_from(path)
    if user_id is None:
        raise UserNotFound("no such user")
    return UserId(user_id)
