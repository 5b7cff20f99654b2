#!/bin/sh
# Surprise: PyAV writes the sample aspect ratio of a stream into MP4, and silently not into WebM.
#
# The guess that failed: `stream.codec_context.sample_aspect_ratio = 2` is written by every muxer that has a place for it.
# FFmpeg's MP4 muxer reads it from the codec parameters, which PyAV sets. Its Matroska and WebM muxer reads it from the
# stream, which PyAV has no way to set. Encoding and remuxing lose it alike, so an anamorphic film comes out squeezed.
#
# Prints the version and what was read back. Exits 1 if that is not what was seen.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from fractions import Fraction

import av


def read_back(name, codec):
    path = f"{sys.argv[1]}/{name}"
    with av.open(path, "w") as target:
        stream = target.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for _ in range(5):
            target.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        target.mux(stream.encode())
    with av.open(path) as source:
        return source.streams.video[0].sample_aspect_ratio or Fraction(1)


seen = {name: read_back(name, codec) for name, codec in (("a.mp4", "libx264"), ("a.webm", "libvpx"))}
print("av", av.__version__)
for name, shape in seen.items():
    print(f"{name}: written 2, read {shape}")
sys.exit(seen != {"a.mp4": 2, "a.webm": 1})
PY
