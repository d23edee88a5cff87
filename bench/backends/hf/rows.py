"""Keys and values: of a prompt while it waits for its answers, and of all rows that are decoded together.

    prompt: (1, heads, tokens, size) per layer  --place-->  rows: (width, heads, columns, size) per layer

In: a model; tokens. Out: logits. Rows stand flush at the right, so that one column a step is added to all
of them; what is left of a shorter row is masked. Positions are the row's own, whatever its column.
It samples nothing and knows no text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

_Method = TypeVar("_Method", bound=Callable[..., Any])
TRIM_COLUMNS = 64
"""So many columns have to be empty in every row before they are cut off."""


def without_gradients(method: _Method) -> _Method:
    """The method in torch's inference mode: what it makes is changed nowhere else."""
    wrapped: _Method = torch.inference_mode()(method)
    return wrapped


class Kept(NamedTuple):
    """What a model keeps of some tokens."""

    tokens: tuple[int, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values of each layer, (1, heads, tokens, size)."""


class Reader:
    """Takes prompts in, one at a time: what is computed for one never depends on another."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self._device = device
        # most models can be told to make the logits of the last place only; the others make them all
        self._last_only = (
            {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        )

    @without_gradients
    def read(self, tokens: Sequence[int], after: Kept | None = None) -> tuple[Kept, Tensor]:
        """What is kept of `after` and `tokens` together, and the logits (vocabulary) after the last one."""
        output, cache = self._forward(tokens, after, **self._last_only)
        whole = (*(after.tokens if after else ()), *tokens)
        return Kept(whole, _layers(cache)), output.logits[0, -1].float()

    @without_gradients
    def read_all(self, tokens: Sequence[int], after: Kept | None = None) -> tuple[Kept, Tensor]:
        """The same with the logits (tokens, vocabulary) after each of `tokens`."""
        output, cache = self._forward(tokens, after)
        whole = (*(after.tokens if after else ()), *tokens)
        return Kept(whole, _layers(cache)), output.logits[0].float()

    def _forward(self, tokens: Sequence[int], after: Kept | None, **more: Any) -> tuple[Any, DynamicCache]:
        n_before = len(after.tokens) if after else 0
        cache = DynamicCache()
        for i, (keys, values) in enumerate(after.layers if after else ()):
            cache.update(keys, values, i)
        ids = torch.tensor([list(tokens)], dtype=torch.int64, device=self._device)
        n = n_before + len(tokens)
        output = self._model(
            input_ids=ids,
            attention_mask=torch.ones((1, n), dtype=torch.int64, device=self._device),
            position_ids=torch.arange(n_before, n, device=self._device)[None],
            past_key_values=cache,
            use_cache=True,
            **more,
        )
        return output, cache


class Rows:
    """`width` sequences that are decoded together."""

    def __init__(self, model: Any, device: torch.device, width: int) -> None:
        self._model = model
        self._device = device
        self.width = width
        self._cache = DynamicCache()
        self._is_there = torch.zeros((width, 0), dtype=torch.bool, device=device)
        """Rows x columns: whether a column holds a token of the row."""
        self._positions = torch.zeros(width, dtype=torch.int64, device=device)
        """Position of the row's next token."""

    @without_gradients
    def place(self, row: int, kept: Kept) -> None:
        """Let a row continue what was kept of a prompt."""
        n = len(kept.tokens)
        self._widen(n, kept)
        start = self._is_there.shape[1] - n
        for layer, (keys, values) in zip(self._cache.layers, kept.layers, strict=True):
            layer.keys[row, :, start:] = keys[0]
            layer.values[row, :, start:] = values[0]
        self._is_there[row] = False
        self._is_there[row, start:] = True
        self._positions[row] = n

    @without_gradients
    def clear(self, row: int) -> None:
        """Empty a row."""
        self._is_there[row] = False
        self._positions[row] = 0

    @without_gradients
    def step(self, tokens: Sequence[int], live: Sequence[int]) -> Tensor:
        """Append one token to every row; logits (live rows, vocabulary) after it.

        Rows that are not live take part with a dummy, so that a step's arithmetic has one shape.
        """
        self._trim()
        column = torch.ones((self.width, 1), dtype=torch.bool, device=self._device)
        mask = torch.cat([self._is_there, column], dim=1)
        output = self._model(
            input_ids=torch.tensor(tokens, dtype=torch.int64, device=self._device)[:, None],
            attention_mask=mask.to(torch.int64),
            position_ids=self._positions[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        at = torch.tensor(live, dtype=torch.int64, device=self._device)
        is_live = torch.zeros(self.width, dtype=torch.bool, device=self._device)
        is_live[at] = True
        self._is_there = torch.cat([self._is_there, is_live[:, None]], dim=1)
        self._positions = self._positions + is_live
        logits: Tensor = output.logits[at, -1].float()
        return logits

    def _widen(self, n_columns: int, like: Kept) -> None:
        """Have at least so many columns; new ones stand at the left and are empty."""
        n_new = n_columns - self._is_there.shape[1]
        if not self._cache.layers:
            for i, (keys, values) in enumerate(like.layers):
                shapes = [(self.width, part.shape[1], 0, part.shape[3]) for part in (keys, values)]
                self._cache.update(keys.new_zeros(shapes[0]), values.new_zeros(shapes[1]), i)
        if n_new <= 0:
            return
        for layer in self._cache.layers:
            layer.keys = torch.nn.functional.pad(layer.keys, (0, 0, n_new, 0))
            layer.values = torch.nn.functional.pad(layer.values, (0, 0, n_new, 0))
        self._is_there = torch.nn.functional.pad(self._is_there, (n_new, 0))

    def _trim(self) -> None:
        """Cut off columns at the left that no row uses any more."""
        used = self._is_there.any(dim=0).nonzero()
        n_empty = int(used[0, 0]) if len(used) else self._is_there.shape[1]
        if n_empty < TRIM_COLUMNS:
            return
        self._is_there = self._is_there[:, n_empty:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[:, :, n_empty:]
            layer.values = layer.values[:, :, n_empty:]


def _layers(cache: DynamicCache) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple((layer.keys, layer.values) for layer in cache.layers)
