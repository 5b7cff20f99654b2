"""The request that is being handled, for logs and security events. An adapter sets both variables for each request."""

from contextvars import ContextVar

from application.identity.security import Origin
from entrypoints.access.networks import prefix

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""`-` outside of a request."""
network: ContextVar[str] = ContextVar("network", default="")
"""As `Networks.of` names it."""


def origin() -> Origin:
    """The origin of what happens now, for security events."""
    identifier = request_id.get()
    return Origin(prefix(network.get()), "" if identifier == "-" else identifier)
