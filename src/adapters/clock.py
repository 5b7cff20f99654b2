"""The wall clock, the one place that reads it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now in UTC, cut to the milliseconds that the stores keep and the API shows."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
