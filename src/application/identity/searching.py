"""Search for accounts by name."""

import re
from collections.abc import Sequence
from typing import Protocol

from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.shared import CountGraphemes, FieldError, Invalid, UserId, ViewerContext
from domain.words import check_length, phrase, words

MAX_TERMS = 10
_USERNAME = re.compile(r"[a-z0-9_]{1,30}")


def words_of_name(username: str, display_name: str) -> frozenset[str]:
    """The search terms of an account: the words of both names, and the username with a leading @, which no word has."""
    return frozenset({*words(display_name), *words(username), f"@{username}"})


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Matches accounts whose username begins with `username`, and accounts whose names contain all of `words` and a word
    that begins with `beginning`. None matches nothing."""

    username: str | None
    words: tuple[str, ...] = ()
    beginning: str | None = None

    @classmethod
    def parsed(cls, raw: str, graphemes: CountGraphemes) -> "PeopleQuery":
        """Raises Invalid for a query that is too long, has too many words, or has none."""
        check_length(raw, graphemes)
        asked = raw.strip()
        name = asked.removeprefix("@").lower()
        username = name if _USERNAME.fullmatch(name) else None
        if username is not None and asked[0] == "@":
            return cls(username)
        found = phrase(asked, prefix=True)
        if found is None and username is None:
            raise Invalid(FieldError("?q", "nothing_to_find", "the query contains no word to search for"))
        if found is None:
            return cls(username)
        *others, last = found.words
        if len(set(others)) >= MAX_TERMS:
            raise Invalid(FieldError("?q", "too_many_terms", f"at most {MAX_TERMS} words"))
        return cls(username, tuple(sorted(set(others))), last)


@dataclass(frozen=True, slots=True)
class FoundPerson:
    place: int
    """The position in the order of the results."""
    card: AuthorCard


class PeopleSearch(Protocol):
    async def people(
        self, query: PeopleQuery, window: Window, viewer_context: ViewerContext
    ) -> Sequence[FoundPerson]:
        """The accounts that match: first the one with exactly this username, then the newest. Accounts that the viewer
        blocks, or that block the viewer, are left out. Returns one more than the window's limit if there is one. Raises
        Unavailable for a query that takes too long."""
        ...


@dataclass(frozen=True, slots=True)
class SearchPeople:
    """Search for accounts by the beginning of the username or by words of their names. Raises Invalid, Unavailable."""

    search: PeopleSearch
    viewer_contexts: ViewerContexts
    graphemes: CountGraphemes

    async def __call__(self, viewer: UserId | None, asked: str, window: Window) -> Page[AuthorCard]:
        query = PeopleQuery.parsed(asked, self.graphemes)
        found = await self.search.people(query, window, await self.viewer_contexts.of(viewer))
        listed = page(found, window, lambda one: one.place, newest_first=True)
        return Page([one.card for one in listed.items], listed.next, listed.prev)
