"""The contract of paging through lists of posts."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.posts.ports import Tombstone
from application.posts.views import PostView
from application.shared.paging import Page, Window, page
from domain.posts import Post, Visibility
from domain.shared import PostId, ViewerContext
from tests.port_contracts.posts import remove
from tests.port_contracts.stores import Stores, a_post

# --- Pages ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walk:
    """One of the lists, newest or oldest first, and a way to read it."""

    stores: Stores
    of: Post
    newest_first: bool

    def one_more(self) -> Post:
        return a_post(author=self.of.author) if self.newest_first else a_post(reply_to=self.of.id)

    async def page(self, window: Window) -> Page[PostView | Tombstone]:
        rows: Sequence[PostView | Tombstone]
        if self.newest_first:
            rows = await self.stores.posts.reader.by_author(self.of.author, window, ViewerContext())
        else:
            rows = await self.stores.posts.reader.comments(self.of.id, window, ViewerContext())
        return page(rows, window, lambda row: row.id, newest_first=self.newest_first)

    async def add(self, posts: Sequence[Post]) -> None:
        async with self.stores.posts.open_tx() as tx:
            for post in posts:
                await tx.posts.add(post)

    def in_order(self, ids: set[PostId]) -> list[PostId]:
        return sorted(ids, reverse=self.newest_first)


async def a_list(stores: Stores, size: int, *, newest_first: bool) -> tuple[Walk, list[Post]]:
    above = a_post(visibility=Visibility.DIRECT) if newest_first else await stores.add_post()
    walk = Walk(stores, above, newest_first)
    posts = [walk.one_more() for _ in range(size)]
    await walk.add(posts)
    return walk, posts


CHANGES = st.lists(st.lists(st.integers(-12, 3), max_size=3), max_size=14)
"""A change between two pages: a positive number adds that many items, a negative one deletes that item."""


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
class PagesContract:
    @pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 6])
    async def test_a_list_is_read_to_its_end_and_back_to_its_beginning(
        self, stores: Stores, size: int, newest_first: bool
    ) -> None:
        walk, posts = await a_list(stores, size, newest_first=newest_first)
        expected = walk.in_order({post.id for post in posts})

        forward, window = [await walk.page(Window(2))], None
        while (window := forward[-1].next) is not None:
            forward.append(await walk.page(window))
        back = [forward[-1]]
        while (window := back[-1].prev) is not None:
            back.append(await walk.page(window))

        assert [row.id for page in forward for row in page.items] == expected
        assert [row.id for page in reversed(back) for row in page.items] == expected
        assert len(forward) == max(1, (size + 1) // 2)
        assert forward[0].prev is None

    @given(size=st.integers(0, 12), limit=st.integers(1, 4), changes=CHANGES)
    async def test_items_that_stay_are_listed_once_while_others_come_and_go(
        self, stores: Stores, newest_first: bool, size: int, limit: int, changes: list[list[int]]
    ) -> None:
        walk, posts = await a_list(stores, size, newest_first=newest_first)
        throughout = {post.id for post in posts}
        to_come = iter(changes)

        async def meanwhile() -> None:
            for change in next(to_come, []):
                if change > 0:
                    added = [walk.one_more() for _ in range(change)]
                    await walk.add(added)
                    posts.extend(added)
                elif posts and -change < len(posts):
                    gone = posts.pop(-change)
                    await remove(stores, gone)
                    throughout.discard(gone.id)

        given_: list[PostId] = []
        window: Window | None = Window(limit)
        last: Page[PostView | Tombstone] = Page((), None, None)
        edge = PostId(0)
        while window is not None:
            last = await walk.page(window)
            assert len(last.items) <= limit
            given_ += [row.id for row in last.items]
            edge = last.items[0].id if last.items else PostId(window.edge or 0)
            window = last.next
            await meanwhile()

        assert given_ == walk.in_order(set(given_)), "in order, and none twice"
        assert throughout <= set(given_), "none is missed"

        earlier = {post.id for post in posts if (post.id > edge if newest_first else post.id < edge)}
        back: list[PostId] = []
        window = last.prev
        while window is not None:
            before = await walk.page(window)
            back = [row.id for row in before.items] + back
            window = before.prev
            await meanwhile()
            earlier &= {post.id for post in posts}

        assert back == walk.in_order(set(back)), "in order, and none twice, backwards too"
        if last.prev is not None:
            assert earlier <= set(back), "none is missed backwards either"

    async def test_a_page_continues_where_its_deleted_edge_was(
        self, stores: Stores, newest_first: bool
    ) -> None:
        walk, posts = await a_list(stores, 5, newest_first=newest_first)
        order = walk.in_order({post.id for post in posts})
        first = await walk.page(Window(2))
        assert first.next is not None
        await remove(stores, next(post for post in posts if post.id == order[1]))

        second = await walk.page(first.next)

        assert [row.id for row in second.items] == order[2:4]

    async def test_an_empty_last_page_leads_back(self, stores: Stores, newest_first: bool) -> None:
        walk, posts = await a_list(stores, 4, newest_first=newest_first)
        order = walk.in_order({post.id for post in posts})
        first = await walk.page(Window(2))
        for post in posts:
            if post.id in order[2:]:
                await remove(stores, post)
        assert first.next is not None

        empty = await walk.page(first.next)
        assert empty.prev is not None
        back = await walk.page(empty.prev)

        assert (list(empty.items), empty.next) == ([], None)
        assert [row.id for row in back.items] == order[:2]
