"""How long a report of a million samples takes, reading included, and how much memory.

    python benchmarks/report_size.py [--families 25] [--articles 500] [--iterations 20] [--keep DIR] [--json]
                                     [--formats csv]

In: nothing; it writes a run of families x 4 quants x articles x iterations (answers of about 300
characters, 3 % invalid) into a temporary folder. Out: seconds and peak memory of a fresh process that
makes the tables, and a fixed reference loop before and after, all measured in this run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench import store, tasks
from bench.identity import file_stem
from bench.records import ArmRecord, Article, Entity, LoadedModel, Manifest, ModelSpec

QUANTS = ("q4_K_M", "q5_K_M", "q8_0", "fp16")
VOCABULARY = (
    "the company reported quarterly revenue above what analysts expected and raised its outlook for "
    "next year while margins fell under rising costs so investors may see limited room for further gains"
)
WORDS = VOCABULARY.split()
CHILD = """
import json, resource, sys, time
began = time.perf_counter()
from pathlib import Path
from bench.report import make_report
result = make_report(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), only=sys.argv[4].split(","))
wall = time.perf_counter() - began
usage, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "wall_s": wall,
    "cpu_s": usage.ru_utime + usage.ru_stime + children.ru_utime + children.ru_stime,
    "peak_memory_bytes": 1024 * (usage.ru_maxrss + 2 * children.ru_maxrss),
    "n_samples": int(result.tables["arms"]["n_samples"].sum()),
    "rows": {name: len(table) for name, table in result.tables.items()},
}))
"""


def reference_loop() -> float:
    """Seconds of a fixed piece of work (hashing 64 MiB), to compare machines and moments by."""
    block, began = bytes(1 << 20), time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(64):
        digest.update(block)
    return time.perf_counter() - began


def write_run(root: Path, n_families: int, n_articles: int, iterations: int) -> Path:
    """A finished run of that size below `root`."""
    generator = np.random.default_rng(1)
    task = tasks.load("financial_news")
    entity = Entity(name="Examplecorp")
    articles = tuple(
        Article(id=Article.make_id(text, entity), text=text, source="benchmark", entity=entity)
        for text in (f"Article number {i}." for i in range(n_articles))
    )
    specs = [
        ModelSpec(family=f"family-{i:02}", variant="base", quant=quant, backend="fake", ref="x")
        for i in range(n_families)
        for quant in QUANTS
    ]
    now = datetime.now(UTC)
    described = task.model_dump(mode="json", include={"name", "version", "answer", "labels"})
    manifest = Manifest(
        run_id="large",
        bench_version="0",
        config={"sampling": {}},
        task={**described, "digest": task.digest},
        provenance={},
        article_ids=tuple(article.id for article in articles),
        iterations=iterations,
        arms=tuple(
            ArmRecord(arm=s.arm, spec=s, loaded=LoadedModel(file_bytes=1), n_decoded=1000, decode_s=50.0)
            for s in specs
        ),
        started_at=now,
        finished_at=now,
        status="finished",
    )
    with store.create_run(root, manifest, articles) as writer:
        base = generator.normal(0.1, 0.4, n_articles)
        for spec in specs:
            path = writer.folder / "samples" / f"{file_stem(spec.arm)}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                own = base + generator.normal(0, 0.05, n_articles)
                for place, article in enumerate(articles):
                    file.writelines(_lines(generator, spec.arm, article.id, float(own[place]), iterations))
    return writer.folder


def _lines(
    generator: np.random.Generator, arm: str, article_id: str, mean: float, iterations: int
) -> list[str]:
    scores = np.round(np.clip(mean + generator.normal(0, 0.12, iterations), -1, 1), 2).tolist()
    valid = (generator.random(iterations) >= 0.03).tolist()
    words = generator.integers(0, len(WORDS), (iterations, 40))
    lines = []
    for iteration in range(iterations):
        reasoning = " ".join(WORDS[i] for i in words[iteration])
        answer = {"reasoning": reasoning, "sentiment": scores[iteration], "confidence": 0.8}
        text = json.dumps(answer)
        row: dict[str, Any] = {
            "run_id": "large",
            "arm": arm,
            "prompt_id": f"p-{article_id}",
            "article_id": article_id,
            "iteration": iteration,
            "seed": 123456789,
            "completion": {
                "text": text if valid[iteration] else text[:150],
                "stop_reason": "stop",
                "prompt_tokens": 800,
                "cached_tokens": 790,
                "completion_tokens": 70,
                "load_s": None,
                "ttft_s": 0.1,
                "duration_s": 2.0 + scores[iteration],
                "batch_size": 1,
                "error": None,
            },
            "verdict": {
                "outcome": "valid" if valid[iteration] else "not_json",
                "answer": answer if valid[iteration] else None,
                "recoverable": False,
                "errors": [] if valid[iteration] else ["the text is not JSON"],
                "unknown_keys": [],
            },
        }
        lines.append(json.dumps(row, separators=(",", ":")) + "\n")
    return lines


def main() -> None:
    """Write the run, report it in a fresh process, print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", type=int, default=25)
    parser.add_argument("--articles", type=int, default=500)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--formats", default="csv")
    parser.add_argument("--keep", type=Path, help="use, or make, the run in this folder and keep it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.keep or Path(temporary)
        folder = root / "large"
        if not folder.exists():
            write_run(root, options.families, options.articles, options.iterations)
        before = reference_loop()
        out = Path(temporary)
        arguments = [str(folder), str(out / "reports"), str(out / "heatmaps"), options.formats]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, check=True, text=True
        )
        found = {**json.loads(done.stdout), "reference_loop_s": [before, reference_loop()]}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['n_samples']} samples: {found['wall_s']:.1f} s wall, {found['cpu_s']:.1f} s CPU, ", end="")
    print(f"peak {found['peak_memory_bytes'] / 2**30:.2f} GiB")
    print(f"reference loop (64 MiB of SHA-256): {', '.join(f'{s:.3f} s' for s in found['reference_loop_s'])}")
    print(", ".join(f"{name} {n}" for name, n in found["rows"].items()))


if __name__ == "__main__":
    main()
