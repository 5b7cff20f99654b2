"""Entity tags (RFC 9110, 8.8.3), in the forms in which proxies return them.

A proxy that compresses turns `"v3"` into `W/"v3"` or `"v3-gzip"`, and seldom reverts that in the client's next request.
The bytes of such a tag were made from the bytes of our tag, so both are treated as equal.
"""

import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{0,100}?)(?:[-;:+]+[A-Za-z0-9_]{1,16})?"')
_VERSION = re.compile(r"(\d{1,15})\.[0-9a-f]{16}", re.ASCII)


def weak(tag: bytes) -> bytes:
    """The weak form of a tag, for the same resource in other bytes."""
    return tag if tag.startswith(b"W/") else b"W/" + tag


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the resource with this tag (strong, quoted)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag[1:-1] in _TAG.findall(if_none_match)


def versions_in(if_match: str) -> list[int]:
    """The versions in those tags that Waggle made."""
    found = (_VERSION.fullmatch(tag) for tag in _TAG.findall(if_match))
    return [int(match[1]) for match in found if match]
