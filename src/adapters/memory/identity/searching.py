"""Searches accounts by name, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.memory.paging import window_of
from adapters.memory.store import Store
from application.identity.searching import FoundPerson, PeopleQuery, words_of_name
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.identity import Account
from domain.shared import MAX_ID, ViewerContext


@dataclass(frozen=True, slots=True)
class MemoryPeopleSearch:
    store: Store

    async def people(
        self, query: PeopleQuery, window: Window, viewer_context: ViewerContext
    ) -> Sequence[FoundPerson]:
        found = (
            FoundPerson(
                MAX_ID - 1 if account.username == query.username else account.id,
                AuthorCard(account.id, account.username, account.display_name),
            )
            for account in self.store.all("accounts")
            if account.id not in viewer_context.blocked and _is_found(query, account)
        )
        return window_of(found, window, lambda one: one.place, newest_first=True)


def _is_found(query: PeopleQuery, account: Account) -> bool:
    if query.username is not None and account.username.startswith(query.username):
        return True
    beginning = query.beginning
    if beginning is None:
        return False
    names = words_of_name(account.username, account.display_name)
    return names.issuperset(query.words) and any(word.startswith(beginning) for word in names)
