"""Writes a Llama model as a GGUF file at fp16, as llama.cpp's own converter would lay it out.

In: a model folder in the transformers format with its tokenizer. Out: one GGUF file, written under a
temporary name and renamed. It trains nothing and quantizes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from bench.training.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, PRE_TOKENIZER

Array = npt.NDArray[Any]


def write_gguf(model: Path, target: Path, name: str) -> None:
    """The model of a folder as an fp16 GGUF file; norms stay float32."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    partial = target.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    _add_architecture(writer, config, name)
    _add_tokenizer(writer, json.loads((model / "tokenizer.json").read_text(encoding="utf-8")))
    _add_tensors(writer, model / "model.safetensors", config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(target)


def _add_architecture(writer: gguf.GGUFWriter, config: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    by_id = {number: token for token, number in {**vocabulary, **special}.items()}
    tokens = [by_id[i] for i in range(len(by_id))]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens]
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(special[END_OF_TEXT])
    writer.add_eos_token_id(special[END_OF_TURN])
    writer.add_eot_token_id(special[END_OF_TURN])
    writer.add_pad_token_id(special[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, weights: Path, config: dict[str, Any]) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    with safe_open(str(weights), framework="np") as tensors:
        for key in sorted(tensors.keys()):
            array: Array = tensors.get_tensor(key)
            if key.endswith("q_proj.weight"):
                array = permuted(array, config["num_attention_heads"])
            elif key.endswith("k_proj.weight"):
                array = permuted(array, config["num_key_value_heads"])
            name = names.get_name(key, try_suffixes=(".weight",))
            if name is None:
                raise ValueError(f"GGUF has no name for tensor {key}")
            writer.add_tensor(name, array.astype(np.float32 if array.ndim == 1 else np.float16))


def permuted(array: Array, n_heads: int) -> Array:
    """Rows of a q or k projection in llama.cpp's rotary order.

    transformers turns the two halves of a head against each other, llama.cpp neighbouring rows.
    """
    rows, columns = array.shape
    halves = array.reshape(n_heads, 2, rows // n_heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
