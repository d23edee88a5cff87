"""What the sweep itself costs: samples/s through the instant `fake` backend, durability included.

    python benchmarks/sweep.py [--articles 40] [--iterations 15] [--arms 20] [--json]

In: nothing; it works in a temporary folder. Out: samples/s, resident memory after the first and the
last arm, the disk's own fsyncs/s and a fixed reference loop, all measured in this run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

import psutil

from bench import sweep
from bench.config import ArticlesConfig, Config, ModelConfig
from bench.records import LoadedModel


class Memory(sweep.Silent):
    """Resident memory each time an arm is finished."""

    def __init__(self) -> None:
        self.rss_bytes: list[int] = []

    def arm_finished(self, arm: str, loaded: LoadedModel | None) -> None:
        """Note the memory now."""
        self.rss_bytes.append(psutil.Process().memory_info().rss)


def reference_loop() -> float:
    """Seconds of a fixed piece of work (hashing 64 MiB), to compare machines and moments by."""
    block, began = bytes(1 << 20), time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(64):
        digest.update(block)
    return time.perf_counter() - began


def fsyncs_per_s(folder: Path) -> float:
    """How often a second this disk makes an appended line durable."""
    with (folder / "fsync").open("ab", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(100):
            file.write(b"x" * 500)
            os.fdatasync(file.fileno())
    return 100 / (time.perf_counter() - began)


def make_config(n_articles: int, iterations: int, n_arms: int) -> Config:
    """A config of `n_arms` arms of the `fake` backend."""
    quants = tuple(f"q{i}" for i in range(n_arms))
    model = ModelConfig(family="fake", variant="base", quants=quants, backend="fake", ref="{quant}")
    return Config(articles=ArticlesConfig(limit=n_articles), iterations=iterations, models=(model,))


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=int, default=40)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    memory = Memory()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plan = sweep.plan(make_config(options.articles, options.iterations, options.arms))
        began = time.perf_counter()
        sweep.start(plan, Path(folder), "speed", memory)
        seconds = time.perf_counter() - began
        disk = fsyncs_per_s(Path(folder))
    result = {
        "n_samples": plan.n_samples,
        "seconds": seconds,
        "samples_per_s": plan.n_samples / seconds,
        "rss_after_first_arm_bytes": memory.rss_bytes[0],
        "rss_after_last_arm_bytes": memory.rss_bytes[-1],
        "fsyncs_per_s": disk,
        "reference_loop_s": reference_loop(),
    }
    if options.json:
        print(json.dumps(result))
        return
    print(f"{plan.n_samples} samples in {seconds:.2f} s: {result['samples_per_s']:.0f} samples/s")
    first, last = memory.rss_bytes[0] / 2**20, memory.rss_bytes[-1] / 2**20
    print(f"resident memory: {first:.1f} MiB after the first arm, {last:.1f} MiB after the last")
    print(f"this disk makes {disk:.0f} lines/s durable; reference loop {result['reference_loop_s']:.3f} s")


if __name__ == "__main__":
    main()
