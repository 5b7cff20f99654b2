"""Search compared with a reference model that looks at the texts themselves, without an index."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from adapters.text import graphemes
from application.shared.paging import Window
from domain.posts import Post, Visibility, find_entities, hashtags, resolve_mentions
from domain.posts.searching import PostQuery
from domain.shared import UserId, ViewerContext
from domain.words import words
from tests.port_contracts.posts import remove
from tests.port_contracts.search import FIND_ALL, edit, salt, says
from tests.port_contracts.stores import Stores, new_id

PEOPLE = range(1, 5)
SOME = st.frozensets(st.sampled_from(PEOPLE))
VOCABULARY = (
    "bee",
    "Bée",
    "beehive",
    "#bee",
    "#hive",
    "wasp",
    "蜂蜜",
    "蜂",
    "don't",
    "\U0001f41d",
    '"',
    "OR",
    "-",
)
SAYING = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=5).map(" ".join)
ASKING = st.lists(
    st.sampled_from((*VOCABULARY, "bee*", "hi*", '"bee wasp"', '"wasp be"*', "#BEE", "蜜", "蜂蜜蜂")),
    min_size=1,
    max_size=3,
).map(" ".join)


@dataclass(frozen=True)
class Sketch:
    author: int
    visibility: Visibility
    text: str
    warning: str
    edit: str | None
    deleted: bool


SKETCHES = st.builds(
    Sketch,
    author=st.sampled_from(PEOPLE),
    visibility=st.sampled_from([Visibility.PUBLIC, *Visibility]),
    text=SAYING,
    warning=st.sampled_from(["", "", "wasp"]),
    edit=st.none() | SAYING,
    deleted=st.sampled_from([False, False, False, True]),
)


class SearchModelContract:
    @given(
        sketches=st.lists(SKETCHES, min_size=1, max_size=6),
        asked=st.lists(ASKING, min_size=1, max_size=4),
        viewer=st.none() | st.sampled_from(PEOPLE),
        blocked=SOME,
        muted=SOME,
        private=SOME,
        gone=SOME,
        by=st.none() | st.sampled_from(PEOPLE),
    )
    async def test_az3_search_finds_exactly_what_the_reference_model_finds(
        self,
        stores: Stores,
        sketches: list[Sketch],
        asked: list[str],
        viewer: int | None,
        blocked: frozenset[int],
        muted: frozenset[int],
        private: frozenset[int],
        gone: frozenset[int],
        by: int | None,
    ) -> None:
        rare = salt()
        ids = {person: UserId(new_id()) for person in PEOPLE}
        viewer_context = ViewerContext(
            ids[viewer] if viewer else None,
            follows=frozenset(ids.values()),
            blocked=frozenset(ids[person] for person in blocked),
            muted=frozenset(ids[person] for person in muted),
        )
        posts = [await _made(stores, sketch, ids, rare) for sketch in sketches]
        async with stores.posts.open_tx() as tx:
            for person in private:
                await tx.authors.set_private(ids[person], 2, private=True)
            for person in gone:
                await tx.authors.set_deleted(ids[person])

        def may_find(sketch: Sketch) -> bool:
            if sketch.deleted or sketch.author in gone:
                return False
            hidden = sketch.author in blocked | muted | private
            return sketch.author == viewer or (sketch.visibility is Visibility.PUBLIC and not hidden)

        for query in [PostQuery.parsed(f"{rare} {one}", graphemes) for one in asked]:
            expected = [
                post.id
                for post, sketch in zip(posts, sketches, strict=True)
                if may_find(sketch) and by in {None, sketch.author} and _has_all(sketch, query, rare)
            ]
            authors = () if by is None else (ids[by],)
            rows = await stores.posts.search.posts(query, authors, Window(FIND_ALL), viewer_context)
            assert list(rows) == expected[::-1], query


async def _made(stores: Stores, sketch: Sketch, ids: dict[int, UserId], rare: str) -> Post:
    post = await says(
        stores,
        f"{sketch.text} {rare}",
        author=ids[sketch.author],
        visibility=sketch.visibility,
        content_warning=sketch.warning,
    )
    if sketch.edit is not None:
        post = await edit(stores, post, f"{sketch.edit} {rare}")
    return await remove(stores, post) if sketch.deleted else post


def _has_all(sketch: Sketch, query: PostQuery, rare: str) -> bool:
    """Searches the text itself, without any index."""
    text = f"{sketch.text if sketch.edit is None else sketch.edit} {rare}"
    tags = hashtags(resolve_mentions(find_entities(text), {}))
    return set(query.tags) <= set(tags) and all(
        phrase.occurs_in(words(text)) or phrase.occurs_in(words(sketch.warning)) for phrase in query.phrases
    )
