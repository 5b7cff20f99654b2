"""Searches accounts by name: in a table of words, by prefix."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, String, bindparam, case, func, literal_column, not_, or_, select

from adapters.sql.database import Database
from adapters.sql.identity.tables import accounts
from adapters.sql.identity.words import name_words
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, NameList, among
from application.identity.searching import FoundPerson, PeopleQuery
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.shared import MAX_ID, UserId, ViewerContext

_END = "\U0010ffff"
_NOTHING = "!"
"""No word begins with this character."""

_named = select(name_words.c.user_id).where(
    name_words.c.word.between(bindparam("name", type_=String), bindparam("name_end", type_=String))
)
_other = name_words.alias("other")
_others = (
    select(func.count())
    .where(
        _other.c.user_id == name_words.c.user_id, among(_other.c.word, bindparam("others", type_=NameList))
    )
    .correlate(name_words)
    .scalar_subquery()
)
_many = bindparam("many", type_=Integer)
_worded = select(name_words.c.user_id).where(
    name_words.c.word.between(bindparam("word", type_=String), bindparam("word_end", type_=String)),
    # Without other words the count is skipped: it would run for every account that has a frequent word.
    or_(_many == literal_column("0"), _others == _many),
)
_either = _named.union(_worded).subquery("either")
"""Joined below and not used with IN: with two such conditions PostgreSQL scans all accounts."""
_place = case(
    (accounts.c.username == bindparam("exactly", type_=String), literal_column(str(MAX_ID - 1), Id)),
    else_=accounts.c.id,
).label("place")
_found = (
    select(_place, accounts.c.id, accounts.c.username, accounts.c.display_name)
    .join(_either, _either.c.user_id == accounts.c.id)
    .where(not_(among(accounts.c.id, bindparam("blocked", type_=IdList))))
    .subquery("found")
)
_people = Keyset(select(_found), _found.c.place, newest_first=True)


@dataclass(frozen=True, slots=True)
class SqlPeopleSearch:
    database: Database

    async def people(
        self, query: PeopleQuery, window: Window, viewer_context: ViewerContext
    ) -> Sequence[FoundPerson]:
        # If the query is a single word, the word search also finds the usernames that begin with it.
        by_name = query.username is not None and query.username != query.beginning
        name = f"@{query.username}" if by_name else _NOTHING
        word = _NOTHING if query.beginning is None else query.beginning
        params = {
            "name": name,
            "name_end": name + _END,
            "word": word,
            "word_end": word + _END,
            "others": [*query.words],
            "many": len(query.words),
            "exactly": query.username or "",
            "blocked": [*viewer_context.blocked],
        }
        rows = await _people.rows(self.database, window, params, slow=True)
        return [FoundPerson(place, AuthorCard(UserId(id_), name, shown)) for place, id_, name, shown in rows]
