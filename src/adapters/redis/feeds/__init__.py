"""Timelines in Redis."""

from adapters.redis.feeds.timelines import RedisTimelines

__all__ = ["RedisTimelines"]
