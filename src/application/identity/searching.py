"""Finding people by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.shared import CountGraphemes, FieldError, Invalid, UserId, ViewerContext
from domain.words import check_length, phrase, words

MAX_TERMS = 10
_USERNAME = re.compile(r"[a-z0-9_]{1,30}")


def words_of_name(username: str, display_name: str) -> frozenset[str]:
    """What somebody is found by: the words of both names, and the username itself with the sign of a mention,
    which no word has."""
    return frozenset({*words(display_name), *words(username), f"@{username}"})


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Somebody whose username begins with `username`, or whose names have all of `words` and one that begins
    with `beginning`. None is not asked for."""

    username: str | None
    words: tuple[str, ...] = ()
    beginning: str | None = None

    @classmethod
    def parsed(cls, raw: str, graphemes: CountGraphemes) -> "PeopleQuery":
        """Raises Invalid for what is too long, has too many words, or none."""
        check_length(raw, graphemes)
        asked = raw.strip()
        name = asked.removeprefix("@").lower()
        username = name if _USERNAME.fullmatch(name) else None
        if username is not None and asked[0] == "@":
            return cls(username)
        found = phrase(asked, prefix=True)
        if found is None and username is None:
            raise Invalid(
                FieldError("?q", "nothing_to_find", "there is no word in it that could be looked for")
            )
        if found is None:
            return cls(username)
        *others, last = found.words
        if len(set(others)) >= MAX_TERMS:
            raise Invalid(FieldError("?q", "too_many_terms", f"at most {MAX_TERMS} words"))
        return cls(username, tuple(sorted(set(others))), last)


@dataclass(frozen=True, slots=True)
class FoundPerson:
    place: int
    """Orders what is found."""
    card: AuthorCard


class PeopleSearch(Protocol):
    async def people(
        self, query: PeopleQuery, window: Window, viewer_context: ViewerContext
    ) -> Sequence[FoundPerson]:
        """Whom the query finds: first whoever has exactly this username, then who came last. Without those that
        are blocked, either way; one more than the window's limit if there is one. Raises Unavailable for a
        query that takes too long."""
        ...


@dataclass(frozen=True, slots=True)
class SearchPeople:
    """People, by the beginning of a username or by words of their names. Raises Invalid."""

    search: PeopleSearch
    viewer_contexts: ViewerContexts
    graphemes: CountGraphemes

    async def __call__(self, viewer: UserId | None, asked: str, window: Window) -> Page[AuthorCard]:
        query = PeopleQuery.parsed(asked, self.graphemes)
        found = await self.search.people(query, window, await self.viewer_contexts.of(viewer))
        listed = page(found, window, lambda one: one.place, newest_first=True)
        return Page([one.card for one in listed.items], listed.next, listed.prev)
