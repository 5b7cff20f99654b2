"""What a key may look like, in every storage."""

import re

_KEY = re.compile(r"(?!.{201})[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)


def checked(key: str) -> str:
    """Raises ValueError for what is no key: a mistake of ours, since no client chooses one."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of an object")
    return key


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None
