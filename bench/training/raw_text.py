"""Continued pre-training with transformers' Trainer: documents in, a model that has read them out.

In: a Job with raw texts and the options of the method `pretraining`. Out: a model folder with its tokenizer.
It renders no prompt and knows no task.
"""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    Trainer,
    TrainingArguments,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from bench.errors import ConfigError, ModelFileError, disk_errors, one_line
from bench.hf_folder.loading import LOAD_ERRORS
from bench.training import bases, blocks, hf_trainer, model_folder
from bench.training.batches import HiddenTokens, Padded
from bench.training.corpus import article_text
from bench.training.files import Stages
from bench.training.machine import main_process_first
from bench.training.methods import Job, Trained
from bench.training.muon import MuonAdamW
from bench.training.questions import Turn, conversation, glossary, tags
from bench.training.stories import note, phrase, story
from bench.training.tokenizer import ROLES, Encoder, load_tokenizer

if TYPE_CHECKING:
    from bench.training.methods.pretraining import Options

_SHORTEST_BLOCK = 16
_TOKENIZER = "tokenizer"


def fit(job: Job, options: Options) -> Trained:
    """Train on the job's documents."""
    documents = [*job.data.texts, *generated_news(options.news, job.seed)]
    if not documents:
        raise ConfigError("pretraining: there is no text; give `general_text`, or `data` and no `task`")
    torch.manual_seed(job.seed)
    model, tokenizer, is_masked = _start(job, options, documents)
    n_tokens = min(job.trainer.max_tokens, _context(model.config, tokenizer))
    if n_tokens < _SHORTEST_BLOCK:
        raise ConfigError(f"trainer.max_tokens: blocks of {n_tokens} tokens are too short to learn from")
    around = blocks.marks(tokenizer, is_masked=is_masked)
    sequences = list(blocks.tokenized(documents, tokenizer, around))
    sequences += _conversations(options.conversations, job.seed, tokenizer, around, n_tokens)
    Random(f"{job.seed}/order").shuffle(sequences)
    train_blocks = _rows(blocks.packed(sequences, n_tokens, around), is_masked=is_masked)
    if options.decision_weight != 1:
        if is_masked:
            raise ConfigError("pretraining: decision_weight needs a causal model; remove it")
        _weigh(train_blocks, tokenizer, around, options)
    held_out = _rows(
        blocks.packed(blocks.tokenized(job.data.validation_texts, tokenizer, around), n_tokens, around),
        is_masked=is_masked,
        is_held_out=True,
    )
    # labels of our own: the padding token may be the mark between documents, which is learnt
    collator = HiddenTokens(tokenizer, options.mask, job.seed) if is_masked else Padded(tokenizer)
    trainer = _Trainer(
        model=model,
        args=TrainingArguments(**hf_trainer.arguments(job, remove_unused_columns=False)),
        train_dataset=train_blocks,
        eval_dataset=held_out or None,
        processing_class=tokenizer,
        data_collator=collator,
        callbacks=[*hf_trainer.callbacks(job), *([collator] if is_masked else [])],
        optimizers=(_optimizer(model, job, options), None),
    )
    facts = hf_trainer.run(trainer, job)
    trainer.model.save_pretrained(job.out)
    tokenizer.save_pretrained(job.out)
    counted = {
        "documents": len(documents),
        "blocks": len(train_blocks),
        "objective": "masked" if is_masked else "causal",
    }
    return Trained(job.out, None, "fp32", {}, {**facts.as_data(), **counted})


class _Trainer(Trainer):  # type: ignore[misc]  # transformers is not followed by mypy
    """transformers' trainer, with a loss in which some tokens may weigh more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # our loss is a mean already: batches of one step are averaged, not added
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The weighted mean of the tokens' losses; the model's own where nothing is weighed."""
        weights = inputs.pop("weights", None)
        if weights is None:
            return super().compute_loss(model, inputs, *args, **kwargs)
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        labels, weights = inputs["labels"][:, 1:].flatten(), weights[:, 1:].flatten()
        losses = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels, reduction="none")
        return (losses * weights).sum() / weights.sum()


def _optimizer(model: Any, job: Job, options: Options) -> Any:
    """Muon beside AdamW where the recipe asks for it; None leaves it to the trainer."""
    if options.matrix_rate is None:
        return None
    if job.trainer.optimizer != "adamw":
        raise ConfigError(
            f"trainer.optimizer: {job.trainer.optimizer} contradicts method.matrix_rate, which means Muon "
            "and AdamW; remove one of the two"
        )
    return MuonAdamW(model, options.matrix_rate, job.trainer.rate, job.trainer.weight_decay)


def generated_news(n: int, seed: int) -> list[str]:
    """Business news of our own, most of them notes of a sentence or two, with their judgement behind."""
    rng = Random(f"{seed}/news")
    made = [note(rng, frozenset()) if rng.random() < 0.7 else story(rng, frozenset(), 120) for _ in range(n)]
    return [f"{article_text(item)}\n{item.reasoning}" for item in made]


def _conversations(n: int, seed: int, tokenizer: Any, around: blocks.Marks, longest: int) -> list[list[int]]:
    """Conversations of our own as tokens; those that fit no block are drawn again."""
    if not n:
        return []
    rng, encoder = Random(f"{seed}/conversations"), Encoder(tokenizer)
    found: list[list[int]] = []
    while len(found) < n:
        ids = [token for turn in _turns(rng) for token in encoder.turn(turn.role, turn.content)]
        if len(ids) < longest:
            found.append([*ids, around.end])
    return found


def _turns(rng: Random) -> list[Turn]:
    """Words or notes with their judgement, in a form of its own."""
    draw, nobody = rng.random(), frozenset[str]()
    if draw < 0.25:
        return glossary(rng, [phrase(rng, nobody) for _ in range(rng.randint(2, 8))])
    ask = tags if draw < 0.6 else conversation
    return ask(rng, [note(rng, nobody) for _ in range(rng.randint(1, 3))])


# ---------------------------------------------------------------- the model


def _start(job: Job, options: Options, documents: list[str]) -> tuple[Any, Any, bool]:
    """The model, its tokenizer, and whether it learns hidden tokens."""
    if options.architecture is None:
        return _loaded(job, options)
    if job.base is not None:
        raise ConfigError(
            f"pretraining: the recipe has a base, and `architecture: {options.architecture}` asks for a new "
            "model; remove one of the two"
        )
    is_masked = options.architecture == "distilbert"
    widening = 3 if options.architecture == "llama" else 4
    shape = bases.Shape(
        options.hidden,
        options.intermediate or widening * options.hidden,
        options.layers,
        options.heads,
        options.context_tokens,
        options.initial_std,
    )
    tokenizer = _learnt_tokenizer(job, options, documents)
    return bases.new_model(options.architecture, shape, tokenizer), tokenizer, is_masked


def _learnt_tokenizer(job: Job, options: Options, documents: list[str]) -> Any:
    """The tokenizer of a new model: learnt once, and kept beside the checkpoints.

    WordPiece breaks ties by chance: learnt again, the same texts give other ids, and neither weights of a
    checkpoint nor those of another process would fit them.
    """
    assert options.architecture is not None
    kept, folder = Stages(job.work), job.work / _TOKENIZER
    with main_process_first():
        if kept.facts(_TOKENIZER, key="") is None:  # the work folder is of these inputs alone
            for stale in (folder, *job.work.glob("checkpoint-*")):  # their vocabulary is lost
                shutil.rmtree(stale, ignore_errors=True)
            learnt = bases.new_tokenizer(
                options.architecture, documents, options.vocabulary, options.context_tokens
            )
            with disk_errors(folder):
                learnt.save_pretrained(str(folder))
            kept.finish(_TOKENIZER, "", sorted(folder.iterdir()), {})
    return load_tokenizer(folder)


def _loaded(job: Job, options: Options) -> tuple[Any, Any, bool]:
    if job.base is None:
        raise ConfigError(
            "pretraining: there is no base to go on with; give `base`, or `architecture` for a new one"
        )
    config, tokenizer = model_folder.load_config(job.base), model_folder.load_tokenizer(job.base)
    can_guess = type(config) in MODEL_FOR_MASKED_LM_MAPPING and tokenizer.mask_token is not None
    # BERT and its like are in both lists; what their vocabulary can hide, they were made to guess
    is_masked = can_guess if options.objective is None else options.objective == "masked"
    if not (can_guess if is_masked else type(config) in MODEL_FOR_CAUSAL_LM_MAPPING):
        raise ConfigError(
            f"{job.base}: a {config.model_type} model cannot learn the "
            f"{'masked' if is_masked else 'causal'} objective; leave `objective` out"
        )
    kind = AutoModelForMaskedLM if is_masked else AutoModelForCausalLM
    try:
        return kind.from_pretrained(job.base, dtype=torch.float32), tokenizer, is_masked
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{job.base}: cannot be loaded: {one_line(error)}") from error


def _context(config: Any, tokenizer: Any) -> int:
    """Longest text the model has positions for."""
    said = getattr(config, "max_position_embeddings", None)
    return min(int(tokenizer.model_max_length), int(said) if said else int(tokenizer.model_max_length))


# ---------------------------------------------------------------- the data


def _rows(found: list[list[int]], *, is_masked: bool, is_held_out: bool = False) -> list[dict[str, Any]]:
    """Blocks as Trainer reads them; the labels of masked models are drawn for each epoch."""
    if is_masked:
        return [
            {"input_ids": ids, "place": place, "is_held_out": is_held_out} for place, ids in enumerate(found)
        ]
    return [{"input_ids": ids, "attention_mask": [1] * len(ids), "labels": list(ids)} for ids in found]


def _weigh(rows: list[dict[str, Any]], tokenizer: Any, around: blocks.Marks, options: Options) -> None:
    """Put a weight to every token of the rows."""
    vocabulary = tokenizer.get_vocab()
    starts = frozenset({vocabulary[ROLES["assistant"]]} if ROLES["assistant"] in vocabulary else ())
    newlines = frozenset(token for token in vocabulary.values() if tokenizer.decode([token]).endswith("\n"))
    for row in rows:
        found = blocks.decisions(row["input_ids"], starts, newlines, around.end, options.decision_tokens)
        row["weights"] = [options.decision_weight if is_one else 1.0 for is_one in found]
