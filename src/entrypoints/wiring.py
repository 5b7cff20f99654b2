"""Connects the modules: each gets its stores, the adapters it needs, and the responses of the others.

The modules are created in this order: identity; graph and media, which ask identity; posts, which asks all of these;
notifications; feeds. Identity also asks graph and posts, and media asks posts. The adapters of these questions look the
other module up when the question is asked.
"""

import os
import random
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from adapters import text
from adapters.in_process.feeds import StreamHomeViewers
from adapters.in_process.graph import AccountsOfIdentity
from adapters.in_process.identity import AuthorshipOfPosts, ViewerContextsOfGraph
from adapters.in_process.media import OwnersOfPosts
from adapters.in_process.notifications import AddressesOfIdentity, AudienceOfPosts, HydratePostsById
from adapters.metered.identity import MeteredSecurityRecords
from adapters.metered.media import MeteredProcessor
from adapters.metered.shared import MeteredSubscribers
from adapters.security.common_passwords import CommonPasswords
from adapters.security.confirmation_tokens import MacConfirmationTokens
from adapters.security.stream_tokens import MacStreamTokens
from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, make_key
from application.feeds.module import FeedsModule, FeedsNeeds
from application.graph.module import GraphModule, GraphNeeds
from application.identity.module import IdentityModule, IdentityNeeds
from application.identity.stores import IdentityStores
from application.media.module import MediaModule, MediaNeeds
from application.notifications.module import NotificationsModule, NotificationsNeeds
from application.posts.module import PostsModule, PostsNeeds
from application.posts.queries import HydratedPost
from application.shared.relay import Relay
from application.shared.subscriptions import Subscription
from entrypoints.access.context import origin
from entrypoints.choosing import measured

if TYPE_CHECKING:
    from application.media.ports import Processor
    from entrypoints.container import Container


class Module(Protocol):
    def subscriptions(self) -> Sequence[Subscription]: ...


def identity(c: "Container") -> IdentityModule:
    configuration, keyed = c.config(), c.secrets()
    return IdentityModule.build(
        stores=_identity_stores(c),
        needs=IdentityNeeds(
            viewer_contexts=ViewerContextsOfGraph(lambda: c.graph().viewer_contexts),
            authorship=AuthorshipOfPosts(lambda: c.posts().authored),
            passwords=c.passwords(),
            common_passwords=CommonPasswords(),
            access_tokens=JwtAccessTokens(keys=c.keys(), issuer=configuration.settings.url),
            refresh_tokens=ChainedRefreshTokens(keyed.key("refresh")),
            confirmation_token=MacConfirmationTokens(keyed.key("registration confirmations")),
            make_key=partial(make_key, keyed),
            limiter=c.limiter(),
            fingerprint=keyed.fingerprint,
            mail=c.mail(),
            ascii_domain=text.ascii_domain,
            graphemes=text.graphemes,
            origin=origin,
            now=c.now(),
            monotonic=c.monotonic(),
            new_id=c.ids(),
            random_bytes=os.urandom,
            site=configuration.site,
            site_names=("waggle", configuration.site.host),
            confirm_email=configuration.settings.confirm_email == "on",
            card_ttl=configuration.card_ttl,
            readings=c.readings(),
        ),
    )


def graph(c: "Container") -> GraphModule:
    identity = c.identity()
    return GraphModule.build(
        stores=c.graph_stores(),
        needs=GraphNeeds(
            accounts=AccountsOfIdentity(read_account=identity.read_account, cards=identity.cards),
            cards=identity.cards,
            now=c.now(),
            monotonic=c.monotonic(),
            new_id=c.ids(),
        ),
    )


def media(c: "Container") -> MediaModule:
    processor: Processor = c.processor()
    return MediaModule.build(
        stores=c.media_stores(),
        needs=MediaNeeds(
            owners=OwnersOfPosts(lambda: c.posts().restricted_authors),
            sessions=c.identity().live_sessions,
            storage=c.storage(),
            processor=measured(c, processor, MeteredProcessor),
            folder=c.folder(),
            limits=c.config().media_limits,
            new_secret=lambda: secrets.token_urlsafe(16),
            graphemes=text.graphemes,
            now=c.now(),
            new_id=c.ids(),
        ),
    )


def posts(c: "Container") -> PostsModule:
    return PostsModule.build(
        stores=c.posts_stores(),
        needs=PostsNeeds(
            viewer_contexts=c.graph().viewer_contexts,
            people=c.identity().cards,
            attachable=c.media().attachable,
            graphemes=text.graphemes,
            now=c.now(),
            monotonic=c.monotonic(),
            new_id=c.ids(),
        ),
    )


def notifications(c: "Container") -> NotificationsModule:
    configuration, identity, posts = c.config(), c.identity(), c.posts()
    return NotificationsModule.build(
        stores=c.notifications_stores(),
        needs=NotificationsNeeds(
            viewer_contexts=c.graph().viewer_contexts,
            cards=identity.cards,
            addresses=AddressesOfIdentity(identity.read_account),
            sessions=identity.live_sessions,
            posts=AudienceOfPosts(posts.audience),
            hydrate_posts=HydratePostsById(posts.hydrate_entries),
            hub=c.hub(),
            hints=c.hints(),
            stream_tokens=MacStreamTokens(c.secrets().key("stream tokens")),
            mail=c.mail(),
            mail_delay=configuration.mail_delay,
            mail_pause=configuration.mail_pause,
            site=configuration.site,
            now=c.now(),
            monotonic=c.monotonic(),
            new_id=c.ids(),
            random_bytes=os.urandom,
        ),
    )


def feeds(c: "Container") -> FeedsModule[HydratedPost]:
    graph, posts = c.graph(), c.posts()
    return FeedsModule.build(
        stores=c.feeds_stores(),
        needs=FeedsNeeds(
            viewer_contexts=graph.viewer_contexts,
            followers=graph.followers,
            feed_entries=posts.feed_entries,
            hydrate=posts.hydrate_entries,
            canonical_tag=posts.canonical_tag,
            people=c.identity().cards,
            accounts=posts.restricted_authors,
            home_viewers=StreamHomeViewers(c.notifications().hints),
            timelines=c.timelines(),
            cache=c.cache(),
            times=c.config().trending,
            random=random.random,
            now=c.now(),
        ),
    )


def modules(c: "Container") -> Sequence[Module]:
    """In the order in which an event reaches their subscribers, one after the other. People wait for notifications and new
    posts, and for nothing else."""
    identity, graph, posts = c.identity(), c.graph(), c.posts()
    return c.notifications(), c.feeds(), identity, graph, posts, c.media()


def relay(c: "Container") -> Relay:
    subscribers = measured(c, c.subscribers(), lambda all_, meters: MeteredSubscribers(all_, meters, c.now()))
    return Relay(queue=c.outbox_queue(), subscribers=subscribers, wake=c.wake())


def _identity_stores(c: "Container") -> IdentityStores:
    stores = c.identity_stores()
    return replace(stores, security_records=measured(c, stores.security_records, MeteredSecurityRecords))
