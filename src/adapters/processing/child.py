"""The child: one upload, and then it ends. An order as JSON on its standard input, lines of JSON as its answer.

Run as a file, so that it needs nothing of the environment, which it does not get.
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


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
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
    order = json.loads(sys.stdin.readline())
    upload, into, media_type = Path(order["upload"]), Path(order["into"]), order["type"]

    def progress(percent: int) -> None:
        say(progress=percent)

    missing = confine(
        memory=order["memory"],
        cpu_seconds=order["cpu_seconds"],
        file_bytes=order["file_bytes"],
        upload=upload,
        into=into,
    )
    if missing and order["confinement_required"]:
        sys.exit(EX_CONFIG)
    try:
        if media_type in IMAGE_FORMATS:
            result = images.make(upload, into, media_type, progress)
        else:
            result = videos.make(upload, into, media_type, progress, audio=order["audio"])
    except UploadRejected as rejected:
        say(rejected=rejected.reason)
    except MemoryError:
        say(rejected=FailureReason.TOO_COSTLY)
    except Exception:  # noqa: BLE001 - whatever a decoder says of what it cannot decode
        say(rejected=FailureReason.DAMAGED)
    else:
        say(result=result_as_json(result))


if __name__ == "__main__":
    main()
