"""Pages of a list that is ordered by id, and the cursors that lead from one to the next."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request

from application.feeds.polling import MAX_SEEN
from application.shared.paging import Page, Window, page
from entrypoints.http.errors import CursorInvalid, QueryInvalid
from entrypoints.http.paging import MAX_CURSOR, OF_PAGES, REPEATED, Pager

IDS = st.sets(st.integers(1, 60), max_size=25)


def read(ids: set[int], window: Window, *, newest_first: bool) -> Page[int]:
    """The page of a list of ids, read as a store reads it."""
    falling = newest_first != window.back
    rows = sorted(ids, reverse=falling)
    if window.edge is not None:
        rows = [id_ for id_ in rows if (id_ < window.edge if falling else id_ > window.edge)]
    rows = rows[: window.limit + 1]
    return page(rows[::-1] if window.back else rows, window, lambda id_: id_, newest_first=newest_first)


@given(ids=IDS, limit=st.integers(1, 6), newest_first=st.booleans())
def test_the_pages_are_the_list_forwards_and_backwards(ids: set[int], limit: int, newest_first: bool) -> None:
    expected = sorted(ids, reverse=newest_first)

    pages = [read(ids, Window(limit), newest_first=newest_first)]
    while (window := pages[-1].next) is not None:
        pages.append(read(ids, window, newest_first=newest_first))
    back = [pages[-1]]
    while (window := back[-1].prev) is not None:
        back.append(read(ids, window, newest_first=newest_first))

    assert [id_ for page in pages for id_ in page.items] == expected
    assert [id_ for page in reversed(back) for id_ in page.items] == expected
    assert all(len(page.items) == limit for page in pages[:-1]), "a short page is the last"
    assert all(len(page.items) == limit for page in back[1:-1])
    assert pages[0].prev is None


@given(ids=IDS, limit=st.integers(1, 6), newest_first=st.booleans(), edge=st.integers(0, 61))
def test_from_any_edge_the_list_is_found_on_both_sides(
    ids: set[int], limit: int, newest_first: bool, edge: int
) -> None:
    """Whether or not it is in the list any more."""
    here = read(ids, Window(limit, edge), newest_first=newest_first)

    before = [*here.items]
    window = here.prev
    while window is not None:
        page = read(ids, window, newest_first=newest_first)
        before = [*page.items, *before]
        window = page.prev
    after: list[int] = []
    window = here.next
    while window is not None:
        page = read(ids, window, newest_first=newest_first)
        after += page.items
        window = page.next

    assert before + after == sorted(ids, reverse=newest_first)


@given(ids=IDS, limit=st.integers(1, 6), newest_first=st.booleans(), edge=st.integers(0, 61))
def test_from_any_edge_back_and_on_again_comes_where_it_was(
    ids: set[int], limit: int, newest_first: bool, edge: int
) -> None:
    back = read(ids, Window(limit, edge, back=True), newest_first=newest_first)
    before = [id_ for id_ in ids if (id_ > edge if newest_first else id_ < edge)]

    assert back.next is not None
    on = read(ids, back.next, newest_first=newest_first)

    assert set(back.items) <= set(before)
    assert len(back.items) == min(limit, len(before))
    assert not set(on.items) & set(back.items)


# --- Cursors ----------------------------------------------------------------------------------------

PAGER = Pager(b"k" * 32, "https://waggle.example.org")


LIST = "/api/v1/users/7/posts"


def request(path: str = LIST, query: str = "") -> Request[Any, Any, Any]:
    return Request({"type": "http", "path": path, "query_string": query.encode(), "headers": []})  # type: ignore[arg-type]


EDGES = st.integers(-1, 2**63 - 1)
WINDOWS = st.builds(Window, st.just(20), EDGES, st.booleans())
FEED_WINDOWS = st.builds(
    Window, st.just(20), EDGES, st.just(True), st.lists(EDGES, max_size=MAX_SEEN).map(tuple)
)


@given(window=WINDOWS)
def test_a_cursor_leads_where_it_was_made_for(window: Window) -> None:
    cursor = PAGER.cursor(LIST, window)

    assert PAGER.window(request(), 20, cursor) == window
    assert len(cursor) <= 64


@given(window=FEED_WINDOWS)
def test_a_cursor_tells_what_was_seen(window: Window) -> None:
    cursor = PAGER.cursor(LIST, window)

    assert PAGER.newer(request(), 20, None, cursor) == window
    assert len(cursor) <= MAX_CURSOR


def test_what_is_new_is_asked_for_with_a_cursor_that_leads_there_and_nothing_else() -> None:
    on, back = PAGER.cursor(LIST, Window(20, 7)), PAGER.cursor(LIST, Window(20, 7, back=True))

    assert PAGER.newer(request(), 20, on, None) == Window(20, 7)
    with pytest.raises(CursorInvalid):
        PAGER.newer(request(), 20, None, on)
    with pytest.raises(QueryInvalid):
        PAGER.newer(request(), 20, back, back)


def test_without_a_cursor_a_list_begins_where_it_begins() -> None:
    assert PAGER.window(request(), 20, None) == Window(20)


CURSOR = PAGER.cursor(LIST, Window(20, 115_000_000_000_000_001))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "====",
        "AAAA",
        CURSOR[:-1],
        CURSOR + "A",
        CURSOR * 2,
        "é",
        "\ud800",
        "\0",
        "null",
        "0",
        "A" * 1_000_000,
    ],
    ids=range(14),
)
def test_what_no_list_gave_out_is_no_cursor(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        PAGER.window(request(), 20, cursor)


@given(position=st.integers(0, len(CURSOR) - 1), char=st.characters(codec="latin-1"))
def test_a_cursor_with_another_character_is_none_or_the_same(position: int, char: str) -> None:
    changed = CURSOR[:position] + char + CURSOR[position + 1 :]
    try:
        window = PAGER.window(request(), 20, changed)
    except CursorInvalid:
        return
    assert window == PAGER.window(request(), 20, CURSOR)


def test_the_cursor_of_one_list_is_none_of_another() -> None:
    with pytest.raises(CursorInvalid):
        PAGER.window(request("/api/v1/users/8/posts"), 20, CURSOR)


def test_the_cursor_of_one_server_is_none_of_another() -> None:
    with pytest.raises(CursorInvalid):
        Pager(b"l" * 32, PAGER.url).window(request(), 20, CURSOR)


def test_a_cursor_names_no_secret() -> None:
    assert PAGER.key not in urlsafe_b64decode(CURSOR + "==")


def test_links_repeat_all_parameters_of_all_lists() -> None:
    described = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text(encoding="utf-8"))
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    asked = [
        {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        for operation in operations
    ]
    lists = [names for names in asked if "cursor" in names]

    for_no_page = {"after", "epoch"}  # the twin of the stream, at the address of a list
    assert set().union(*lists) == REPEATED | OF_PAGES | for_no_page
