"""Detecting the type of a file from its first bytes, never from its name."""

from pathlib import Path

HEAD = 64
IMAGE_FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
"""The name of each format in Pillow."""
VIDEO_FORMATS = {"video/mp4": "mp4", "video/webm": "webm"}
"""The name of each format in FFmpeg."""
AUDIO = "audio"
"""Stands for a file with audio and no video, of any type."""
_PICTURE_BRANDS = {b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"avci", b"avcs", b"jxl ", b"jp2 ", b"jpx ", b"jpm ", b"mjp2", b"crx ", b"1pic"}  # fmt: skip
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
"""The ISO BMFF brands that are not video. A file of any other brand may be a video: FFmpeg decides."""
_CODECS_OF_OGG = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")


_BEGINNINGS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"ID3": AUDIO,
    b"fLaC": AUDIO,
    b"#!AMR": AUDIO,
    b"caff": AUDIO,
}


def type_of(head: bytes) -> str | None:
    """Return the media type of a file with these first bytes (HEAD of them are enough), or AUDIO; None if unknown."""
    found = next((type_ for beginning, type_ in _BEGINNINGS.items() if head.startswith(beginning)), None)
    if head[:4] == b"RIFF":
        found = {b"WEBP": "image/webp", b"WAVE": AUDIO}.get(head[8:12])
    elif head[4:8] == b"ftyp":
        found = _type_of_brand(head[8:12])
    elif head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:HEAD]:
        found = "video/webm"
    elif (head.startswith(b"OggS") and head[28:].startswith(_CODECS_OF_OGG)) or _is_mpeg_audio(head):
        found = AUDIO
    return found


def _type_of_brand(brand: bytes) -> str | None:
    if brand in {b"avif", b"avis"}:
        return "image/avif"
    if brand in _AUDIO_BRANDS:
        return AUDIO
    return None if brand in _PICTURE_BRANDS else "video/mp4"


def _is_mpeg_audio(head: bytes) -> bool:
    """Return whether a frame of MP3 or AAC begins here: eleven or twelve set bits, and no reserved value."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate, frequency = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer == 0:
        return version & 2 == 2 and head[2] >> 2 & 15 < 13
    return version != 1 and rate not in {0, 15} and frequency != 3


def type_of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        return type_of(file.read(HEAD))
