"""One session of a stream, independent of its transport."""

import asyncio
import random
from datetime import datetime

from application.notifications.hub import EndReason, Listener
from application.notifications.hydration import HydratedEntry
from application.notifications.ports import StreamHint
from application.notifications.read_stream import (
    AT_ONCE,
    OpenedStream,
    TooFarBehind,
)
from domain.notifications import Resume, Stream
from domain.shared import Unavailable, made_at
from entrypoints.http.notifications.shapes import Unread, data_of, event_type
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.at_once import HOME_HINT, Batch, WriteFrames
from entrypoints.http.notifications.stream.frames import HEARTBEAT_SECONDS, Outbound
from entrypoints.http.notifications.stream.services import SendFrame, StreamGrant, StreamServices
from entrypoints.http.resources import rfc3339

PONG_SECONDS = 10.0
REAUTH_SECONDS = 60
HOME_SECONDS = 2.0
"""Least time between two hints about the home feed."""
SEND_SECONDS = 10.0
"""Longest time in which the network must accept a frame. A slower client reconnects later, and misses nothing."""
FRESH_SECONDS = 1.0
"""Longest time between reading an entry and sending it. Older ones are read again, since they may be hidden by now."""
RETRY_SECONDS = 1.0
"""Time before the database is asked again after it was unavailable."""
EXPIRED = 4401
"""The close code of a stream whose token has expired."""
BYE_MS = 5_000
"""Clients that have to leave reconnect spread over this time."""


class StreamClosed(Exception):
    """Ends a stream; not an error."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class StreamSession:
    """One open stream, from `ready` on. Transports set its fields and wake its listener."""

    __slots__ = (
        "_answers_pings",
        "_home_at",
        "_live",
        "_loop",
        "_opened",
        "_pinged",
        "_reauth_sent",
        "_rests",
        "_send_frame",
        "_streams",
        "_until",
        "_write_frames",
        "closing",
        "heard_at",
        "listener",
        "pongs",
        "user",
    )

    def __init__(
        self,
        streams: StreamServices,
        listener: Listener,
        admitted: StreamGrant,
        send_frame: SendFrame,
        *,
        answers_pings: bool,
        write_frames: WriteFrames | None = None,
    ) -> None:
        """If the transport can `write_frames`, the session sends some frames without waking up."""
        self._streams, self.listener, self._send_frame = streams, listener, send_frame
        self._loop = asyncio.get_running_loop()
        self.user = admitted.user
        self.heard_at = self._loop.time()
        self.closing: Exception | None = None
        """Set by the transport when the session has to end."""
        self.pongs = 0
        """Pings of the client that are not answered yet."""
        self._answers_pings, self._pinged = answers_pings, 0.0
        self._opened: OpenedStream | None = None
        self._home_at = 0.0
        self._live = self._reauth_sent = self._rests = False
        self._write_frames = write_frames
        self._until = 0.0
        self.extend_until(admitted.until)

    def extend_until(self, until: datetime) -> None:
        self._until = self._loop.time() + (until - self._streams.now()).total_seconds()
        self._reauth_sent = False

    def rewind(self, seq: int) -> None:
        """Send the entries after `seq` again. Raises StreamClosed."""
        if seq > self.listener.last:
            raise StreamClosed(4007, "the cursor lies beyond what was sent")
        self.listener.last = seq
        self.listener.wake()

    async def open(self, resume: Resume | None) -> None:
        """Decide where to continue. Raises CursorAhead and Unavailable."""
        self._opened = await self._streams.open(self.user, resume)
        self.listener.last = self._opened.last

    async def run(self) -> None:
        """Send frames until cancelled or closed. Raises StreamClosed, and OSError when the client is gone."""
        meter, transport = self._streams.meter, "websocket" if self._answers_pings else "sse"
        meter.open[transport] += 1
        if self._write_frames is not None:
            self.listener.at_once = self._send_at_once
        try:
            await self._run()
        except StreamClosed as closed:
            meter.closed[closed.code] += 1
            raise
        finally:
            self.listener.at_once = None
            meter.open[transport] -= 1

    async def _run(self) -> None:
        opened = self._opened
        if opened is None:
            raise RuntimeError("the session is not open")
        await self._send(frames.Ready.of(opened.stream, opened.last, recovered=opened.recovered))
        while True:
            await self._send_due()
            if self.listener.take_pending():
                await self._send_entries()
            else:
                await self._wait()

    async def _send_entries(self) -> None:
        """Send the next entries of the stream."""
        try:
            read = await self._streams.read_coalesced(self.user, self.listener.last)
        except TooFarBehind as error:
            raise StreamClosed(4013, str(error)) from None
        except Unavailable:
            self._loop.call_later(RETRY_SECONDS, self.listener.wake)
            return
        self._check_history(read.stream)
        stale = self._loop.time() + FRESH_SECONDS
        for seen in read.entries:
            await self._send_entry(seen, read.stream)
            if self._live:
                self._streams.meter.delays.observe(self.delay(seen))
            if seen.entry.seq != self.listener.last + 1:
                return  # the client has rewound meanwhile, which woke the listener
            self.listener.last = seen.entry.seq
            if self._loop.time() >= stale or self.closing or self.listener.end_reason:
                self.listener.wake()
                return
        if len(read.entries) == AT_ONCE:
            self.listener.wake()
        elif not self._live:
            self._live = True
            await self._send(frames.Live(self.listener.last))

    async def _send_entry(self, seen: HydratedEntry, stream: Stream) -> None:
        frame, trace, traces = self.event(seen, stream), seen.entry.traceparent, self._streams.traces
        if trace is None or traces is None:
            await self._send(frame)
            return
        with traces.frame(trace):
            await self._send(frame)

    def _check_history(self, stream: Stream) -> None:
        """A restore may have replaced the history that was sent."""
        if self._opened is not None and stream.epoch != self._opened.stream.epoch:
            raise StreamClosed(4013, "the history was rewritten")

    def delay(self, seen: HydratedEntry) -> float:
        """Seconds since the entry was made."""
        return max(0.0, (self._streams.now() - made_at(seen.entry.id)).total_seconds())

    def event(self, seen: HydratedEntry, stream: Stream) -> frames.Event:
        """The frame of an entry. It is the same for all sessions of the user."""
        entry = seen.entry
        return frames.Event(
            entry.seq,
            str(entry.id),
            event_type(seen),
            rfc3339(made_at(entry.id)),
            data_of(seen, self._streams.fragments),  # type: ignore[arg-type]  # a member of the union
            Unread.of(stream),
        )

    async def _send_due(self) -> None:
        listener, now = self.listener, self._loop.time()
        if self.closing is not None:
            raise self.closing
        if listener.end_reason is not None:
            if listener.end_reason is not EndReason.SESSION:
                await self._send(frames.Bye(random.randrange(BYE_MS)))  # noqa: S311 - only spreads reconnects
            raise _closed(listener.end_reason)
        if now >= self._until:
            raise StreamClosed(EXPIRED, "the token has expired")
        if not self._reauth_sent and now >= self._until - REAUTH_SECONDS:
            self._reauth_sent = True
            await self._send(frames.ReauthSoon(max(0, int(self._until - now))))
        while self.pongs:
            self.pongs -= 1
            await self._send(frames.Pong())
        if listener.home_updated and now >= self._home_at:
            listener.home_updated, self._home_at = False, now + HOME_SECONDS
            await self._send(frames.Hint("home"))
        await self._heartbeat(now)

    async def _heartbeat(self, now: float) -> None:
        if self._answers_pings and self._pinged > self.heard_at:
            if now >= self._pinged + PONG_SECONDS:
                raise StreamClosed(4010, "a ping was not answered")
        elif now >= max(self.heard_at, self._pinged) + HEARTBEAT_SECONDS:
            self._pinged = now
            await self._send(frames.Ping())

    def _send_at_once(self, hint: StreamHint) -> bool:
        """Send what the hint is about without waking up. False if the session has to wake up for it."""
        if not self._may_write():
            return False
        if hint is StreamHint.STREAM:
            return self._live and self._streams.traces is None and self._streams.pushes.add(self)
        now = self._loop.time()
        if now < self._home_at or not self._wrote(HOME_HINT):
            return False
        self.listener.home_updated, self._home_at = False, now + HOME_SECONDS
        self._streams.meter.frames["hint"] += 1
        return True

    def push(self, batch: Batch) -> bool:
        """Send entries that were read for this session and others. False if the session has to read them itself."""
        opened, listener = self._opened, self.listener
        if opened is None or batch.epoch != opened.stream.epoch:
            return False
        if batch.last <= listener.last:  # sent meanwhile
            return True
        if batch.after != listener.last or not self._may_write() or not self._wrote(batch.frames):
            return False
        listener.last = batch.last
        self._streams.meter.frames["event"] += len(batch.delays)
        for delay in batch.delays:
            self._streams.meter.delays.observe(delay)
        return True

    def _may_write(self) -> bool:
        """Whether nothing is being sent, or has to be sent first."""
        listener = self.listener
        return (
            self._rests
            and not listener.is_woken
            and listener.end_reason is None
            and self.closing is None
            and self._loop.time() < self._until
        )

    def _wrote(self, ready_made: bytes) -> bool:
        return self._write_frames is not None and ready_made != b"" and self._write_frames(ready_made)

    async def _wait(self) -> None:
        """Return when there may be something to do."""
        due = self._until if self._reauth_sent else self._until - REAUTH_SECONDS
        if self.listener.home_updated:
            due = min(due, self._home_at)
        if self._answers_pings and self._pinged > self.heard_at:
            due = min(due, self._pinged + PONG_SECONDS)
        else:
            due = min(due, max(self.heard_at, self._pinged) + HEARTBEAT_SECONDS)
        self._rests = True
        try:
            async with asyncio.timeout_at(due):
                await self.listener.wait()
        except TimeoutError:
            pass
        finally:
            self._rests = False

    async def _send(self, frame: Outbound) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send_frame(frame)
            self._streams.meter.frames[str(frame.__struct_config__.tag)] += 1
        except TimeoutError:
            raise StreamClosed(4008, "the client is too slow") from None


def _closed(end_reason: EndReason) -> StreamClosed:
    match end_reason:
        case EndReason.SESSION:
            return StreamClosed(4403, "the session has ended")
        case EndReason.DRAIN:
            return StreamClosed(1012, "the server is stopping")
        case EndReason.AWAY:
            return StreamClosed(4014, "the database is unavailable")
