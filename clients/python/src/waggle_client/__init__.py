"""A client for Waggle's notification stream: each notification once and in order, whatever happens to the connection.

The package imports nothing of the server. It implements docs/stream.md in Python.
"""

from waggle_client.notifications import MissingEvent, Notifications, StreamEvent
from waggle_client.protocol import Live, LoginRequired, StreamEnded, StreamHint
from waggle_client.stream import ListReloaded, Stream

__all__ = [
    "ListReloaded",
    "Live",
    "LoginRequired",
    "MissingEvent",
    "Notifications",
    "Stream",
    "StreamEnded",
    "StreamEvent",
    "StreamHint",
]
