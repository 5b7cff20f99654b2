#!/bin/sh
# Finding: PyAV writes the sample aspect ratio of a stream into MP4, but silently not into WebM.
#
# Expected: every muxer that supports it writes `stream.codec_context.sample_aspect_ratio = 2`.
# Actual: FFmpeg's MP4 muxer reads the ratio from the codec parameters, which PyAV sets. The Matroska and WebM muxer reads it
# from the stream, which PyAV cannot set. Both encoding and remuxing lose the ratio, so an anamorphic film is shown squeezed.
#
# Prints the version of PyAV and the ratios that were read back. Exits with 1 if they differ from this description.
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
