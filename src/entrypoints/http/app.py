"""The HTTP application: all routes and the layers around them. It knows no adapter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Controller, Litestar, Router
from litestar.config.app import AppConfig
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Contact, License
from litestar.types import ASGIApp

from application.media.ports import AddressVerifier, OpenFolder, TicketVerifier
from application.shared.attachments import RenditionAddresses
from application.shared.people import FollowSummaries
from domain.shared import DomainError
from entrypoints.access.authentication import Authenticator
from entrypoints.access.cursors import Cursors
from entrypoints.access.limits import RateLimits, rates
from entrypoints.access.networks import Networks
from entrypoints.container import Container
from entrypoints.http import openapi, operations
from entrypoints.http.auth import authentication
from entrypoints.http.binding import bound
from entrypoints.http.bodies import StrictRequest
from entrypoints.http.cors import Cors, Origins
from entrypoints.http.errors import fail, refuse, refuse_http
from entrypoints.http.fast_lane import FastLane
from entrypoints.http.feeds.handlers import FeedsController
from entrypoints.http.feeds.trending import TrendingController
from entrypoints.http.fragments import Fragments
from entrypoints.http.graph.handlers import (
    MyRelationshipsController,
    RelationshipsController,
    UserRelationshipController,
)
from entrypoints.http.hot_reads import HotReads
from entrypoints.http.identity.sessions import AuthController, ClientInfoReader
from entrypoints.http.identity.users import MeController, UsersController
from entrypoints.http.kept_lane import KeptLane
from entrypoints.http.kept_responses import KeptResponses
from entrypoints.http.media.handlers import MediaController
from entrypoints.http.media.receiving import Uploads
from entrypoints.http.media.serving import ServingController
from entrypoints.http.media.uploads import DirectUploadsController
from entrypoints.http.notifications.handlers import NotificationsController
from entrypoints.http.notifications.preferences import PreferencesController
from entrypoints.http.notifications.stream import asyncapi
from entrypoints.http.notifications.stream.at_once import Pushes
from entrypoints.http.notifications.stream.services import StreamServices
from entrypoints.http.notifications.stream.socket import StreamSocket
from entrypoints.http.notifications.stream.sse import StreamController
from entrypoints.http.notifications.stream.temporary_errors import TemporaryErrorsAsEvents
from entrypoints.http.paging import Pager
from entrypoints.http.posts.engagements import EngagedPostsController, EngagementsController
from entrypoints.http.posts.handlers import OfUser, PostsController, PostsOfUserController
from entrypoints.http.posts.threads import ThreadsController
from entrypoints.http.request_counting import CountedLifecycle
from entrypoints.http.request_middleware import RequestMiddleware
from entrypoints.http.resources import IdempotentRequests
from entrypoints.http.search import SearchController
from entrypoints.http.tracing import RouteRecorder, TracedRequests
from entrypoints.readiness import Readiness
from entrypoints.settings import Settings

VERSION = "0.1.0"
MAX_BODY = 64 * 1024


CONTROLLERS: Sequence[type[Controller]] = (
    AuthController,
    MeController,
    UsersController,
    PostsController,
    ThreadsController,
    PostsOfUserController,
    EngagementsController,
    EngagedPostsController,
    SearchController,
    TrendingController,
    FeedsController,
    UserRelationshipController,
    MyRelationshipsController,
    RelationshipsController,
    NotificationsController,
    PreferencesController,
    StreamController,
    MediaController,
)
"""The controllers of the API, in the order of its description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The needs of controllers besides the modules."""

    idempotent_requests: IdempotentRequests
    client_info: ClientInfoReader
    pager: Pager
    fragments: Fragments
    follow_summaries: FollowSummaries
    read_user_feed: OfUser
    streams: StreamServices
    origin: str
    addresses: RenditionAddresses
    address_verifier: AddressVerifier
    ticket_verifier: TicketVerifier
    folder: OpenFolder
    uploads: Uploads
    max_file: int


def create_app(
    container: Container, settings: Settings, draining: Callable[[], bool] = lambda: False
) -> ASGIApp:
    """The ASGI application over `container`. The caller starts and stops the container. `draining` is true when the server
    is about to stop."""
    fragments = Fragments(container.media_addresses())
    container.meters().fragments = fragments
    handlers, common = _routes(container, settings, fragments, draining)
    documents = operations.documentation(lambda: describe(container, settings), asyncapi.document)
    limits = RateLimits(container.limiter(), rates(settings.rate_limits))
    authenticator = Authenticator(container.identity().authenticate, limits)
    app = _Litestar(
        [*handlers, documents, operations.home],
        openapi_config=None,
        logging_config=None,
        guards=[authentication(authenticator)],
        exception_handlers={DomainError: refuse, HTTPException: refuse_http, Exception: fail},
        **common,
    )
    kept = None
    if settings.keeps_responses:
        kept = KeptResponses(container.readings(), settings.read_model_mb * 1024 * 1024)
        container.meters().kept = kept
    lane = FastLane(
        app,
        authenticator,
        reads=_hot_reads(container, settings, fragments).by_template(),
        socket=_socket(container, settings, authenticator, fragments),
        kept=kept,
    )
    traces = container.traces()
    middleware = RequestMiddleware(
        lane if traces is None else RouteRecorder(lane),
        access_log=settings.access_log,
        hsts=hsts(settings),
        networks=Networks(settings.trusted_proxies),
        limits=limits,
        cors=Cors(Origins(settings.cors_origins, _local_origins(settings))),
    )
    meter = container.meters().requests if settings.metrics_address else None
    if meter is not None:
        meter.in_flight = lambda: middleware.in_flight
        middleware.lifecycle = partial(CountedLifecycle, meter)
    if traces is not None:
        # A kept response then goes through the middleware, so that its span is like all others.
        return TemporaryErrorsAsEvents(TracedRequests(middleware, traces))
    if kept is not None:
        return TemporaryErrorsAsEvents(KeptLane(middleware, authenticator, kept, meter))
    return TemporaryErrorsAsEvents(middleware)


class _Litestar(Litestar):
    @staticmethod
    def _patch_opentelemetry_middleware(config: AppConfig) -> AppConfig:
        """Litestar imports its plugin for OpenTelemetry, and with it a part of that library, whether it is used or not."""
        return config


def describe(container: Container, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document. Slow; needs no open store."""
    handlers, common = _routes(container, settings, Fragments(container.media_addresses()))
    return openapi.document(_Litestar(handlers, openapi_config=_description(), logging_config=None, **common))


def _routes(
    container: Container,
    settings: Settings,
    fragments: Fragments,
    draining: Callable[[], bool] = lambda: False,
) -> tuple[list[Any], dict[str, Any]]:
    """The route handlers, and the options that an application with them needs."""
    fingerprint = container.secrets().fingerprint
    offers = (
        Parts(
            idempotent_requests=IdempotentRequests(fingerprint),
            client_info=ClientInfoReader(fingerprint),
            pager=_pager(container, settings),
            fragments=fragments,
            follow_summaries=container.graph().read_follow_summary,
            read_user_feed=container.feeds().read_user_feed,
            streams=_streams(container, fragments),
            origin=settings.url,
            addresses=container.media_addresses(),
            address_verifier=container.media_addresses(),
            ticket_verifier=container.direct_uploads(),
            folder=container.folder(),
            uploads=Uploads(),
            max_file=settings.media_file_mb * 1024 * 1024,
        ),
        *container.modules(),
    )
    handlers = [
        Router("/api/v1", route_handlers=[bound(controller, *offers) for controller in CONTROLLERS]),
        bound(ServingController, *offers),
        # An S3 takes uploads by itself.
        *([] if container.config().media_in_s3 else [bound(DirectUploadsController, *offers)]),
        operations.livez,
        operations.startupz,
        operations.readyz(Readiness(container.checks(), container.soft_checks(), draining)),
        operations.jwks(container.keys().jwks),
    ]
    common = {"request_class": StrictRequest, "request_max_body_size": MAX_BODY}
    return handlers, common


def _hot_reads(container: Container, settings: Settings, fragments: Fragments) -> HotReads:
    return HotReads(
        read_post=container.posts().read_post,
        list_comments=container.posts().list_comments,
        list_by_author=container.posts().list_by_author,
        read_home_feed=container.feeds().read_home_feed,
        read_public_feed=container.feeds().read_public_feed,
        read_hashtag_feed=container.feeds().read_hashtag_feed,
        list_trending_posts=container.feeds().list_trending_posts,
        list_trending_tags=container.feeds().list_trending_tags,
        fragments=fragments,
        pager=_pager(container, settings),
    )


def _pager(container: Container, settings: Settings) -> Pager:
    return Pager(Cursors(container.secrets().key("cursor")), settings.url)


def _socket(
    container: Container, settings: Settings, authenticator: Authenticator, fragments: Fragments
) -> StreamSocket:
    notifications = container.notifications()
    return StreamSocket(
        _streams(container, fragments),
        origins=Origins((settings.url, *settings.cors_origins), _local_origins(settings)),
        admit=authenticator,
        redeem=notifications.redeem_ticket,
        mark_read=notifications.mark_read,
        per_network=None if settings.rate_limits == "off" else settings.sockets_per_network,
    )


def _streams(container: Container, fragments: Fragments) -> StreamServices:
    notifications = container.notifications()
    return StreamServices(
        notifications.hub,
        notifications.open_stream,
        notifications.read_coalesced,
        Pushes(notifications.read_coalesced.read_after),
        container.now(),
        fragments,
        container.meters().streams,
        container.traces(),
    )


def _local_origins(settings: Settings) -> str | None:
    """In development, the origins of pages on the developer's machine."""
    return r"http://(localhost|127\.0\.0\.1)(:\d+)?" if settings.env == "development" else None


def hsts(settings: Settings) -> str:
    """The value of Strict-Transport-Security; empty if clients use plain HTTP."""
    if not settings.url.startswith("https://"):
        return ""
    return "max-age=31536000" + ("; includeSubDomains" if settings.hsts_subdomains == "on" else "")


def _description() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Waggle",
        version=VERSION,
        description=ABOUT,
        contact=Contact(name="The operator of this server"),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        operation_id_creator=openapi.require_operation_id,
    )


ABOUT = """A self-hosted social backend.

* **Ids** are strings of decimal digits, ordered by time. **Times** are RFC 3339 in UTC with three fractional digits.
* **Requests** with a body send `application/json`. Unknown members and query parameters are refused.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `code`; all codes are listed at `/api/errors`.
* **Pages** have `items`, `next` and `prev`. Get the next page with `?cursor=<next>`, until `next` is null.
* **Idempotency-Key** on a POST makes it safe to retry.
* **ETag** on single resources works with `If-None-Match` (304) and, on edits, `If-Match` (412); on lists of posts with
  `If-None-Match`.
"""
