"""What a file is, by how it begins and never by what it is called."""

from pathlib import Path

HEAD = 64
PICTURES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
"""And what Pillow calls the format."""
FILMS = {"video/mp4": "mp4", "video/webm": "webm"}
"""And what FFmpeg does."""
_MP4_BRANDS = {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"M4VH", b"M4VP", b"dash", b"mmp4", b"MSNV", b"qt  "}  # fmt: skip


_BEGINNINGS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def type_of(head: bytes) -> str | None:
    """The media type of a file that begins so (HEAD bytes are enough); None if it is none that is taken."""
    found = next((type_ for beginning, type_ in _BEGINNINGS.items() if head.startswith(beginning)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = "image/webp"
    elif head[4:8] == b"ftyp":
        brand = head[8:12]
        found = "image/avif" if brand in {b"avif", b"avis"} else "video/mp4" if brand in _MP4_BRANDS else None
    elif head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:HEAD]:
        found = "video/webm"
    return found


def type_of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        return type_of(file.read(HEAD))
