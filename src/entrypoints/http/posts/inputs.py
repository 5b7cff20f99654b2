"""Request bodies and parameters for posts."""

from typing import Annotated

import msgspec

from application.posts.editing import PostEdit, Unchanged
from application.posts.publishing import PostDraft
from domain.languages import MAX_LANGUAGE
from domain.posts import MAX_MEDIA, PostNotFound, Visibility
from domain.shared import FieldError, Invalid, MediaId, PostId, id_from
from entrypoints.http.bodies import In

Text = Annotated[
    str,
    msgspec.Meta(
        max_length=8000,
        description="1 to 2,000 characters and at most 8,000 bytes of UTF-8. `@name` mentions a user; at most 20 different "
        "users.",
        examples=["The linden trees are in bloom. 🐝"],
    ),
]
PostText = Annotated[
    str,
    msgspec.Meta(
        max_length=8000,
        description="1 to 2,000 characters and at most 8,000 bytes of UTF-8. It may be empty if the post has media. "
        "`@name` mentions a user; at most 20 different users.",
        examples=["The linden trees are in bloom. 🐝"],
    ),
]
ContentWarning = Annotated[
    str, msgspec.Meta(max_length=800, description="At most 200 characters, shown before the text.")
]
Language = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_LANGUAGE,
        description="A BCP 47 tag in any letter case. It is stored in the usual case.",
        examples=["en", "pt-BR"],
    ),
]


MediaIds = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=19)]],
    msgspec.Meta(
        max_length=MAX_MEDIA,
        description="Up to 4 of your own media, each once, in the order in which they are shown. They need not be ready: "
        "until all of them are, only you see the post.",
    ),
]


KeptMediaIds = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=19)]],
    msgspec.Meta(
        max_length=MAX_MEDIA,
        description="All media that stay in the post, in their new order. Media that are left out are removed and deleted. "
        "Media cannot be added. If all remaining media are ready, a pending post is published.",
    ),
]


class CommentIn(In):
    text: PostText
    visibility: Visibility | None = None
    """Default: the visibility of the post above. It cannot be wider."""
    content_warning: ContentWarning = ""
    language: Language | None = None
    media_ids: MediaIds = msgspec.field(default_factory=list)

    def draft(self, reply_to: PostId | None) -> PostDraft:
        return PostDraft(
            text=self.text,
            visibility=self.visibility,
            content_warning=self.content_warning,
            language=self.language,
            reply_to=reply_to,
            media=media_from_body(self.media_ids),
        )


class PostIn(CommentIn):
    reply_to: (
        Annotated[str, msgspec.Meta(max_length=19, description="The post that this one replies to.")] | None
    ) = None

    def to_draft(self) -> PostDraft:
        return self.draft(None if self.reply_to is None else post_from_path(self.reply_to))


class EditPostIn(In):
    """Members that are not sent stay as they are. The visibility of a post, and the post that it replies to, cannot be
    changed."""

    text: Text | None = None
    content_warning: ContentWarning | None = None
    language: Language | msgspec.UnsetType | None = msgspec.UNSET
    """Null removes it."""
    media_ids: KeptMediaIds | msgspec.UnsetType = msgspec.UNSET

    def edit(self) -> PostEdit:
        language = Unchanged.UNCHANGED if isinstance(self.language, msgspec.UnsetType) else self.language
        return PostEdit(
            text=self.text,
            content_warning=self.content_warning,
            language=language,
            media=None
            if isinstance(self.media_ids, msgspec.UnsetType)
            else media_from_body(self.media_ids, "media_not_in_post"),
        )


def media_from_body(ids: list[str], code: str = "media_not_found") -> tuple[MediaId, ...]:
    """The ids of media. Raises Invalid with this code for anything that is not an id."""
    found = [id_from(id_) if id_ else None for id_ in ids]
    if any(id_ is None for id_ in found):
        raise Invalid(FieldError("media_ids", code, "there is no such media"))
    return tuple(MediaId(id_) for id_ in found if id_ is not None)


def post_from_path(path: str) -> PostId:
    """The post id in a path. Raises PostNotFound for anything that is not an id."""
    post_id = id_from(path)
    if post_id is None:
        raise PostNotFound("no such post")
    return PostId(post_id)
