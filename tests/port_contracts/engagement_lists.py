"""The contract of the lists of engagements and pins."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.shared.paging import Page, Window, page
from domain.posts import Engagement, Visibility
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.engagements import disengage, engage, pin
from tests.port_contracts.stores import Stores, a_post, new_id

# --- Lists ------------------------------------------------------------------------------------------


@dataclass
class Listed:
    """One of the lists, with ways to add and remove items. Items are identified by what the list shows of them."""

    stores: Stores
    kind: str
    of: int

    async def add(self) -> int:
        """Adds an item at the beginning of the list."""
        if self.kind in {"who likes", "who reposts"}:
            user = UserId(new_id())
            await engage(self.stores, self._engagement, PostId(self.of), user)
            return user
        post = await self.stores.add_post(**({"author": self.of} if self.kind == "pinned" else {}))
        await self._set(post.id)
        return post.id

    async def _set(self, post_id: PostId) -> None:
        if self.kind == "pinned":
            await pin(self.stores, post_id, new_id())
        else:
            await engage(self.stores, self._engagement, post_id, UserId(self.of))

    async def remove(self, item: int, *, deleted: bool) -> None:
        if self.kind in {"who likes", "who reposts"}:
            await disengage(self.stores, self._engagement, PostId(self.of), UserId(item))
        elif deleted:
            async with self.stores.posts.open_tx() as tx:
                post = await tx.posts.get(PostId(item))
                await tx.posts.save(post.removed(by=post.author))
        elif self.kind == "pinned":
            await pin(self.stores, PostId(item), None)
        else:
            await disengage(self.stores, self._engagement, PostId(item), UserId(self.of))

    @property
    def _engagement(self) -> Engagement:
        return {
            "who likes": Engagement.LIKE,
            "who reposts": Engagement.REPOST,
            "liked": Engagement.LIKE,
            "bookmarked": Engagement.BOOKMARK,
        }[self.kind]

    async def page(self, window: Window) -> Page[int]:
        rows: list[tuple[int, int]]
        if self.kind in {"who likes", "who reposts"}:
            people = await self.stores.posts.engagements.users(
                self._engagement, PostId(self.of), window, ViewerContext()
            )
            rows = [(one.position, one.user) for one in people]
        else:
            user, viewer_context = UserId(self.of), ViewerContext(UserId(self.of))
            if self.kind == "pinned":
                found = await self.stores.posts.engagements.pinned(user, window, viewer_context)
            else:
                found = await self.stores.posts.engagements.posts(
                    self._engagement, user, window, viewer_context
                )
            rows = [(one.position, one.post.id) for one in found]
        shown = page(rows, window, lambda row: row[0], newest_first=True)
        return Page([item for _, item in shown.items], shown.next, shown.prev)

    async def walk(self, limit: int, *, back_from: Window | None = None) -> list[int]:
        items: list[int] = []
        window: Window | None = back_from or Window(limit)
        while window is not None:
            shown = await self.page(window)
            items = [*shown.items, *items] if back_from else [*items, *shown.items]
            window = shown.prev if back_from else shown.next
        return items


async def a_list(stores: Stores, kind: str) -> Listed:
    of_post = kind in {"who likes", "who reposts"}
    return Listed(stores, kind, (await stores.add_post()).id if of_post else new_id())


KINDS = pytest.mark.parametrize("kind", ["who likes", "who reposts", "liked", "bookmarked", "pinned"])
CHANGES = st.lists(st.lists(st.tuples(st.integers(-12, 2), st.booleans()), max_size=3), max_size=14)
"""A change between two pages: a positive number adds that many items, a negative one removes that item."""


class EngagementListsContract:
    @KINDS
    @pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 6])
    async def test_a_list_is_read_to_its_end_and_back(self, stores: Stores, kind: str, size: int) -> None:
        listed = await a_list(stores, kind)
        items = [await listed.add() for _ in range(size)]

        last, pages = await listed.page(Window(2)), 1
        while last.next is not None:
            last, pages = await listed.page(last.next), pages + 1

        assert await listed.walk(2) == items[::-1]
        assert pages == max(1, (size + 1) // 2)
        if last.prev is not None:
            assert await listed.walk(2, back_from=last.prev) + [*last.items] == items[::-1]

    @KINDS
    async def test_lists_are_ordered_by_engagements_and_not_by_posts(self, stores: Stores, kind: str) -> None:
        if kind in {"who likes", "who reposts"}:
            return
        listed = await a_list(stores, kind)
        posts = [await stores.add_post(author=listed.of) for _ in range(4)]
        for index in (2, 0, 3, 1):
            await listed._set(posts[index].id)

        assert await listed.walk(3) == [posts[index].id for index in (1, 3, 0, 2)]

    @KINDS
    async def test_a_list_belongs_to_one_post_or_one_user(self, stores: Stores, kind: str) -> None:
        listed, other = await a_list(stores, kind), await a_list(stores, kind)
        mine = await listed.add()
        await other.add()

        assert await listed.walk(10) == [mine]

    @KINDS
    @given(size=st.integers(0, 10), limit=st.integers(1, 4), changes=CHANGES)
    async def test_ap4_items_that_stay_are_listed_once_while_others_come_and_go(
        self, stores: Stores, kind: str, size: int, limit: int, changes: list[list[tuple[int, bool]]]
    ) -> None:
        listed = await a_list(stores, kind)
        items = [await listed.add() for _ in range(size)]
        throughout, to_come = set(items), iter(changes)
        given_: list[int] = []
        window: Window | None = Window(limit)
        while window is not None:
            shown = await listed.page(window)
            assert len(shown.items) <= limit
            given_ += shown.items
            window = shown.next
            for change, deleted in next(to_come, []):
                if change > 0:
                    items += [await listed.add() for _ in range(change)]
                elif items and -change < len(items):
                    gone = items.pop(-change)
                    throughout.discard(gone)
                    await listed.remove(gone, deleted=deleted)

        assert len(set(given_)) == len(given_), "none twice"
        assert [item for item in given_ if item in throughout] == [
            item for item in items[::-1] if item in throughout
        ], "none is missed, and all in order"

    @pytest.mark.parametrize("engagement", [Engagement.LIKE, Engagement.BOOKMARK])
    async def test_az5_hidden_posts_are_left_out_before_the_limit(
        self, stores: Stores, engagement: Engagement
    ) -> None:
        ann = UserId(new_id())
        shown = await stores.add_post()
        hidden = [
            a_post(visibility=Visibility.DIRECT),
            a_post(visibility=Visibility.FOLLOWERS),
            a_post(text="", deleted=True),
            a_post(author=shown.author),
        ]
        async with stores.posts.open_tx() as tx:
            for post in hidden:
                await tx.posts.add(post)
        for post in [shown, *hidden]:
            await engage(stores, engagement, post.id, ann)

        viewer_context = ViewerContext(ann, blocked=frozenset({shown.author}))
        assert [
            one.post.id
            for one in await stores.posts.engagements.posts(engagement, ann, Window(1), ViewerContext(ann))
        ] == [
            hidden[3].id,
            shown.id,
        ]
        assert await stores.posts.engagements.posts(engagement, ann, Window(1), viewer_context) == []

    @pytest.mark.parametrize("engagement", [Engagement.LIKE, Engagement.REPOST])
    async def test_az3_blocked_and_muted_users_are_left_out_before_the_limit(
        self, stores: Stores, engagement: Engagement
    ) -> None:
        post, (ann, shown, blocked, muted) = await stores.add_post(), [UserId(new_id()) for _ in range(4)]
        for user in (shown, blocked, muted):
            await engage(stores, engagement, post.id, user)
        viewer_context = ViewerContext(ann, blocked=frozenset({blocked}), muted=frozenset({muted}))

        people = await stores.posts.engagements.users(engagement, post.id, Window(1), viewer_context)

        assert [one.user for one in people] == [shown]

    async def test_a_hidden_pinned_post_is_not_listed(self, stores: Stores) -> None:
        post = await stores.add_post(visibility=Visibility.FOLLOWERS, pin=new_id())

        assert await stores.posts.engagements.pinned(post.author, Window(5), ViewerContext()) == []
        assert (
            len(await stores.posts.engagements.pinned(post.author, Window(5), ViewerContext(post.author)))
            == 1
        )

    async def test_a_listed_post_equals_the_post_that_is_read_alone(self, stores: Stores) -> None:
        post, ann = await stores.add_post(reposts=3, pin=new_id()), UserId(new_id())
        for engagement in Engagement:
            await engage(stores, engagement, post.id, ann)

        alone = await stores.read(post.id, ann)

        for engagement in Engagement:
            assert [
                one.post
                for one in await stores.posts.engagements.posts(
                    engagement, ann, Window(5), ViewerContext(ann)
                )
            ] == [alone]
        pinned = await stores.posts.engagements.pinned(post.author, Window(5), ViewerContext(ann))
        assert [(one.position, one.post) for one in pinned] == [(post.pin, alone)]
