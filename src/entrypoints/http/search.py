"""/api/v1/search, which searches several modules."""

from enum import StrEnum
from typing import Annotated, Any, Self

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from application.identity.searching import SearchPeople
from application.posts.searching import FoundTag, SearchHashtags, SearchPosts
from application.shared.people import AuthorCard
from domain.shared import Invalid
from entrypoints.http.auth import AnyRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Limit, Pager
from entrypoints.http.responses import OneOf, Out
from entrypoints.http.shapes import Author, PostOut

MAX_CURSOR = 600
"""Enough for a tag of 400 bytes."""


class FoundUser(Author, tag_field="type", tag="user"):
    """A user."""


class Hashtag(Out, tag_field="type", tag="hashtag"):
    """A hashtag that is used in public posts."""

    tag: str
    """In canonical form, without `#`."""
    posts: int
    """The number of posts that you can find among the last 1,000 with this tag."""

    @classmethod
    def of(cls, found: FoundTag) -> Self:
        return cls(found.tag, found.posts)


class Found(OneOf):
    """A post, a user or a hashtag, depending on `type`."""

    post: PostOut
    person: FoundUser
    hashtag: Hashtag


class FoundPage(Out):
    """A part of the results. `next` is null only at the end."""

    items: list[Found]
    next: str | None
    prev: str | None


class Sought(StrEnum):
    """The kind of results."""

    POSTS = "posts"
    USERS = "users"
    HASHTAGS = "hashtags"


Query = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=800,
        description='At most 200 characters and 10 terms. For posts: words, `"a phrase"`, `beginn*`, `#tag`, '
        "`from:username`; a post must match all of them. For users: the beginning of a username, or words of the display "
        "name. For hashtags: their beginning.",
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
Type = Annotated[Sought, QueryParameter(description="The kind of results.")]


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
        """Posts and comments: public ones and your own, newest first. Users: an exact match of the username first.
        Hashtags of public posts: in alphabetical order. Letter case and accents make no difference. Results do not
        include users who block you or whom you block, or posts of users whom you mute."""
        variant = f"{type}\0{q}"
        asker = viewer(request)
        if type is Sought.HASHTAGS:
            tag_window = self.pager.cursors.tag_window(request.scope["path"], limit, cursor, variant)
            tags: Any = await self.search_hashtags(asker, q, tag_window)  # the edges of its windows are tags
            return self.pager.response(request, tags, [Hashtag.of(found) for found in tags.items], variant)
        window = self.pager.window(request, limit, cursor, variant)
        if type is Sought.USERS:
            people = await self.search_people(asker, q, window)
            cards = [AuthorCard(card.id, card.username, card.display_name) for card in people.items]
            return self.pager.response(request, people, [FoundUser.of(card) for card in cards], variant)
        posts = await self.search_posts(asker, q, window)
        return self.pager.response(request, posts, self.fragments.all(posts.items), variant)
