"""What an architecture expects of a folder, tensor by tensor, held against what the folder holds.

In: the tensors that an architecture's config asks for, and a folder's weights. Out: a Plan that says for
each tensor of the GGUF file where it comes from and how it is turned, or a ModelFileError that names the
first tensor that is missing, left over or of another shape than the config says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import gguf
import torch

from bench.errors import ModelFileError
from bench.training.gguf.weights import Weights

Turn = Callable[[torch.Tensor], torch.Tensor]
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"


class Part(NamedTuple):
    """One tensor that a config asks for."""

    name: str
    """As transformers calls it."""
    shape: tuple[int, ...]
    turn: Turn | None = None
    """What llama.cpp needs done to it."""


class Planned(NamedTuple):
    """One tensor of the GGUF file."""

    target: str
    source: str
    turn: Turn | None

    def tensor(self, weights: Weights) -> torch.Tensor:
        """Its numbers, as the folder stores them, in llama.cpp's order."""
        found = weights.read(self.source)
        return found if self.turn is None else self.turn(found).contiguous()

    def shape(self, weights: Weights) -> tuple[int, ...]:
        """Its shape in llama.cpp's order, without reading it."""
        empty = torch.empty(weights.shapes[self.source], device="meta")
        return tuple((empty if self.turn is None else self.turn(empty)).shape)


def permuted(n_heads: int) -> Turn:
    """Rows of a q or k projection (or its bias) in llama.cpp's rotary order.

    transformers turns the two halves of a head against each other, llama.cpp neighbouring rows.
    """

    def turn(tensor: torch.Tensor) -> torch.Tensor:
        rows, *rest = tensor.shape
        halves = tensor.reshape(n_heads, 2, rows // n_heads // 2, *rest)
        return halves.transpose(1, 2).reshape(tensor.shape)

    return turn


def transposed(tensor: torch.Tensor) -> torch.Tensor:
    """GPT-2's Conv1D keeps (inputs, outputs); a projection is (outputs, inputs)."""
    return tensor.T


def decoder_parts(config: Any, *, biases: Iterable[str] = (), permute: bool) -> list[Part]:
    """The tensors of the Llama family: RMS norms, separate q, k, v, a gated feed-forward network."""
    wide, heads, kv_heads = config.hidden_size, config.num_attention_heads, config.num_key_value_heads
    head = getattr(config, "head_dim", None) or wide // heads
    inner = config.intermediate_size
    layer = {
        "self_attn.q_proj": ((heads * head, wide), permuted(heads) if permute else None),
        "self_attn.k_proj": ((kv_heads * head, wide), permuted(kv_heads) if permute else None),
        "self_attn.v_proj": ((kv_heads * head, wide), None),
        "self_attn.o_proj": ((wide, heads * head), None),
        "mlp.gate_proj": ((inner, wide), None),
        "mlp.up_proj": ((inner, wide), None),
        "mlp.down_proj": ((wide, inner), None),
    }
    parts = ends(config)
    with_bias = frozenset(biases)
    for i in range(config.num_hidden_layers):
        for name, (shape, turn) in layer.items():
            parts.append(Part(f"model.layers.{i}.{name}.weight", shape, turn))
            if name.rpartition(".")[2] in with_bias:
                parts.append(Part(f"model.layers.{i}.{name}.bias", shape[:1], turn))
        parts += norms(config, i)
    return parts


def ends(config: Any) -> list[Part]:
    """Embedding, last norm and output layer."""
    wide, n_tokens = config.hidden_size, config.vocab_size
    return [
        Part("model.embed_tokens.weight", (n_tokens, wide)),
        Part("model.norm.weight", (wide,)),
        Part("lm_head.weight", (n_tokens, wide)),
    ]


def norms(config: Any, layer: int) -> list[Part]:
    """The two norms of a layer."""
    names = ("input_layernorm", "post_attention_layernorm")
    return [Part(f"model.layers.{layer}.{name}.weight", (config.hidden_size,)) for name in names]


def plan(
    parts: list[Part], weights: Weights, arch: gguf.MODEL_ARCH, n_blocks: int, *, tied: bool, prefix: str = ""
) -> list[Planned]:
    """Every tensor of the file. ModelFileError unless folder and config agree about all of them.

    `prefix` may be missing from the folder's names, as in GPT-2's own files.
    """
    folder, shapes = weights.folder, weights.shapes
    names = gguf.get_tensor_name_map(arch, n_blocks)
    left = {name for name in shapes if not _is_no_weight(name)}
    planned: list[Planned] = []
    for part in parts:
        name = part.name if part.name in shapes else part.name.removeprefix(prefix)
        target = names.get_name(part.name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise ModelFileError(f"{folder}: GGUF has no name for {part.name}; update the gguf package")
        if target == _HEAD and tied:
            left -= _tied_head(weights, name, planned)
            continue
        if name not in shapes:
            raise ModelFileError(
                f"{folder}: {part.name} is missing; config.json asks for it, so the weights are not whole; "
                "save or copy the model again"
            )
        if shapes[name] != part.shape:
            raise ModelFileError(
                f"{folder}: {name} has the shape {shapes[name]}, but by config.json it is {part.shape}; "
                "config and weights are of different models"
            )
        left.discard(name)
        planned.append(Planned(target, name, part.turn))
    if left:
        raise ModelFileError(
            f"{folder}: {min(left)} ({len(left)} tensors in all) has no place in this architecture; "
            "exporting without it would make another model"
        )
    return planned


def _tied_head(weights: Weights, name: str, planned: list[Planned]) -> set[str]:
    """A tied output layer is the embedding; a stored one may only repeat it."""
    if name not in weights.shapes:
        return set()
    embedding = next(p.source for p in planned if p.target == _EMBEDDING)
    if not torch.equal(weights.read(name), weights.read(embedding)):
        raise ModelFileError(
            f"{weights.folder}: config.json ties {name} to the embedding, but the two differ; save the model "
            "with tie_word_embeddings: false"
        )
    return {name}


def _is_no_weight(name: str) -> bool:
    """Tables that old files keep and every version computes anew."""
    return name.endswith((".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"))
