"""Choose the content coding of a response (RFC 9110, 12.5.3), and compress it."""

import asyncio
import gzip
import sys
from collections.abc import Iterable
from functools import lru_cache

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIN_BYTES = 512
"""Smaller responses are not compressed: with its headers, such a response fits into one packet anyway."""
OFF_LOOP_BYTES = 64 * 1024
"""Larger responses take more than a millisecond to compress, and are compressed in a thread."""
MAX_HEADER = 1000
"""Characters of Accept-Encoding that are read."""
_PLAIN = {b"content-encoding": b"identity", b"transfer-encoding": b"chunked"}
_GZIP_LEVEL, _ZSTD_LEVEL = 5, 3

_TYPES = frozenset({
    b"application/javascript",
    b"application/json",
    b"application/problem+json",
    b"image/svg+xml",
    b"text/css",
    b"text/html",
    b"text/javascript",
    b"text/plain",
})  # fmt: skip


def is_encoded(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body of a request has a Content-Encoding, or a Transfer-Encoding other than `chunked`."""
    return any(value.strip().lower() != _PLAIN[name] for name, value in headers if name in _PLAIN)


def compressible(content_type: bytes) -> bool:
    """Whether the type benefits: images and videos are compressed already, and events of a stream must not be buffered."""
    return content_type.partition(b";")[0].strip().lower() in _TYPES


@lru_cache(1024)
def coding_for(accepted: bytes) -> bytes | None:
    """`zstd`, `gzip`, or None for neither. At equal quality zstd wins: it takes a fraction of the time. The client must
    name zstd, since clients that are older than it send `*`."""
    quality: dict[bytes, float] = {}
    for part in accepted[:MAX_HEADER].lower().split(b","):
        name, *parameters = (piece.strip() for piece in part.split(b";"))
        if name:
            quality[b"gzip" if name == b"x-gzip" else name] = _quality(parameters)
    others = quality.get(b"*", 0.0)
    accepted_codings = {b"zstd": quality.get(b"zstd", 0.0), b"gzip": quality.get(b"gzip", others)}
    best = max(accepted_codings, key=accepted_codings.__getitem__)
    return best if 0 < accepted_codings[best] >= quality.get(b"identity", 0.0) else None


def _quality(parameters: list[bytes]) -> float:
    """The quality in the parameters; 0 for an invalid one, so that the client gets an uncompressed response."""
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            try:
                found = float(value)
            except ValueError:
                return 0.0
            return found if 0 <= found <= 1 else 0.0
    return 1.0


async def compressed(body: bytes, coding: bytes) -> bytes:
    if len(body) >= OFF_LOOP_BYTES:
        return await asyncio.to_thread(compress, body, coding)
    return compress(body, coding)


def compress(body: bytes, coding: bytes) -> bytes:
    if coding == b"zstd":
        return zstd.compress(body, _ZSTD_LEVEL)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)
