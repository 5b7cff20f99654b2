"""StreamHints to the streams of other processes."""

from adapters.redis.notifications.hints import RedisHints

__all__ = ["RedisHints"]
