"""The content coding of an answer, by the Accept-Encoding of the client."""

import gzip

import pytest
from backports import zstd

from entrypoints.http.compression import OFF_LOOP_BYTES, coding_for, compressed, compressible


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"", None),
        (b"gzip", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"GZip", b"gzip"),
        (b"zstd", b"zstd"),
        (b"gzip, deflate, br, zstd", b"zstd"),  # as browsers send it
        (b"zstd;q=0.5, gzip;q=0.8", b"gzip"),
        (b"zstd;q=0.8,gzip;q=0.5", b"zstd"),
        (b"gzip;q=0", None),
        (b"gzip;q=0.0, zstd;q=0.000", None),
        (b"gzip;q=0, zstd", b"zstd"),
        (b"*", b"gzip"),
        (b"*;q=0", None),
        (b"*;q=0.1, gzip;q=0", None),
        (b"identity", None),
        (b"identity, gzip", b"gzip"),
        (b"identity;q=1, gzip;q=0.5", None),
        (b"identity;q=0.5, gzip;q=1", b"gzip"),
        (b"identity;q=0, gzip", b"gzip"),
        (b"br, deflate", None),
        (b"gzip;q=high", None),
        (b"gzip;q=2", None),
        (b"gzip;q=nan", None),
        (b"gzip ; q=1.0", b"gzip"),
        (b",,gzip,", b"gzip"),
        (b"\xff\xfe", None),
    ],
)
def test_the_best_accepted_coding_is_chosen(accepted: bytes, coding: bytes | None) -> None:
    assert coding_for(accepted) == coding


@pytest.mark.parametrize(
    ("content_type", "worth_it"),
    [
        (b"application/json", True),
        (b"Application/Problem+JSON", True),
        (b"text/html; charset=utf-8", True),
        (b"text/event-stream", False),
        (b"image/webp", False),
        (b"video/mp4", False),
        (b"", False),
    ],
)
def test_text_types_are_compressible_and_media_types_are_not(content_type: bytes, *, worth_it: bool) -> None:
    assert compressible(content_type) is worth_it


@pytest.mark.parametrize("size", [2000, OFF_LOOP_BYTES + 1])
async def test_compression_is_lossless(size: int) -> None:
    body = b"waggle " * size

    assert gzip.decompress(await compressed(body, b"gzip")) == body
    assert zstd.decompress(await compressed(body, b"zstd")) == body
