"""/api/v1/search: of several modules, behind one address."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from litestar import Controller, Request, Response, get
from litestar.params import QueryParameter

from application.identity.searching import SearchPeople
from application.posts.searching import FoundTag, SearchHashtags, SearchPosts, TagWindow
from application.shared.people import AuthorCard
from domain.shared import Invalid
from entrypoints.http.answers import OneOf, Out
from entrypoints.http.auth import AnyRequest, viewer
from entrypoints.http.errors import CursorInvalid
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Limit, Pager
from entrypoints.http.shapes import Author, PostOut

MAX_CURSOR = 600
"""A tag may have 400 bytes."""


class FoundUser(Author, tag_field="type", tag="user"):
    """A person."""


class Hashtag(Out, tag_field="type", tag="hashtag"):
    """A hashtag that somebody used in a public post."""

    tag: str
    """Canonical, without its sign."""
    posts: int
    """How many of the last 1,000 posts that use it can be found."""

    @classmethod
    def of(cls, found: FoundTag) -> Self:
        return cls(found.tag, found.posts)


class Found(OneOf):
    """A post, a person or a hashtag, as was asked for."""

    post: PostOut
    person: FoundUser
    hashtag: Hashtag


class FoundPage(Out):
    """Part of what is found. `next` is null at the end of it, and only there."""

    items: list[Found]
    next: str | None
    prev: str | None


class Sought(StrEnum):
    """What is looked for."""

    POSTS = "posts"
    USERS = "users"
    HASHTAGS = "hashtags"


@dataclass(frozen=True, slots=True)
class TagPager(Pager):
    """Cursors in a list of tags, whose edges are no numbers."""

    def window_of_tags(
        self, request: Request[Any, Any, Any], limit: int, cursor: str | None, of: str
    ) -> TagWindow:
        """Raises CursorInvalid."""
        if cursor is None:
            return TagWindow(limit)
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            body, mac = raw[:-8], raw[-8:]
            edge = body[1:].decode()
        except (BinasciiError, ValueError):
            body = mac = b""
        if not body or not hmac.compare_digest(mac, self._mac(request.scope["path"], body, of)):
            raise CursorInvalid("this cursor is not from this list")
        return TagWindow(limit, edge, bool(body[0]))

    def cursor(self, path: str, window: Any, of: str = "") -> str:
        body = bytes([window.back]) + window.edge.encode()
        return urlsafe_b64encode(body + self._mac(path, body, of)).decode().rstrip("=")


Query = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=800,
        description="At most 200 characters and 10 terms. Of posts: words, all of which must be there, "
        '`"a phrase"`, `beginn*`, `#tag`, `from:username`. Of users: the beginning of a username, or words of the '
        "name they are shown by. Of hashtags: how they begin.",
    ),
]
SearchCursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=MAX_CURSOR,
        description="`next` or `prev` of a page of the same search. Opaque: its form may change at any time.",
    ),
]
Type = Annotated[Sought, QueryParameter(description="What is looked for.")]


class SearchController(Controller):
    search_posts: SearchPosts
    search_hashtags: SearchHashtags
    search_people: SearchPeople
    pager: Pager
    fragments: Fragments

    path = "/search"
    tags = ("search",)

    @get(operation_id="searchContent", summary="Search", opt=policy("optional", Invalid, limit="expensive"))
    async def search(
        self,
        request: AnyRequest,
        q: Query,
        type: Type = Sought.POSTS,
        limit: Limit = 20,
        cursor: SearchCursor = None,
    ) -> Response[FoundPage]:
        """Posts and comments that are public, and one's own, newest first; users, the exact username first; hashtags
        of public posts, in the order of their letters. Neither case nor accents make a difference. Who blocks you or
        is blocked is not found, nor are posts of people whom you mute."""
        of = f"{type}\0{q}"
        who = viewer(request)
        if type is Sought.HASHTAGS:
            pager = TagPager(self.pager.key, self.pager.url)
            tags = await self.search_hashtags(who, q, pager.window_of_tags(request, limit, cursor, of))
            listed: Any = tags  # its edges are tags, which this pager knows
            return pager.answer(request, listed, [Hashtag.of(found) for found in tags.items], of)
        window = self.pager.window(request, limit, cursor, of)
        if type is Sought.USERS:
            people = await self.search_people(who, q, window)
            cards = [AuthorCard(card.id, card.username, card.display_name) for card in people.items]
            return self.pager.answer(request, people, [FoundUser.of(card) for card in cards], of)
        posts = await self.search_posts(who, q, window)
        return self.pager.answer(request, posts, self.fragments.all(posts.items), of)
