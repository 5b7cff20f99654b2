"""The hot reads in their usual form: the routes and the parameters with which they are asked for nearly always."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from domain.shared import id_from

POSTS: Final = "/api/v1/posts/"
POST: Final = POSTS + "{post_id}"
HOME: Final = "/api/v1/feeds/home"

LIMITS: Mapping[bytes, int] = {b"": 20} | {b"limit=%d" % limit: limit for limit in range(1, 101)}
"""The query strings that ask for a first page in the usual form, with their limits."""

_AT_POST = len(POSTS)


class Target(NamedTuple):
    """The resource that is asked for."""

    template: str
    """The path, with the names of its parameters."""
    of: int | str = 0
    """The value of the path's parameter, if it has one."""
    limit: int = 0
    """The maximum number of items of a page; 0 for a single resource."""


def target_of(path: str, query: bytes) -> Target | None:
    """None for anything else than a hot read in its usual form."""
    if path == HOME:
        limit = LIMITS.get(query)
        return None if limit is None else Target(HOME, limit=limit)
    if path.startswith(POSTS) and not query:
        post = id_from(path[_AT_POST:])
        return None if post is None else Target(POST, post)
    return None
