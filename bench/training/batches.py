"""Batches of blocks of tokens: padded, and for masked models with tokens hidden that are to be guessed.

In: rows, which for a masked model say their place among those of their side. Out: a collator. What is hidden
depends on seed, epoch and place alone: transformers' collator draws from the global random numbers, which a
resumed training has not used as often as an unbroken one. What is held out has the same tokens hidden in
every epoch, so that its losses can be compared.
"""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from transformers import DataCollatorForLanguageModeling, TrainerCallback

from bench.training.hf_trainer import epoch_of

_IGNORED = -100


class Padded:
    """Rows of one batch as tensors, as long as the longest; what is padded bears no loss."""

    def __init__(self, tokenizer: Any) -> None:
        pad = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self._fills = {"input_ids": pad, "attention_mask": 0, "labels": _IGNORED, "weights": 0.0}

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The rows, padded at the right."""
        width = max(len(row["input_ids"]) for row in rows)
        return {
            name: torch.tensor([row[name] + [fill] * (width - len(row[name])) for row in rows])
            for name, fill in self._fills.items()
            if name in rows[0]
        }


class HiddenTokens(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Pads as BERT was trained: hidden tokens bear the loss. Being a callback too, it knows the epoch."""

    def __init__(self, tokenizer: Any, share: float, seed: int) -> None:
        self._tokenizer = tokenizer
        self._drawing = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=share)
        self._pad = Padded(tokenizer)
        self._seed = seed
        self._epoch = 0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Other tokens from here on."""
        self._epoch = epoch_of(state)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The rows as one batch."""
        return self._pad([self._hidden(row) for row in rows])

    def _hidden(self, row: dict[str, Any]) -> dict[str, Any]:
        drawn = "held-out" if row["is_held_out"] else self._epoch
        number = Random(f"{self._seed}/hidden/{drawn}/{row['place']}").getrandbits(63)
        self._drawing.generator = torch.Generator().manual_seed(number)
        ids, labels = self._drawing.torch_mask_tokens(torch.tensor([row["input_ids"]]))
        hidden, wanted = ids[0].tolist(), labels[0].tolist()
        if all(label == _IGNORED for label in wanted):
            self._hide_one(row["input_ids"], hidden, wanted, number)
        return {"input_ids": hidden, "attention_mask": [1] * len(hidden), "labels": wanted}

    def _hide_one(self, ids: list[int], hidden: list[int], wanted: list[int], number: int) -> None:
        """A short block may have had no luck, and a batch without anything to guess has no loss."""
        special = self._tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        ordinary = [place for place, is_special in enumerate(special) if not is_special]
        if ordinary:
            place = Random(number).choice(ordinary)
            hidden[place], wanted[place] = self._tokenizer.mask_token_id, ids[place]
