"""kill -9 a sweep at random moments, resume it each time, and count keys: none missing, none twice.

    python benchmarks/kill.py [--kills 50] [--seed 0] [--json]

In: nothing; it runs `bench run` with the `fake` backend in a temporary folder. Out: how many samples
were on disk at each kill, and what the finished run holds. Exit code 1 if a key is missing or twice.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

CONFIG = """\
articles: {{limit: {n_articles}}}
iterations: {iterations}
models:
  - {{family: a, variant: base, quants: [q4_K_M, q8_0, fp16], backend: fake, ref: "x-{{quant}}",
     options: {{delay_s: {delay_s}}}}}
"""
N_ARMS = 3


class Killed(NamedTuple):
    """What a killed and resumed run came to."""

    n_kills: int
    n_expected: int
    n_missing: int
    n_twice: int
    n_torn: int
    """Kills that left a file without a newline at its end."""
    seen: tuple[int, ...]
    """Samples on disk after each kill."""
    status: str


def kill_and_resume(
    folder: Path,
    n_kills: int,
    seed: int,
    *,
    n_articles: int = 20,
    iterations: int = 10,
    delay_s: float = 0.01,
) -> Killed:
    """Run a sweep in `folder`, kill it `n_kills` times at moments drawn from `seed`, then let it finish."""
    config = CONFIG.format(n_articles=n_articles, iterations=iterations, delay_s=delay_s)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    moments = random.Random(seed)
    run = folder / "sentiments" / "killed"
    n_torn, seen = 0, []
    for _ in range(n_kills):
        process = _start(folder)
        _wait_until_it_writes(run, process, _n_lines(run))
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.communicate()
        n_torn += sum(1 for path in run.glob("samples/*.jsonl") if not path.read_bytes().endswith(b"\n"))
        seen.append(_n_lines(run))
    finished = _start(folder)
    _, errors = finished.communicate(timeout=300)
    if finished.returncode != 0:
        raise RuntimeError(f"the last resume ended with {finished.returncode}: {errors.decode()}")
    keys = Counter(
        (row["arm"], row["prompt_id"], row["iteration"])
        for path in run.glob("samples/*.jsonl")
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    )
    n_expected = N_ARMS * n_articles * iterations
    status = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["status"]
    n_twice = sum(n > 1 for n in keys.values())
    return Killed(n_kills, n_expected, n_expected - len(keys), n_twice, n_torn, tuple(seen), status)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench", "run", "--run-id", "killed"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _n_lines(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.glob("samples/*.jsonl"))


def _wait_until_it_writes(run: Path, process: subprocess.Popen[bytes], before: int) -> None:
    """Until a new sample is on disk, so that the kill falls into the measuring and not into the start."""
    while _n_lines(run) <= before and process.poll() is None:
        time.sleep(0.005)


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # long enough that the run is still going at the last kill
        iterations = max(10, options.kills)
        result = kill_and_resume(Path(folder), options.kills, options.seed, iterations=iterations)
    if options.json:
        print(json.dumps(result._asdict()))
    else:
        print(
            f"{result.n_kills} kills, {result.n_torn} torn lines, "
            f"samples on disk at each: {list(result.seen)}"
        )
        print(f"{result.n_expected} keys expected, {result.n_missing} missing, {result.n_twice} twice")
    return 1 if result.n_missing or result.n_twice or result.status != "finished" else 0


if __name__ == "__main__":
    sys.exit(main())
