"""Stream hints between processes."""

from adapters.redis.notifications.hints import RedisHints

__all__ = ["RedisHints"]
