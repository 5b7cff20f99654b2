"""A client of Waggle's stream: every notification once and in order, whatever happens to the connection.

It stands by itself, imports nothing of the server, and is what docs/stream.md says in Python.
"""

from waggle_client.notifications import Event, Gap, Notifications
from waggle_client.protocol import Ended, Hint, Live, MustLogIn
from waggle_client.stream import Listed, Stream

__all__ = ["Ended", "Event", "Gap", "Hint", "Listed", "Live", "MustLogIn", "Notifications", "Stream"]
