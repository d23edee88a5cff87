"""One run over five kinds of arms on the bundled articles, its report, and a server killed in mid-run.

    python -m benchmarks.mixed_run [--articles 51] [--iterations 3] [--folder DIR]

In: nothing; a small base and its adapter are trained first, and llama.cpp's own server (xllamacpp) is started
on loopback. Out: samples and failures of every arm, the comparisons across engines and whether each is named
as one, what parity says of the base on three engines; then, for a run on the server alone, how many samples
were on disk at `kill -9`, how it ended, and what a resume made of it. Exit code 1 where an arm is not whole,
a comparison across engines is not named as one, or a sample is lost or measured twice. It times nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fixtures.llama_server import LlamaServer

CONTEXT_TOKENS = 4096
BASE, ADAPTER = "models/nano/hf/base", "models/nano/adapter"
ACROSS = {"engine", "custom"}
SAME_MODEL = (("base/fp32@hf", "base/fp16@llama_cpp"), ("base/fp16@openai_api", "base/fp32@hf"))
Json = dict[str, Any]


def arms(server: str) -> list[Json]:
    """The five kinds."""
    served = {"base_url": server, "server": "llama_server", "retries": 1}
    return [
        _arm("base", "llama_cpp", "fp16", "models/nano/base-{quant}.gguf"),
        _arm("base", "hf", "fp32", BASE),
        {**_arm("fine-tuned", "hf", "nf4", BASE), "adapter": ADAPTER},
        _arm("base", "hf", "int8", BASE),
        {**_arm("base", "openai_api", "fp16", "nano"), "options": served},
    ]


def _arm(variant: str, backend: str, quant: str, ref: str) -> Json:
    # one thread: more of them wait for each other where others work too
    options = {"n_threads": 1}
    given = {"family": "nano", "variant": variant, "backend": backend, "quants": [quant], "ref": ref}
    return {**given, "options": options}


def write_config(path: Path, models: list[Json], options: argparse.Namespace) -> None:
    """Short answers to the bundled articles; JSON is YAML too."""
    config = {
        "articles": {"source": "sample", "limit": options.articles},
        "iterations": options.iterations,
        "width": 4,
        "sampling": {"temperature": 0.8, "max_tokens": 32, "context_tokens": CONTEXT_TOKENS},
        "models": models,
        "comparisons": [["base/fp32@hf", "base/fp16@llama_cpp"]] if len(models) > 1 else [],
    }
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command in a folder."""
    return subprocess.run(_command(arguments), cwd=folder, capture_output=True, text=True, check=False)


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "bench", *arguments]


def _expected(done: subprocess.CompletedProcess[str], code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command's result; RuntimeError where it ended otherwise."""
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(done.args[2:])} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


# ---------------------------------------------------------------- five kinds of arms


def mixed_run(folder: Path, server: LlamaServer, options: argparse.Namespace) -> Json:
    """One run over all of them, and what its report says across engines."""
    write_config(folder / "config.yaml", arms(server.address), options)
    _expected(bench(folder, "run", "--run-id", "mixed"))
    printed = _expected(bench(folder, "report", "mixed")).stdout
    table = _table(folder, "arms")
    pairs = [row for row in _table(folder, "pairs") if row["kind"] in ACROSS]
    return {
        "arms": {
            row["arm"]: f"{row['n_samples']} samples, {row['n_failed_measurements']} failed" for row in table
        },
        "n_arms_whole": sum(_is_whole(row, options) for row in table),
        "backends": sorted({row["backend"] for row in table}),
        "comparisons_across_engines": [f"{row['arm_a']} - {row['arm_b']}" for row in pairs],
        "n_named_as_such": sum("engines differ" in row["note"] for row in pairs),
        "named_in_terminal": "(across engines)" in printed,
        "parity": {" ~ ".join(pair): _parity(folder, pair) for pair in SAME_MODEL},
    }


def _is_whole(row: dict[str, str], options: argparse.Namespace) -> bool:
    return (int(row["n_samples"]), row["n_failed_measurements"]) == (
        options.articles * options.iterations,
        "0",
    )


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"reports/mixed/tables/{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _parity(folder: Path, pair: tuple[str, str]) -> str:
    done = _expected(bench(folder, "models", "parity", *pair, "--json"))
    found = json.loads(done.stdout)
    return f"{found['verdict']}, {found['logprob_mean']:.4f} nats, first choice {found['top1_agreement']:.0%}"


# ---------------------------------------------------------------- a server that is killed


def killed_run(folder: Path, server: LlamaServer, options: argparse.Namespace) -> Json:
    """A run on the server alone, which dies when a third is done and comes back."""
    write_config(folder / "killed.yaml", arms(server.address)[-1:], options)
    n_expected = options.articles * options.iterations
    config, run = ("-c", "killed.yaml"), folder / "sentiments/killed"
    command = _command(("run", *config, "--run-id", "killed"))
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        while len(_samples(run)) < n_expected // 3 and child.poll() is None:
            time.sleep(0.02)
        server.kill()
        at_kill = _samples(run)
        _, errors = child.communicate()
    stopped = _samples(run)
    without = bench(folder, "run", *config, "--resume", "killed")
    server.start()
    _expected(bench(folder, "run", *config, "--resume", "killed"))
    after = _samples(run)
    keys = {(row["prompt_id"], row["iteration"]) for row in after}
    return {
        "n_at_kill": len(at_kill),
        "exit_code": child.returncode,
        "said": errors.strip().splitlines()[-1],
        "n_failed_before_it_stopped": sum(_failed(row) for row in stopped),
        "exit_code_of_resume_without_server": without.returncode,
        "n_expected": n_expected,
        "n_missing": n_expected - len(keys),
        "n_twice": len(after) - len(keys),
        "n_changed": sum(a != b for a, b in zip(stopped, after, strict=False)),
        "n_failed_after_resume": sum(_failed(row) for row in after[len(stopped) :]),
    }


def _samples(run: Path) -> list[Json]:
    """Every whole line of the one arm."""
    raw = b"".join(path.read_bytes() for path in run.glob("samples/*.jsonl"))
    return [json.loads(line) for line in raw.splitlines(keepends=True) if line.endswith(b"\n")]


def _failed(row: Json) -> bool:
    return row["completion"]["error"] is not None


def is_as_promised(mixed: Json, killed: Json) -> bool:
    """Whether nothing is missing, unnamed, lost or twice."""
    n_across = len(mixed["comparisons_across_engines"])
    lost = (killed["n_missing"], killed["n_twice"], killed["n_changed"], killed["n_failed_after_resume"])
    return (
        mixed["n_arms_whole"] == len(mixed["arms"])
        and n_across == mixed["n_named_as_such"] > 0
        and killed["exit_code"] == killed["exit_code_of_resume_without_server"] == 10
        and lost == (0, 0, 0, 0)
    )


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=int, default=51)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="work here, and keep it; trained models are used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ADAPTER).exists():
            _expected(bench(folder, "train", "--preset", "nano"))
        server = LlamaServer(folder / "models/nano/base-fp16.gguf", context=CONTEXT_TOKENS)
        try:
            mixed, killed = mixed_run(folder, server, options), killed_run(folder, server, options)
        finally:
            server.kill()
    result = {"mixed_run": mixed, "killed_run": killed}
    print(json.dumps(result, indent=2))
    return 0 if is_as_promised(mixed, killed) else 1


if __name__ == "__main__":
    sys.exit(main())
