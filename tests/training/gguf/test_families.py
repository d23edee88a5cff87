"""Each family's small model is the same model as a GGUF file: prompt, tokens, stop, logits, types."""

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.training.gguf import write_gguf
from bench.training.gguf.check import check_export
from bench.training.gguf.source import read_source
from tests.training.gguf import families

N_STRINGS = 200


@pytest.mark.parametrize("quant", ["fp32", "fp16"])
@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_family_passes_every_aspect(folder_of, file_of, family, quant):
    found = check_export(folder_of(family), file_of(family, quant), quant, n_strings=N_STRINGS)
    assert found.differing == ()
    assert found.gap.worst <= 0.01
    assert found.gap.n_positions > 100
    # at a near-tie the engine's rounding decides, and that is another on another processor
    assert found.gap.n_top1_equal >= 0.98 * found.gap.n_positions
    compared = {finding.aspect for finding in found.findings if finding.holds}
    assert compared >= {"tokens", "stop", "logits", "types"}
    assert "prompt" in compared or family == "gpt2"
    assert found.gap.spread > 0.5  # logits of nothing would agree with anything


@pytest.mark.parametrize("family", ["llama3", "gpt2"])
def test_bf16_passes(folder_of, file_of, family):
    found = check_export(folder_of(family), file_of(family, "bf16"), "bf16", n_strings=20)
    assert found.differing == ()
    assert found.tensor_types["BF16"] > 8


@pytest.mark.parametrize(
    ("family", "architecture", "model", "pre"),
    [
        ("llama2", "llama", "llama", "default"),
        ("llama3", "llama", "gpt2", "llama-bpe"),
        ("mistral", "llama", "llama", "default"),
        ("qwen2", "qwen2", "gpt2", "qwen2"),
        ("qwen3", "qwen3", "gpt2", "qwen2"),
        ("phi3", "phi3", "llama", "default"),
        ("gpt2", "gpt2", "gpt2", "gpt-2"),
    ],
)
def test_a_family_is_written_as_what_llama_cpp_calls_it(file_of, family, architecture, model, pre):
    fields = gguf.GGUFReader(file_of(family)).fields
    assert fields["general.architecture"].contents() == architecture
    assert fields["tokenizer.ggml.model"].contents() == model
    assert fields["tokenizer.ggml.pre"].contents() == pre


def test_scaled_rotary_frequencies_are_in_the_file(file_of):
    names = {t.name: t.shape.tolist() for t in gguf.GGUFReader(file_of("llama3")).tensors}
    assert names["rope_freqs.weight"] == [8]
    names = {t.name: t.shape.tolist() for t in gguf.GGUFReader(file_of("phi3-long")).tensors}
    assert names["rope_factors_long.weight"] == names["rope_factors_short.weight"] == [8]


def test_a_tied_output_layer_is_not_written_twice(file_of):
    names = {
        family: {t.name for t in gguf.GGUFReader(file_of(family)).tensors} for family in ("qwen2", "qwen3")
    }
    assert "output.weight" in names["qwen3"]
    assert "output.weight" not in names["qwen2"]


@pytest.mark.parametrize(("family", "window"), [("mistral", 256), ("phi3", 300)])
def test_a_sliding_window_ends_the_context_and_is_said(folder_of, tmp_path, family, window):
    written = write_gguf(folder_of(family), tmp_path / "model.gguf", "small")
    fields = gguf.GGUFReader(written.path).fields
    name = fields["general.architecture"].contents()
    assert fields[f"{name}.attention.sliding_window"].contents() == window
    assert fields[f"{name}.context_length"].contents() == window
    assert any(f"limited to {window} tokens" in note for note in written.notes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_parts_and_in_half_precision_passes(tmp_path, dtype):
    folder = families.make("llama3", tmp_path / "model", shards=True, dtype=dtype)
    assert len(list(folder.glob("*.safetensors"))) > 2
    quant = "fp16" if dtype == torch.float16 else "bf16"
    file = write_gguf(folder, tmp_path / "model.gguf", "small", quant).path
    assert check_export(folder, file, quant, n_strings=10).differing == ()


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("llama3", {"attention_bias": True, "mlp_bias": True}),
        ("llama2", {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}),
        (
            "qwen3",
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "rope_theta": 1000000.0,
                    "factor": 4.0,
                    "original_max_position_embeddings": 64,
                }
            },
        ),
        (
            "phi3",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        ),
        ("gpt2", {"n_inner": 96, "tie_word_embeddings": False}),
    ],
)
def test_what_a_config_may_vary_is_exported_too(tmp_path, family, config):
    folder = families.make(family, tmp_path / "model", **config)
    file = write_gguf(folder, tmp_path / "model.gguf", "small", "fp32").path
    assert check_export(folder, file, "fp32", n_strings=10).differing == ()


def test_phi3_stops_at_every_token_of_its_generation_config(folder_of, file_of):
    source = read_source(folder_of("phi3"))
    assert len(source.end_tokens) == 2
    found = check_export(source.folder, file_of("phi3"), "fp16", n_strings=5)
    stop = next(finding for finding in found.findings if finding.aspect == "stop")
    assert "<|endoftext|>, <|end|>" in stop.detail


def test_a_name_does_not_make_special_tokens_swallow_white_space(folder_of, tmp_path):
    file = write_gguf(folder_of("llama2"), tmp_path / "model.gguf", "tuned after Phi-3").path
    assert "phi-3" not in gguf.GGUFReader(file).fields["general.name"].contents().lower()
    assert check_export(folder_of("llama2"), file, "fp16", n_strings=20).differing == ()


def rewritten(folder, change):
    path = folder / "model.safetensors"
    weights = change(load_file(path))
    save_file(weights, path, {"format": "pt"})
    return folder


def test_gpt2_as_its_makers_stored_it_passes(tmp_path):
    """Without the prefix, and with the masks that no version reads."""
    folder = families.make("gpt2", tmp_path / "model")
    rewritten(
        folder,
        lambda weights: (
            {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
            | {"h.0.attn.bias": torch.ones((1, 1, 512, 512))}
        ),
    )
    file = write_gguf(folder, tmp_path / "model.gguf", "small").path
    assert check_export(folder, file, "fp16", n_strings=10).differing == ()


def test_a_tied_output_layer_may_be_stored_once_more(tmp_path):
    folder = families.make("qwen2", tmp_path / "model")
    rewritten(
        folder, lambda weights: weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}
    )
    file = write_gguf(folder, tmp_path / "model.gguf", "small").path
    assert check_export(folder, file, "fp16", n_strings=10).differing == ()
