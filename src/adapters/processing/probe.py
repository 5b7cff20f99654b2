"""Confine this process like the child, and print the layers that this system does not support. Run as a script."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from adapters.processing.confinement import confine

_MB = 1024 * 1024

if __name__ == "__main__":
    missing = confine(memory=512 * _MB, cpu_seconds=5, file_bytes=_MB)
    sys.stdout.write(json.dumps(sorted(missing)))
