"""Goal 14: memory when idle, and time from start to first answer, of the embedded shape.

    python -m bench.footprint [--starts 5]

Beside a bare Litestar application on the same server, in turn, in one run. Started as `make run` does: installed
packages are compiled, and the data folder exists. The first start, which also migrates, is shown separately."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bench.processes import rss_mb, server
from bench.stack import free_port


def start(arguments: list[str], path: str, env: dict[str, str]) -> tuple[float, float]:
    """Seconds until the first answer, and megabytes when idle."""
    port = free_port()
    began = time.perf_counter()
    command = [*arguments, str(port)] if arguments[-1] == "bench.floor" else arguments
    with server(*command, port=port, path=path, env=env) as process:
        took = time.perf_counter() - began
        time.sleep(2)  # everything that loads late is loaded by then
        return took, rss_mb(process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as folder:
        env = {"WAGGLE_DATA_DIR": str(Path(folder) / "data")}
        serve = ["-m", "entrypoints.cli", "serve"]
        first = start(serve, "/readyz", env)
        ours, floors = [], []
        for _ in range(starts):
            ours.append(start(serve, "/readyz", env))
            floors.append(start(["-m", "bench.floor"], "/", {}))
    print("| | first answer, s | idle, MB |")
    print("| --- | --- | --- |")
    print(f"| Waggle, first start (with migration) | {first[0]:.2f} | {first[1]:.0f} |")
    for name, runs in (("Waggle", ours), ("bare Litestar", floors)):
        seconds, megabytes = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {seconds:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
