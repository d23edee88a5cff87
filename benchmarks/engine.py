"""Answers per second: decoded together against one after the other, and against the engine's own limit.

    python -m benchmarks.engine [--models tiny 160m 0.5b] [--quants q4_K_M q8_0 fp16] [--json]

In: nothing; models are made (`engine_models`), the tiny one is taken from `models/tiny` where it is. Out:
for every model and quantization answers/s, tokens/s and peak memory of

    cold      every answer computes its whole prompt
    prefix    llama-cpp-python's own prefix matching, article-major, at its best of 1/2 threads and
              flash attention on/off
    server    llama.cpp's server inside xllamacpp, one request with n = 15 per article
    ours      the batched engine, text and sampling included
    raw       the batches of `ours` again, with the tokens fixed: nothing but llama_decode

Every measurement is a process of its own; `ours` and `raw` take turns, and the best of the repeats
counts, because other work on the machine only ever slows down. Prompts are tokens: 1,100 in common
(system and five shots), 250 to 350 of the article, answers of 60 tokens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

N_COMMON, ANSWER_TOKENS, N = 1100, 60, 15
WIDTH = 16
TEMPERATURE = 0.8
ROOT = Path(__file__).parents[1]
TRAINED = ROOT / "models" / "tiny"
MODELS = ROOT / "models" / "benchmark"
N_ARTICLES = {"tiny": 16, "160m": 4, "0.5b": 3}
REPEATS = {"tiny": 5, "160m": 2, "0.5b": 1}


class Task(NamedTuple):
    """One measurement."""

    method: str
    path: str
    n_articles: int
    n: int = N
    n_threads: int = 2
    flash: bool = False
    repeats: int = 1
    n_vocabulary: int = 4000


def prompts(task: Task) -> list[np.ndarray]:
    """The articles as tokens, with their common beginning."""
    rng = np.random.default_rng(1)
    common = rng.integers(300, task.n_vocabulary - 10, N_COMMON)
    own = [rng.integers(300, task.n_vocabulary - 10, 250 + 25 * (i % 5)) for i in range(task.n_articles)]
    return [np.concatenate([common, tokens]).astype(np.int32) for tokens in own]


# ---------------------------------------------------------------- one measurement, in its own process


def measure(task: Task) -> dict[str, Any]:
    """Run it; answers/s and the memory it took."""
    from bench.backends._memory import PeakMemory

    memory = PeakMemory()
    methods: dict[str, Callable[[Task], dict[str, Any]]] = {
        "cold": _cold,
        "prefix": _prefix,
        "server": _server,
        "ours": _ours,
    }
    return {**methods[task.method](task), "peak_memory_bytes": memory.read_bytes()}


def _rate(n_answers: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "answers_per_s": n_answers / seconds,
        "tokens_per_s": n_answers * ANSWER_TOKENS / seconds,
        "n_answers": n_answers,
        "seconds": seconds,
        **more,
    }


def _engine(task: Task, width: int) -> Any:
    from bench.backends.llama_cpp.engine import Engine, EngineSettings
    from bench.backends.llama_cpp.schedule import FIRST_ROW

    n = task.n_threads
    return Engine(
        Path(task.path), task.path, EngineSettings(8192, width + FIRST_ROW, n, n, 512, 0, (), task.flash)
    )


def _answer_all(engine: Any, task: Task, width: int, *, share: bool) -> float:
    """Seconds to answer everything, text included. No token ends an answer: all have the same length."""
    from bench.backends.llama_cpp.sampler import row_sampler
    from bench.backends.llama_cpp.schedule import Scheduler, Work
    from bench.records import Sampling

    sampling = Sampling(temperature=TEMPERATURE, max_tokens=ANSWER_TOKENS)
    works = [Work(i, p, tuple(range(100 * i, 100 * i + task.n))) for i, p in enumerate(prompts(task))]
    sampler = row_sampler(sampling, engine.vocabulary, width, None)
    engine.vocabulary.end_mask()[:] = False
    began = time.perf_counter()
    scheduler = Scheduler(engine, sampler, width, ANSWER_TOKENS, share=share)
    n_chars = sum(
        len(engine.vocabulary.bytes_of(finished.tokens).decode("utf-8", "replace"))
        for finished in scheduler.run(works)
    )
    seconds = time.perf_counter() - began
    assert n_chars, "answers have text"
    return seconds


def _cold(task: Task) -> dict[str, Any]:
    engine = _engine(task, 1)
    return _rate(task.n_articles * task.n, _answer_all(engine, task, 1, share=False))


class _Recorder:
    """Notes what the engine is asked to do, so that it can be done again with nothing else."""

    def __init__(self, engine: Any) -> None:
        self.calls: list[Callable[[], Any]] = []
        self._engine = engine
        for name in ("decode", "fork", "forget", "clear"):
            setattr(engine, name, self._noting(name, getattr(engine, name)))

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        from bench.backends.llama_cpp.batch import TokenBatch

        def noted(*args: Any) -> Any:
            if name == "decode":
                batch, n = args[0], args[0].native.n_tokens
                same = TokenBatch(n)
                same.fill(batch.tokens[:n], batch.positions[:n], batch.sequences[:n], batch.wanted[:n])
                # the engine's own call: no check, no exception, no view of the logits
                native, lib, context = same.native, self._engine._lib, self._engine._context
                self.calls.append(lambda: (same, lib.llama_decode(context, native)))
            else:
                self.calls.append(lambda: method(*args))
            return method(*args)

        return noted

    def stop(self) -> None:
        for name in ("decode", "fork", "forget", "clear"):
            delattr(self._engine, name)


def _ours(task: Task) -> dict[str, Any]:
    """Ours, and the same batches raw, in turns."""
    engine = _engine(task, WIDTH)
    recorder = _Recorder(engine)
    _answer_all(engine, task, WIDTH, share=True)
    recorder.stop()
    ours, raw = [], []
    for _ in range(task.repeats):
        ours.append(_answer_all(engine, task, WIDTH, share=True))
        engine.clear()
        began = time.perf_counter()
        for call in recorder.calls:
            call()
        raw.append(time.perf_counter() - began)
    n_answers = task.n_articles * task.n
    return _rate(n_answers, min(ours), raw_answers_per_s=n_answers / min(raw), all_s=ours, all_raw_s=raw)


def _prefix(task: Task) -> dict[str, Any]:
    from llama_cpp import Llama

    llama = Llama(
        model_path=task.path,
        n_ctx=2048,
        n_threads=task.n_threads,
        n_threads_batch=task.n_threads,
        flash_attn=task.flash,
        verbose=False,
    )
    found = prompts(task)
    # the first prompt's prefix is computed before the clock starts: at its best
    llama.eval(found[0][:N_COMMON].tolist())
    began = time.perf_counter()
    for i, prompt in enumerate(found):
        for seed in range(task.n):
            llama.set_seed(100 * i + seed)
            stream = llama.generate(prompt.tolist(), temp=TEMPERATURE, top_k=0, top_p=1.0, min_p=0.0)
            tokens = [next(stream) for _ in range(ANSWER_TOKENS)]
            llama.detokenize(tokens)
    return _rate(len(found) * task.n, time.perf_counter() - began)


def _server(task: Task) -> dict[str, Any]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = task.path
    params.n_parallel = N
    params.n_ctx = 8192
    params.kv_unified = True
    params.n_gpu_layers = 0
    params.warmup = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = task.n_threads
    params.flash_attn_type = (
        xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if task.flash
        else xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.verbosity = 0
    server = xllamacpp.Server(params)
    found = prompts(task)

    def ask(prompt: list[int], n: int, n_predict: int) -> int:
        body = {
            "prompt": prompt,
            "n": n,
            "n_predict": n_predict,
            "max_tokens": n_predict,
            "temperature": TEMPERATURE,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "seed": 1,
            "ignore_eos": True,
            "cache_prompt": True,
            "samplers": ["temperature"],
        }
        reply = server.handle_completions(body)
        reply = json.loads(reply) if isinstance(reply, str) else reply
        return len(reply["choices"])

    ask(found[0][:N_COMMON].tolist(), 1, 1)
    began = time.perf_counter()
    n_answers = sum(ask(prompt.tolist(), task.n, ANSWER_TOKENS) for prompt in found)
    seconds = time.perf_counter() - began
    if n_answers != len(found) * task.n:
        raise RuntimeError(f"the server gave {n_answers} answers")
    return _rate(n_answers, seconds)


# ---------------------------------------------------------------- all of them


def run_apart(task: Task) -> dict[str, Any]:
    """One measurement in a fresh process, with the reference loop before it."""
    loop = reference_loop()
    command = [sys.executable, "-m", "benchmarks.engine", "--one", json.dumps(task._asdict())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        return {"error": last[0], "reference_loop_s": loop}
    return {**json.loads(done.stdout.splitlines()[-1]), "reference_loop_s": loop}


def reference_loop() -> float:
    """Seconds of a fixed piece of work (hashing 64 MiB), to compare machines and moments by."""
    block, began = bytes(1 << 20), time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(64):
        digest.update(block)
    return time.perf_counter() - began


def measure_model(name: str, quant: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything about one model file."""
    from benchmarks.engine_models import SHAPES, model_file

    trained = TRAINED / f"fine-tuned-{quant}.gguf"
    path = trained if name == "tiny" and trained.is_file() else model_file(MODELS, name, quant)
    few = {"tiny": 2, "160m": 1, "0.5b": 1}[name]
    task = Task(
        "ours",
        str(path),
        N_ARTICLES[name],
        repeats=REPEATS[name],
        n_vocabulary=min(4000, SHAPES[name].n_vocabulary),
    )
    variants = [(threads, flash) for threads in (1, 2) for flash in (False, True)]
    # the slow ones on fewer articles: their cost per answer does not depend on how many there are
    tasks = {
        "ours": task,
        "ours_n5": task._replace(n=5, repeats=max(1, task.repeats // 2)),
        "cold": task._replace(method="cold", n_articles=1, n=4 if name == "tiny" else 2),
        **{
            f"prefix_{threads}t{'_flash' if flash else ''}": task._replace(
                method="prefix", n_articles=few, n_threads=threads, flash=flash
            )
            for threads, flash in variants
        },
        "server": task._replace(method="server", n_articles=max(few, 2)),
        "server_flash": task._replace(method="server", n_articles=max(few, 2), flash=True),
    }
    found: dict[str, Any] = {"model": name, "quant": quant, "file_bytes": path.stat().st_size}
    for label, one in tasks.items():
        found[label] = run_apart(one)
        failure, rate = found[label].get("error"), found[label].get("answers_per_s", np.nan)
        say(f"{name} {quant} {label}: {failure or f'{rate:.2f} answers/s'}")
    return {**found, **_ratios(found)}


def _ratios(found: dict[str, Any]) -> dict[str, Any]:
    def rate(label: str) -> float:
        return float(found[label].get("answers_per_s", np.nan))

    ours = rate("ours")
    prefixes = [label for label in found if label.startswith("prefix_")]
    best = max(prefixes, key=lambda label: np.nan_to_num(rate(label)))
    server = max(np.nan_to_num(rate("server")), np.nan_to_num(rate("server_flash"))) or np.nan
    return {
        "best_prefix": best,
        "of_raw": ours / found["ours"].get("raw_answers_per_s", np.nan),
        "over_cold": ours / rate("cold"),
        "over_prefix": ours / rate(best),
        "over_server": ours / server,
        "cost_n15_of_n5": rate("ours_n5") / ours,
    }


COLUMNS = (
    "cold",
    "prefix",
    "server",
    "ours",
    "raw",
    "of raw",
    "x cold",
    "x prefix",
    "x server",
    "n15/n5 cost",
)


def table(results: list[dict[str, Any]]) -> str:
    """The figures as a Markdown table, answers/s first."""
    lines = [
        "| model | " + " | ".join(COLUMNS) + " | tokens/s | peak MiB |",
        "|---|" + "---:|" * (len(COLUMNS) + 2),
    ]
    for found in results:
        ours = found["ours"]
        servers = [found[label].get("answers_per_s", np.nan) for label in ("server", "server_flash")]
        numbers = [
            found["cold"].get("answers_per_s", np.nan),
            found[found["best_prefix"]].get("answers_per_s", np.nan),
            np.nanmax(servers) if not np.isnan(servers).all() else np.nan,
            ours.get("answers_per_s", np.nan),
            ours.get("raw_answers_per_s", np.nan),
        ]
        ratios = [found[key] for key in ("over_cold", "over_prefix", "over_server", "cost_n15_of_n5")]
        cells = [f"{number:.2f}" for number in numbers] + [f"{100 * found['of_raw']:.0f} %"]
        cells += [f"{ratio:.2f}" for ratio in ratios]
        cells += [
            f"{ours.get('tokens_per_s', np.nan):.0f}",
            f"{(ours.get('peak_memory_bytes') or 0) / 2**20:.0f}",
        ]
        lines.append(f"| {found['model']} {found['quant']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["tiny", "160m", "0.5b"], choices=["tiny", "160m", "0.5b"]
    )
    parser.add_argument("--quants", nargs="+", default=["q4_K_M", "q8_0", "fp16"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Task(**json.loads(options.one)))))
        return
    results = [
        measure_model(name, quant, lambda line: print(line, file=sys.stderr))
        for name in options.models
        for quant in options.quants
    ]
    print(json.dumps(results) if options.json else table(results))
    loops = [
        part["reference_loop_s"] for found in results for part in found.values() if isinstance(part, dict)
    ]
    print(f"reference loop {min(loops):.3f} to {max(loops):.3f} s over the run", file=sys.stderr)


if __name__ == "__main__":
    main()
