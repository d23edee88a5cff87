"""A million rows through every step of `bench data build`: seconds, memory, and that nothing is lost.

    python benchmarks/datasets.py [--rows 1000000] [--formats chat] [--json]

In: nothing; it writes rows of invented words, with the frequencies of a language, to a temporary folder: one
in ten stands there twice, one in ten again with a word changed, one in a hundred with another label. Out:
seconds and peak memory of the build, the rows each step left, and how many seconds a fixed loop of Python
takes on this machine at this time, so that figures of different machines can be compared. Exit code 1 if
it takes more than 10 minutes or 2 GiB, or if a near-duplicate that was put in is still there.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import sys
import tempfile
import time
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

LIMIT_S, LIMIT_BYTES = 600, 2 * 2**30
THRESHOLD = 0.8
RECIPE = """\
name: million
task: financial_news
sources:
  - {{reader: table, path: rows.csv, columns: {{label: label, entity: who, id: id}}, licence: CC0}}
steps:
  - step: normalise
  - {{step: conflicts, by: words, rule: drop}}
  - {{step: deduplicate, by: words}}
  - {{step: near_duplicates, threshold: {threshold}}}
  - step: labels
    scores: {{negative: -0.5, neutral: 0, positive: 0.5}}
    reasoning: {{negative: Bad., neutral: Neither., positive: Good.}}
    confidence: 0.9
split: {{train: 0.9, validation: 0.05, test: 0.05}}
formats: [{formats}]
"""
LABELS = ("negative", "neutral", "positive")
N_WORDS = 60_000


def write_rows(path: Path, n_rows: int, seed: int) -> dict[str, int]:
    """Write the file; how many rows of each kind there are, and `to_find`: texts near one that stays.

    One changed word of a short text leaves it less alike than the threshold. A text with two labels is
    dropped by an earlier step, so what is near it may stay.
    """
    draw = random.Random(seed)
    vocabulary = [_word(draw) for _ in range(N_WORDS)]
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(N_WORDS)))
    counts = {"same": 0, "near": 0, "disputed": 0}
    near: dict[str, int] = {}
    disputed: set[int] = set()
    earlier: list[tuple[list[str], str]] = []
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "label", "who"])
        for number in range(n_rows):
            kind, label = draw.random(), draw.choice(LABELS)
            words = draw.choices(vocabulary, cum_weights=weights, k=draw.randint(10, 26))
            if earlier and kind < 0.21:
                which = draw.randrange(len(earlier))
                first, first_label = earlier[which]
                words = list(first)
                label = first_label
                if kind < 0.1:
                    counts["same"] += 1
                elif kind < 0.2:
                    counts["near"] += 1
                    words[draw.randrange(len(words))] = _word(draw)
                    if words != first and _similarity(words, first) >= THRESHOLD:
                        near[" ".join(words)] = which
                else:
                    counts["disputed"] += 1
                    disputed.add(which)
                    label = LABELS[(LABELS.index(label) + 1) % 3]
            elif len(earlier) < 50_000:
                earlier.append((words, label))
            rows.writerow([number, " ".join(words).capitalize() + ".", label, "Acme"])
    return counts | {"to_find": sum(which not in disputed for which in near.values())}


def _similarity(a: list[str], b: list[str]) -> float:
    """Jaccard similarity of the sets of words and of runs of two, by Python's own sets."""
    of_a, of_b = ({*words, *pairwise(words)} for words in (a, b))
    return len(of_a & of_b) / len(of_a | of_b)


def _word(draw: random.Random) -> str:
    parts = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "za", "che", "dro", "fli", "gra", "pla")
    return "".join(draw.choices(parts, k=draw.randint(1, 4)))


def reference_s() -> float:
    """Seconds of a fixed loop: what the machine gives at this time."""
    began = time.perf_counter()
    total = 0
    for number in range(10_000_000):
        total += number & 7
    return time.perf_counter() - began


def measure(n_rows: int, formats: str, seed: int) -> dict[str, Any]:
    """Build once; what it took."""
    from bench.data import build

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = write_rows(folder / "rows.csv", n_rows, seed)
        recipe = folder / "recipe.yaml"
        recipe.write_text(RECIPE.format(formats=formats, threshold=THRESHOLD), encoding="utf-8")
        loop_s = reference_s()
        began, began_cpu = time.perf_counter(), time.process_time()
        card = build(recipe, folder, folder / "out")
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        after_s = reference_s()
    return {
        "rows": n_rows,
        "made": made,
        "wall_s": round(wall_s, 1),
        "processor_s": round(cpu_s, 1),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "reference_loop_s": [round(loop_s, 2), round(after_s, 2)],
        "steps": {step.step: step.n_rows_out for step in card.steps},
        "counts": {step.step: step.counts for step in card.steps},
        "sides": {name: side.n_rows for name, side in card.sides.items()},
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", default="chat")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rows, options.formats, options.seed)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{found['rows']:,} rows: {found['wall_s']} s, {found['processor_s']} s of processor time")
        print(f"peak memory {found['peak_bytes'] / 2**20:,.0f} MiB")
        print(f"reference loop before and after: {found['reference_loop_s']} s")
        for step, n_rows in found["steps"].items():
            print(f"  {step:<18}{n_rows:>10,} rows  {found['counts'][step]}")
    left = found["steps"]["deduplicate"] - found["steps"]["near_duplicates"]
    finds_all = left >= found["made"]["to_find"]
    return 0 if found["wall_s"] < LIMIT_S and found["peak_bytes"] < LIMIT_BYTES and finds_all else 1


if __name__ == "__main__":
    sys.exit(main())
