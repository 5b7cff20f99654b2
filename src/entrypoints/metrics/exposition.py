"""The text that Prometheus reads. Imported only while metrics are on: the library takes 25 ms at the start."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import exposition as text
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from adapters.metered.meters import Distribution
from entrypoints.container import Container
from entrypoints.metrics.families import FAMILIES
from entrypoints.metrics.family import Family
from entrypoints.metrics.queues import Queues
from entrypoints.metrics.reading import Sample, Served, Total, read

OPENMETRICS = "application/openmetrics-text"


class ScrapeResponse(NamedTuple):
    content_type: str
    body: bytes


class Exposition:
    """Encodes all metrics of this process, one scrape at a time."""

    def __init__(self, queues: Queues, read: Callable[[], list[Sample]]) -> None:
        self._queues, self._read = queues, read
        self._scraping = asyncio.Lock()
        unregistered = CollectorRegistry()
        self._libraries: Sequence[Collector] = (
            ProcessCollector(registry=None),
            PlatformCollector(registry=None),
            GCCollector(registry=unregistered),
        )

    async def __call__(self, accept: str) -> ScrapeResponse:
        """The metrics in the format that the Accept header names: OpenMetrics, or the text format of Prometheus."""
        async with self._scraping:
            await self._queues.refresh()
            samples = self._read()
            # In a thread: some thousand lines take milliseconds, for which requests would wait.
            return await asyncio.to_thread(self._encode, samples, OPENMETRICS in accept)

    def _encode(self, samples: Sequence[Sample], is_openmetrics: bool) -> ScrapeResponse:  # noqa: FBT001
        registry = CollectorRegistry()
        registry.register(_Snapshot(samples))
        for library in self._libraries:
            registry.register(library)
        if is_openmetrics:
            return ScrapeResponse(openmetrics.CONTENT_TYPE_LATEST, openmetrics.generate_latest(registry))  # type: ignore[no-untyped-call]
        return ScrapeResponse(text.CONTENT_TYPE_PLAIN_0_0_4, text.generate_latest(registry))


def exposition(container: Container, served: Served) -> Exposition:
    """The metrics of a running server."""
    queues = Queues(
        container.outbox_queue().counts,
        container.media_stores().jobs.waiting,
        container.notifications_stores().mail_queue.waiting,
        container.monotonic(),
    )
    return Exposition(queues, lambda: read(container, queues, served))


class _Snapshot(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_family: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            self._by_family[sample.family].append(sample)

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield _metric(family, self._by_family.get(family.name, ()))

    def describe(self) -> Iterable[Metric]:
        return ()  # otherwise the registry would collect everything once more


def _metric(family: Family, samples: Iterable[Sample]) -> Metric:
    names = [*family.labels]
    match family.kind:
        case "counter":
            counter = CounterMetricFamily(family.name, family.about, labels=names)
            for _, labels, value in samples:
                counter.add_metric(labels, float(value))  # type: ignore[arg-type]  # as its kind says
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(family.name, family.about, labels=names)
            for _, labels, value in samples:
                gauge.add_metric(labels, float(value))  # type: ignore[arg-type]
            return gauge
        case "summary":
            summary = SummaryMetricFamily(family.name, family.about, labels=names)
            for _, labels, value in samples:
                if isinstance(value, Total):
                    summary.add_metric(labels, value.number, value.sum)
            return summary
        case "histogram":
            histogram = HistogramMetricFamily(family.name, family.about, labels=names)
            for _, labels, value in samples:
                if isinstance(value, Distribution):
                    histogram.add_metric(labels, _buckets(value), value.sum)
            return histogram


def _buckets(value: Distribution) -> list[tuple[str, float]]:
    names = [*map(floatToGoString, value.bounds), "+Inf"]
    return [*zip(names, map(float, accumulate(value.counts)), strict=True)]
