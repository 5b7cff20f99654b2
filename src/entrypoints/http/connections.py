"""Connections: how many of them a process and a network may hold, and which of them are overdue or not HTTP."""

import resource
from collections import Counter
from collections.abc import Collection
from typing import Any, Protocol

from application.shared.log import log
from entrypoints.access.networks import UNKNOWN, Networks, prefix
from entrypoints.log_events import InvalidHttp, TooManyConnections

HEADER_SECONDS = 10.0
"""From the beginning of a connection, or of a further request on it, to the end of the headers."""
MAX_CONNECTIONS = 10_000
RESERVED_FILES = 256
"""File descriptors that are reserved for the store, logs and uploads."""
MAX_PER_NETWORK = 100
"""Concurrent connections of one network. A browser opens six; trusted proxies have no limit."""
REPEAT_SECONDS = 60.0
"""The least time between two lines about requests that are not valid HTTP: anyone can send any number of them."""


class Connection(Protocol):
    """A connection of HTTP, or a WebSocket that it became."""

    network: str
    transport: Any

    def check_deadline(self, now: float) -> None: ...


class Connections:
    """All connections to one listener of this process. `per_network` None means no limit per network."""

    listener = "public"
    header_seconds = HEADER_SECONDS

    def __init__(self, networks: Networks, per_network: int | None, in_all: int | None = None) -> None:
        self._networks = networks
        self._per_network = per_network
        self._in_all = in_all or _file_descriptor_limit()
        self._of: Counter[str] = Counter()
        self._open: dict[Connection, None] = {}
        """In the order in which they were opened."""
        self._next_warning = 0.0
        self._next_invalid, self._unlogged = 0.0, 0
        self.refused: Counter[str] = Counter(process=0, network=0)
        """Connections that were refused, by whose limit was reached."""
        self.invalid: Counter[str] = Counter(malformed=0, too_large=0, upgrade=0)
        """Requests that no application saw, because they are not valid HTTP; by what is wrong."""
        self.draining = False
        """Whether the server is about to stop: then keep-alive ends, so that clients connect to another process."""

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, peer: str, now: float) -> bool:
        """Count a new connection from the address `peer`, which later must `leave`. False if there is no room for it."""
        network = self._networks.of(peer)
        full = len(self._open) >= self._in_all and not self.make_room()
        limited = self._per_network is not None and network != UNKNOWN and not self._networks.trusts(peer)
        if full or (limited and self._of[network] >= (self._per_network or 0)):
            self.refused["process" if full else "network"] += 1
            if now >= self._next_warning:  # once a second: too many connections must not fill the log
                self._next_warning = now + 1
                self.warn_full("" if full else prefix(network))
            return False
        connection.network = network
        self._of[network] += 1
        self._open[connection] = None
        return True

    def make_room(self) -> bool:
        """Called when the limit of the process is reached. Whether a connection was closed to make room for a new one."""
        return False

    def warn_full(self, network: str) -> None:
        """Log that connections are refused. `network` is the one that has too many; empty if the process has."""
        log(TooManyConnections(limit="network" if network else "process", network=network))

    def note_invalid(self, what: str, network: str, request_id: str, now: float) -> None:
        """Count a request that is not valid HTTP, and log it, at most once a minute. `request_id` is empty if the client got no
        response to it."""
        self.invalid[what] += 1
        self._unlogged += 1
        if now >= self._next_invalid:
            count, self._unlogged, self._next_invalid = self._unlogged, 0, now + REPEAT_SECONDS
            log(
                InvalidHttp(
                    count=count,
                    listener=self.listener,
                    defect=what,
                    network="" if network == UNKNOWN else prefix(network),
                    request_id=request_id,
                )
            )

    @property
    def open(self) -> Collection[Connection]:
        """In the order in which they were opened."""
        return self._open.keys()

    def replace(self, connection: Connection, place: Connection) -> None:
        """Replace a connection by the WebSocket that it became."""
        if connection in self._open:
            del self._open[connection]
            self._open[place] = None

    def leave(self, connection: Connection) -> None:
        if connection in self._open:
            del self._open[connection]
            self._of[connection.network] -= 1
            if not self._of[connection.network]:
                del self._of[connection.network]

    def abort(self) -> None:
        """Close all connections at once."""
        for connection in tuple(self._open):
            connection.transport.abort()

    def end_overdue(self, now: float) -> None:
        """Close the connections that are past their deadlines. Call it about once a second."""
        for connection in tuple(self._open):
            connection.check_deadline(now)


def _file_descriptor_limit() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else max(16, min(MAX_CONNECTIONS, files - RESERVED_FILES))
