"""The syntax of object keys, for every storage."""

import re

_KEY = re.compile(r"(?!.{201})[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)


def checked(key: str) -> str:
    """Return the key. Raises ValueError if it is invalid: that is a bug, because clients do not choose keys."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a valid object key")
    return key


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None
