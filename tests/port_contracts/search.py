"""The contract of search: every store finds the same, whatever its index."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.text import graphemes
from application.shared.paging import Page, Window, page
from domain.posts import Post, Visibility, find_entities, resolve_mentions
from domain.posts.searching import PostQuery
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.posts import remove
from tests.port_contracts.stores import Stores, a_post, new_id

FIND_ALL = 100


async def says(stores: Stores, text: str, **members: object) -> Post:
    return await stores.add_post(text=text, entities=resolve_mentions(find_entities(text), {}), **members)


async def found(
    stores: Stores, asked: str, viewer_context: ViewerContext | None = None, *, by: Sequence[UserId] = ()
) -> list[PostId]:
    query = PostQuery.parsed(asked, graphemes)
    return list(
        await stores.posts.search.posts(query, by, Window(FIND_ALL), viewer_context or ViewerContext())
    )


async def edit(stores: Stores, post: Post, text: str) -> Post:
    edited = replace(
        post, text=text, entities=resolve_mentions(find_entities(text), {}), version=post.version + 1
    )
    async with stores.posts.open_tx() as tx:
        await tx.posts.archive_version(post)
        await tx.posts.save(edited)
    return edited


def salt() -> str:
    """A word that no other test uses: on some stores the tests share their data."""
    return f"salt{new_id() >> 16}"


class PostSearchContract:
    async def test_a_post_is_found_by_all_of_its_words(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"The busy bee is in the {rare} garden.")
        await says(stores, f"A lazy bee, {rare}")

        assert await found(stores, f"busy {rare} bee") == [post.id]
        assert await found(stores, f"busy {rare} wasp") == []

    async def test_the_newest_posts_are_found_first(self, stores: Stores) -> None:
        rare = salt()
        posts = [await says(stores, f"{rare} {number}") for number in range(3)]

        assert await found(stores, rare) == [post.id for post in posts[::-1]]

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("Đà Nẵng", "da nang"),
            ("Łódź", "lodz"),
            ("smørrebrød", "smorrebrod"),
            ("ışık", "isik"),
            ("Ħal Ŧ æ œ Weiß", "hal t ae oe weiss"),
            ("Þingvellir, Eyjafjörður", "thingvellir eyjafjordur"),
            ("#Łódź", "#lodz"),
            ("#ışık", "#ISIK"),
            ("#col·legi", "#collegi"),
        ],
    )
    async def test_accents_make_no_difference(self, stores: Stores, text: str, asked: str) -> None:
        rare = salt()
        post = await says(stores, f"{text} {rare}")

        assert await found(stores, f"{asked} {rare}") == [post.id]
        assert await found(stores, f"{text} {rare}") == [post.id]
        assert await found(stores, f"{text.upper()} {rare}") == [post.id]

    async def test_a_zero_width_space_separates_words(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"honey\u200b{rare}\u200bbee می\u200cخواهم")

        assert await found(stores, rare) == [post.id]
        assert await found(stores, f'"honey {rare} bee"') == [post.id]
        assert await found(stores, f"{rare} میخواهم") == [post.id]
        assert await found(stores, f"honey{rare}bee") == []

    async def test_a_phrase_is_found_in_its_order(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"{rare}: a busy bee")
        await says(stores, f"{rare}: a bee, busy")

        assert await found(stores, f'"busy bee" {rare}') == [post.id]

    async def test_a_phrase_does_not_match_across_the_warning_and_the_text(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"bees {rare}", content_warning="angry")

        assert await found(stores, f"angry {rare}") == [post.id]
        assert await found(stores, f'"angry bees" {rare}') == []

    async def test_a_star_matches_longer_words(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"{rare}beginning")

        assert await found(stores, f"{rare}beg*") == [post.id]
        assert await found(stores, f"{rare}beg") == []
        assert await found(stores, f"{rare}begx*") == []

    async def test_a_tag_is_found_as_a_tag(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"look #{rare} and #Straße_{rare}")
        await says(stores, f"only the word {rare}")

        assert await found(stores, f"#{rare.upper()}") == [post.id]
        assert await found(stores, f"#STRASSE_{rare} look") == [post.id]
        assert await found(stores, f"#{rare[:-1]}") == []

    async def test_an_author_s_posts_are_found_with_and_without_words(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        first = await says(stores, "bees", author=ann)
        second = await says(stores, "wasps", author=ann)
        await says(stores, "bees", author=bob)

        assert await found(stores, "from:ann", by=[ann]) == [second.id, first.id]
        assert await found(stores, "from:ann bees", by=[ann]) == [first.id]
        assert await found(stores, "from:ann from:bob", by=[ann, bob]) == []

    async def test_comments_are_found_too(self, stores: Stores) -> None:
        rare = salt()
        above = await says(stores, "hello")
        comment = await says(stores, rare, reply_to=above.id)

        assert await found(stores, rare) == [comment.id]

    async def test_an_edited_post_is_found_by_its_current_text(self, stores: Stores) -> None:
        old, new = salt(), salt()
        post = await says(stores, f"{old} #{old}")

        await edit(stores, post, f"{new} #{new}")

        assert (await found(stores, old), await found(stores, f"#{old}")) == ([], [])
        assert (await found(stores, new), await found(stores, f"#{new}")) == ([post.id], [post.id])

    async def test_a_deleted_post_is_not_found_even_by_its_author(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"{rare} #{rare}")

        await remove(stores, post)

        assert await found(stores, rare, ViewerContext(post.author)) == []
        assert await found(stores, f"#{rare}", ViewerContext(post.author)) == []

    async def test_a_rolled_back_post_is_not_found(self, stores: Stores) -> None:
        rare = salt()

        async def fail() -> None:
            async with stores.posts.open_tx() as tx:
                await tx.posts.add(a_post(text=rare))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()
        assert await found(stores, rare) == []

    @pytest.mark.parametrize("narrow", [v for v in Visibility if v is not Visibility.PUBLIC])
    async def test_posts_that_are_not_public_are_found_by_their_author_only(
        self, stores: Stores, narrow: Visibility
    ) -> None:
        rare, friend = salt(), UserId(new_id())
        post = await says(stores, rare, visibility=narrow, mentioned=frozenset({friend}))

        assert await found(stores, rare, ViewerContext(post.author)) == [post.id]
        assert await found(stores, rare, ViewerContext(friend, follows=frozenset({post.author}))) == []
        assert await found(stores, rare) == []

    async def test_posts_of_blocked_and_muted_users_are_not_found(self, stores: Stores) -> None:
        rare, viewer = salt(), UserId(new_id())
        blocked, muted, other = [await says(stores, rare) for _ in range(3)]

        viewer_context = ViewerContext(
            viewer, blocked=frozenset({blocked.author}), muted=frozenset({muted.author})
        )

        assert await found(stores, rare, viewer_context) == [other.id]

    async def test_posts_of_private_authors_are_found_by_themselves_and_of_deleted_accounts_by_nobody(
        self, stores: Stores
    ) -> None:
        rare = salt()
        private, gone = [await says(stores, rare) for _ in range(2)]
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_private(private.author, 2, private=True)
            await tx.authors.set_deleted(gone.author)

        assert await found(stores, rare) == []
        assert await found(stores, rare, ViewerContext(UserId(1), follows=frozenset({private.author}))) == []
        assert await found(stores, rare, ViewerContext(private.author)) == [private.id]
        assert await found(stores, rare, ViewerContext(gone.author)) == []

    async def test_hidden_posts_are_left_out_before_the_limit(self, stores: Stores) -> None:
        rare = salt()
        shown = await says(stores, rare)
        for _ in range(4):
            await says(stores, rare, visibility=Visibility.UNLISTED)

        rows = await stores.posts.search.posts(
            PostQuery.parsed(rare, graphemes), (), Window(1), ViewerContext()
        )

        assert list(rows) == [shown.id]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_pages_go_forward_and_back_without_gap_or_repetition(
        self, stores: Stores, limit: int
    ) -> None:
        rare = salt()
        posts = [(await says(stores, rare)).id for _ in range(5)]
        query = PostQuery.parsed(rare, graphemes)

        async def at(window: Window) -> Page[PostId]:
            rows = await stores.posts.search.posts(query, (), window, ViewerContext())
            return page(rows, window, lambda id_: id_, newest_first=True)

        forth: list[PostId] = []
        last = await at(Window(limit))
        while True:
            forth += last.items
            if last.next is None:
                break
            await says(stores, rare)  # new posts come before the first page
            last = await at(last.next)
        assert forth == posts[::-1]

        seen: list[PostId] = list(last.items)
        while last.prev is not None:
            last = await at(last.prev)
            seen = [*last.items, *seen]
        assert seen[-len(posts) :] == posts[::-1]
        assert len(set(seen)) == len(seen)
