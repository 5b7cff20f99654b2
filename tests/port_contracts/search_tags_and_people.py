"""The contract of searching hashtags and people: every store finds the same, whatever its index."""

from dataclasses import replace

import pytest

from adapters.text import graphemes
from application.identity.searching import PeopleQuery
from application.posts.searching import FoundTag, TagWindow
from application.shared.paging import Window
from domain.posts import Visibility
from domain.shared import UserId, ViewerContext, made_at
from tests.port_contracts.posts import remove
from tests.port_contracts.search import FIND_ALL, salt, says
from tests.port_contracts.stores import Stores, new_id

# --- Hashtags -----------------------------------------------------------------------------------------


async def tags(
    stores: Stores,
    beginning: str,
    viewer_context: ViewerContext | None = None,
    window: TagWindow | None = None,
) -> list[FoundTag]:
    window = window or TagWindow(FIND_ALL)
    return list(await stores.posts.search.hashtags(beginning, window, viewer_context or ViewerContext()))


class TagSearchContract:
    async def test_tags_are_found_by_their_beginning_in_order(self, stores: Stores) -> None:
        rare = salt()
        await says(stores, f"#{rare}b #{rare}a #{rare}é #{rare}東")
        await says(stores, f"#{rare}B #x{rare}")

        found = await tags(stores, rare)

        assert found == [
            FoundTag(f"{rare}{end}", count) for end, count in (("a", 1), ("b", 2), ("é", 1), ("東", 1))
        ]

    async def test_tags_are_found_without_their_accents(self, stores: Stores) -> None:
        rare = salt()
        await says(stores, f"#{rare}łódź #{rare}lodz #{rare}Lodž #{rare}m #{rare}スター・ウォーズ #{rare}ﷺ")

        alike = [FoundTag(f"{rare}{end}", 1) for end in ("lodz", "lodž", "łódź")]
        for beginning in ("l", "Łó", "LODZ", "łódź"):
            assert await tags(stores, f"{rare}{beginning}".casefold()) == alike, beginning
        assert await tags(stores, f"{rare}スターウ") == [FoundTag(f"{rare}スター・ウォーズ", 1)]
        assert await tags(stores, f"{rare}ص") == [FoundTag(f"{rare}ﷺ", 1)]

    async def test_a_tag_of_hidden_posts_only_is_not_found(self, stores: Stores) -> None:
        rare, viewer = salt(), UserId(new_id())
        for narrow in (Visibility.UNLISTED, Visibility.FOLLOWERS, Visibility.DIRECT):
            await says(stores, f"#{rare}a #{rare}b", visibility=narrow, mentioned=frozenset({viewer}))
        deleted, private, gone, blocked, muted, shown = [
            await says(stores, f"#{rare}{end}") for end in ("c", "d", "e", "f", "g", "b")
        ]
        await remove(stores, deleted)
        async with stores.posts.open_tx() as tx:
            await tx.authors.set_private(private.author, 2, private=True)
            await tx.authors.set_deleted(gone.author)
        viewer_context = ViewerContext(
            viewer,
            follows=frozenset({private.author, shown.author}),
            blocked=frozenset({blocked.author}),
            muted=frozenset({muted.author}),
        )

        assert await tags(stores, rare, viewer_context) == [FoundTag(f"{rare}b", 1)]

    async def test_tags_of_one_s_own_hidden_posts_are_not_found(self, stores: Stores) -> None:
        rare = salt()
        post = await says(stores, f"#{rare}", visibility=Visibility.DIRECT)

        assert await tags(stores, rare, ViewerContext(post.author)) == []

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_pages_of_tags_are_read_in_both_directions(self, stores: Stores, limit: int) -> None:
        rare = salt()
        names = [f"{rare}{end}" for end in ("a", "lodz", "łódz", "łódź", "z")]
        await says(stores, " ".join(f"#{name}" for name in names))

        for at in range(len(names)):
            on = await tags(stores, rare, window=TagWindow(limit, names[at]))
            back = await tags(stores, rare, window=TagWindow(limit, names[at], back=True))
            assert [found.tag for found in on] == names[at + 1 : at + 2 + limit]
            assert [found.tag for found in back] == names[max(at - limit - 1, 0) : at]


# --- People --------------------------------------------------------------------------------------------


async def people(
    stores: Stores, asked: str, viewer_context: ViewerContext | None = None, window: Window | None = None
) -> list[UserId]:
    query = PeopleQuery.parsed(asked, graphemes)
    found = await stores.identity.people_search.people(
        query, window or Window(FIND_ALL), viewer_context or ViewerContext()
    )
    return [one.card.id for one in found]


class PeopleSearchContract:
    async def test_people_are_found_by_the_beginnings_of_their_names(self, stores: Stores) -> None:
        rare = salt()
        ann = await stores.add_account(username=f"{rare}_ann", display_name="Zoë Müller")
        bob = await stores.add_account(display_name=f"Bob {rare}son 田中")

        assert await people(stores, rare) == [bob.id, ann.id]
        assert await people(stores, f"@{rare}") == [ann.id]
        assert await people(stores, f"{rare}s") == await people(stores, f"bob {rare}") == [bob.id]
        assert (
            await people(stores, f"{rare}son 田中") == await people(stores, f"田中 {rare}son b") == [bob.id]
        )
        assert await people(stores, f"bo {rare}") == await people(stores, f"@{rare}son") == []

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("Łukasz Đặng", "lukasz dang"),
            ("Søren Ærø", "soren ae"),
            ("Işık Groß", "isik gross"),
            ("Þór Cœur", "thor coeur"),
        ],
    )
    async def test_people_are_found_without_accents(self, stores: Stores, name: str, asked: str) -> None:
        rare = salt()
        person = await stores.add_account(display_name=f"{rare} {name}")

        assert (
            await people(stores, f"{rare} {asked}") == await people(stores, f"{rare} {name}") == [person.id]
        )

    async def test_the_exact_username_comes_first(self, stores: Stores) -> None:
        rare = salt()
        first, exact, last = [await stores.add_account(username=f"{rare}{end}") for end in ("b", "", "a")]

        assert await people(stores, rare.upper()) == [exact.id, last.id, first.id]
        assert await people(stores, rare, window=Window(1, exact.id + 1)) == [first.id]

    async def test_an_edited_profile_is_found_by_its_current_name(self, stores: Stores) -> None:
        old, new = salt(), salt()
        ann = await stores.add_account(display_name=old)

        async with stores.identity.open_tx() as tx:
            await tx.accounts.save(replace(await tx.accounts.get(ann.id), display_name=new))

        assert (await people(stores, old), await people(stores, new)) == ([], [ann.id])

    async def test_di7_a_deleted_account_is_not_found(self, stores: Stores) -> None:
        rare = salt()
        ann = await stores.add_account(username=rare, display_name=rare)

        async with stores.identity.open_tx() as tx:
            await tx.accounts.remove(ann, made_at(new_id()))

        assert await people(stores, rare) == []

    async def test_blocked_users_are_left_out_and_muted_ones_are_not(self, stores: Stores) -> None:
        rare = salt()
        blocked, muted = [await stores.add_account(display_name=rare) for _ in range(2)]

        viewer_context = ViewerContext(
            UserId(1), blocked=frozenset({blocked.id}), muted=frozenset({muted.id})
        )

        assert await people(stores, rare, viewer_context) == [muted.id]
