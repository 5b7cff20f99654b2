"""Posts as clients get them."""

from typing import Self

import msgspec

from application.posts.marking import Reception
from application.posts.ports import AuthorCard
from application.posts.queries import SeenPost
from domain.posts import Mark, Visibility
from domain.shared import made_at
from entrypoints.http.answers import Out
from entrypoints.http.resources import rfc3339


class Author(Out):
    """What is shown of a person beside what they did."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None

    @classmethod
    def of(cls, card: AuthorCard) -> Self:
        return cls(str(card.id), card.username, card.display_name, None)


class Mention(Out):
    id: str
    username: str


class PostCounts(Out):
    comments: int
    likes: int
    reposts: int


class Viewer(Out):
    """What the one who asks has to do with the post."""

    liked: bool
    reposted: bool
    bookmarked: bool


class PostOut(Out):
    """A post, or a comment: a comment is a post with `reply_to`."""

    id: str
    author: Author
    text: str
    visibility: Visibility
    content_warning: str
    language: str | None
    reply_to: str | None
    created_at: str
    edited_at: str | None
    media: list[dict[str, object]]
    mentions: list[Mention]
    hashtags: list[str]
    counts: PostCounts
    pinned: bool
    """To its author's profile."""
    viewer: Viewer | msgspec.UnsetType = msgspec.UNSET
    """Only with a token."""

    @classmethod
    def of(cls, seen: SeenPost) -> Self:
        row = seen.row
        return cls(
            id=str(row.id),
            author=Author.of(seen.author),
            text=row.text,
            visibility=row.visibility,
            content_warning=row.content_warning,
            language=row.language,
            reply_to=None if row.reply_to is None else str(row.reply_to),
            created_at=rfc3339(made_at(row.id)),
            edited_at=None if row.edited_at is None else rfc3339(row.edited_at),
            media=[],
            mentions=[Mention(str(card.id), card.username) for card in seen.mentions],
            hashtags=[],
            counts=PostCounts(row.comments, row.likes, row.reposts),
            pinned=row.pinned,
            viewer=msgspec.UNSET if seen.viewer is None else Viewer(row.liked, row.reposted, row.bookmarked),
        )


class ReceptionOut(Out):
    """How a post is received, after what was just done."""

    counts: PostCounts
    viewer: Viewer
    pinned: bool

    @classmethod
    def of(cls, reception: Reception) -> Self:
        marks = reception.marks
        return cls(
            PostCounts(reception.comments, reception.likes, reception.reposts),
            Viewer(Mark.LIKE in marks, Mark.REPOST in marks, Mark.BOOKMARK in marks),
            reception.pinned,
        )
