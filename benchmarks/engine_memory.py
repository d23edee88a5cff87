"""Does a long run grow in memory? 10,000 samples through `bench.sweep` and the real engine.

    python -m benchmarks.engine_memory [--samples 10000] [--model FILE.gguf] [--json]

In: nothing, or a model file; without one `models/tiny` is taken where it is, else a random model of its
shape is made. Out: the process's resident memory after every twentieth part of the samples. Exit code 1
if it grew by more than 2 MiB from the first fifth, when every article was read once, to the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench import sweep
from bench.config import Config
from bench.records import Sample
from benchmarks.engine_models import model_file

N_ARTICLES, MAX_TOKENS, ALLOWED_MIB = 50, 16, 2.0
ROOT = Path(__file__).parents[1]
TRAINED = ROOT / "models" / "tiny" / "fine-tuned-q4_K_M.gguf"


class Memory(sweep.Silent):
    """Notes the resident memory in MiB now and then."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._process = psutil.Process()
        self.n_samples = 0
        self.resident_mib: list[float] = []

    def sample(self, sample: Sample) -> None:
        """One more is on disk."""
        self.n_samples += 1
        if self.n_samples % self._every == 0:
            self.resident_mib.append(self._process.memory_info().rss / 2**20)


def measure(model: Path, n_samples: int) -> tuple[Memory, float]:
    """Run it in a temporary folder; the memory seen, and seconds."""
    iterations = n_samples // N_ARTICLES
    arm = {
        "family": "tiny",
        "variant": "base",
        "quants": ["q4_K_M"],
        "backend": "llama_cpp",
        "ref": str(model),
    }
    config = Config.model_validate(
        {
            "articles": {"source": "sample", "limit": N_ARTICLES},
            "iterations": iterations,
            "sampling": {"temperature": 1.0, "max_tokens": MAX_TOKENS, "context_tokens": 4096},
            "models": [arm],
        }
    )
    memory = Memory(every=N_ARTICLES * iterations // 20)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sweep.start(sweep.plan(config), Path(folder), "long", memory)
    return memory, time.perf_counter() - began


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    made = ROOT / "models" / "benchmark"
    model = options.model or (TRAINED if TRAINED.is_file() else model_file(made, "tiny", "q4_K_M"))
    memory, seconds = measure(model, max(20 * N_ARTICLES, options.samples))
    seen = memory.resident_mib
    grown = seen[-1] - seen[len(seen) // 5 - 1]
    if options.json:
        found = {"n_samples": memory.n_samples, "seconds": seconds, "resident_mib": seen, "grown_mib": grown}
        print(json.dumps(found))
    else:
        print(f"{memory.n_samples} samples in {seconds:.0f} s; MiB: {' '.join(f'{x:.1f}' for x in seen)}")
        print(f"grown from the first fifth to the end: {grown:.2f} MiB")
    return 1 if grown > ALLOWED_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
