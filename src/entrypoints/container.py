"""The composition root: the one place that knows every adapter."""

import asyncio
import os
import time
from typing import Any

from dependency_injector import containers, providers

from adapters import clock, text
from adapters.bridges import AuthorshipOfPosts, PeopleOfIdentity
from adapters.ids import IdAllocator
from adapters.memory import identity as memory_identity
from adapters.memory import outbox as memory_outbox
from adapters.memory import posts as memory_posts
from adapters.memory.limits import MemoryLimiter, NoLimiter
from adapters.memory.store import Store
from adapters.security.common_passwords import CommonPasswords
from adapters.security.passwords import BcryptPasswords
from adapters.security.sealing import Secrets
from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, SigningKeys, make_key
from adapters.sql import identity as sql_identity
from adapters.sql import outbox as sql_outbox
from adapters.sql import posts as sql_posts
from adapters.sql.database import Database
from application.identity import commands as identity_commands
from application.identity import keys as identity_keys
from application.identity import passwords as identity_passwords
from application.identity import queries as identity_queries
from application.identity import sessions as identity_sessions
from application.identity.accounts import DeleteAccount, EditProfile
from application.identity.reactions import CountPosts
from application.identity.repair import RepairAccounts
from application.identity.throttle import Throttle
from application.posts import deleting, editing, marked, marking, publishing, repair, threads
from application.posts import queries as posts_queries
from application.posts.erasing import EraseAuthor, SweepGone
from application.posts.reactions import RestrictAuthor
from application.shared.events import AccountDeleted, PostDeleted, ProfileChanged, Published
from application.shared.relay import Relay

Single, Object = providers.Singleton, providers.Object


class Identity(containers.DeclarativeContainer):
    """The use cases of identity, by the names that handlers ask for."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    authorship: providers.Dependency[Any] = providers.Dependency()
    passwords: providers.Dependency[Any] = providers.Dependency()
    new_password: providers.Dependency[Any] = providers.Dependency()
    access_tokens: providers.Dependency[Any] = providers.Dependency()
    refresh_tokens: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()
    graphemes: providers.Dependency[Any] = providers.Dependency()
    throttle: providers.Dependency[Any] = providers.Dependency()

    authenticate = Single(identity_queries.Authenticate, access_tokens, reader, now, Object(time.monotonic))
    sessions = Single(
        identity_sessions.SessionMaker, now, new_id, Object(os.urandom), access_tokens, refresh_tokens
    )
    register = Single(
        identity_commands.Register,
        open_tx,
        passwords,
        new_password,
        sessions,
        new_id,
        graphemes,
        throttle,
    )
    log_in = Single(identity_sessions.LogIn, open_tx, reader, passwords, sessions, throttle)
    refresh = Single(identity_sessions.Refresh, open_tx, sessions, now)
    log_out = Single(identity_sessions.LogOut, open_tx, now, authenticate.provided.sessions_ended)
    log_out_elsewhere = Single(
        identity_sessions.LogOutElsewhere, open_tx, now, authenticate.provided.sessions_ended
    )
    log_out_everywhere = Single(
        identity_sessions.LogOutEverywhere, open_tx, now, authenticate.provided.sessions_ended
    )
    check_password = Single(identity_passwords.CheckPassword, reader, passwords, throttle)
    confirm_password = Single(identity_passwords.ConfirmPassword, open_tx, check_password, now)
    change_password = Single(
        identity_passwords.ChangePassword,
        open_tx,
        reader,
        check_password,
        passwords,
        new_password,
        now,
        authenticate.provided.sessions_ended,
    )
    list_sessions = Single(identity_queries.ListSessions, reader, now)
    edit_profile = Single(EditProfile, open_tx, graphemes)
    delete_account = Single(DeleteAccount, open_tx, now, authenticate.provided.sessions_ended)
    read_account = Single(identity_queries.ReadAccount, reader)
    read_profile = Single(identity_queries.ReadProfile, reader)
    count_posts = Single(CountPosts, open_tx)
    repair_accounts = Single(RepairAccounts, open_tx, authorship)


class Posts(containers.DeclarativeContainer):
    """The use cases of posts."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    marks: providers.Dependency[Any] = providers.Dependency()
    counters: providers.Dependency[Any] = providers.Dependency()
    people: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()
    graphemes: providers.Dependency[Any] = providers.Dependency()

    present = Single(posts_queries.Present, people)
    publish_post = Single(publishing.PublishPost, open_tx, people, new_id, graphemes)
    delete_post = Single(deleting.DeletePost, open_tx)
    mark_post = Single(marking.MarkPost, open_tx, new_id)
    pin_post = Single(marking.PinPost, open_tx, new_id)
    read_post = Single(posts_queries.ReadPost, reader, present)
    list_by_author = Single(posts_queries.ListByAuthor, reader, people, present)
    restrict_author = Single(RestrictAuthor, open_tx)
    erase_author = Single(EraseAuthor, open_tx, Object(time.monotonic))
    sweep_gone = Single(SweepGone, open_tx)
    read_posts = Single(posts_queries.ReadPosts, reader, present)
    read_history = Single(posts_queries.ReadHistory, reader)
    list_comments = Single(threads.ListComments, reader, present)
    read_context = Single(threads.ReadContext, reader, present)
    edit_post = Single(editing.EditPost, open_tx, people, now, graphemes, read_post)
    list_who_marked = Single(marked.ListWhoMarked, reader, marks, people)
    list_marked = Single(marked.ListMarked, marks, present)
    list_pinned = Single(marked.ListPinned, marks, people, present)
    repair_posts = Single(repair.RepairPosts, counters)


class Container(containers.DeclarativeContainer):
    """Waggle in one of its shapes. `config` takes `store` (`memory` or `sql`), `database_url`, `issuer`,
    `site_names`, `password_cost`, `card_ttl`, `limits` (`on` or `off`) and `master_key`."""

    config = providers.Configuration(strict=True)

    now = Object(clock.utc_now)
    graphemes = Object(text.graphemes)
    ids = Single(IdAllocator, Object(time.monotonic))
    secrets = Single(Secrets, config.master_key)
    keys = Single(SigningKeys)
    passwords = Single(BcryptPasswords, config.password_cost)
    access_tokens = Single(JwtAccessTokens, keys, config.issuer)
    refresh_tokens = Single(ChainedRefreshTokens, secrets.provided.key.call("refresh"))

    limiter = providers.Selector(
        config.limits, on=Single(MemoryLimiter, Object(time.monotonic)), off=Single(NoLimiter)
    )

    wake = Single(asyncio.Event)
    store = Single(Store, wake.provided.set)
    database = Single(Database.at, config.database_url, wake.provided.set)

    identity_reader = providers.Selector(
        config.store,
        memory=Single(memory_identity.MemoryIdentityReader, store),
        sql=Single(sql_identity.SqlIdentityReader, database, secrets),
    )
    key_store = providers.Selector(
        config.store,
        memory=Single(memory_identity.MemoryKeyStore, store),
        sql=Single(sql_identity.SqlKeyStore, database),
    )
    posts_reader = providers.Selector(
        config.store,
        memory=Single(memory_posts.MemoryPostsReader, store),
        sql=Single(sql_posts.SqlPostsReader, database),
    )
    outbox_queue = providers.Selector(
        config.store,
        memory=Single(memory_outbox.MemoryOutboxQueue, store, Object(time.monotonic)),
        sql=Single(sql_outbox.SqlOutboxQueue, database),
    )
    make_key = providers.Callable(make_key, secrets)
    list_keys = Single(identity_keys.ListKeys, key_store)
    ensure_keys = Single(identity_keys.EnsureKeys, key_store, make_key.provider, now)
    rotate_keys = Single(identity_keys.RotateKeys, key_store, make_key.provider, now)
    revoke_key = Single(identity_keys.RevokeKey, key_store, make_key.provider, now)
    people = Single(PeopleOfIdentity, identity_reader, Object(time.monotonic), config.card_ttl)

    authorship = Single(
        AuthorshipOfPosts,
        providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryAuthored, store),
            sql=Single(sql_posts.SqlAuthored, database),
        ),
    )

    identity = providers.Container(
        Identity,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_identity.transactions, store, ids),
            sql=Single(sql_identity.transactions, database, secrets, ids),
        ),
        reader=identity_reader,
        authorship=authorship,
        passwords=passwords,
        new_password=Single(identity_passwords.NewPassword, Single(CommonPasswords), config.site_names),
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        new_id=ids,
        now=now,
        graphemes=graphemes,
        throttle=Single(Throttle, limiter, secrets.provided.fingerprint),
    )
    posts = providers.Container(
        Posts,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_posts.transactions, store, ids),
            sql=Single(sql_posts.transactions, database, ids),
        ),
        reader=posts_reader,
        marks=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryMarksReader, store),
            sql=Single(sql_posts.SqlMarksReader, database),
        ),
        counters=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryCounters, store),
            sql=Single(sql_posts.SqlCounters, database),
        ),
        people=people,
        new_id=ids,
        now=now,
        graphemes=graphemes,
    )

    reactions = providers.Dict(
        {
            Published: providers.List(identity.count_posts),
            PostDeleted: providers.List(identity.count_posts),
            AccountDeleted: providers.List(people.provided.forget, posts.erase_author),
            ProfileChanged: providers.List(people.provided.forget, posts.restrict_author),
        }
    )
    relay = Single(Relay, outbox_queue, reactions, wake)
    """Takes the event loop it is first used in."""

    checks = providers.Dict(
        database=providers.Selector(config.store, memory=store.provided.ping, sql=database.provided.ping),
        ids=ids.provided.check,
    )
    """What /readyz asks."""
