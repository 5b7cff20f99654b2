"""The trace that the current task works for, as the stores record it with events and stream entries. Needs no library, and is
None unless traces are recorded."""

from contextvars import ContextVar

TRACEPARENT_LENGTH = 55

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""W3C Trace Context, version 00, of the request or the event handler; None if its trace is not recorded."""
