"""Cursors for new entries of a feed, such that a client misses none and gets none twice.

Ids order by time of creation, not by commit: when an entry is read, one with a smaller id may still be uncommitted. The
edge of the cursor therefore stays behind, where everything has arrived, and the cursor lists the ids beyond the edge
that the client already has."""

from collections.abc import Collection
from datetime import datetime, timedelta

from application.shared.paging import Window
from domain.shared import MAX_ID

SETTLED = timedelta(seconds=10)
"""After this time a transaction has ended, and its entries have reached the timelines."""
MAX_SEEN = 40
"""Most ids that a cursor lists. If more entries arrived within SETTLED, the edge moves up to them."""


def settled(now: datetime) -> int:
    """Every id up to this one is committed, or never will be."""
    return int((now - SETTLED).timestamp() * 1000) << 16


def newer(limit: int, given: Collection[int], bottom: int, top: int, settled: int) -> Window:
    """The window of the entries that follow a page.

    `given` are the ids that the reader has: all of those with bottom < id <= top that had arrived. `top` is MAX_ID if
    the page went up to the newest entry."""
    edge = max(bottom, min(settled, top))
    beyond = sorted((id_ for id_ in given if id_ > edge), reverse=True)
    if len(beyond) > MAX_SEEN:
        edge = min(beyond[MAX_SEEN], top)
        beyond = [id_ for id_ in beyond if id_ > edge]
    return Window(limit, min(edge, MAX_ID), back=True, seen=tuple(beyond))
