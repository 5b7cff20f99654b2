"""The cached JSON of a post never differs from a fresh encoding."""

from dataclasses import replace
from datetime import datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from application.posts.queries import HydratedPost
from application.posts.views import PostContent, PostState, PostView
from application.shared.attachments import MediaCard, RenditionCard
from application.shared.people import AuthorCard
from domain.posts import AuthorState, Entity, EntityType, Visibility
from domain.shared import MediaId, PostId, UserId, made_at
from entrypoints.http.fragments import Fragments
from entrypoints.http.shapes import PostOut
from tests.port_contracts.stores import new_id

TEXTS = st.text(max_size=20) | st.just('","counts":{"comments":1},"pinned":')
CARDS = st.builds(AuthorCard, id=st.integers(1, 3), username=TEXTS, display_name=TEXTS)
NUMBERS = st.integers(0, 10**12)
ENTITIES = st.builds(
    Entity,
    type=st.sampled_from(EntityType),
    start=NUMBERS,
    end=NUMBERS,
    value=TEXTS,
    user=st.integers(1, 9),
)
MEDIA = st.builds(
    MediaCard,
    id=st.integers(1, 9),
    state=st.sampled_from(["processing", "ready"]),
    version=st.integers(1, 9),
    kind=st.just("image"),
    reason=st.none(),
    alt_text=TEXTS,
    focal_point=st.just((0.0, -0.5)),
    renditions=st.just((RenditionCard("large", "image/webp", 9, 9, 99, "/media/1/s/large.webp"),)),
)


class Places:
    """Closed addresses that are never the same twice, so that a test notices one that was cached."""

    number = 0

    def permanent(self, path: str) -> str:
        return f"http://waggle.test{path}"

    def signed(self, path: str) -> str:
        self.number += self.counting
        return f"http://waggle.test{path}?{self.number}"

    def until(self) -> datetime:
        raise AssertionError("no address is cached here")

    counting = 0


CONTENTS = st.builds(
    PostContent,
    version=NUMBERS,
    revision=NUMBERS,
    text=TEXTS,
    content_warning=TEXTS,
    language=st.none() | st.just("pt-BR"),
    edited_at=st.none() | st.integers(0, 2**62).map(made_at),
    entities=st.lists(ENTITIES, max_size=3).map(tuple),
    media=st.just(()) | st.lists(MEDIA, max_size=3).map(tuple),
    pending_visibility=st.none() | st.sampled_from(Visibility),
)
STATES = st.builds(
    PostState,
    id=st.just(new_id()),
    author=st.just(UserId(1)),
    version=NUMBERS,
    reply_to=st.none() | st.integers(1, 2**63 - 1),
    comments=NUMBERS,
    likes=NUMBERS,
    reposts=NUMBERS,
    mentioned=st.just(()),
    visibility=st.sampled_from(Visibility),
    pinned=st.booleans(),
    liked=st.booleans(),
    reposted=st.booleans(),
    bookmarked=st.booleans(),
    author_state=st.sampled_from([AuthorState.PUBLIC, AuthorState.PRIVATE]),
    deleted=st.just(False),
    content_revision=NUMBERS,
)


def view(state: PostState, content: PostContent) -> PostView:
    return PostView(state._replace(version=content.version, content_revision=content.revision), content)


HYDRATED = st.builds(
    HydratedPost,
    post=st.builds(view, STATES, CONTENTS),
    author=CARDS,
    mentions=st.lists(CARDS, max_size=3),
    viewer=st.none() | st.just(UserId(7)),
    reposted_by=st.none() | CARDS,
)


PLACES = Places()


def encoded(hydrated: HydratedPost) -> bytes:
    return msgspec.json.encode(PostOut.of(hydrated, PLACES))


def with_content(hydrated: HydratedPost, content: PostContent) -> HydratedPost:
    return hydrated._replace(post=view(hydrated.post.state, content))


@given(HYDRATED, st.data())
def test_a_fragment_equals_a_fresh_encoding(hydrated: HydratedPost, data: st.DataObject) -> None:
    fragments = Fragments(PLACES)
    assert bytes(fragments(hydrated)) == encoded(hydrated)

    # The same version, and the people have the same names: everything else may have changed.
    later = data.draw(HYDRATED)
    new = later.post.state
    state = hydrated.post.state._replace(
        comments=new.comments,
        likes=new.likes,
        reposts=new.reposts,
        pinned=new.pinned,
        liked=new.liked,
        reposted=new.reposted,
        bookmarked=new.bookmarked,
        mentioned=new.mentioned,
    )
    again = hydrated._replace(
        post=hydrated.post._replace(state=state), viewer=later.viewer, reposted_by=later.reposted_by
    )
    assert bytes(fragments(again)) == encoded(again)


@given(HYDRATED, HYDRATED)
def test_another_version_or_other_names_are_encoded_again(
    hydrated: HydratedPost, other: HydratedPost
) -> None:
    fragments = Fragments(PLACES)
    fragments(hydrated)
    content = hydrated.post.content
    edited = with_content(other, other.post.content._replace(version=content.version + 1))
    renamed = hydrated._replace(author=other.author, mentions=other.mentions)
    fewer = with_content(
        hydrated,
        content._replace(
            entities=content.entities[1:], revision=content.revision + len(content.entities[:1])
        ),
    )
    with_media = with_content(
        hydrated, content._replace(media=other.post.content.media, revision=content.revision + 10**13)
    )
    state = hydrated.post.state._replace(author_state=other.post.state.author_state)
    closed = hydrated._replace(post=hydrated.post._replace(state=state))

    for one in (
        edited,
        hydrated,
        renamed,
        hydrated,
        fewer,
        hydrated,
        with_media,
        hydrated,
        closed,
        hydrated,
    ):
        assert bytes(fragments(one)) == encoded(one)


def a_post(text: str) -> HydratedPost:
    card = AuthorCard(UserId(1), "ann", "Ann")
    post_id = PostId(new_id())
    state = PostState(
        id=post_id,
        author=UserId(1),
        version=1,
        reply_to=None,
        comments=0,
        likes=0,
        reposts=0,
        mentioned=(),
        visibility=Visibility.PUBLIC,
        pinned=False,
        liked=False,
        reposted=False,
        bookmarked=False,
        author_state=AuthorState.PUBLIC,
        deleted=False,
        content_revision=0,
    )
    return HydratedPost(PostView(state, PostContent(1, 0, text, "", None, None, ())), card, [], None)


def test_the_cache_is_bounded_by_size() -> None:
    fragments, posts = Fragments(PLACES, max_bytes=20_000), [a_post("x" * 1_000) for _ in range(50)]

    for _ in range(2):
        for post in posts:
            assert bytes(fragments(post)) == encoded(post)

    assert 10_000 < fragments.bytes <= 20_000
    renamed = [
        post._replace(author=replace(post.author, username=f"ann{number}"))
        for number, post in enumerate(posts[-1:] * 100)
    ]
    before = fragments.bytes
    for post in renamed:
        fragments(post)
    assert abs(fragments.bytes - before) < 10


def test_an_address_that_expires_soon_is_never_cached() -> None:
    places = Places()
    places.counting = 1
    card = MediaCard(
        MediaId(1),
        "ready",
        1,
        "image",
        renditions=(RenditionCard("large", "image/webp", 9, 9, 99, "/media/1/s/large.webp"),),
    )
    post, fragments = a_post("hello"), Fragments(places)
    with_media = with_content(post, post.post.content._replace(media=(card,)))
    state = with_media.post.state._replace(author_state=AuthorState.PRIVATE)
    private = with_media._replace(post=with_media.post._replace(state=state))

    assert bytes(fragments(with_media)) == bytes(fragments(with_media))
    assert b'large.webp"' in bytes(fragments(with_media))
    first, second = bytes(fragments(private)), bytes(fragments(private))
    assert b"large.webp?1" in first
    assert b"large.webp?2" in second
    assert b'large.webp"' in bytes(fragments(with_media))
