"""How long `bench --help` takes, as a multiple of `python -c pass`, measured in turn.

    python benchmarks/startup.py [--runs 15] [--json]

In: nothing. Out: medians in milliseconds and their ratio (the aim is at most 4).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "bench --help": [sys.executable, "-m", "bench", "--help"],
}


def measure(runs: int) -> dict[str, float]:
    """Median seconds of each command over `runs` turns, after one turn that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    medians = measure(options.runs)
    ratio = medians["bench --help"] / medians["python -c pass"]
    if options.json:
        print(json.dumps({**medians, "ratio": ratio}))
        return
    for name, value in medians.items():
        print(f"{name:16} {1000 * value:6.1f} ms")
    print(f"ratio            {ratio:6.2f}")


if __name__ == "__main__":
    main()
