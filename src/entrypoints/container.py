"""The composition root: the one place that knows every adapter."""

import asyncio
import os
import random
import secrets
import time
from typing import Any

from dependency_injector import containers, providers

from adapters import clock, text
from adapters.bridges import (
    AccountsOfIdentity,
    AddressesOfIdentity,
    AuthorshipOfPosts,
    MediaToAttach,
    NotifiedPosts,
    OwnersOfPosts,
    PeopleOfIdentity,
    SessionsOfIdentity,
    ShownPosts,
    StreamHomeViewers,
)
from adapters.disk import Disk
from adapters.folders import TemporaryFolders
from adapters.ids import IdAllocator
from adapters.mail.smtp import SmtpMail
from adapters.mail.unsent import LoggedMail, NoMail
from adapters.memory import feeds as memory_feeds
from adapters.memory import graph as memory_graph
from adapters.memory import identity as memory_identity
from adapters.memory import media as memory_media
from adapters.memory import notifications as memory_notifications
from adapters.memory import outbox as memory_outbox
from adapters.memory import posts as memory_posts
from adapters.memory.cache import MemoryCache
from adapters.memory.limits import MemoryLimiter, NoLimiter
from adapters.memory.store import Store
from adapters.processing.parent import ChildProcessor
from adapters.redis.cache import RedisCache
from adapters.redis.client import Client
from adapters.redis.feeds import RedisTimelines
from adapters.redis.limits import RedisLimiter
from adapters.redis.notifications import RedisHints
from adapters.security.common_passwords import CommonPasswords
from adapters.security.confirmation_tokens import MacConfirmationTokens
from adapters.security.passwords import BcryptPasswords
from adapters.security.sealing import Secrets
from adapters.security.stream_tokens import MacStreamTokens
from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, SigningKeys, make_key
from adapters.sql import feeds as sql_feeds
from adapters.sql import graph as sql_graph
from adapters.sql import identity as sql_identity
from adapters.sql import media as sql_media
from adapters.sql import notifications as sql_notifications
from adapters.sql import posts as sql_posts
from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.storage.address import S3Address
from adapters.storage.folder import FolderStorage
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import MediaAddresses, TicketSigner
from application.feeds import (
    home,
    pipeline,
    ranking_cache,
    read_feeds,
    record_signals,
    trending,
    trending_formula,
)
from application.feeds.event_handlers import DropTimeline, FanOut
from application.graph import event_handlers as graph_reactions
from application.graph import queries as graph_queries
from application.graph import relationships
from application.graph.audience import Audience
from application.graph.repair import RepairFollowCounts
from application.graph.viewer_contexts import CachedViewerContexts
from application.identity import confirming as identity_confirming
from application.identity import ending as identity_ending
from application.identity import keys as identity_keys
from application.identity import passwords as identity_passwords
from application.identity import queries as identity_queries
from application.identity import registration as identity_registration
from application.identity import sessions as identity_sessions
from application.identity.accounts import DeleteAccount, EditProfile
from application.identity.event_handlers import CountPosts
from application.identity.mailing import SendConfirmations
from application.identity.repair import RepairAccounts
from application.identity.searching import SearchPeople
from application.identity.security import AnonymizeSecurityEvents, PurgeSecurityEvents, SecurityLog
from application.identity.throttle import Throttle
from application.media import details, processing, serving, uploading
from application.media import event_handlers as media_reactions
from application.media import removing as media_removing
from application.media import tickets as media_tickets
from application.notifications import event_handlers as notification_event_handlers
from application.notifications import read_stream, retract
from application.notifications import tickets as stream_tickets
from application.notifications.commands import Dismiss, MarkRead, SetPreferences
from application.notifications.compose_mail import ComposeMail
from application.notifications.find_stream import FindStream
from application.notifications.hub import Hub
from application.notifications.hydration import HydrateStream
from application.notifications.notify import Notify
from application.notifications.queries import ListNotifications, ReadNews
from application.notifications.remove import RemoveNotifications
from application.notifications.renew_streams import RenewStreams
from application.notifications.send_mails import SendMails
from application.notifications.trim_streams import TrimStreams
from application.posts import (
    deleting,
    editing,
    engagement_lists,
    engagements,
    publishing,
    repair,
    searching,
    threads,
    versions,
)
from application.posts import queries as posts_queries
from application.posts.attaching import UpdateAttachedMedia
from application.posts.erasing import EraseAuthor, SweepGone
from application.posts.event_handlers import RestrictAuthor, RestrictComment
from application.posts.presenting import ContentCache, PresentEntries, ReadPostViews
from application.shared.caching import Cached
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    Blocked,
    Edited,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaAttached,
    MediaDetached,
    MediaSettled,
    PostDeleted,
    ProfileChanged,
    Published,
    Reposted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from application.shared.ports import Clock
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, in_turn, on, on_long
from domain.graph import Relationship
from domain.posts import hashtag
from entrypoints.access.context import origin

Single, Object = providers.Singleton, providers.Object


class Identity(containers.DeclarativeContainer):
    """The use cases of identity, by the names that handlers ask for."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    authorship: providers.Dependency[Any] = providers.Dependency()
    people_search: providers.Dependency[Any] = providers.Dependency()
    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    passwords: providers.Dependency[Any] = providers.Dependency()
    new_password: providers.Dependency[Any] = providers.Dependency()
    access_tokens: providers.Dependency[Any] = providers.Dependency()
    refresh_tokens: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()
    graphemes: providers.Dependency[Any] = providers.Dependency()
    throttle: providers.Dependency[Any] = providers.Dependency()
    security: providers.Dependency[Any] = providers.Dependency()
    confirm_email: providers.Dependency[Any] = providers.Dependency()
    confirmation_token: providers.Dependency[Any] = providers.Dependency()
    confirmation_queue: providers.Dependency[Any] = providers.Dependency()
    mail: providers.Dependency[Any] = providers.Dependency()
    site: providers.Dependency[Any] = providers.Dependency()

    authenticate = Single(identity_queries.Authenticate, access_tokens, reader, now, Object(time.monotonic))
    ascii_domain = Object(text.ascii_domain)
    sessions = Single(
        identity_sessions.SessionMaker, now, new_id, Object(os.urandom), access_tokens, refresh_tokens
    )
    register = Single(
        identity_registration.Register,
        open_tx,
        passwords,
        new_password,
        sessions,
        new_id,
        graphemes,
        ascii_domain,
        throttle,
        security,
    )
    request_registration = providers.Selector(
        confirm_email,
        on=Single(identity_confirming.RequestRegistration, register, confirmation_token, now),
        off=Object(None),
    )
    confirm_registration = Single(
        identity_confirming.ConfirmRegistration, open_tx, sessions, new_id, now, security
    )
    send_confirmations = Single(
        SendConfirmations, confirmation_queue, reader, confirmation_token, mail, site, ascii_domain
    )
    ended = authenticate.provided.sessions_ended
    log_in = Single(
        identity_sessions.LogIn, open_tx, reader, passwords, sessions, ascii_domain, throttle, security, ended
    )
    refresh = Single(identity_sessions.Refresh, open_tx, sessions, now, security, ended)
    log_out = Single(identity_ending.LogOut, open_tx, now, security, ended)
    log_out_elsewhere = Single(identity_ending.LogOutElsewhere, open_tx, now, security, ended)
    log_out_everywhere = Single(identity_ending.LogOutEverywhere, open_tx, now, security, ended)
    end_all_sessions = Single(identity_ending.EndAllSessions, open_tx, now, security)
    check_password = Single(identity_passwords.CheckPassword, reader, passwords, throttle)
    confirm_password = Single(
        identity_passwords.ConfirmPassword, open_tx, check_password, sessions, now, security
    )
    change_password = Single(
        identity_passwords.ChangePassword,
        open_tx,
        reader,
        check_password,
        passwords,
        new_password,
        sessions,
        now,
        security,
        ended,
    )
    list_sessions = Single(identity_queries.ListSessions, reader, now)
    edit_profile = Single(EditProfile, open_tx, graphemes)
    delete_account = Single(DeleteAccount, open_tx, now, security, ended)
    search_people = Single(SearchPeople, people_search, viewer_contexts, graphemes)
    read_account = Single(identity_queries.ReadAccount, reader)
    read_profile = Single(identity_queries.ReadProfile, reader)
    follow_summaries: providers.Dependency[Any] = providers.Dependency()
    count_posts = Single(CountPosts, open_tx)
    repair_accounts = Single(RepairAccounts, open_tx, authorship)


class Posts(containers.DeclarativeContainer):
    """The use cases of posts."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    parts: providers.Dependency[Any] = providers.Dependency()
    engagement_reader: providers.Dependency[Any] = providers.Dependency()
    counters: providers.Dependency[Any] = providers.Dependency()
    search: providers.Dependency[Any] = providers.Dependency()
    closed_authors: providers.Dependency[Any] = providers.Dependency()
    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    people: providers.Dependency[Any] = providers.Dependency()
    attachable: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()
    graphemes: providers.Dependency[Any] = providers.Dependency()

    present = Single(posts_queries.PresentPosts, people)
    publish_post = Single(
        publishing.PublishPost, open_tx, viewer_contexts, people, attachable, new_id, graphemes
    )
    update_attached_media = Single(UpdateAttachedMedia, open_tx, attachable)
    delete_post = Single(deleting.DeletePost, open_tx, viewer_contexts)
    set_engagement = Single(engagements.SetEngagement, open_tx, viewer_contexts, new_id)
    pin_post = Single(engagements.PinPost, open_tx, viewer_contexts, new_id)
    read_post = Single(posts_queries.ReadPost, viewer_contexts, reader, present)
    list_by_author = Single(posts_queries.ListByAuthor, viewer_contexts, reader, people, present)
    restrict_author = Single(RestrictAuthor, open_tx, Object(time.monotonic))
    restrict_comment = Single(RestrictComment, open_tx, closed_authors)
    erase_author = Single(EraseAuthor, open_tx, Object(time.monotonic))
    sweep_gone = Single(SweepGone, open_tx)
    read_posts = Single(posts_queries.ReadPosts, viewer_contexts, reader, present)
    remove_version = Single(versions.RemoveVersion, open_tx, viewer_contexts)
    read_history = Single(posts_queries.ReadHistory, viewer_contexts, reader)
    list_comments = Single(threads.ListComments, viewer_contexts, reader, present)
    read_context = Single(threads.ReadContext, viewer_contexts, reader, present)
    edit_post = Single(editing.EditPost, open_tx, viewer_contexts, people, now, graphemes, read_post)
    list_engaged_users = Single(
        engagement_lists.ListEngagedUsers, viewer_contexts, reader, engagement_reader, people
    )
    list_engaged_posts = Single(
        engagement_lists.ListEngagedPosts, viewer_contexts, engagement_reader, present
    )
    list_pinned = Single(engagement_lists.ListPinned, viewer_contexts, engagement_reader, people, present)
    repair_posts = Single(repair.RepairPosts, counters)
    search_posts = Single(searching.SearchPosts, search, viewer_contexts, people, reader, present, graphemes)
    search_hashtags = Single(searching.SearchHashtags, search, viewer_contexts, graphemes)
    content_cache = Single(ContentCache)
    read_post_views = Single(ReadPostViews, parts, content_cache)
    present_entries = Single(PresentEntries, read_post_views, people)


class Feeds(containers.DeclarativeContainer):
    """Home, public and hashtag feeds, and those of users."""

    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    audience: providers.Dependency[Any] = providers.Dependency()
    candidates: providers.Dependency[Any] = providers.Dependency()
    show: providers.Dependency[Any] = providers.Dependency()
    people: providers.Dependency[Any] = providers.Dependency()
    timelines: providers.Dependency[Any] = providers.Dependency()
    home_viewers: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()

    read_page = Single(pipeline.ReadPage, show, now)
    gather_home = Single(home.GatherHome, timelines, candidates, audience)
    read_home_feed = Single(home.ReadHomeFeed, viewer_contexts, gather_home, candidates, read_page)
    read_public_feed = Single(read_feeds.ReadPublicFeed, viewer_contexts, candidates, read_page)
    read_hashtag_feed = Single(
        read_feeds.ReadHashtagFeed, Object(hashtag), viewer_contexts, candidates, read_page
    )
    read_user_feed = Single(read_feeds.ReadUserFeed, viewer_contexts, candidates, people, read_page)
    fan_out = Single(FanOut, timelines, audience, home_viewers)
    drop_timeline = Single(DropTimeline, timelines)


def _ranked(name: str, place: type, make: Any, cache: Any, times: Any, now: Any) -> Any:
    """The rankings that `make` makes, of places of that type."""
    codec, chance = Object(ranking_cache.codec(1, place)), Object(random.random)
    kept = Single(Cached, f"trending:{name}", cache, codec, times, now, chance)
    return Single(ranking_cache.Rankings, kept, make, now)


class Trending(containers.DeclarativeContainer):
    """The part of feeds that ranks posts and hashtags."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    accounts: providers.Dependency[Any] = providers.Dependency()
    show: providers.Dependency[Any] = providers.Dependency()
    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    cache: providers.Dependency[Any] = providers.Dependency()
    times: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()

    posts = _ranked(
        "posts", trending_formula.RankedPost, Single(trending.RankPosts, reader, show, now), cache, times, now
    )
    tags = _ranked(
        "tags",
        trending_formula.RankedTag,
        Single(trending.RankTags, reader, accounts, now),
        cache,
        times,
        now,
    )
    refresh_trending = Single(trending.RefreshTrending, posts, tags)
    list_trending_posts = Single(trending.ListTrendingPosts, posts, show, viewer_contexts)
    list_trending_tags = Single(trending.ListTrendingTags, tags, show)
    record_engagement = Single(record_signals.RecordEngagement, open_tx)
    record_post_signals = Single(record_signals.RecordPostSignals, open_tx, now)
    erase_account_signals = Single(record_signals.EraseAccountSignals, open_tx)


class Graph(containers.DeclarativeContainer):
    """The use cases of graph."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    counters: providers.Dependency[Any] = providers.Dependency()
    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    accounts: providers.Dependency[Any] = providers.Dependency()
    cards: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()

    forget = viewer_contexts.provided.forget
    change_relationship = Single(relationships.ChangeRelationship, open_tx, new_id, forget)
    follow = Single(relationships.Follow, change_relationship, accounts, now)
    mute = Single(relationships.Mute, change_relationship, accounts, now)
    unfollow = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.unfollowed)
    )
    block = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.blocked)
    )
    unblock = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.unblocked)
    )
    unmute = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.unmuted)
    )
    remove_follower = Single(
        relationships.UpdateRelationship,
        change_relationship,
        accounts,
        now,
        Object(Relationship.without_follower),
    )
    accept = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.accepted)
    )
    reject = Single(
        relationships.UpdateRelationship, change_relationship, accounts, now, Object(Relationship.rejected)
    )
    read_relationships = Single(graph_queries.ReadRelationships, reader, accounts, now)
    list_people = Single(graph_queries.ListPeople, reader, viewer_contexts, accounts, cards, now)
    accept_follow_requests = Single(
        graph_reactions.AcceptFollowRequests, open_tx, accounts, new_id, forget, Object(time.monotonic)
    )
    erase_relationships = Single(
        graph_reactions.EraseRelationships, open_tx, new_id, forget, Object(time.monotonic)
    )
    audience = Single(Audience, reader, Object(time.monotonic))
    repair_follow_counts = Single(RepairFollowCounts, counters)


class Notifications(containers.DeclarativeContainer):
    """Notifications, and the stream that carries them to clients."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    tickets: providers.Dependency[Any] = providers.Dependency()
    stream_tokens: providers.Dependency[Any] = providers.Dependency()
    sessions: providers.Dependency[Any] = providers.Dependency()
    mail_queue: providers.Dependency[Any] = providers.Dependency()
    viewer_contexts: providers.Dependency[Any] = providers.Dependency()
    people: providers.Dependency[Any] = providers.Dependency()
    show: providers.Dependency[Any] = providers.Dependency()
    hints: providers.Dependency[Any] = providers.Dependency()
    posts: providers.Dependency[Any] = providers.Dependency()
    mail_delay: providers.Dependency[Any] = providers.Dependency()
    addresses: providers.Dependency[Any] = providers.Dependency()
    mail: providers.Dependency[Any] = providers.Dependency()
    mail_every: providers.Dependency[Any] = providers.Dependency()
    site: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()

    find_stream = Single(FindStream, open_tx, reader)
    remove = Single(RemoveNotifications, open_tx, new_id, hints)
    hydrate_stream = Single(HydrateStream, viewer_contexts, show, people, remove)
    open_stream = Single(read_stream.OpenStream, find_stream)
    read_after = Single(read_stream.ReadAfter, find_stream, reader, hydrate_stream)
    read_coalesced = Single(read_stream.ReadCoalesced, read_after)
    list_notifications = Single(ListNotifications, find_stream, reader, hydrate_stream)
    read_news = Single(ReadNews, find_stream, open_stream, read_after)
    mark_read = Single(MarkRead, open_tx, new_id, hints)
    notify = Single(Notify, open_tx, viewer_contexts, people, posts, new_id, hints, now, mail_delay)
    monotonic = Object(time.monotonic)
    notify_of_engagement = Single(notification_event_handlers.NotifyOfEngagement, notify)
    notify_of_post = Single(notification_event_handlers.NotifyOfPost, notify, posts)
    notify_of_edit = Single(notification_event_handlers.NotifyOfEdit, notify, posts, monotonic)
    notify_of_follow = Single(notification_event_handlers.NotifyOfFollow, notify)
    notify_of_media = Single(notification_event_handlers.NotifyOfMedia, notify)
    retract_notifications = Single(retract.RetractNotifications, reader, remove)
    retract_post_notifications = Single(retract.RetractPostNotifications, reader, remove, monotonic)
    erase_notifications = Single(retract.EraseNotifications, reader, remove, open_tx, monotonic)
    dismiss = Single(Dismiss, reader, remove)
    set_preferences = Single(SetPreferences, open_tx)
    renew_streams = Single(RenewStreams, open_tx, reader, Object(os.urandom))
    compose_mail = Single(ComposeMail, reader, hydrate_stream, addresses, site)
    send_mails = Single(SendMails, mail_queue, compose_mail, mail, mail_every)
    issue_ticket = Single(stream_tickets.IssueTicket, tickets, Object(os.urandom))
    redeem_ticket = Single(stream_tickets.RedeemTicket, tickets, sessions)
    redeem_stream_token = Single(stream_tickets.RedeemStreamToken, stream_tokens, sessions, now)
    trim_streams = Single(TrimStreams, open_tx, reader, now)


def _media_secret() -> str:
    return secrets.token_urlsafe(16)


def _s3_storage(address: S3Address, now: Clock) -> Any:
    # Here and not above: the SDK takes 0.15 s, which only who has an S3 should pay.
    from adapters.storage.s3 import S3Storage  # noqa: PLC0415

    return S3Storage(address, now)


class Media(containers.DeclarativeContainer):
    """Uploads, and what is made and shown of them."""

    open_tx: providers.Dependency[Any] = providers.Dependency()
    reader: providers.Dependency[Any] = providers.Dependency()
    jobs: providers.Dependency[Any] = providers.Dependency()
    storage: providers.Dependency[Any] = providers.Dependency()
    processor: providers.Dependency[Any] = providers.Dependency()
    folder: providers.Dependency[Any] = providers.Dependency()
    owners: providers.Dependency[Any] = providers.Dependency()
    sessions: providers.Dependency[Any] = providers.Dependency()
    limits: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[Any] = providers.Dependency()
    now: providers.Dependency[Any] = providers.Dependency()
    graphemes: providers.Dependency[Any] = providers.Dependency()

    wake = Single(asyncio.Event)
    announce = Single(uploading.RegisterUpload, open_tx, new_id, Object(_media_secret), limits)
    upload_file = Single(uploading.UploadFile, announce, open_tx, storage, graphemes, wake.provided.set)
    begin_upload = Single(uploading.BeginUpload, announce, storage, graphemes, now)
    complete_upload = Single(uploading.CompleteUpload, open_tx, storage, wake.provided.set)
    describe_media = Single(details.UpdateMedia, open_tx, graphemes)
    read_media = Single(details.ReadMedia, reader)
    discard = Single(media_removing.PurgeMedia, open_tx, storage)
    remove_media = Single(media_removing.DeleteMedia, open_tx, discard)
    find_rendition = Single(serving.FindRendition, reader, owners)
    open_rendition = Single(serving.OpenRendition, storage)
    process_media = Single(processing.ProcessMedia, open_tx, jobs, storage, processor, folder, now, wake)
    attach = Single(media_reactions.AttachMedia, open_tx)
    detach = Single(media_reactions.DeleteDetachedMedia, open_tx, discard)
    forget_post = Single(media_reactions.DeletePostMedia, open_tx, discard)
    forget_owner = Single(media_reactions.DeleteOwnerMedia, open_tx, discard)
    take_upload = Single(media_tickets.ReceiveUpload, open_tx, reader, storage, sessions)
    check_ended_tickets = Single(
        media_tickets.CheckExpiredTickets, open_tx, reader, storage, sessions, discard, now
    )
    sweep_objects = Single(media_removing.PurgeOrphanedObjects, reader, storage, now)
    sweep_media = Single(media_removing.PurgeExpiredMedia, open_tx, reader, discard, now)
    reconcile_media = Single(media_removing.ReconcileMedia, open_tx, reader, storage, now)


class Container(containers.DeclarativeContainer):
    """Waggle in one of its shapes. `config` takes `store` (`memory` or `sql`), `database_url`,
    `database_connections`, `issuer`,
    `site_names`, `password_cost`, `card_ttl`, `limits` (`on` or `off`), `trending` (its Times),
    `timelines` (`memory` or `none`), `redis` (`on` or `off`), `redis_address`, `site` (its Site), `mail` (`smtp`,
    `log` or `none`), `mail_server`, `confirm_email` (`on` or `off`), `own_host`, `mail_delay` and `mail_every` (timedeltas), `media_store` (`memory`, `folder`
    or `s3`), `media_folder`, `media_address` (its S3Address), `media_origin`, `media_limits`, `disk` (`on` or `off`), `data_folder` (or None), `temporary` (a folder) and `master_key`."""

    config = providers.Configuration(strict=True)

    now = Object(clock.utc_now)
    graphemes = Object(text.graphemes)
    ids = Single(IdAllocator, Object(time.monotonic))
    secrets = Single(Secrets, config.master_key)
    keys = Single(SigningKeys)
    passwords = Single(BcryptPasswords, config.password_cost)
    access_tokens = Single(JwtAccessTokens, keys, config.issuer)
    refresh_tokens = Single(ChainedRefreshTokens, secrets.provided.key.call("refresh"))

    disk = Single(Disk, config.data_folder)

    redis = Single(Client, config.redis_address)
    own_limiter = Single(MemoryLimiter, Object(time.monotonic))
    limiter = providers.Selector(
        config.limits,
        on=providers.Selector(
            config.redis, on=Single(RedisLimiter, redis, own_limiter, ids.provided.processes), off=own_limiter
        ),
        off=Single(NoLimiter),
    )

    mail = providers.Selector(
        config.mail,
        smtp=Single(SmtpMail, config.mail_server, config.own_host, now),
        log=Single(LoggedMail),
        none=Single(NoMail),
    )

    own_cache = Single(MemoryCache, Object(time.monotonic))
    cache = providers.Selector(config.redis, on=Single(RedisCache, redis, own_cache), off=own_cache)
    redis_timelines = Single(RedisTimelines, redis)

    wake = Single(asyncio.Event)
    store = Single(Store, wake.provided.set)
    database = Single(
        Database.at, config.database_url, wake.provided.set, connections=config.database_connections
    )

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
        sql=Single(queue_on, database, Object(time.monotonic)),
    )
    security_events = providers.Selector(
        config.store,
        memory=Single(memory_identity.MemorySecurityEvents, store),
        sql=Single(sql_identity.SqlSecurityEvents, database),
    )
    security = Single(SecurityLog, security_events, now, Object(time.monotonic), Object(origin))
    purge_security_events = Single(PurgeSecurityEvents, security_events, now)
    make_key = providers.Callable(make_key, secrets)
    list_keys = Single(identity_keys.ListKeys, key_store)
    ensure_keys = Single(identity_keys.EnsureKeys, key_store, make_key.provider, now)
    rotate_keys = Single(identity_keys.RotateKeys, key_store, make_key.provider, now, security)
    revoke_key = Single(identity_keys.RevokeKey, key_store, make_key.provider, now, security)
    people = Single(PeopleOfIdentity, identity_reader, Object(time.monotonic), config.card_ttl)

    authorship = Single(
        AuthorshipOfPosts,
        providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryAuthored, store),
            sql=Single(sql_posts.SqlAuthored, database),
        ),
    )

    graph_reader = providers.Selector(
        config.store,
        memory=Single(memory_graph.MemoryGraphReader, store),
        sql=Single(sql_graph.SqlGraphReader, database),
    )
    viewer_contexts = Single(CachedViewerContexts, graph_reader, now, Object(time.monotonic))
    graph = providers.Container(
        Graph,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_graph.transactions, store, ids),
            sql=Single(sql_graph.transactions, database, ids),
        ),
        reader=graph_reader,
        counters=providers.Selector(
            config.store,
            memory=Single(memory_graph.MemoryGraphCounters, store),
            sql=Single(sql_graph.SqlGraphCounters, database),
        ),
        viewer_contexts=viewer_contexts,
        accounts=Single(AccountsOfIdentity, identity_reader, people),
        cards=people,
        new_id=ids,
        now=now,
    )

    identity = providers.Container(
        Identity,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_identity.transactions, store, ids),
            sql=Single(sql_identity.transactions, database, secrets, ids),
        ),
        reader=identity_reader,
        follow_summaries=Single(graph_queries.ReadFollowSummary, graph_reader, now),
        authorship=authorship,
        people_search=providers.Selector(
            config.store,
            memory=Single(memory_identity.MemoryPeopleSearch, store),
            sql=Single(sql_identity.SqlPeopleSearch, database),
        ),
        viewer_contexts=viewer_contexts,
        passwords=passwords,
        new_password=Single(identity_passwords.NewPassword, Single(CommonPasswords), config.site_names),
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        new_id=ids,
        now=now,
        graphemes=graphemes,
        throttle=Single(Throttle, limiter, secrets.provided.fingerprint),
        security=security,
        confirm_email=config.confirm_email,
        confirmation_token=Single(
            MacConfirmationTokens, secrets.provided.key.call("registration confirmations")
        ),
        confirmation_queue=providers.Selector(
            config.store,
            memory=Single(memory_identity.MemoryConfirmationQueue, store, now, Object(time.monotonic)),
            sql=Single(sql_identity.SqlConfirmationQueue, database, secrets),
        ),
        mail=mail,
        site=config.site,
    )
    media_reader = providers.Selector(
        config.store,
        memory=Single(memory_media.MemoryMediaReader, store),
        sql=Single(sql_media.SqlMediaReader, database),
    )
    attachable = Single(MediaToAttach, media_reader, now)
    closed_authors = providers.Selector(
        config.store,
        memory=Single(memory_posts.MemoryClosedAuthors, store),
        sql=Single(sql_posts.SqlClosedAuthors, database),
    )
    posts = providers.Container(
        Posts,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_posts.transactions, store, ids),
            sql=Single(sql_posts.transactions, database, ids),
        ),
        reader=posts_reader,
        parts=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryPostParts, store),
            sql=Single(sql_posts.SqlPostParts, database),
        ),
        engagement_reader=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryEngagementsReader, store),
            sql=Single(sql_posts.SqlEngagementsReader, database),
        ),
        counters=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryCounters, store),
            sql=Single(sql_posts.SqlCounters, database),
        ),
        search=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemorySearch, store),
            sql=Single(sql_posts.SqlSearch, database),
        ),
        closed_authors=closed_authors,
        viewer_contexts=viewer_contexts,
        people=people,
        attachable=attachable,
        new_id=ids,
        now=now,
        graphemes=graphemes,
    )
    trending = providers.Container(
        Trending,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_feeds.transactions, store),
            sql=Single(sql_feeds.transactions, database),
        ),
        reader=providers.Selector(
            config.store,
            memory=Single(memory_feeds.MemorySignalsReader, store),
            sql=Single(sql_feeds.SqlSignalsReader, database),
        ),
        accounts=closed_authors,
        show=posts.present_entries,
        viewer_contexts=viewer_contexts,
        cache=cache,
        times=config.trending,
        now=now,
    )
    stream_reader = providers.Selector(
        config.store,
        memory=Single(memory_notifications.MemoryStreamReader, store),
        sql=Single(sql_notifications.SqlStreamReader, database),
    )
    sessions = Single(SessionsOfIdentity, identity_reader, now)
    hub = Single(Hub, stream_reader, sessions)
    redis_hints = Single(RedisHints, redis, config.redis_address, hub)
    hints = providers.Selector(config.redis, on=redis_hints, off=hub)

    feeds = providers.Container(
        Feeds,
        viewer_contexts=viewer_contexts,
        audience=graph.audience,
        candidates=providers.Selector(
            config.store,
            memory=Single(memory_posts.MemoryEntries, store),
            sql=Single(sql_posts.SqlEntries, database),
        ),
        show=posts.present_entries,
        people=people,
        timelines=providers.Selector(
            config.redis,
            on=redis_timelines,
            off=providers.Selector(
                config.timelines,
                memory=Single(memory_feeds.MemoryTimelines),
                none=Single(memory_feeds.NoTimelines),
            ),
        ),
        home_viewers=Single(StreamHomeViewers, hints),
        now=now,
    )

    notifications = providers.Container(
        Notifications,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_notifications.transactions, store, ids),
            sql=Single(sql_notifications.transactions, database, ids),
        ),
        reader=stream_reader,
        tickets=providers.Selector(
            config.store,
            memory=Single(memory_notifications.MemoryStreamTickets, store, Object(time.monotonic)),
            sql=Single(sql_notifications.SqlStreamTickets, database),
        ),
        stream_tokens=Single(MacStreamTokens, secrets.provided.key.call("stream tokens")),
        sessions=sessions,
        mail_queue=providers.Selector(
            config.store,
            memory=Single(memory_notifications.MemoryMailQueue, store, now, Object(time.monotonic)),
            sql=Single(sql_notifications.SqlMailQueue, database),
        ),
        viewer_contexts=viewer_contexts,
        people=people,
        show=Single(ShownPosts, posts.present_entries),
        addresses=Single(AddressesOfIdentity, identity_reader),
        mail=mail,
        mail_every=config.mail_every,
        site=config.site,
        hints=hints,
        posts=Single(NotifiedPosts, posts.parts, posts.engagement_reader),
        mail_delay=config.mail_delay,
        new_id=ids,
        now=now,
    )

    direct_uploads = Single(TicketSigner, secrets.provided.key.call("media uploads"), config.media_origin)
    media_addresses = Single(
        MediaAddresses, secrets.provided.key.call("media addresses"), config.media_origin
    )
    storage = providers.Selector(
        config.media_store,
        memory=Single(MemoryStorage, direct_uploads, now),
        folder=Single(FolderStorage, config.media_folder, direct_uploads),
        s3=Single(_s3_storage, config.media_address, now),
    )
    folder = Single(TemporaryFolders, config.temporary)
    processor = Single(ChildProcessor, config.media_audio, config.media_confinement_required)
    media_jobs = providers.Selector(
        config.store,
        memory=Single(memory_media.MemoryProcessingQueue, store, Object(time.monotonic)),
        sql=Single(sql_media.SqlProcessingQueue, database),
    )
    media = providers.Container(
        Media,
        open_tx=providers.Selector(
            config.store,
            memory=Single(memory_media.transactions, store, ids, now),
            sql=Single(sql_media.transactions, database, ids),
        ),
        reader=media_reader,
        jobs=media_jobs,
        storage=storage,
        processor=processor,
        folder=folder,
        owners=Single(OwnersOfPosts, closed_authors),
        sessions=sessions,
        limits=config.media_limits,
        new_id=ids,
        now=now,
        graphemes=graphemes,
    )

    subscriptions = providers.List(
        # Handlers of one module that must see the events of an aggregate in order are one subscriber: else a like
        # whose notification is retried would be notified after it was taken back.
        Single(on, Published, "identity.count_posts", identity.count_posts),
        Single(on, PostDeleted, "identity.count_posts", identity.count_posts),
        Single(on, ProfileChanged, "identity.forget_card", people.provided.forget),
        Single(on, AccountDeleted, "identity.forget_card", people.provided.forget),
        Single(
            on,
            AccountDeleted,
            "identity.anonymize_security_events",
            Single(AnonymizeSecurityEvents, security_events),
        ),
        Single(on_long, ProfileChanged, "graph.accept_follow_requests", graph.accept_follow_requests),
        Single(on_long, AccountDeleted, "graph.erase_relationships", graph.erase_relationships),
        Single(on, Published, "posts.restrict_comment", posts.restrict_comment),
        Single(on, PostDeleted, "posts.forget_content", posts.content_cache.provided.forget),
        Single(on, AttachedMediaChanged, "posts.update_attached_media", posts.update_attached_media),
        Single(on_long, ProfileChanged, "posts.restrict_author", posts.restrict_author),
        Single(on_long, AccountDeleted, "posts.erase_author", posts.erase_author),
        Single(on, Published, "feeds.fan_out", feeds.fan_out),
        Single(on, Reposted, "feeds.fan_out", feeds.fan_out),
        Single(on, AccountDeleted, "feeds.drop_timeline", feeds.drop_timeline),
        Single(on, Published, "feeds.record_signals", trending.record_post_signals),
        Single(on, Edited, "feeds.record_signals", trending.record_post_signals),
        Single(on, PostDeleted, "feeds.record_signals", trending.record_post_signals),
        Single(on, Liked, "feeds.record_signals", trending.record_engagement),
        Single(on, Unliked, "feeds.record_signals", trending.record_engagement),
        Single(on, Reposted, "feeds.record_signals", trending.record_engagement),
        Single(on, Unreposted, "feeds.record_signals", trending.record_engagement),
        Single(on, AccountDeleted, "feeds.erase_signals", trending.erase_account_signals),
        Single(on, Published, "notifications.notify_of_post", notifications.notify_of_post),
        Single(on, Edited, "notifications.notify_of_post", notifications.notify_of_post),
        Single(on_long, Edited, "notifications.notify_of_edit", notifications.notify_of_edit),
        Single(on_long, PostDeleted, "notifications.retract_post", notifications.retract_post_notifications),
        Single(on, Liked, "notifications.track_engagements", notifications.notify_of_engagement),
        Single(on, Unliked, "notifications.track_engagements", notifications.retract_notifications),
        Single(on, Reposted, "notifications.track_engagements", notifications.notify_of_engagement),
        Single(on, Unreposted, "notifications.track_engagements", notifications.retract_notifications),
        Single(
            on,
            Followed,
            "notifications.track_relationships",
            Single(in_turn, notifications.retract_notifications, notifications.notify_of_follow),
        ),
        Single(on, Unfollowed, "notifications.track_relationships", notifications.retract_notifications),
        Single(on, FollowRequested, "notifications.track_relationships", notifications.notify_of_follow),
        Single(
            on, FollowRequestEnded, "notifications.track_relationships", notifications.retract_notifications
        ),
        Single(on, Blocked, "notifications.track_relationships", notifications.retract_notifications),
        Single(on, MediaSettled, "notifications.notify_media_owner", notifications.notify_of_media),
        Single(on_long, AccountDeleted, "notifications.erase_account", notifications.erase_notifications),
        Single(on, MediaAttached, "media.track_attachments", media.attach),
        Single(on, MediaDetached, "media.track_attachments", media.detach),
        Single(on, PostDeleted, "media.track_attachments", media.forget_post),
        Single(on, AccountDeleted, "media.erase_owner", media.forget_owner),
    )
    relay = Single(Relay, outbox_queue, Single(InProcess, subscriptions), wake)
    """Takes the event loop it is first used in."""

    checks = providers.Dict(
        database=providers.Selector(config.store, memory=store.provided.ping, sql=database.provided.ping),
        ids=disk.provided.unless_full.call(ids.provided.check),
    )
    """What /readyz asks."""
    soft_checks = providers.Selector(
        config.redis,
        on=providers.Dict(redis=redis.provided.check, storage=storage.provided.check),
        off=providers.Selector(
            config.disk,
            on=providers.Dict(storage=storage.provided.check, disk=disk.provided.ready),
            off=providers.Dict(storage=storage.provided.check),
        ),
    )
    """What it asks as well, and can do without."""
