"""An importance matrix: the engine's own inputs, squared and averaged, and the file they are kept in."""

import numpy as np
import pytest

pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

import torch
from transformers import LlamaForCausalLM

from bench.errors import ModelFileError
from bench.training import importance
from bench.training.gguf import write_gguf
from tests.exporting import make_model
from tests.fixtures.tiny_gguf import make_tiny_gguf

TEXTS = [tuple(range(5, 60)), tuple(range(80, 200, 3))]
MODULES = {
    "blk.0.attn_q.weight": "model.layers.0.self_attn.q_proj",
    "blk.1.attn_output.weight": "model.layers.1.self_attn.o_proj",
    "blk.1.ffn_down.weight": "model.layers.1.mlp.down_proj",
}


def test_it_is_the_mean_square_of_what_transformers_feeds_each_matrix(tmp_path):
    folder = make_model(tmp_path / "m")
    write_gguf(folder, tmp_path / "m.gguf", "m", "fp32")
    measured = importance.measure(tmp_path / "m.gguf", TEXTS, "numbers", 1)
    assert measured.n_tokens == sum(map(len, TEXTS))
    model = LlamaForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    fed: dict[str, list[torch.Tensor]] = {name: [] for name in MODULES}
    for name, module in MODULES.items():
        model.get_submodule(module).register_forward_pre_hook(
            lambda _, inputs, name=name: fed[name].append(inputs[0][0].detach())
        )
    with torch.no_grad():
        for text in TEXTS:
            model(input_ids=torch.tensor([text]))
    for name, inputs in fed.items():
        expected = torch.cat(inputs).square().mean(0).numpy()
        assert np.allclose(measured.values[name], expected, rtol=1e-2, atol=1e-5), name
    assert set(measured.values) == {
        f"blk.{i}.{part}.weight"
        for i in (0, 1)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    }


def test_it_is_the_same_after_a_file(tmp_path):
    measured = importance.measure(make_tiny_gguf(tmp_path / "t.gguf"), TEXTS, "numbers", 1)
    importance.save(measured, tmp_path / "matrix.gguf")
    read = importance.load(tmp_path / "matrix.gguf")
    assert (read.n_tokens, read.n_texts, read.dataset) == (measured.n_tokens, 2, "matrix.gguf")
    for name, values in measured.values.items():
        assert np.allclose(read.values[name], values, rtol=1e-5)


def test_a_file_without_counts_is_refused(tmp_path):
    measured = importance.Measured({"blk.0.attn_q.weight": np.ones(4, np.float32)}, 0, 1, "none")
    importance.save(measured, tmp_path / "matrix.gguf")
    with pytest.raises(ModelFileError, match="no counts"):
        importance.load(tmp_path / "matrix.gguf")


def test_a_model_that_cannot_be_run_is_refused(tmp_path):
    (tmp_path / "m.gguf").write_bytes(make_tiny_gguf(tmp_path / "t.gguf").read_bytes()[:-4000])
    with pytest.raises((ModelFileError, ValueError)):
        importance.measure(tmp_path / "m.gguf", TEXTS, "numbers", 1)
