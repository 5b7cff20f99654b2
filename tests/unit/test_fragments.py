"""What is kept of a post's JSON never differs from what would be made anew."""

from dataclasses import replace
from datetime import datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from application.posts.queries import SeenPost
from application.posts.rows import Body, PostRow
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
    """Closed addresses that are never the same twice: who keeps one is found out."""

    number = 0

    def open(self, path: str) -> str:
        return f"http://waggle.test{path}"

    def closed(self, path: str) -> str:
        self.number += self.counting
        return f"http://waggle.test{path}?{self.number}"

    def until(self) -> datetime:
        raise AssertionError("nothing of it is kept")

    counting = 0


BODIES = st.builds(
    Body,
    version=NUMBERS,
    size=NUMBERS,
    text=TEXTS,
    content_warning=TEXTS,
    language=st.none() | st.just("pt-BR"),
    edited_at=st.none() | st.integers(0, 2**62).map(made_at),
    entities=st.lists(ENTITIES, max_size=3).map(tuple),
    media=st.just(()) | st.lists(MEDIA, max_size=3).map(tuple),
    becoming=st.none() | st.sampled_from(Visibility),
)
ROWS = st.builds(
    PostRow,
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
    author_state=st.sampled_from([AuthorState.OPEN, AuthorState.PRIVATE]),
    body=BODIES,
)
SEEN = st.builds(
    SeenPost,
    row=ROWS,
    author=CARDS,
    mentions=st.lists(CARDS, max_size=3),
    viewer=st.none() | st.just(UserId(7)),
    reposted_by=st.none() | CARDS,
)


PLACES = Places()


def anew(seen: SeenPost) -> bytes:
    return msgspec.json.encode(PostOut.of(seen, PLACES))


@given(SEEN, st.data())
def test_a_fragment_is_what_would_be_made_anew(seen: SeenPost, data: st.DataObject) -> None:
    fragments = Fragments(PLACES)
    assert bytes(fragments(seen)) == anew(seen)

    # The same version, by people called the same: all else may be another by now.
    later = data.draw(SEEN)
    row = seen.row._replace(
        comments=later.row.comments,
        likes=later.row.likes,
        reposts=later.row.reposts,
        pinned=later.row.pinned,
        liked=later.row.liked,
        reposted=later.row.reposted,
        bookmarked=later.row.bookmarked,
        mentioned=later.row.mentioned,
    )
    again = seen._replace(row=row, viewer=later.viewer, reposted_by=later.reposted_by)
    assert bytes(fragments(again)) == anew(again)


@given(SEEN, SEEN)
def test_another_version_or_other_names_are_made_anew(seen: SeenPost, other: SeenPost) -> None:
    fragments = Fragments(PLACES)
    fragments(seen)
    edited = other._replace(row=other.row._replace(version=seen.row.version + 1))
    renamed = seen._replace(author=other.author, mentions=other.mentions)
    body = seen.row.body._replace(entities=seen.row.entities[1:])
    fewer = seen._replace(row=seen.row._replace(body=body))

    pictured = seen._replace(row=seen.row._replace(body=seen.row.body._replace(media=other.row.body.media)))
    closed = seen._replace(row=seen.row._replace(author_state=other.row.author_state))

    for one in (edited, seen, renamed, seen, fewer, seen, pictured, seen, closed, seen):
        assert bytes(fragments(one)) == anew(one)


def a_post(text: str) -> SeenPost:
    card = AuthorCard(UserId(1), "ann", "Ann")
    post_id = PostId(new_id())
    row = PostRow(
        post_id,
        UserId(1),
        1,
        None,
        0,
        0,
        0,
        (),
        Visibility.PUBLIC,
        pinned=False,
        liked=False,
        reposted=False,
        bookmarked=False,
        author_state=AuthorState.OPEN,
        body=Body(1, 0, text, "", None, None, ()),
    )
    return SeenPost(row, card, [], None)


def test_they_are_bounded_by_size() -> None:
    fragments, posts = Fragments(PLACES, max_bytes=20_000), [a_post("x" * 1_000) for _ in range(50)]

    for _ in range(2):
        for post in posts:
            assert bytes(fragments(post)) == anew(post)

    assert 10_000 < fragments.bytes <= 20_000
    renamed = [
        post._replace(author=replace(post.author, username=f"ann{number}"))
        for number, post in enumerate(posts[-1:] * 100)
    ]
    before = fragments.bytes
    for post in renamed:
        fragments(post)
    assert abs(fragments.bytes - before) < 10


def test_an_address_that_ends_soon_is_made_anew_each_time() -> None:
    places = Places()
    places.counting = 1
    card = MediaCard(
        MediaId(1),
        "ready",
        1,
        "image",
        renditions=(RenditionCard("large", "image/webp", 9, 9, 99, "/media/1/s/large.webp"),),
    )
    seen, fragments = a_post("hello"), Fragments(places)
    pictured = seen._replace(row=seen.row._replace(body=seen.row.body._replace(media=(card,))))
    private = pictured._replace(row=pictured.row._replace(author_state=AuthorState.PRIVATE))

    assert bytes(fragments(pictured)) == bytes(fragments(pictured))
    assert b'large.webp"' in bytes(fragments(pictured))
    first, second = bytes(fragments(private)), bytes(fragments(private))
    assert b"large.webp?1" in first
    assert b"large.webp?2" in second
    assert b'large.webp"' in bytes(fragments(pictured))
