"""/api/v1/search: of several modules, behind one address."""

from enum import StrEnum
from typing import Annotated, Any, Self

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from application.identity.searching import SearchPeople
from application.posts.searching import FoundTag, SearchHashtags, SearchPosts
from application.shared.people import AuthorCard
from domain.shared import Invalid
from entrypoints.http.answers import OneOf, Out
from entrypoints.http.auth import AnyRequest, viewer
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

    @get(
        operation_id="searchContent", summary="Search", opt=policy("optional", Invalid, limit="expensive")
    )
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
        variant = f"{type}\0{q}"
        who = viewer(request)
        if type is Sought.HASHTAGS:
            tag_window = self.pager.cursors.tag_window(request.scope["path"], limit, cursor, variant)
            tags: Any = await self.search_hashtags(who, q, tag_window)  # the edges of its windows are tags
            return self.pager.answer(request, tags, [Hashtag.of(found) for found in tags.items], variant)
        window = self.pager.window(request, limit, cursor, variant)
        if type is Sought.USERS:
            people = await self.search_people(who, q, window)
            cards = [AuthorCard(card.id, card.username, card.display_name) for card in people.items]
            return self.pager.answer(request, people, [FoundUser.of(card) for card in cards], variant)
        posts = await self.search_posts(who, q, window)
        return self.pager.answer(request, posts, self.fragments.all(posts.items), variant)
