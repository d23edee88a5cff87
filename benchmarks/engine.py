"""Answers per second: decoded together against one after the other, and against the engine's own limit.

    python -m benchmarks.engine [--models tiny 160m 0.5b] [--quants q4_K_M q8_0 fp16] [--json]

In: nothing; models are made (`engine_models`), the tiny one is taken from `models/tiny` where it is. Out:
for every model and quantization answers/s, tokens/s, peak memory and ratios of

    cold      every answer computes its whole prompt
    prefix    llama-cpp-python's own prefix matching, article-major, at its best of 1/2 threads and
              flash attention on/off
    server    llama.cpp's server inside xllamacpp (where it is installed), one request with n = 15 an article,
              at its best of flash attention on/off
    ours      the batched engine, text and sampling included
    raw       the batches of `ours` again, with the tokens fixed: nothing but llama_decode

15 answers of 60 tokens to each article; prompts of 1,100 tokens in common and 250 to 350 of their own.
Every measurement is a process of its own (`engine_methods`). Other work on the machine only ever slows
down, so one that was disturbed is made again (`--attempts`, 3 in all), and the best counts; how many
cores others used meanwhile, and the seconds of a fixed reference loop, are told. A second table has the
same ratios in processor time (answers per core-second), which others' work hardly changes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from benchmarks.engine_methods import Task

N, FEWER = 15, 5
QUIET_CORES = 0.15
NOT_BUSY = {"idle", "iowait", "guest", "guest_nice"}  # guests are counted as user already
ROOT = Path(__file__).parents[1]
TRAINED = ROOT / "models" / "tiny"
MODELS = ROOT / "models" / "benchmark"
Found = dict[str, Any]


class Effort(NamedTuple):
    """How much of each is measured: a method's cost per answer does not depend on it."""

    n_articles: int
    """Of `ours`; the server gets a third of them, `prefix` and `cold` one."""
    repeats: int
    """Of the raw limit and `ours`, in turns."""
    n_timed: int
    """Answers of `prefix` that are timed."""
    n_cold: int
    """Answers of `cold`."""


EFFORTS = {"tiny": Effort(15, 3, N, 4), "160m": Effort(2, 2, 4, 1), "0.5b": Effort(1, 1, 3, 1)}


def tasks(name: str, path: Path) -> dict[str, Task]:
    """The measurements of one model file, by label."""
    effort = EFFORTS[name]
    task = Task("ours", str(path), effort.n_articles, N, repeats=effort.repeats)
    prefix = task._replace(method="prefix", n_articles=1, n_timed=effort.n_timed)
    server = task._replace(method="server", n_articles=max(1, effort.n_articles // 3))
    found = {
        "ours": task,
        # the same number of answers: three times as many articles
        "ours_n5": task._replace(n=FEWER, n_articles=effort.n_articles * N // FEWER, repeats=0),
        "cold": task._replace(method="cold", n_articles=1, n=effort.n_cold),
    }
    for flash in (False, True):
        suffix = "_flash" if flash else ""
        for threads in (1, 2):
            found[f"prefix_{threads}t{suffix}"] = prefix._replace(n_threads=threads, flash=flash)
        if importlib.util.find_spec("xllamacpp"):
            found[f"server{suffix}"] = server._replace(flash=flash)
    return found


# ---------------------------------------------------------------- measuring


def measure_model(name: str, quant: str, attempts: int, say: Callable[[str], None]) -> Found:
    """Everything about one model file; what others disturbed is measured at most `attempts` times."""
    from benchmarks.engine_models import model_file

    trained = TRAINED / f"fine-tuned-{quant}.gguf"
    path = trained if name == "tiny" and trained.is_file() else model_file(MODELS, name, quant)
    found: Found = {"model": name, "quant": quant, "file_bytes": path.stat().st_size}
    for label, task in tasks(name, path).items():
        for _ in range(attempts):
            result = run_apart(task)
            say(f"{name} {quant} {label}: {_said(result)}")
            found[label] = better(found.get(label), result)
            if result["others_cores"] < QUIET_CORES:
                break
    return found


def run_apart(task: Task) -> Found:
    """One measurement in a fresh process; the reference loop before it and the others' work meanwhile."""
    loop = reference_loop()
    # what `bench.backends.llama_cpp.native` sets for this engine, for every library here
    environment = {"GOMP_SPINCOUNT": "1000", **os.environ}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "benchmarks.engine_methods", json.dumps(task._asdict())]
    began, busy, own = time.perf_counter(), _busy_s(), _children_s()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    others_s = _busy_s() - busy - (_children_s() - own)
    told = {"reference_loop_s": loop, "others_cores": others_s / (time.perf_counter() - began)}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]  # servers print too
    if done.returncode != 0 or not lines:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        return {"error": last[0][:200], **told}
    return {**json.loads(lines[-1]), **told}


def _busy_s() -> float:
    """Processor seconds of everybody since the machine started."""
    times = psutil.cpu_times()._asdict()
    return float(sum(value for name, value in times.items() if name not in NOT_BUSY))


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def reference_loop() -> float:
    """Seconds of a fixed piece of work (hashing 64 MiB), to compare machines and moments by."""
    block, began = bytes(1 << 20), time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(64):
        digest.update(block)
    return time.perf_counter() - began


def better(old: Found | None, new: Found) -> Found:
    """The faster of two, and the best that was seen of the raw limit; a failure where both are."""
    if old is None or "error" in old:
        return new
    if "error" in new:
        return old
    best = max(old, new, key=lambda one: float(one["answers_per_s"]))
    rates = {name for one in (old, new) for name in one if "answers_per" in name}
    return {**best, **{name: max(one[name] for one in (old, new) if name in one) for name in rates}}


def _said(found: Found) -> str:
    raw = f" (raw {found['raw_answers_per_s']:.2f})" if "raw_answers_per_s" in found else ""
    rate = found.get("error") or f"{found['answers_per_s']:.2f} answers/s{raw}"
    return f"{rate}, others {found['others_cores']:.2f} cores"


# ---------------------------------------------------------------- telling


class Clock(NamedTuple):
    """What an answer's cost is counted in."""

    rate: str
    """Name of the measured rate."""
    title: str
    """What its table is called."""


WALL = Clock("answers_per_s", "Answers per second")
CORES = Clock("answers_per_core_s", "Answers per core-second")


def rate(found: Found, label: str, clock: Clock = WALL) -> float:
    """Answers per unit of time of one measurement, NaN where there is none."""
    return float(found.get(label, {}).get(clock.rate, np.nan))


def best_of(found: Found, kind: str, clock: Clock) -> str:
    """The fastest measurement whose label begins with `kind`."""
    labels = [label for label in found if label.startswith(kind) and isinstance(found[label], dict)]
    return max(labels, key=lambda label: np.nan_to_num(rate(found, label, clock)), default=kind)


def ratios(found: Found, clock: Clock = WALL) -> Found:
    """What the measurements of one model say about each other."""
    ours = rate(found, "ours", clock)
    prefix, server = best_of(found, "prefix", clock), best_of(found, "server", clock)
    raw = float(found["ours"].get(f"raw_{clock.rate}", np.nan))
    return {
        "best_prefix": prefix,
        "best_server": server,
        "raw": raw,
        "of_raw": ours / raw,
        "over_cold": ours / rate(found, "cold", clock),
        "over_prefix": ours / rate(found, prefix, clock),
        "raw_over_prefix": raw / rate(found, prefix, clock),
        "over_server": ours / rate(found, server, clock),
        "cost_n15_of_n5": rate(found, "ours_n5", clock) / ours,
    }


COLUMNS = ("cold", "prefix", "server", "ours", "raw", "ours/raw", "x cold", "x prefix", "raw x prefix",
           "x server", "cost N=15 / N=5", "tokens/s", "MiB ours", "MiB prefix", "others' cores")  # fmt: skip


def table(results: list[Found], clock: Clock = WALL) -> str:
    """The figures as a Markdown table, rates first; a dash where there is no measurement."""
    lines = ["| model | " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for found in results:
        said = ratios(found, clock)
        prefix, server = said["best_prefix"], said["best_server"]
        cells = [_cell(rate(found, label, clock), 2) for label in ("cold", prefix, server, "ours")]
        cells += [_cell(said["raw"], 2), "–" if np.isnan(said["of_raw"]) else f"{said['of_raw']:.0%}"]
        names = ("over_cold", "over_prefix", "raw_over_prefix", "over_server", "cost_n15_of_n5")
        cells += [_cell(said[name], 2) for name in names]
        cells.append(_cell(found["ours"].get("tokens_per_s", np.nan), 0))
        peaks = [found.get(label, {}).get("peak_memory_bytes") or np.nan for label in ("ours", prefix)]
        cells += [_cell(peak / 2**20, 0) for peak in peaks]
        shown = ("ours", "cold", prefix, server, "ours_n5")
        cells.append(_cell(max(found[label]["others_cores"] for label in shown if label in found), 2))
        lines.append(f"| {found['model']} {found['quant']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(EFFORTS), choices=list(EFFORTS))
    parser.add_argument("--quants", nargs="+", default=["q4_K_M", "q8_0", "fp16"])
    parser.add_argument("--json", action="store_true", help="everything measured, instead of the table")
    parser.add_argument("--attempts", type=int, default=3, help="of a measurement that others disturb")
    options = parser.parse_args()
    began = time.perf_counter()
    results = [
        measure_model(name, quant, options.attempts, lambda line: print(line, file=sys.stderr))
        for name in options.models
        for quant in options.quants
    ]
    if options.json:
        clocks = (WALL, CORES)
        print(json.dumps([{**found, **{c.title: ratios(found, c) for c in clocks}} for found in results]))
    else:
        print("\n\n".join(f"{clock.title}\n\n{table(results, clock)}" for clock in (WALL, CORES)))
    loops = [
        part["reference_loop_s"] for found in results for part in found.values() if isinstance(part, dict)
    ]
    minutes = (time.perf_counter() - began) / 60
    print(f"{minutes:.0f} min; reference loop {min(loops):.3f} to {max(loops):.3f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
