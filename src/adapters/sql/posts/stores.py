"""The stores of posts in SQL."""

from adapters.sql.posts.authors import SqlRestrictedAuthors
from adapters.sql.posts.counters import SqlAuthored, SqlCounters
from adapters.sql.posts.engagements import SqlEngagementsReader
from adapters.sql.posts.entries import SqlEntries
from adapters.sql.posts.parts import SqlPostParts
from adapters.sql.posts.purging import PurgePosts
from adapters.sql.posts.reading import SqlPostsReader
from adapters.sql.posts.row_cards import PostCards
from adapters.sql.posts.searching import SqlSearch
from adapters.sql.posts.writing import transactions
from adapters.sql.technology import Sql
from application.posts.stores import PostsStores


def stores(sql: Sql) -> PostsStores:
    database, cards = sql.database, PostCards(sql.readings)
    return PostsStores(
        open_tx=transactions(database, sql.new_id),
        reader=SqlPostsReader(database),
        parts=SqlPostParts(database, cards),
        engagements=SqlEngagementsReader(database),
        counters=SqlCounters(database),
        search=SqlSearch(database),
        feed_entries=SqlEntries(database, cards),
        authored=SqlAuthored(database),
        restricted_authors=SqlRestrictedAuthors(database),
        purge_expired=PurgePosts(database),
    )
