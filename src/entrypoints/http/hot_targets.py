"""The hot reads in their usual form: the routes and the parameters with which they are asked for nearly always."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from domain.shared import id_from

POSTS: Final = "/api/v1/posts/"
USERS: Final = "/api/v1/users/"
HASHTAGS: Final = "/api/v1/feeds/hashtags/"

POST: Final = POSTS + "{post_id}"
COMMENTS: Final = POSTS + "{post_id}/comments"
USER_POSTS: Final = USERS + "{user_id}/posts"
HOME: Final = "/api/v1/feeds/home"
PUBLIC: Final = "/api/v1/feeds/public"
TRENDING_POSTS: Final = "/api/v1/trending/posts"
TRENDING_TAGS: Final = "/api/v1/trending/hashtags"
HASHTAG: Final = HASHTAGS + "{tag}"

LIMITS: Mapping[bytes, int] = {b"": 20} | {b"limit=%d" % limit: limit for limit in range(1, 101)}
"""The query strings that ask for a first page in the usual form, with their limits."""
MAX_TAG = 100
"""The longest hashtag, in characters."""


class Target(NamedTuple):
    """The resource that is asked for."""

    template: str
    """The path, with the names of its parameters."""
    of: int | str = 0
    """The value of the path's parameter, if it has one."""
    limit: int = 0
    """The maximum number of items of a page; 0 for a single resource."""


_ALONE = frozenset({HOME, PUBLIC, TRENDING_POSTS, TRENDING_TAGS})
"""The lists whose paths have no parameter."""
_OF_ONE: Mapping[tuple[str, str], str] = {(POSTS, "comments"): COMMENTS, (USERS, "posts"): USER_POSTS}
"""The lists that belong to one post or user."""


def target_of(path: str, query: bytes) -> Target | None:
    """None for anything else than a hot read in its usual form."""
    if path in _ALONE:
        return _page(path, 0, query)
    for prefix in (POSTS, USERS):
        if path.startswith(prefix):
            given, slash, name = path[len(prefix) :].partition("/")
            if (of := id_from(given)) is None:
                return None
            if not slash:
                return Target(POST, of) if prefix == POSTS and not query else None
            template = _OF_ONE.get((prefix, name))
            return None if template is None else _page(template, of, query)
    if path.startswith(HASHTAGS):
        tag = path[len(HASHTAGS) :]
        return _page(HASHTAG, tag, query) if len(tag) <= MAX_TAG and tag.isalnum() else None
    return None


def _page(template: str, of: int | str, query: bytes) -> Target | None:
    limit = LIMITS.get(query)
    return None if limit is None else Target(template, of, limit)
