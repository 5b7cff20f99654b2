"""The values of the metric families, read from the objects of this process when they are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from adapters.breaker import Breaker
from adapters.metered.meters import Distribution, Histograms
from application.shared.deliveries import NOT_DISTRIBUTED
from domain.shared import made_at
from entrypoints.container import Container
from entrypoints.metrics.queues import Queues


class Total(NamedTuple):
    """The value of a summary without quantiles."""

    number: int
    sum: float


Value: TypeAlias = float | Distribution | Total


class Sample(NamedTuple):
    family: str
    labels: Sequence[str]
    """The values, in the order of the family's labels."""
    value: Value


class Served(NamedTuple):
    """The values that the server knows and the container does not."""

    version: str
    connections: Callable[[], int]
    refused: Callable[[], Mapping[str, int]]
    """Refused connections by limit."""
    invalid: Mapping[str, Mapping[str, int]]
    """Requests that are not valid HTTP, by listener and what is wrong with them."""


def read(c: Container, queues: Queues, served: Served) -> list[Sample]:
    """A copy of all values of this moment, except those of the libraries. Waits for nothing."""
    return [
        *_http(c, served),
        *_outbox(c, queues),
        *_dependencies(c),
        *_stream(c),
        *_limits(c),
        *_caches(c),
        *_read_model(c),
        *_process(c, queues, served),
    ]


def _http(c: Container, served: Served) -> Iterator[Sample]:
    requests = c.meters().requests
    yield from _all("waggle_http_request_duration_seconds", requests.durations)
    yield Sample("waggle_http_requests_in_flight", (), requests.in_flight())
    yield Sample("waggle_http_request_body_bytes", (), requests.received_bytes)
    yield Sample("waggle_http_response_body_bytes", (), requests.sent_bytes)
    yield Sample("waggle_http_connections", (), served.connections())
    for limit, count in served.refused().items():
        yield Sample("waggle_http_connections_refused", (limit,), count)
    for listener, defects in served.invalid.items():
        for defect, count in defects.items():
            yield Sample("waggle_http_invalid_requests", (listener, defect), count)


def _outbox(c: Container, queues: Queues) -> Iterator[Sample]:
    meters = c.meters()
    yield from _all("waggle_outbox_handler_duration_seconds", meters.deliveries)
    yield Sample("waggle_outbox_delivery_delay_seconds", (), meters.delays.read())
    if queues.outbox is None:
        return
    now = c.now()()

    def age(event: int | None) -> float:
        return 0.0 if event is None else max(0.0, (now - made_at(event)).total_seconds())

    for subscriber, counts in queues.outbox.items():
        if counts.dead:
            yield Sample("waggle_outbox_dead_letters", (subscriber or "(all)",), counts.dead)
        if subscriber != NOT_DISTRIBUTED:
            yield Sample("waggle_outbox_pending_deliveries", (subscriber,), counts.pending)
            yield Sample("waggle_outbox_retrying_deliveries", (subscriber,), counts.retrying)
            yield Sample("waggle_outbox_oldest_delivery_age_seconds", (subscriber,), age(counts.oldest))
    new = queues.outbox.get(NOT_DISTRIBUTED)
    yield Sample("waggle_outbox_pending_events", (), new.pending + new.retrying if new else 0)
    yield Sample("waggle_outbox_oldest_event_age_seconds", (), age(new.oldest if new else None))


def _dependencies(c: Container) -> Iterator[Sample]:
    yield from _all("waggle_storage_call_duration_seconds", c.meters().storage)
    if c.config().store == "sql":
        for pool in c.database().pools():
            yield Sample("waggle_pool_connections_max", (pool.name,), pool.size)
            yield Sample("waggle_pool_connections_in_use", (pool.name,), pool.in_use)
            yield Sample("waggle_pool_waiting", (pool.name,), pool.waiting)
    if c.config().media_in_s3:
        yield from _breaker("storage", c.s3().breaker)
    if c.config().redis_address is None:
        return
    redis = c.redis()
    yield from _breaker("redis", redis.breaker)
    yield Sample("waggle_redis_up", (), redis.available)
    yield Sample("waggle_redis_pending_commands", (), redis.pending)
    stats = redis.stats
    yield Sample("waggle_redis_command_duration_seconds", (), Total(stats.answered, stats.seconds))
    for reason, count in (("refused", stats.refused), ("timeout", stats.timed_out), ("lost", stats.lost)):
        yield Sample("waggle_redis_command_errors", (reason,), count)


def _breaker(name: str, breaker: Breaker) -> Iterator[Sample]:
    yield Sample("waggle_breaker_open", (name,), not breaker.closed)
    yield Sample("waggle_breaker_opened", (name,), breaker.opened)


def _stream(c: Container) -> Iterator[Sample]:
    streams = c.meters().streams
    for transport, count in streams.open.items():
        yield Sample("waggle_stream_connections", (transport,), count)
    for frame, count in streams.frames.items():
        yield Sample("waggle_stream_frames", (frame,), count)
    for code, count in streams.closed.items():
        yield Sample("waggle_stream_closed", (str(code),), count)
    yield Sample("waggle_stream_delay_seconds", (), streams.delays.read())


def _limits(c: Container) -> Iterator[Sample]:
    for (name, admitted), count in c.meters().limits.items():
        yield Sample("waggle_limiter_requests", (name, "admitted" if admitted else "refused"), count)


def _caches(c: Container) -> Iterator[Sample]:
    meters = c.meters()
    for found in (True, False):
        result = "hit" if found else "miss"
        yield Sample("waggle_cache_requests", ("rankings", result), meters.cache_hits[found])
        if meters.fragments is not None:
            count = meters.fragments.hits if found else meters.fragments.misses
            yield Sample("waggle_cache_requests", ("fragments", result), count)
    rankings, contents = c.memory_cache().size, c.posts().hydrate_entries.read_post_views.cache
    sizes: dict[str, tuple[int, int]] = {"rankings": rankings, "contents": (len(contents), contents.bytes)}
    if meters.fragments is not None:
        sizes["fragments"] = len(meters.fragments), meters.fragments.bytes
    for name, (entries, size) in sizes.items():
        yield Sample("waggle_cache_entries", (name,), entries)
        yield Sample("waggle_cache_bytes", (name,), size)
    yield Sample("waggle_cache_entries", ("cards",), len(c.identity().cards))


def _read_model(c: Container) -> Iterator[Sample]:
    if (kept := c.meters().kept) is None:
        return
    yield Sample("waggle_read_model_hits", (), kept.hits)
    for reason, count in kept.misses.items():
        yield Sample("waggle_read_model_misses", (reason,), count)
    for reason, count in kept.refused.items():
        yield Sample("waggle_read_model_refused", (reason,), count)
    yield Sample("waggle_read_model_evictions", (), kept.evicted)
    yield Sample("waggle_read_model_responses", (), len(kept))
    yield Sample("waggle_read_model_bytes", (), kept.bytes)


def _process(c: Container, queues: Queues, served: Served) -> Iterator[Sample]:
    meters = c.meters()
    yield Sample("waggle_event_loop_lag_seconds", (), meters.lag.read())
    yield from _all("waggle_media_job_duration_seconds", meters.media)
    if c.config().mail_server is not None:
        for outcome, count in meters.mail.items():
            yield Sample("waggle_mail_messages", (outcome,), count)
    for (kind, outcome), count in meters.security.items():
        yield Sample("waggle_security_events", (kind, outcome), count)
    if queues.media is not None:
        yield Sample("waggle_media_queued_jobs", (), queues.media)
    if queues.mail is not None:
        yield Sample("waggle_mail_queued", (), queues.mail)
    for source, count in queues.errors.items():
        yield Sample("waggle_scrape_errors", (source,), count)
    yield Sample("waggle_build_info", (served.version, c.config().settings.shape), 1)


def _all(family: str, histograms: Histograms) -> Iterator[Sample]:
    for labels, histogram in histograms.by_labels.items():
        yield Sample(family, labels, histogram.read())
