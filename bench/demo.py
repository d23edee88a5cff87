"""The whole pipeline in one go, on models it trains itself: the two-command answer of the README.

In: nothing but a folder. Out: `models/tiny/`, the run `demo`, its report, and how long each part took.
What is already there is kept: finished models are not trained again, and an interrupted run goes on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from bench.config import ArticlesConfig, Config, ModelConfig
from bench.records import Sampling

PRESET = "tiny"
MODELS = Path("models")
QUANTS = ("q4_K_M", "q5_K_M", "q8_0", "fp16")
N_ARTICLES = 24  # the bundled labels take turns, so that the first N are balanced
ITERATIONS = 5
LATENCY_SAMPLES = N_ARTICLES  # each arm answers every article once alone, for honest seconds


class Timed(NamedTuple):
    """One part of the demo and the seconds it took."""

    part: str
    seconds: float


def demo_config() -> Config:
    """Base few-shot and fine-tuned zero-shot, four quants each: 8 arms."""
    return Config(
        articles=ArticlesConfig(source="sample", limit=N_ARTICLES),
        iterations=ITERATIONS,
        sampling=Sampling(max_tokens=160, context_tokens=4096),
        models=(_model("base"), _model("fine-tuned")),
    )


def _model(variant: str) -> ModelConfig:
    return ModelConfig(
        family=PRESET,
        variant=variant,
        quants=QUANTS,
        backend="llama_cpp",
        ref=f"{MODELS / PRESET}/{variant}-{{quant}}.gguf",
        prompt_style="few_shot" if variant == "base" else "zero_shot",
    )


class Stopwatch:
    """Seconds of each part, in order."""

    def __init__(self) -> None:
        self.parts: list[Timed] = []
        self._began = time.perf_counter()

    def lap(self, part: str) -> None:
        """Name the part that ends now."""
        now = time.perf_counter()
        self.parts.append(Timed(part, now - self._began))
        self._began = now
