"""Films, by PyAV. Runs in the child.

Pictures and sound are taken over as they are, in a new file that has nothing else: no metadata, no other streams. To
encode them again would take minutes of a processor. What a browser may not play is refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from adapters.processing.pictures import check_size, hash_of, stills
from adapters.processing.types import FILMS
from application.media.ports import Rejected
from domain.media import MAX_VIDEO_SECONDS, Kind, Made, Reason, Rendition

PICTURES = {"video/mp4": {"h264"}, "video/webm": {"vp8", "vp9", "av1"}}
SOUND = {"video/mp4": {"aac", "mp3"}, "video/webm": {"opus", "vorbis"}}
POSTER_SIDE, POSTER_SECOND = 1280, 1.0
_MAX_STREAMS = 16

Progress = Callable[[int], None]


def make(upload: Path, into: Path, media_type: str, progress: Progress, *, audio: bool) -> Made:
    """Raises Rejected, MemoryError, and anything at all for what is damaged."""
    options = {"protocol_whitelist": "file"}
    with av.open(str(upload), format=FILMS[media_type], options=options) as source:
        video, sound, seconds = _checked(source, media_type, audio=audio)
        progress(10)
        picture, turn = _poster(source, video, seconds)
        streams = video.index, None if sound is None else sound.index
    progress(30)
    file = into / f"video.{'mp4' if media_type == 'video/mp4' else 'webm'}"
    with av.open(str(upload), format=FILMS[media_type], options=options) as source:
        _take_over(source, file, media_type, turn, streams, seconds, progress)
    width, height = picture.size
    progress(90)
    renditions = [
        Rendition(name="video", type=media_type, width=width, height=height, bytes=file.stat().st_size),
        _saved_poster(picture, into),
    ]
    renditions += [one for one in stills(picture, into) if one.name.startswith("thumbnail")]
    for needless in ("large.webp", "large_jpeg.jpg", "small.webp", "small_jpeg.jpg"):
        (into / needless).unlink()
    return Made(
        kind=Kind.VIDEO,
        width=width,
        height=height,
        blurhash=hash_of(picture),
        duration=round(seconds, 3),
        renditions=tuple(renditions),
    )


def _checked(source: Any, media_type: str, *, audio: bool) -> tuple[Any, Any, float]:
    """The streams of pictures and of sound, if there is one, and for how many seconds it plays."""
    if len(source.streams) > _MAX_STREAMS:
        raise Rejected(Reason.DAMAGED)
    films = [one for one in source.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    if not films:
        raise Rejected(Reason.TYPE_UNSUPPORTED)
    video, sound = films[0], next(iter(source.streams.audio), None)
    if video.codec_context.name.removeprefix("lib").split("-")[0] not in _names(PICTURES[media_type]):
        raise Rejected(Reason.CODEC_UNSUPPORTED)
    if sound is not None:
        if not audio:
            raise Rejected(Reason.AUDIO_REFUSED)
        if sound.codec_context.codec.canonical_name not in SOUND[media_type]:
            raise Rejected(Reason.CODEC_UNSUPPORTED)
    check_size(video.codec_context.width, video.codec_context.height)
    if source.duration is None:
        raise Rejected(Reason.DAMAGED)
    seconds = source.duration / av.time_base
    if not 0 < seconds <= MAX_VIDEO_SECONDS:
        raise Rejected(Reason.TOO_LARGE if seconds > 0 else Reason.DAMAGED)
    return video, sound, seconds


def _names(codecs: set[str]) -> set[str]:
    """With the decoders that FFmpeg may choose for them."""
    return codecs | ({"dav1d", "aom"} if "av1" in codecs else set()) | ({"vpx"} if "vp9" in codecs else set())


def _poster(source: Any, video: Any, seconds: float) -> tuple[Any, int]:
    """A picture from near the beginning, upright, and by how many degrees it was turned for that."""
    video.thread_type, video.codec_context.thread_count = "NONE", 1  # the child may start no thread
    source.seek(int(min(POSTER_SECOND, seconds / 2) * av.time_base))
    frame = next(iter(source.decode(video)), None)
    if frame is None:
        raise Rejected(Reason.DAMAGED)
    turn = int(frame.rotation)
    picture = frame.to_image(threads=1)
    return (picture.rotate(turn, expand=True) if turn else picture), turn


def _take_over(
    source: Any,
    file: Path,
    media_type: str,
    turn: int,
    streams: tuple[int, int | None],
    seconds: float,
    progress: Progress,
) -> None:
    """Copy the streams with these numbers into the new file."""
    how = (
        {"movflags": "+faststart", "fflags": "+bitexact"}
        if media_type == "video/mp4"
        else {"fflags": "+bitexact"}
    )
    with av.open(str(file), "w", format=FILMS[media_type], options=how) as target:
        taken: dict[int, Any] = {}
        for index in streams:
            if index is not None:
                stream = target.add_stream_from_template(source.streams[index])
                stream.metadata.clear()
                taken[index] = stream
        film = source.streams[streams[0]]
        if turn:
            taken[streams[0]].set_display_rotation(turn)
        clean = None
        if media_type == "video/mp4":  # what cameras write between the pictures
            clean = BitStreamFilterContext("filter_units=remove_types=6", film, taken[streams[0]])
        last = 30
        for packet in source.demux([source.streams[index] for index in taken]):
            index = packet.stream.index
            if packet.dts is None:
                continue
            if packet.pts is not None and index == streams[0]:
                share = 30 + int(60 * min(1.0, float(packet.pts * packet.time_base) / seconds))
                if share > last:
                    last = share
                    progress(share)
            packets = clean.filter(packet) if clean is not None and index == streams[0] else [packet]
            for one in packets:
                one.stream = taken[index]
                target.mux(one)


def _saved_poster(picture: Any, into: Path) -> Rendition:
    poster, file = picture.copy(), into / "poster.jpg"
    poster.thumbnail((POSTER_SIDE, POSTER_SIDE))
    poster.save(file, "JPEG", quality=85, optimize=True, progressive=True)
    return Rendition(
        name="poster", type="image/jpeg", width=poster.width, height=poster.height, bytes=file.stat().st_size
    )
