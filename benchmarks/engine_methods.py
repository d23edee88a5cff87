"""One measurement of `benchmarks/engine.py`, in a process of its own: the same answers by one method.

    python -m benchmarks.engine_methods '{"method": "ours", "path": "model.gguf", ...}'

In: a `Task` as JSON. Out: one line of JSON with answers/s, tokens/s, answers per core-second (processor
time of this process, which others' work hardly changes) and peak memory. Prompts are tokens:
what all have in common (system and five shots), then the article's own; every answer has the same
length, whatever was drawn. What all prompts have in common is computed before the clock starts, except
by `cold`, which never computes anything once. It chooses and compares nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.llama_cpp.batch import TokenBatch, Tokens
from bench.backends.llama_cpp.engine import Engine, EngineSettings
from bench.backends.llama_cpp.native import library, repacks_weights
from bench.backends.llama_cpp.sampler import row_sampler
from bench.backends.llama_cpp.schedule import FIRST_ROW, PREFIX, Scheduler, Work
from bench.memory import PeakMemory
from bench.records import Sampling

N_COMMON, OWN_TOKENS, ANSWER_TOKENS, WIDTH = 1100, (250, 275, 300, 325, 350), 60, 16
TEMPERATURE = 0.8
MOST_TOKENS = 4000  # ids are drawn below this; every model here has more


Clock = npt.NDArray[np.float64]


class Task(NamedTuple):
    """What is measured."""

    method: str
    path: str
    n_articles: int
    n: int
    """Answers to each article."""
    n_threads: int = 2
    flash: bool = False
    repeats: int = 1
    """`ours`: further turns of the raw limit and ours; the best counts. 0 leaves the raw limit out."""
    n_timed: int = 0
    """`prefix`: answers of an article that are timed, when it is not all of them; each costs the same."""


def prompts(n_articles: int) -> list[Tokens]:
    """The articles as tokens, with their common beginning."""
    rng = np.random.default_rng(1)
    common = rng.integers(300, MOST_TOKENS, N_COMMON)
    lengths = (OWN_TOKENS[i % len(OWN_TOKENS)] for i in range(n_articles))
    own = [rng.integers(300, MOST_TOKENS, n) for n in lengths]
    return [np.concatenate([common, tokens]).astype(np.int32) for tokens in own]


def measure(task: Task) -> dict[str, Any]:
    """Run it."""
    methods = {"cold": _cold, "prefix": _prefix, "server": _server, "ours": _ours}
    memory = PeakMemory()
    return {**methods[task.method](task), "peak_memory_bytes": memory.read_bytes()}


def _now() -> Clock:
    """Seconds on the wall, and processor seconds of all threads of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _rate(task: Task, taken: Clock) -> dict[str, Any]:
    n_answers = task.n_articles * task.n
    seconds, core_seconds = taken.tolist()
    return {
        "answers_per_s": n_answers / seconds,
        "answers_per_core_s": n_answers / core_seconds,
        "tokens_per_s": n_answers * ANSWER_TOKENS / seconds,
        "seconds": seconds,
    }


# ---------------------------------------------------------------- this project's engine


def _engine(task: Task, width: int) -> Engine:
    n = task.n_threads
    return Engine(
        Path(task.path), task.path, EngineSettings(8192, width + FIRST_ROW, n, n, 512, 0, (), task.flash)
    )


def _answer_all(engine: Engine, task: Task, width: int, *, share: bool) -> Clock:
    """Time to answer everything, text included."""
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=ANSWER_TOKENS)
    seeds = [tuple(range(100 * i, 100 * i + task.n)) for i in range(task.n_articles)]
    works = [Work(i, p, seeds[i]) for i, p in enumerate(prompts(task.n_articles))]
    sampler = row_sampler(sampling, engine.vocabulary, width, None)
    engine.vocabulary.end_mask()[:] = False  # no token ends an answer
    scheduler = Scheduler(engine, sampler, width, ANSWER_TOKENS, share=share)
    common = _Timed(engine)
    began = _now()
    n_chars = sum(
        len(engine.vocabulary.bytes_of(finished.tokens).decode("utf-8", "replace"))
        for finished in scheduler.run(works)
    )
    taken = _now() - began - common.stop()
    if not n_chars:
        raise RuntimeError("the answers have no text")
    return taken


class _Timed:
    """Takes the time of computing what all prompts have in common."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._taken, self._prefill = engine, np.zeros(2), engine.prefill
        engine.prefill = self._noted  # type: ignore[method-assign]

    def _noted(self, parts: Any) -> Any:
        began = _now()
        found = self._prefill(parts)
        if parts[0][2] == PREFIX:
            self._taken += _now() - began
        return found

    def stop(self) -> Clock:
        """All of it so far."""
        self._engine.prefill = self._prefill  # type: ignore[method-assign]
        return self._taken


def _cold(task: Task) -> dict[str, Any]:
    engine = _engine(task, 1)
    return _rate(task, _answer_all(engine, task, 1, share=False))


class _Recorder:
    """Notes what the engine is asked to do, so that it can be done again with nothing else."""

    _METHODS = ("decode", "fork", "forget", "clear")

    def __init__(self, engine: Engine) -> None:
        self.common: list[Callable[[], object]] = []
        """All that was asked until the common beginning was there."""
        self.calls: list[Callable[[], object]] = []
        """All that was asked after it."""
        self._engine = engine
        for name in self._METHODS:
            setattr(engine, name, self._noting(name, getattr(engine, name)))

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            if name == "decode":
                batch = args[0]
                self.calls.append(self._bare_decode(batch))
                if (batch.sequences[: batch.native.n_tokens] == PREFIX).all():
                    self.common, self.calls = self.common + self.calls, []
            else:
                self.calls.append(lambda: method(*args))
            return method(*args)

        return noted

    def _bare_decode(self, batch: TokenBatch) -> Callable[[], object]:
        """The engine's own call with the same tokens: no check, no exception, no view of the logits."""
        n = batch.native.n_tokens
        same = TokenBatch(n)
        same.fill(batch.tokens[:n], batch.positions[:n], batch.sequences[:n], batch.wanted[:n])
        decode, context = library().llama_decode, self._engine._context
        return lambda: (decode(context, same.native), same)

    def stop(self) -> None:
        """Leave the engine as it was."""
        for name in self._METHODS:
            delattr(self._engine, name)

    def replay(self) -> Clock:
        """Time of the noted calls after the common beginning."""
        self._engine.clear()
        for call in self.common:
            call()
        began = _now()
        for call in self.calls:
            call()
        return _now() - began


def _ours(task: Task) -> dict[str, Any]:
    """Ours, and the same batches raw, in turns."""
    engine = _engine(task, WIDTH)
    recorder = _Recorder(engine)
    ours, raw = [_answer_all(engine, task, WIDTH, share=True)], []
    recorder.stop()
    for _ in range(task.repeats):
        raw.append(recorder.replay())
        ours.append(_answer_all(engine, task, WIDTH, share=True))
    limit = _rate(task, np.min(raw, axis=0)) if raw else {}
    named = {f"raw_{name}": value for name, value in limit.items() if name.startswith("answers_per")}
    return {**_rate(task, np.min(ours, axis=0)), **named}


# ---------------------------------------------------------------- what there was before


def _prefix(task: Task) -> dict[str, Any]:
    """llama-cpp-python's own prefix matching, one answer after the other."""
    native = library()  # the same library with the same settings of its threads and weights
    defaults = native.llama_model_default_params

    def as_ours() -> Any:
        params = defaults()
        params.use_extra_bufts = repacks_weights()
        return params

    native.llama_model_default_params = as_ours
    found = prompts(task.n_articles)
    n_threads = {"n_threads": task.n_threads, "n_threads_batch": task.n_threads}
    llama = native.Llama(task.path, n_ctx=2048, flash_attn=task.flash, verbose=False, **n_threads)
    llama.eval(found[0][:N_COMMON].tolist())
    n_timed, taken = task.n_timed or task.n, np.zeros(2)
    for i, prompt in enumerate(found):
        times = [_prefix_answer(llama, prompt, seed=100 * i + j) for j in range(n_timed)]
        # the first one computes the article's own tokens
        taken += times[0] + (task.n - 1) * np.mean(times[1:], axis=0)
    return _rate(task, taken)


def _prefix_answer(llama: Any, prompt: Tokens, seed: int) -> Clock:
    began = _now()
    llama.set_seed(seed)
    stream = llama.generate(prompt.tolist(), temp=TEMPERATURE, top_k=0, top_p=1.0, min_p=0.0)
    llama.detokenize([next(stream) for _ in range(ANSWER_TOKENS)])
    return _now() - began


def _server(task: Task) -> dict[str, Any]:
    """llama.cpp's server inside xllamacpp: one request an article, which forks its memory n times."""
    import xllamacpp

    flash = xllamacpp.llama_flash_attn_type
    params = xllamacpp.CommonParams()
    params.model.path = task.path
    params.n_parallel = task.n
    params.n_ctx = 8192
    params.kv_unified = True
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = task.n_threads
    params.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED if task.flash else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.verbosity = 0
    server = xllamacpp.Server(params)

    def ask(prompt: Tokens, n: int, n_tokens: int) -> int:
        body = {
            "prompt": prompt.tolist(),
            "n": n,
            "max_tokens": n_tokens,
            "temperature": TEMPERATURE,
            "samplers": ["temperature"],
            "seed": 1,
            "ignore_eos": True,
            "cache_prompt": True,
        }
        reply = server.handle_completions(body)
        reply = json.loads(reply) if isinstance(reply, str) else reply
        return len(reply["choices"])

    found = prompts(task.n_articles)
    ask(found[0][:N_COMMON], 1, 1)
    began = _now()
    n_answers = sum(ask(prompt, task.n, ANSWER_TOKENS) for prompt in found)
    taken = _now() - began
    if n_answers != task.n_articles * task.n:
        raise RuntimeError(f"the server gave {n_answers} answers")
    return _rate(task, taken)


if __name__ == "__main__":
    print(json.dumps(measure(Task(**json.loads(sys.argv[1])))))
