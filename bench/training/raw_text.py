"""Continued pre-training with transformers' Trainer: documents in, a model that has read them out.

In: a Job with raw texts and the options of the method `pretraining`. Out: a model folder with its tokenizer.
It renders no prompt and knows no task.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from bench.errors import ConfigError
from bench.training import bases, blocks, hf_trainer
from bench.training.corpus import article_text
from bench.training.methods import Job, Trained
from bench.training.questions import Turn, conversation, glossary, tags
from bench.training.stories import note, phrase, story
from bench.training.tokenizer import Encoder

if TYPE_CHECKING:
    from bench.training.methods.pretraining import Options

_SHORTEST_BLOCK = 16


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
    held_out = _rows(
        blocks.packed(blocks.tokenized(job.data.validation_texts, tokenizer, around), n_tokens, around),
        is_masked=is_masked,
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**hf_trainer.arguments(job, remove_unused_columns=False)),
        train_dataset=train_blocks,
        eval_dataset=held_out or None,
        processing_class=tokenizer,
        data_collator=_collator(tokenizer, options, is_masked=is_masked),
        callbacks=hf_trainer.callbacks(job),
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
    tokenizer = bases.new_tokenizer(
        options.architecture, documents, options.vocabulary, options.context_tokens
    )
    return bases.new_model(options.architecture, shape, tokenizer), tokenizer, is_masked


def _loaded(job: Job, options: Options) -> tuple[Any, Any, bool]:
    if job.base is None:
        raise ConfigError(
            "pretraining: there is no base to go on with; give `base`, or `architecture` for a new one"
        )
    config, tokenizer = AutoConfig.from_pretrained(job.base), AutoTokenizer.from_pretrained(job.base)
    can_guess = type(config) in MODEL_FOR_MASKED_LM_MAPPING and tokenizer.mask_token is not None
    # BERT and its like are in both lists; what their vocabulary can hide, they were made to guess
    is_masked = can_guess if options.objective is None else options.objective == "masked"
    if not (can_guess if is_masked else type(config) in MODEL_FOR_CAUSAL_LM_MAPPING):
        raise ConfigError(
            f"{job.base}: a {config.model_type} model cannot learn the "
            f"{'masked' if is_masked else 'causal'} objective; leave `objective` out"
        )
    kind = AutoModelForMaskedLM if is_masked else AutoModelForCausalLM
    return kind.from_pretrained(job.base, dtype=torch.float32), tokenizer, is_masked


def _context(config: Any, tokenizer: Any) -> int:
    """Longest text the model has positions for."""
    said = getattr(config, "max_position_embeddings", None)
    return min(int(tokenizer.model_max_length), int(said) if said else int(tokenizer.model_max_length))


# ---------------------------------------------------------------- the data


def _rows(found: list[list[int]], *, is_masked: bool) -> list[dict[str, list[int]]]:
    """Blocks as Trainer reads them; the collator makes the labels of masked models."""
    return [
        {"input_ids": ids, "attention_mask": [1] * len(ids), **({} if is_masked else {"labels": list(ids)})}
        for ids in found
    ]


def _collator(tokenizer: Any, options: Options, *, is_masked: bool) -> Any:
    """Pads a batch; hides tokens of masked models anew each time."""
    if is_masked:
        return DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=options.mask)
    # labels of our own: the padding token may be the mark between documents, which is learnt
    return DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
