"""Copying the video and audio packets of a file into a new file that contains nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from adapters.processing import boxes, cutting, ebml, units
from adapters.processing.boxes import Movie, Track
from adapters.processing.cutting import Sample
from adapters.processing.posters import display_size, is_transparent, matrix_of
from application.media.ports import UploadRejected
from domain.media import FailureReason

MAX_PACKETS = 400_000
"""The limit of video and audio packets together: ten minutes at 500 per second."""
ALONE = {"protocol_whitelist": "file", "ignore_editlist": "1"}
"""Options of a source: it opens no other file or URL, and FFmpeg reports the times as stored."""
_DEFAULT_SHAPE, _STRANGEST_SHAPE = Fraction(1), 16

Progress = Callable[[int], None]


@dataclass(slots=True)
class Plan:
    """The packets of one stream that are copied, and their new times."""

    index: int
    shifts: list[int | None]
    """The change of the time of each packet; None for a packet that is omitted."""
    end: float
    """The end of the last copied packet in seconds."""
    due: list[int] | None = None
    """The decoding time of each copied packet; None to shift the times of the source."""


def open_video(path: Path, form: str) -> Any:
    """Open the file for reading. Tags in another encoding than UTF-8 are not an error."""
    return av.open(str(path), format=form, options=ALONE, metadata_errors="replace")


def read_samples(source: Any, streams: Sequence[Any]) -> dict[int, list[Sample]]:
    """Return the packets of each stream by its index. Reads the whole file, because some files do not store their
    duration."""
    found: dict[int, list[Sample]] = {stream.index: [] for stream in streams}
    lengths = {stream.index: lengths_of(stream) for stream in streams}
    left = MAX_PACKETS
    for packet in source.demux(list(streams)):
        if packet.dts is None or packet.pts is None:
            continue
        left -= 1
        if left < 0:
            raise UploadRejected(FailureReason.TOO_COSTLY)
        index, length = packet.stream.index, packet.duration or 0
        size = lengths[index]
        if size is not None:
            sample = units.sample_of(memoryview(packet), size, packet.pts, length)
        else:  # each audio packet is a key frame
            sample = Sample(packet.pts, length, is_idr=packet.is_keyframe)
        found[index].append(sample)
    return found


def lengths_of(stream: Any) -> int | None:
    if stream.codec_context.codec.canonical_name != "h264":
        return None
    return units.size_of_lengths(stream.codec_context.extradata)


def planned(stream: Any, samples: list[Sample], track: Track | None, movie: Movie, start: Fraction) -> Plan:
    """Return the plan for a stream. `start` is the time in seconds at which a file without edit lists begins. Raises
    UploadRejected."""
    base = stream.time_base
    if track is None:
        shifts: list[int | None] = [-round(start / base)] * len(samples)
    else:
        choose = cutting.visible_frames if stream.type == "video" else cutting.audible_packets
        shifts = choose(samples, track.edits, track.timescale, movie.tick)
    shown = [one.pts + shift for one, shift in zip(samples, shifts, strict=True) if shift is not None]
    lasts = [
        one.pts + shift + one.duration
        for one, shift in zip(samples, shifts, strict=True)
        if shift is not None
    ]
    cut = stream.type == "video" and len(shown) < len(samples)
    return Plan(
        stream.index,
        shifts,
        float(max(lasts, default=0) * base),
        cutting.decoding_times(shown) if cut else None,
    )


def shape_of(stream: Any) -> Fraction:
    """Return the aspect ratio of a pixel from the container, or else from the stream."""
    shape = stream.sample_aspect_ratio or _DEFAULT_SHAPE
    return Fraction(shape) if 1 <= max(shape, 1 / shape) <= _STRANGEST_SHAPE else _DEFAULT_SHAPE


def first_matrix(source: Any, stream: Any) -> tuple[int, ...] | None:
    stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # the child may start no threads
    frame = next(iter(source.decode(stream)), None)
    if frame is None:
        raise UploadRejected(FailureReason.DAMAGED)
    return matrix_of(frame)


def remux(
    source: Any,
    file: Path,
    form: str,
    plans: Sequence[Plan],
    matrix: Sequence[int] | None,
    progress: Progress,
) -> None:
    """Copy the packets. The first plan is that of the video. `progress` gets percentages of this step."""
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if form == "mp4" else {})
    video = source.streams[plans[0].index]
    shape = shape_of(video)
    with av.open(str(file), "w", format=form, options=options) as target:
        taken = {plan.index: _added(target, source.streams[plan.index]) for plan in plans}
        copied = taken[video.index]
        copied.codec_context.sample_aspect_ratio = shape
        if matrix is not None:
            copied.set_display_matrix(matrix)
        if form == "webm" and shape != 1:
            copied.metadata["title"] = ebml.PLACEHOLDER
        for packet in _packets(source, plans, progress):
            packet.stream = taken[packet.stream.index]
            target.mux(packet)
    if shape != 1:
        shown = display_size(video.codec_context.width, video.codec_context.height, shape)
        (ebml if form == "webm" else boxes).set_display_size(file, *shown)


def _added(target: Any, stream: Any) -> Any:
    added = target.add_stream_from_template(stream, opaque=True)  # some codecs have no encoder
    added.metadata.clear()
    if stream.type == "video" and is_transparent(stream):
        added.metadata["alpha_mode"] = "1"
    return added


def _packets(source: Any, plans: Sequence[Plan], progress: Progress) -> Iterator[Any]:
    streams = {plan.index: source.streams[plan.index] for plan in plans}
    shifts = {plan.index: iter(plan.shifts) for plan in plans}
    due = {plan.index: iter(plan.due) for plan in plans if plan.due is not None}
    lengths = {index: lengths_of(stream) for index, stream in streams.items()}
    total, count, reported = sum(len(plan.shifts) for plan in plans), 0, 0
    for packet in source.demux(list(streams.values())):
        if packet.dts is None or packet.pts is None:
            continue
        index = packet.stream.index
        count += 1
        if count * 100 // total > reported:
            reported = count * 100 // total
            progress(reported)
        shift = next(shifts[index])
        if shift is None:
            continue
        packet.pts += shift
        packet.dts = next(due[index]) if index in due else packet.dts + shift
        size = lengths[index]
        yield packet if size is None else _cleaned(packet, size)


def _cleaned(packet: Any, lengths: int) -> Any:
    data = units.cleaned(memoryview(packet), lengths)
    if data is None:
        return packet
    made = av.Packet(data)
    made.stream, made.time_base = packet.stream, packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    for beside in packet.iter_sidedata():
        made.set_sidedata(beside)
    return made
