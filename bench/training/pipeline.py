"""The stages of a training, in order: tokenizer, base, fine-tune, GGUF files, parity, cards.

In: a recipe, a folder, and a function that turns a story into the task's messages and answer. Out:
the files of both variants. A stage whose inputs did not change is skipped, and one that was killed
goes on at its last checkpoint. Run by `bench train`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from safetensors.torch import save
from transformers import LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from bench.identity import content_id
from bench.training import base as base_training
from bench.training import lora
from bench.training.card import write_card
from bench.training.corpus import article_text, tokenizer_texts
from bench.training.display import TrainingProgress
from bench.training.files import Stages, sha256, source_digest, write_whole
from bench.training.gguf import write_gguf
from bench.training.loop import Checkpoint, reproducible
from bench.training.parity import TOLERANCE, Parity, compare
from bench.training.quantize import checked_types, quantize
from bench.training.recipe import Recipe
from bench.training.stories import Story, note, story
from bench.training.tokenizer import Encoder, load_tokenizer, train_tokenizer

VARIANTS = ("base", "fine-tuned")
_TEXT_SOURCES = ("grammar", "world", "kinds", "stories", "questions", "corpus", "tokenizer")
_PARITY_EXAMPLES = 6


class Exchange(NamedTuple):
    """One example as the task shows it: the turns as (role, content), and the answer."""

    turns: tuple[tuple[str, str], ...]
    answer: str


Render = Callable[[Story], Exchange]


class ModelFile(NamedTuple):
    """One GGUF file."""

    variant: str
    quant: str
    path: Path
    n_bytes: int
    digest: str
    """`sha256:...`"""
    tensor_types: dict[str, int]


class Result(NamedTuple):
    """What a training left in its folder."""

    folder: Path
    files: tuple[ModelFile, ...]
    parity: dict[str, Parity]
    """By variant."""
    seconds: dict[str, float]
    """By stage; of skipped stages the seconds they once took."""


def run(
    recipe: Recipe,
    folder: Path,
    render: Render,
    task_digest: str,
    avoid: frozenset[str],
    progress: TrainingProgress,
) -> Result:
    """Everything the recipe asks for. `avoid` are words (lower case) no company may be called."""
    return _Pipeline(recipe, folder, render, task_digest, avoid, progress).run()


class _Pipeline:
    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        render: Render,
        task_digest: str,
        avoid: frozenset[str],
        progress: TrainingProgress,
    ) -> None:
        self.recipe, self.folder, self.render, self.avoid = recipe, folder, render, avoid
        self.progress = progress
        self.stages = Stages(folder)
        self.threads = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self.hf = {variant: folder / "hf" / variant for variant in VARIANTS}
        words = [recipe.seed, sorted(avoid), source_digest(*_TEXT_SOURCES)]
        tokenizer = content_id(["tokenizer", recipe.tokenizer.model_dump(), words])
        layers = [recipe.architecture.model_dump(), recipe.base.model_dump(), source_digest("base", "loop")]
        base = content_id(["base", tokenizer, layers])
        tuned = [recipe.lora.model_dump(), task_digest, source_digest("lora", "loop")]
        files = source_digest("gguf", "engine", "quantize", "parity")
        self.keys = {
            "tokenizer": tokenizer,
            "base": base,
            "fine-tuned": content_id(["fine-tuned", base, tuned]),
            "files-base": content_id(["files", base, files, recipe.quants]),
            "files-fine-tuned": content_id(["files", base, tuned, files, recipe.quants]),
        }

    def run(self) -> Result:
        facts: dict[str, dict[str, Any]] = {}
        steps: tuple[tuple[str, Callable[[], tuple[Iterable[Path], dict[str, Any]]]], ...] = (
            ("tokenizer", self._tokenizer),
            ("base", self._base),
            ("fine-tuned", self._fine_tuned),
            ("files-base", lambda: self._files("base")),
            ("files-fine-tuned", lambda: self._files("fine-tuned")),
        )
        for name, make in steps:
            facts[name] = self._stage(name, make)
        for variant in VARIANTS:
            write_card(self.folder, variant, self._card_facts(variant, facts))
        return Result(
            self.folder,
            tuple(self._model_file(v, file) for v in VARIANTS for file in facts[f"files-{v}"]["files"]),
            {v: Parity(**facts[f"files-{v}"]["parity"]) for v in VARIANTS},
            {name: float(noted["seconds"]) for name, noted in facts.items()},
        )

    def _stage(self, name: str, make: Callable[[], tuple[Iterable[Path], dict[str, Any]]]) -> dict[str, Any]:
        noted = self.stages.facts(name, self.keys[name])
        if noted is not None:
            self.progress.note(f"{name}: unchanged, kept")
            return noted
        began = time.perf_counter()
        disable_progress_bar()  # of transformers: ours is enough
        with reproducible(self.recipe.seed, self.threads):
            files, facts = make()
        facts = {**facts, "seconds": time.perf_counter() - began, "threads": self.threads}
        self.stages.finish(name, self.keys[name], files, facts)
        return facts

    def _checkpoint(self, name: str, every_steps: int) -> Checkpoint:
        return Checkpoint(self.stages.work / f"{name}.checkpoint", every_steps, self.keys[name])

    # ------------------------------------------------------------------ stages

    def _tokenizer(self) -> tuple[list[Path], dict[str, Any]]:
        recipe = self.recipe.tokenizer
        self.progress.note("tokenizer: learning the vocabulary")
        texts = tokenizer_texts(self.recipe.seed, self.avoid, recipe.characters)
        tokenizer = train_tokenizer(texts, recipe.tokens, self.recipe.architecture.context_tokens)
        target = self.folder / "tokenizer"
        tokenizer.save_pretrained(str(target))
        return [p for p in sorted(target.iterdir()) if p.is_file()], {"vocabulary": len(tokenizer)}

    def _base(self) -> tuple[list[Path], dict[str, Any]]:
        encoder = self._encoder()
        self.progress.note("base: composing its texts")
        batches = base_training.step_batches(self.recipe.base, self.recipe.seed, self.avoid, encoder)
        model = base_training.build(self.recipe.architecture, self._vocabulary(), encoder)
        sizes = [batch[:, 1:].size for batch in batches]
        checkpoint = self._checkpoint("base", self.recipe.base.checkpoint_steps)
        report = self._reporter("base", sizes)
        losses = base_training.train_base(model, self.recipe.base, batches, encoder, checkpoint, report)
        files = self._save_model(model, self.hf["base"])
        checkpoint.path.unlink(missing_ok=True)
        return files, _losses(losses, sum(sizes))

    def _fine_tuned(self) -> tuple[list[Path], dict[str, Any]]:
        recipe, encoder = self.recipe.lora, self._encoder()
        self.progress.note("fine-tuned: composing its examples")
        examples = self._examples(encoder, "examples", recipe.examples)
        adapted = lora.add_adapter(self._load("base"), recipe)
        chosen = lora.batches_of_examples(examples, recipe.examples_per_step, recipe.steps, self.recipe.seed)
        sizes = [sum(len(examples[i].prompt) + len(examples[i].answer) for i in step) for step in chosen]
        checkpoint = self._checkpoint("fine-tuned", recipe.checkpoint_steps)
        report = self._reporter("fine-tuned", sizes)
        losses = lora.train_lora(
            adapted, recipe, examples, encoder.end_of_text, self.recipe.seed, checkpoint, report
        )
        adapter = self._save_adapter(adapted)
        merged: Any = adapted.merge_and_unload()
        files = self._save_model(merged, self.hf["fine-tuned"])
        checkpoint.path.unlink(missing_ok=True)
        answers = sum(len(examples[i].answer) for step in chosen for i in step)
        return [*adapter, *files], {**_losses(losses, sum(sizes)), "tokens_with_loss": answers}

    def _files(self, variant: str) -> tuple[list[Path], dict[str, Any]]:
        self.progress.note(f"{variant}: writing and checking the GGUF files")
        fp16 = self._gguf(variant, "fp16")
        write_gguf(self.hf[variant], fp16, f"{self.recipe.family} {variant}")
        parity = compare(self.hf[variant], fp16, self._parity_texts())
        if parity.max_logit_difference > TOLERANCE:
            found = f"logits differ by up to {parity.max_logit_difference:.4f}, usually less than {TOLERANCE}"
            self.progress.note(f"{variant}: the fp16 file computes less exactly on this processor: {found}")
        made = []
        for quant in self.recipe.quants:
            path = self._gguf(variant, quant)
            if quant != "fp16":
                quantize(fp16, path, quant, self.threads)
            types = checked_types(path, quant)
            size = path.stat().st_size
            made.append(
                {
                    "name": path.name,
                    "quant": quant,
                    "bytes": size,
                    "tensor_types": types,
                    "digest": sha256(path),
                }
            )
        return [self._gguf(variant, q) for q in self.recipe.quants], {
            "files": made,
            "parity": parity._asdict(),
        }

    # ------------------------------------------------------------------ parts

    def _encoder(self) -> Encoder:
        return Encoder(load_tokenizer(self.folder / "tokenizer"))

    def _vocabulary(self) -> int:
        return len(load_tokenizer(self.folder / "tokenizer"))

    def _gguf(self, variant: str, quant: str) -> Path:
        return self.folder / f"{variant}-{quant}.gguf"

    def _load(self, variant: str) -> LlamaForCausalLM:
        return LlamaForCausalLM.from_pretrained(str(self.hf[variant]), dtype=torch.float32)

    def _examples(self, encoder: Encoder, stream: str, n: int) -> list[lora.Example]:
        rng, recipe = Random(f"{self.recipe.seed}/{stream}"), self.recipe.lora
        examples = []
        for _ in range(n):
            brief = rng.random() < recipe.notes
            told = note(rng, self.avoid) if brief else story(rng, self.avoid, recipe.longest_words)
            examples.append(tokenized(self.render(told), encoder))
        return examples

    def _parity_texts(self) -> list[str]:
        rng = Random(f"{self.recipe.seed}/parity")
        return [article_text(story(rng, self.avoid)) for _ in range(_PARITY_EXAMPLES)]

    def _reporter(self, name: str, sizes: Sequence[int]) -> Callable[[int, float], None]:
        started: list[int] = []

        def report(step: int, loss: float) -> None:
            if not started:
                started.append(step)
                self.progress.stage(name, len(sizes), step)
            self.progress.step(step + 1, loss, sizes[step])

        return report

    def _save_model(self, model: LlamaForCausalLM, folder: Path) -> list[Path]:
        """Weights in fp16 (the output layer is the embedding), config and tokenizer."""
        state = model.state_dict()
        weights = {n: w.to(torch.float16).contiguous() for n, w in state.items() if n != "lm_head.weight"}
        write_whole(folder / "model.safetensors", save(dict(sorted(weights.items())), {"format": "pt"}))
        model.config.dtype = torch.float16
        model.config.name_or_path = ""  # where it was loaded from is no property of the model
        write_whole(folder / "config.json", model.config.to_json_string(use_diff=False).encode())
        # llama.cpp ends an answer at either token, going by their names; transformers has to be told
        ends = {"eos_token_id": [self._encoder().end_of_turn, self._encoder().end_of_text]}
        write_whole(folder / "generation_config.json", json.dumps(ends).encode())
        for path in sorted((self.folder / "tokenizer").iterdir()):
            write_whole(folder / path.name, path.read_bytes())
        return [p for p in sorted(folder.iterdir()) if p.suffix != ".partial"]

    def _save_adapter(self, adapted: PeftModel) -> list[Path]:
        folder = self.folder / "adapter"
        adapted.peft_config["default"].base_model_name_or_path = "../hf/base"
        adapted.save_pretrained(str(folder), save_embedding_layers=bool(self.recipe.lora.modules_to_save))
        (folder / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
        return [p for p in sorted(folder.iterdir()) if p.is_file()]

    def _model_file(self, variant: str, file: dict[str, Any]) -> ModelFile:
        path = self.folder / file["name"]
        return ModelFile(variant, file["quant"], path, file["bytes"], file["digest"], file["tensor_types"])

    def _card_facts(self, variant: str, facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
        config = json.loads((self.hf[variant] / "config.json").read_text(encoding="utf-8"))
        packages = ("torch", "transformers", "peft", "tokenizers", "gguf", "llama-cpp-python")
        return {
            "family": self.recipe.family,
            "seed": self.recipe.seed,
            "parameters": sum(p.numel() for p in self._load(variant).parameters()),
            "vocabulary": facts["tokenizer"]["vocabulary"],
            "context_tokens": config["max_position_embeddings"],
            "trained_context_tokens": max(phase.sequence_tokens for phase in self.recipe.base.phases),
            "training": facts[variant],
            "files": facts[f"files-{variant}"]["files"],
            "weights": self.stages.digests(variant),
            "parity": facts[f"files-{variant}"]["parity"],
            "versions": {name: version(name) for name in packages},
            "recipe": self.recipe.model_dump(mode="json"),
        }


def tokenized(exchange: Exchange, encoder: Encoder) -> lora.Example:
    """An example in tokens, as the chat template renders it."""
    prompt = [token for role, content in exchange.turns for token in encoder.turn(role, content)]
    prompt.append(encoder.roles["assistant"])
    return lora.Example(tuple(prompt), (*encoder.text(exchange.answer), encoder.end_of_turn))


def _losses(losses: Sequence[float], n_tokens: int) -> dict[str, Any]:
    first, last = losses[:10], losses[-10:]
    return {
        "steps": len(losses),
        "tokens": n_tokens,
        "loss_first": sum(first) / len(first),
        "loss_last": sum(last) / len(last),
        "losses": list(losses),
    }
