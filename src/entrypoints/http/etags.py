"""Entity tags (RFC 9110, 8.8.3), as they come back from proxies.

A proxy that compresses makes `"v3"` into `W/"v3"` or `"v3-gzip"` and seldom undoes it in what the client sends next.
The bytes that such a tag names were made from the ones of ours, so it is taken for ours.
"""

import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{0,100}?)(?:[-;:+]+[A-Za-z0-9_]{1,16})?"')
_VERSION = re.compile(r"(\d{1,15})\.[0-9a-f]{16}", re.ASCII)


def weak(tag: bytes) -> bytes:
    """The tag of the same thing in other bytes."""
    return tag if tag.startswith(b"W/") else b"W/" + tag


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has what `tag` (strong, quoted) names."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag[1:-1] in _TAG.findall(if_none_match)


def versions_in(if_match: str) -> list[int]:
    """The versions in those of the tags that are of our making."""
    found = (_VERSION.fullmatch(tag) for tag in _TAG.findall(if_match))
    return [int(match[1]) for match in found if match]
