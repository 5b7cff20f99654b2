"""The cost of a line of the access log, in processor time of this process.

python -m bench.logs [--lines 20000]
"""

import argparse
import os
import sys
import time

from application.shared.log import log
from entrypoints import logs
from entrypoints.access.context import request_id
from entrypoints.log_events import Request

ROUNDS = 8


def write(lines: int) -> None:
    for _ in range(lines):
        log(
            Request(
                method="GET",
                route="/api/v1/posts/{post_id}",
                status=200,
                duration=12_345_678,
                outcome="success",
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000)
    lines = parser.parse_args().lines
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
        sys.stderr = nowhere
        logs.configure(readable=False, version="0.0.0", environment="production")
        sys.stderr = sys.__stderr__
        request_id.set("7d57cdacf8dd0000001a")
        best = float("inf")
        for _ in range(ROUNDS):
            began = time.process_time()
            write(lines)
            best = min(best, time.process_time() - began)
    print(f"{best / lines * 1e6:.1f} µs a line")


if __name__ == "__main__":
    main()
