"""Generated images and videos, and helpers to upload them and to fetch their renditions."""

import io
from typing import Any

import av
import httpx
from PIL import Image

from .client import Json, Member, Visitor, done, eventually

PROCESSED_WITHIN = 60.0
"""Seconds until media is processed, on a busy machine."""


def picture(
    width: int = 320, height: int = 200, colour: str = "teal", kind: str = "PNG", **options: Any
) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(made, kind, **options)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def uploads(
    member: Visitor, data: bytes, key: str | None = None, name: str = "cat.png", **fields: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return member.request("POST", "/api/v1/media", files={"file": (name, data)}, data=fields, headers=headers)


def uploaded(member: Member, data: bytes | None = None, **fields: str) -> Json:
    return done(uploads(member, data or picture(), **fields), 202)


def settled(member: Member, media: Json, seconds: float = PROCESSED_WITHIN) -> Json:
    """Wait until the media is ready or failed, and return it."""

    def check() -> Json:
        now = done(member.get(f"/api/v1/media/{media['id']}"))
        assert now["state"] in {"ready", "failed"}, now
        return now

    return eventually(check, seconds)


def ready(member: Member, data: bytes | None = None, **fields: str) -> Json:
    media = settled(member, uploaded(member, data, **fields))
    assert media["state"] == "ready", media
    return media


def begun(member: Member, data: bytes, kind: str = "image/png", **members: Any) -> Json:
    return done(member.post("/api/v1/media/uploads", {"type": kind, "bytes": len(data), **members}), 201)


def puts(upload: Json, data: bytes, **headers: str) -> httpx.Response:
    """Upload with a ticket as a browser does, to the storage or to Waggle."""
    sent = {name: value for name, value in upload["headers"].items() if name.lower() != "content-length"}
    return httpx.request(upload["method"], upload["url"], content=data, headers=sent | headers, timeout=60)


def served(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Fetch the file at a URL without a token."""
    return httpx.request(method, url, headers=headers, timeout=60)


def video(seconds: float = 1.0, width: int = 160, height: int = 120) -> bytes:
    """Encode an MP4 with H.264 and without audio."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(int(seconds * 10)):
            shade = number * 20 % 255
            frame = av.VideoFrame.from_image(Image.new("RGB", (width, height), (shade, 80, 200)))  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made.getvalue()


def animation(frames: int = 5, width: int = 60, height: int = 40) -> bytes:
    made = io.BytesIO()
    first, *rest = [
        Image.new("RGB", (width, height), (40 * number % 256, 90, number % 256)) for number in range(frames)
    ]
    first.save(made, "GIF", save_all=True, append_images=rest, duration=100, loop=0)
    return made.getvalue()
