"""Processing of videos with PyAV. Runs in the child.

Video and audio are copied without encoding into a new file that contains nothing else: no metadata, no other streams, and
no parts that players do not show. Encoding them again would take minutes of CPU time. A video that some browser may not
play is rejected.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from adapters.processing import ebml, posters, remuxing
from adapters.processing.boxes import Movie, read_movie
from adapters.processing.images import check_size, hash_of, stills
from adapters.processing.types import VIDEO_FORMATS
from application.media.ports import UploadRejected
from domain.media import MAX_VIDEO_SECONDS, FailureReason, MediaKind, ProcessingResult, Rendition

VIDEO_CODECS = {"video/mp4": {"h264", "vp9", "av1"}, "video/webm": {"vp8", "vp9", "av1"}}
AUDIO_CODECS = {"video/mp4": {"aac", "mp3", "opus"}, "video/webm": {"opus", "vorbis"}}
POSTER_SIDE = 1280
_MAX_STREAMS = 64
_SURVEYED, _REMUXED, _POSTER_MADE = 10, 80, 90
"""The progress in percent after each step."""

Progress = Callable[[int], None]


def make(upload: Path, into: Path, media_type: str, progress: Progress, *, audio: bool) -> ProcessingResult:
    """Make the renditions of a video. Raises UploadRejected, MemoryError, and any other exception for a damaged file."""
    form = VIDEO_FORMATS[media_type]
    movie = read_movie(upload) if form == "mp4" else None
    if any(track.encrypted for track in movie.tracks.values()) if movie else ebml.is_encrypted(upload):
        raise UploadRejected(FailureReason.ENCRYPTED)
    with remuxing.open_video(upload, form) as source:
        streams = _chosen(source, media_type, audio=audio)
        shape = remuxing.shape_of(streams[0])
        plans = _plans(source, streams, movie)
    progress(_SURVEYED)
    with remuxing.open_video(upload, form) as source:
        matrix = remuxing.first_matrix(source, source.streams[plans[0].index])
    file = into / f"video.{'mp4' if form == 'mp4' else 'webm'}"
    with remuxing.open_video(upload, form) as source:
        remuxing.remux(
            source,
            file,
            form,
            plans,
            matrix,
            lambda percent: progress(_SURVEYED + percent * (_REMUXED - _SURVEYED) // 100),
        )
    with av.open(str(file), format=form) as made:
        seconds = (made.duration or 0) / av.time_base
    picture = posters.still_image_of(file, form, seconds, shape, matrix)
    progress(_POSTER_MADE)
    width, height = picture.size
    renditions = [
        Rendition(name="video", type=media_type, width=width, height=height, bytes=file.stat().st_size),
        _saved_poster(picture, into),
    ]
    renditions += [one for one in stills(picture, into) if one.name.startswith("thumbnail")]
    for needless in ("large.webp", "large_jpeg.jpg", "small.webp", "small_jpeg.jpg"):
        (into / needless).unlink()
    return ProcessingResult(
        kind=MediaKind.VIDEO,
        width=width,
        height=height,
        blurhash=hash_of(picture),
        duration=round(seconds, 3),
        renditions=tuple(renditions),
    )


def _chosen(source: Any, media_type: str, *, audio: bool) -> list[Any]:
    """Return the video stream, and the audio stream if there is one."""
    if len(source.streams) > _MAX_STREAMS:
        raise UploadRejected(FailureReason.TOO_COSTLY)
    candidates = [
        one for one in source.streams.video if not one.disposition & av.stream.Disposition.attached_pic
    ]
    sound = next(iter(source.streams.audio), None)
    if not candidates:
        raise UploadRejected(FailureReason.TYPE_UNSUPPORTED if sound is None else FailureReason.AUDIO_ONLY)
    video = candidates[0]
    if _codec(video) not in VIDEO_CODECS[media_type] or (
        _codec(video) == "h264" and remuxing.lengths_of(video) is None
    ):
        raise UploadRejected(FailureReason.CODEC_UNSUPPORTED)
    if sound is not None:
        if not audio:
            raise UploadRejected(FailureReason.AUDIO_REFUSED)
        if _codec(sound) not in AUDIO_CODECS[media_type]:
            raise UploadRejected(FailureReason.CODEC_UNSUPPORTED)
    width, height = video.codec_context.width, video.codec_context.height
    check_size(width, height)
    check_size(*posters.display_size(width, height, remuxing.shape_of(video)))
    return [video] if sound is None else [video, sound]


def _codec(stream: Any) -> str | None:
    return None if stream.codec_context is None else str(stream.codec_context.codec.canonical_name)


def _plans(source: Any, streams: list[Any], movie: Movie | None) -> list[remuxing.Plan]:
    """Return the plan for each stream that has packets, video first."""
    found = remuxing.read_samples(source, streams)
    if not found[streams[0].index]:
        raise UploadRejected(FailureReason.DAMAGED)
    streams = [one for one in streams if found[one.index]]
    start = min(min(one.pts for one in found[stream.index]) * stream.time_base for stream in streams)
    plans = []
    for stream in streams:
        track = None if movie is None else movie.tracks.get(stream.id)
        if movie is not None and (track is None or not track.timescale):
            raise UploadRejected(FailureReason.DAMAGED)
        plans.append(
            remuxing.planned(stream, found[stream.index], track, movie or Movie(), max(start, Fraction(0)))
        )
    if max(plan.end for plan in plans) > MAX_VIDEO_SECONDS:
        raise UploadRejected(FailureReason.TOO_LARGE)
    return plans


def _saved_poster(picture: Image.Image, into: Path) -> Rendition:
    """Save the poster as JPEG, or as WebP if it is transparent."""
    poster = picture.copy()
    poster.thumbnail((POSTER_SIDE, POSTER_SIDE))
    poster.info.clear()
    if poster.mode == "RGBA":
        media_type, file = "image/webp", into / "poster.webp"
        poster.save(file, "WEBP", quality=80, method=4)
    else:
        media_type, file = "image/jpeg", into / "poster.jpg"
        poster.save(file, "JPEG", quality=85, optimize=True, progressive=True)
    return Rendition(
        name="poster", type=media_type, width=poster.width, height=poster.height, bytes=file.stat().st_size
    )
