"""Where to ask again for what is new in a feed, so that nothing is missed and nothing comes twice.

Ids order by time and not by commit: when an entry is read, one with a smaller id may still be on its way.
So the edge stays behind, where everything has arrived, and what was given beyond it is told by its id.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from application.shared.paging import Window
from domain.shared import MAX_ID

SETTLED = timedelta(seconds=10)
"""By then a transaction has ended, and what it published has come to the timelines."""
MAX_SEEN = 40
"""As many ids as a cursor holds. Where more came within SETTLED the edge moves up to them."""


def settled(now: datetime) -> int:
    """Ids up to this one belong to what is committed, if it ever will be."""
    return int((now - SETTLED).timestamp() * 1000) << 16


def newer(limit: int, given: Collection[int], bottom: int, top: int, settled: int) -> Window:
    """The window of what comes after a page. `given` are the ids that the reader has, all of those with
    bottom < id <= top that had arrived; `top` is MAX_ID if the page went up to the newest."""
    edge = max(bottom, min(settled, top))
    beyond = sorted((id_ for id_ in given if id_ > edge), reverse=True)
    if len(beyond) > MAX_SEEN:
        edge = min(beyond[MAX_SEEN], top)
        beyond = [id_ for id_ in beyond if id_ > edge]
    return Window(limit, min(edge, MAX_ID), back=True, seen=tuple(beyond))
