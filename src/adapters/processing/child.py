"""The child process: it processes one upload and exits. It reads a request as JSON from standard input, and answers with
lines of JSON on standard output.

It is run as a script, because it gets no environment variables.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from adapters.processing import images, videos
from adapters.processing.confinement import confine
from adapters.processing.types import IMAGE_FORMATS
from application.media.ports import UploadRejected
from domain.media import FailureReason, ProcessingResult

EX_CONFIG = 78


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def result_as_json(result: ProcessingResult) -> dict[str, Any]:
    renditions = [
        {"name": one.name, "type": one.type, "width": one.width, "height": one.height, "bytes": one.bytes}
        for one in result.renditions
    ]
    return {
        "kind": result.kind,
        "width": result.width,
        "height": result.height,
        "blurhash": result.blurhash,
        "duration": result.duration,
        "renditions": renditions,
    }


def main() -> None:
    request = json.loads(sys.stdin.readline())
    upload, into, media_type = Path(request["upload"]), Path(request["into"]), request["type"]

    def progress(percent: int) -> None:
        send(progress=percent)

    missing = confine(
        memory=request["memory"],
        cpu_seconds=request["cpu_seconds"],
        file_bytes=request["file_bytes"],
        upload=upload,
        into=into,
    )
    if missing and request["confinement_required"]:
        sys.exit(EX_CONFIG)
    try:
        if media_type in IMAGE_FORMATS:
            result = images.make(upload, into, media_type, progress)
        else:
            result = videos.make(upload, into, media_type, progress, audio=request["audio"])
    except UploadRejected as rejected:
        send(rejected=rejected.reason)
    except MemoryError:
        send(rejected=FailureReason.TOO_COSTLY)
    except Exception:  # noqa: BLE001 - decoders raise anything for a file that they cannot decode
        send(rejected=FailureReason.DAMAGED)
    else:
        send(result=result_as_json(result))


if __name__ == "__main__":
    main()
