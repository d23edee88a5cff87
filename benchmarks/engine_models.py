"""Llamas with random weights, of real sizes: what speed depends on is there, and nothing to download.

In: a folder. Out: GGUF files in fp16, and quantized by the engine; made once, then found again. They have
a byte-level vocabulary filled up to its size and the plainest of chat templates. They answer noise.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np

from bench.backends.llama_cpp.native import library


class Shape(NamedTuple):
    """The dimensions of a Llama."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    n_vocabulary: int


TEMPLATE = "{% for turn in messages %}{{ turn.role }}: {{ turn.content }}\n{% endfor %}assistant: "
SHAPES = {
    "tiny": Shape(256, 4, 4, 2, 512, 4096),
    "160m": Shape(768, 12, 12, 12, 3072, 32000),
    "0.5b": Shape(1024, 24, 16, 16, 4096, 32000),
}
"""`tiny` is the shape of `recipes/tiny.yaml`; the others have 0.16 and 0.47 thousand million parameters."""


def model_file(folder: Path, name: str, quant: str) -> Path:
    """The file of one model, made where it is not there yet."""
    path = folder / f"{name}-{quant}.gguf"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        if quant == "fp16":
            _write(part, SHAPES[name])
        else:
            _quantize(model_file(folder, name, "fp16"), part, quant)
        part.replace(path)
    return path


def _write(path: Path, shape: Shape) -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_file_type(1)
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_vocab_size(shape.n_vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(_tokens(shape.n_vocabulary))
    writer.add_token_types([gguf.TokenType.NORMAL] * (shape.n_vocabulary - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(shape.n_vocabulary - 1)
    writer.add_bos_token_id(shape.n_vocabulary - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    for name, (rows, columns) in _matrices(shape).items():
        values = rng.standard_normal((rows, columns), np.float32)
        values *= np.float32(1 / np.sqrt(columns))
        writer.add_tensor(name, values.astype(np.float16))
    ones = np.ones(shape.hidden, np.float32)
    for i in range(shape.layers):
        writer.add_tensor(f"blk.{i}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{i}.ffn_norm.weight", ones)
    writer.add_tensor("output_norm.weight", ones)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens(n: int) -> list[str]:
    """Every byte as GPT-2 writes it, then words that no text has, then the end."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    letters = [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
    words = [f"w{i}" for i in range(n - len(letters) - 3)]
    return [*letters, "ab", *words, "<|pad|>", "<|end|>"]


def _matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """(rows, columns) of every matrix."""
    kv = shape.hidden // shape.heads * shape.kv_heads
    found = {
        "token_embd.weight": (shape.n_vocabulary, shape.hidden),
        "output.weight": (shape.n_vocabulary, shape.hidden),
    }
    for i in range(shape.layers):
        block = {
            "attn_q": (shape.hidden, shape.hidden),
            "attn_k": (kv, shape.hidden),
            "attn_v": (kv, shape.hidden),
            "attn_output": (shape.hidden, shape.hidden),
            "ffn_gate": (shape.feed_forward, shape.hidden),
            "ffn_up": (shape.feed_forward, shape.hidden),
            "ffn_down": (shape.hidden, shape.feed_forward),
        }
        found |= {f"blk.{i}.{name}.weight": size for name, size in block.items()}
    return found


def _quantize(source: Path, target: Path, quant: str) -> None:
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.nthread = 2
    kinds = {kind.name.removeprefix("MOSTLY_").lower(): kind.value for kind in gguf.LlamaFileType}
    params.ftype = kinds[quant.lower()]
    code = lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    if code != 0:
        raise RuntimeError(f"llama_model_quantize: {code}")
