"""Rotary frequencies that depend on how long a text is: fixed for a whole run, or refused.

In: a loaded model, or its config, and the longest text of the run. Out: the model with one set of
frequencies, and what a run records of that. transformers chooses a long-context model's set (longrope) in
every forward by the furthest position in it. Here a text is read in parts and decoded beside others: what
was kept of its beginning would be of another set than its end, and a short row's set would be its longest
neighbour's. Frequencies that grow with every token (dynamic) have no set to fix: they hold up to the
positions the model was trained for, and a longer run is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.errors import UsageError

_LONGROPE = "longrope"


def fix_frequencies(model: Any, context_tokens: int) -> list[str]:
    """Make one set hold, the short one where no text is longer than its training; what to record."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    takes_long = False
    for module in model.modules():
        for layer_type in _layer_types(getattr(module, "rope_type", None)):
            prefix = "" if layer_type is None else f"{layer_type}_"
            settings = module.config.rope_parameters
            settings = settings if layer_type is None else settings[layer_type]
            before = getattr(module, f"{prefix}original_inv_freq")
            chosen, _ = ROPE_INIT_FUNCTIONS[_LONGROPE](
                module.config, before.device, seq_len=context_tokens, layer_type=layer_type
            )
            # the forward chooses between these two, whatever it finds
            for name in ("original_inv_freq", "long_inv_freq"):
                setattr(module, f"{prefix}{name}", chosen.to(before))
            takes_long |= context_tokens > settings["original_max_position_embeddings"]
    if not takes_long:
        return []
    return [
        f"context_tokens {context_tokens} is more than the model was first trained for, so all texts are "
        "computed with its long frequencies; transformers takes the short ones for short texts"
    ]


def _layer_types(rope_type: Any) -> list[str | None]:
    """The kinds of layers with such frequencies; None is all layers alike."""
    if isinstance(rope_type, Mapping):
        return [str(layer_type) for layer_type, kind in rope_type.items() if kind == _LONGROPE]
    return [None] if rope_type == _LONGROPE else []


def refuse_growing(shown: str, config: Mapping[str, Any], context_tokens: int, asked: str) -> None:
    """UsageError where a text of `context_tokens` is computed by its length; `asked` names that setting."""
    limits = [limit for limit in _limits(config) if isinstance(limit, int)]
    if limits and context_tokens > min(limits):
        raise UsageError(
            f"{shown}: its rotary frequencies change with a text's length beyond {min(limits)} positions, so "
            f"that answers would depend on their neighbours, and {asked} is {context_tokens}; set it to "
            f"{min(limits)} or less"
        )


def _limits(config: Mapping[str, Any]) -> Iterator[Any]:
    inner = config.get("text_config")
    config = inner if isinstance(inner, dict) else config
    for outer in (config.get("rope_parameters"), config.get("rope_scaling")):
        if not isinstance(outer, dict):
            continue
        for settings in (outer, *(part for part in outer.values() if isinstance(part, dict))):
            if "dynamic" in str(settings.get("rope_type", settings.get("type"))):
                yield config.get("max_position_embeddings")
            elif "long_mscale" in settings:  # PhiMoE scales attention by the length, beside the frequencies
                yield settings.get("original_max_position_embeddings")
