"""Adapters that put learned vectors before every prompt: prompt tuning and P-tuning, as tokens of their own.

In: peft's model with such an adapter. Out: the base model, whose embeddings know some tokens more than its
vocabulary has, and these tokens, which go before every prompt. So they are read once, kept with what all
prompts share, and counted as what they are; none of them can be an answer, because the head knows none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TYPES = frozenset({"PROMPT_TUNING", "P_TUNING"})
"""Other prompt-learning adapters put keys and values into layers; hf does not apply them."""


class EmbeddingWithPrompt(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy
    """A model's embedding, continued by the learned vectors (tokens, width)."""

    def __init__(self, embedding: Any, prompt: Tensor) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_buffer("prompt", prompt.detach().to(embedding.weight))

    @property
    def weight(self) -> Tensor:
        """The vocabulary's own rows."""
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        """(..., width) vectors of ids, those past the vocabulary being the prompt's."""
        n = self.embedding.weight.shape[0]
        is_prompt = ids >= n
        own = self.embedding(ids.masked_fill(is_prompt, 0))
        return torch.where(is_prompt[..., None], self.prompt[(ids - n).clamp(min=0)], own)


def as_tokens(adapted: Any) -> tuple[Any, tuple[int, ...]]:
    """The base model with the adapter's vectors as tokens, and the tokens in their order."""
    with torch.no_grad():
        prompt = adapted.get_prompt(batch_size=1)[0]
    model = adapted.get_base_model()
    embedding = model.get_input_embeddings()
    first = int(embedding.weight.shape[0])
    model.set_input_embeddings(EmbeddingWithPrompt(embedding, prompt))
    return model, tuple(range(first, first + len(prompt)))
