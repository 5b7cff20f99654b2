"""Posts as clients send them."""

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
        description="1 to 2,000 characters and at most 8,000 bytes of UTF-8. `@name` mentions a user, 20 different ones at most.",
        examples=["The linden trees are in bloom. 🐝"],
    ),
]
PostText = Annotated[
    str,
    msgspec.Meta(
        max_length=8000,
        description="1 to 2,000 characters and at most 8,000 bytes of UTF-8; it may be empty where there are media. `@name` "
        "mentions a user, 20 different ones at most.",
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
        description="A BCP 47 tag, in any case; it is stored in its usual one.",
        examples=["en", "pt-BR"],
    ),
]


MediaIds = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=19)]],
    msgspec.Meta(
        max_length=MAX_MEDIA,
        description="Up to 4 media of yours, each once, in the order in which they are shown. They need not be ready: until "
        "they are, nobody else sees the post.",
    ),
]


KeptMediaIds = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=19)]],
    msgspec.Meta(
        max_length=MAX_MEDIA,
        description="All media of the post that stay, in their new order. Those that are left out are removed and "
        "deleted. None can be added. A post that waited only for what is removed is published.",
    ),
]


class CommentIn(In):
    text: PostText
    visibility: Visibility | None = None
    """That of the post above, if it is not sent; never a wider one."""
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
            media=some_media(self.media_ids),
        )


class PostIn(CommentIn):
    reply_to: (
        Annotated[str, msgspec.Meta(max_length=19, description="The post that this one answers.")] | None
    ) = None

    def to_draft(self) -> PostDraft:
        return self.draft(None if self.reply_to is None else a_post(self.reply_to))


class EditPostIn(In):
    """What is not sent stays as it is. Who sees a post, and what it answers, cannot be changed."""

    text: Text | None = None
    content_warning: ContentWarning | None = None
    language: Language | msgspec.UnsetType | None = msgspec.UNSET
    """Null takes it away."""
    media_ids: KeptMediaIds | msgspec.UnsetType = msgspec.UNSET

    def edit(self) -> PostEdit:
        language = Unchanged.UNCHANGED if isinstance(self.language, msgspec.UnsetType) else self.language
        return PostEdit(
            text=self.text,
            content_warning=self.content_warning,
            language=language,
            media=None
            if isinstance(self.media_ids, msgspec.UnsetType)
            else some_media(self.media_ids, "media_not_in_post"),
        )


def some_media(ids: list[str], code: str = "media_not_found") -> tuple[MediaId, ...]:
    """Raises Invalid with this code for what is no id."""
    found = [id_from(id_) if id_ else None for id_ in ids]
    if any(id_ is None for id_ in found):
        raise Invalid(FieldError("media_ids", code, "there is no such media"))
    return tuple(MediaId(id_) for id_ in found if id_ is not None)


def a_post(path: str) -> PostId:
    """An id as it came in; what is no id names no post."""
    post_id = id_from(path)
    if post_id is None:
        raise PostNotFound("no such post")
    return PostId(post_id)
