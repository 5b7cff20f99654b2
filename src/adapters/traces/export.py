"""The export of spans over OTLP/HTTP, in a thread: bounded in memory and in time, and never in the way of a request."""

import asyncio
import logging
import threading
import time
import uuid
from contextlib import suppress

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from adapters.log_events import LastSpansLost, SpansNotExported
from adapters.traces.address import CollectorAddress
from adapters.traces.session import BoundedSession
from application.shared.log import log

EXPORT_SECONDS = 5.0
"""For one batch with all its retries. What is not accepted by then is dropped."""
CLOSE_SECONDS = 2.0
"""For what is still in the queue when the process stops."""
QUEUE, BATCH = 4096, 512
"""Spans. When the queue is full, the oldest are dropped."""
PAUSE_SECONDS = 1.0
"""The longest time that a span waits for a batch to fill."""
REPEAT_LOG_SECONDS = 60.0


class Export:
    """Exports finished spans until it is closed."""

    def __init__(self, address: CollectorAddress) -> None:
        _report_once_a_minute()
        exporter = OTLPSpanExporter(
            address.url,
            certificate_file=address.ca_certs,
            timeout=EXPORT_SECONDS,
            compression=Compression.Gzip,
            session=BoundedSession(),
        )
        self._processor = BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE,
            schedule_delay_millis=PAUSE_SECONDS * 1000,
            max_export_batch_size=BATCH,
        )
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": "waggle", "service.instance.id": str(uuid.uuid4())}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self.tracer = provider.get_tracer("waggle")

    async def close(self) -> None:
        """Export what is in the queue, for at most CLOSE_SECONDS."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # the loop is closed: nobody waited
                loop.call_soon_threadsafe(done.set)

        # A thread of its own: the event loop would wait for one of its pool, however long that takes.
        threading.Thread(target=shut_down, daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await done.wait()
        except TimeoutError:
            log(LastSpansLost())


class _OnceAMinute(logging.Handler):
    """Replaces the messages of the library, which logs each failed attempt, by one line a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logged_at = -REPEAT_LOG_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._logged_at >= REPEAT_LOG_SECONDS:
            self._logged_at = now
            log(SpansNotExported(reason=record.getMessage()[:300]))


def _report_once_a_minute() -> None:
    library = logging.getLogger("opentelemetry")
    library.propagate = False
    library.handlers = [_OnceAMinute()]
