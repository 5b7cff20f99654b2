"""Pages of a list that is ordered by id, and the cursors that lead from one to the next."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request

from application.feeds.pipeline import MAX_SEEN
from application.shared.paging import Page, Window, page
from entrypoints.access.cursors import MAX_CURSOR, CursorInvalid, Cursors
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.paging import PAGE_PARAMETERS, REPEATED, Pager

IDS = st.sets(st.integers(1, 60), max_size=25)


def read(ids: set[int], window: Window, *, newest_first: bool) -> Page[int]:
    """The page of a list of ids, read as a store reads it."""
    descending = newest_first != window.back
    rows = sorted(ids, reverse=descending)
    if window.edge is not None:
        rows = [id_ for id_ in rows if (id_ < window.edge if descending else id_ > window.edge)]
    rows = rows[: window.limit + 1]
    return page(rows[::-1] if window.back else rows, window, lambda id_: id_, newest_first=newest_first)


@given(ids=IDS, limit=st.integers(1, 6), newest_first=st.booleans())
def test_pages_forwards_and_backwards_contain_the_whole_list(
    ids: set[int], limit: int, newest_first: bool
) -> None:
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
def test_pages_on_both_sides_of_any_edge_make_the_whole_list(
    ids: set[int], limit: int, newest_first: bool, edge: int
) -> None:
    """Whether or not the edge is still in the list."""
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
def test_going_back_and_on_again_repeats_no_item(
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

CURSORS = Cursors(b"k" * 32)
PAGER = Pager(CURSORS, "https://waggle.example.org")


LIST = "/api/v1/users/7/posts"


def request(path: str = LIST, query: str = "") -> Request[Any, Any, Any]:
    return Request({"type": "http", "path": path, "query_string": query.encode(), "headers": []})  # type: ignore[arg-type]


EDGES = st.integers(-1, 2**63 - 1)
WINDOWS = st.builds(Window, st.just(20), EDGES, st.booleans())
FEED_WINDOWS = st.builds(
    Window, st.just(20), EDGES, st.just(True), st.lists(EDGES, max_size=MAX_SEEN).map(tuple)
)


@given(window=WINDOWS)
def test_a_cursor_decodes_to_its_window(window: Window) -> None:
    cursor = CURSORS.encode(LIST, window)

    assert PAGER.window(request(), 20, cursor) == window
    assert len(cursor) <= 64


@given(window=FEED_WINDOWS)
def test_a_cursor_of_a_feed_contains_the_seen_ids(window: Window) -> None:
    cursor = CURSORS.encode(LIST, window)

    assert PAGER.newer(request(), 20, None, cursor) == window
    assert len(cursor) <= MAX_CURSOR


def test_since_takes_a_prev_cursor_and_no_second_cursor() -> None:
    on, back = CURSORS.encode(LIST, Window(20, 7)), CURSORS.encode(LIST, Window(20, 7, back=True))

    assert PAGER.newer(request(), 20, on, None) == Window(20, 7)
    with pytest.raises(CursorInvalid):
        PAGER.newer(request(), 20, None, on)
    with pytest.raises(QueryInvalid):
        PAGER.newer(request(), 20, back, back)


def test_without_a_cursor_the_window_is_the_beginning_of_the_list() -> None:
    assert PAGER.window(request(), 20, None) == Window(20)


CURSOR = CURSORS.encode(LIST, Window(20, 115_000_000_000_000_001))


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
def test_an_invented_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        PAGER.window(request(), 20, cursor)


@given(position=st.integers(0, len(CURSOR) - 1), char=st.integers(0, 255).map(chr))
def test_a_cursor_with_a_changed_character_is_refused_or_equivalent(position: int, char: str) -> None:
    changed = CURSOR[:position] + char + CURSOR[position + 1 :]
    try:
        window = PAGER.window(request(), 20, changed)
    except CursorInvalid:
        return
    assert window == PAGER.window(request(), 20, CURSOR)


def test_the_cursor_of_one_list_is_refused_by_another() -> None:
    with pytest.raises(CursorInvalid):
        PAGER.window(request("/api/v1/users/8/posts"), 20, CURSOR)


def test_a_cursor_signed_with_another_key_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        Cursors(b"l" * 32).window(LIST, 20, CURSOR)


def test_a_cursor_does_not_contain_the_key() -> None:
    assert CURSORS.key not in urlsafe_b64decode(CURSOR + "==")


def test_links_repeat_every_parameter_of_every_list() -> None:
    described = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text(encoding="utf-8"))
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    asked = [
        {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        for operation in operations
    ]
    lists = [names for names in asked if "cursor" in names]

    not_paged = {"after", "epoch"}  # the alternative to the stream, at the address of a list
    assert set().union(*lists) == REPEATED | PAGE_PARAMETERS | not_paged
