"""The adapters that depend on a setting."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from adapters.mail.unsent import NoMail, PrintedMail
from adapters.memory.feeds.timelines import MemoryTimelines, NoTimelines
from adapters.memory.limits import MemoryLimiter, NoLimiter
from adapters.metered.media import MeteredStorage
from adapters.metered.meters import Meters
from adapters.metered.shared import MeteredCache, MeteredMail, metered_limiter
from adapters.packed_cache import PackedCache
from adapters.processing.parent import ChildProcessor, ConfinementRequired
from adapters.redis.address import Address
from adapters.sql.database import Database
from adapters.sql.migrate import require_no_newer_schema, require_schema
from adapters.storage.address import S3Address
from adapters.storage.folder import FolderStorage
from adapters.storage.memory import MemoryStorage
from application.feeds.ports import Timelines
from application.media.ports import Storage
from application.notifications.ports import StreamHints
from application.shared.caching import Cache
from application.shared.limits import Limiter
from application.shared.mail import Mail
from application.shared.subscriptions import InProcess, Subscribers
from entrypoints.readiness import Check

if TYPE_CHECKING:
    from adapters.memory.store import Store
    from adapters.redis.client import Client
    from adapters.redis.feeds import RedisTimelines
    from adapters.redis.notifications import RedisHints
    from adapters.storage.s3 import S3Storage
    from adapters.traces.spans import Traces
    from entrypoints.container import Container
    from entrypoints.memory_stores import MemoryStores


T = TypeVar("T")


def measured(c: "Container", part: T, wrap: Callable[[T, Meters], T]) -> T:
    """The part, wrapped if metrics are on."""
    return wrap(part, c.meters()) if c.config().settings.metrics_address else part


# The imports within functions are of adapters and libraries that only a server with this setting should load: each takes
# time at the start, and memory. tests/unit/test_footprint.py lists what the embedded shape does not load.


def traces(c: "Container") -> "Traces | None":
    """None if no traces are recorded. Starts a thread that exports spans until `close`."""
    address, settings = c.config().collector, c.config().settings
    if address is None:
        return None
    from adapters.traces.export import Export  # noqa: PLC0415
    from adapters.traces.spans import Traces  # noqa: PLC0415

    export = Export(address)
    return Traces(
        export.tracer,
        export.close,
        ratio=settings.traces_ratio,
        continue_callers=settings.traces_continue == "on",
    )


def database(c: "Container") -> Database:
    settings, committed, traces = c.config().settings, c.wake().set, c.traces()
    connections = settings.database_connections
    if traces is None:
        return Database.at(settings.database, committed, connections=connections)
    from adapters.traces.sql import TracedDatabase  # noqa: PLC0415

    return TracedDatabase.traced(traces, settings.database, committed, connections)


def store(c: "Container") -> "Store":
    """The store of the shape `memory`, which keeps everything."""
    from adapters.memory.store import Store  # noqa: PLC0415

    return Store(c.wake().set)


def memory_stores(c: "Container") -> "MemoryStores":
    from adapters.memory.technology import Memory  # noqa: PLC0415
    from entrypoints.memory_stores import MemoryStores  # noqa: PLC0415

    return MemoryStores(Memory(store=c.store(), new_id=c.ids(), now=c.now(), monotonic=c.monotonic()))


def redis(c: "Container") -> "Client":
    """Raises ValueError if no Redis is configured."""
    from adapters.redis.client import Client  # noqa: PLC0415

    address, traces = _redis_address(c), c.traces()
    if traces is None:
        return Client(address)
    from adapters.traces.redis import TracedClient  # noqa: PLC0415

    return TracedClient(address, traces)


def subscribers(c: "Container") -> Subscribers:
    in_process = InProcess(one for module in c.modules() for one in module.subscriptions())
    if (traces := c.traces()) is None:
        return in_process
    from adapters.traces.subscribers import TracedSubscribers  # noqa: PLC0415

    return TracedSubscribers(in_process, traces)


def redis_timelines(c: "Container") -> "RedisTimelines":
    from adapters.redis.feeds import RedisTimelines  # noqa: PLC0415

    return RedisTimelines(c.redis())


def redis_hints(c: "Container") -> "RedisHints":
    from adapters.redis.notifications import RedisHints  # noqa: PLC0415

    return RedisHints(c.redis(), _redis_address(c), c.hub())


def hints(c: "Container") -> StreamHints:
    return c.redis_hints() if c.config().redis_address else c.hub()


def timelines(c: "Container") -> Timelines:
    if c.config().redis_address:
        return c.redis_timelines()
    # With several processes, each would miss in its timelines what the others publish.
    return NoTimelines() if c.config().settings.on_postgres else MemoryTimelines()


def limiter(c: "Container") -> Limiter:
    if c.config().settings.rate_limits == "off":
        return NoLimiter()
    limiter: Limiter = MemoryLimiter(c.monotonic())
    if c.config().redis_address:
        from adapters.redis.limits import RedisLimiter  # noqa: PLC0415

        limiter = RedisLimiter(c.redis(), limiter, c.ids().processes)
    return measured(c, limiter, metered_limiter)


def cache(c: "Container") -> Cache:
    cache: Cache = PackedCache(c.memory_cache())
    if c.config().redis_address:
        from adapters.redis.cache import RedisCache  # noqa: PLC0415

        cache = PackedCache(RedisCache(c.redis(), c.memory_cache()))
    return measured(c, cache, MeteredCache)


def mail(c: "Container") -> Mail:
    configuration = c.config()
    if configuration.mail_server is not None:
        from adapters.mail.smtp import SmtpMail  # noqa: PLC0415

        own_host = configuration.site.host.encode("idna").decode()
        smtp: Mail = SmtpMail(server=configuration.mail_server, own_host=own_host, now=c.now())
        return measured(c, smtp, MeteredMail)
    return PrintedMail() if configuration.settings.env == "development" else NoMail()


def s3(c: "Container") -> "S3Storage":
    """Only where media are there."""
    from adapters.storage.s3 import S3Storage  # noqa: PLC0415

    place = c.config().media_place
    if not isinstance(place, S3Address):
        raise TypeError("media are not in an S3")
    return S3Storage(place, c.now())


def storage(c: "Container") -> Storage:
    return measured(c, _storage(c), MeteredStorage)


def _storage(c: "Container") -> Storage:
    place, traces = c.config().media_place, c.traces()
    if isinstance(place, S3Address):
        if traces is None:
            return c.s3()
        from adapters.traces.storage import TracedStorage  # noqa: PLC0415

        return TracedStorage(c.s3(), place, traces)
    if place is not None:
        return FolderStorage(place, c.direct_uploads())
    return MemoryStorage(c.direct_uploads(), c.now())


def processor(c: "Container") -> ChildProcessor:
    settings = c.config().settings
    return ChildProcessor(
        audio=settings.media_audio == "on",
        confinement_required=ConfinementRequired(settings.media_confinement == "required"),
    )


def checks(c: "Container") -> Mapping[str, Check]:
    """The required parts that /readyz checks."""
    ids = c.disk().unless_full(c.ids().check)
    if c.config().store == "memory":
        return {"database": c.store().ping, "ids": ids}
    return {"database": c.database().ping, "schema": partial(require_schema, c.database()), "ids": ids}


def soft_checks(c: "Container") -> Mapping[str, Check]:
    """The optional parts that /readyz checks."""
    soft: dict[str, Check] = {"storage": c.storage().check}
    if c.config().redis_address:
        soft["redis"] = c.redis().check
    if c.config().data_folder:
        soft["disk"] = c.disk().ready
    if c.config().store != "memory":
        soft["version"] = partial(require_no_newer_schema, c.database())
    return soft


def _redis_address(c: "Container") -> Address:
    address = c.config().redis_address
    if address is None:
        raise ValueError("there is no Redis")
    return address
