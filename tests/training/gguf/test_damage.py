"""A damaged export is caught, and the check names which aspect differs and where."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.errors import ModelFileError
from bench.training import quantize
from bench.training.gguf import layout, write_gguf
from bench.training.gguf.check import check_export


@pytest.fixture
def copied(folder_of, tmp_path):
    """A family's folder as a copy that a test may damage."""

    def copy(family):
        return shutil.copytree(folder_of(family), tmp_path / "damaged")

    return copy


def exported(folder, quant="fp16"):
    return write_gguf(folder, folder.parent / f"{quant}.gguf", "damaged", quant).path


def differing(folder, file, quant="fp16"):
    return {finding.aspect: finding.detail for finding in check_export(folder, file, quant).differing}


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_wrong_template_is_a_prompt_that_differs(folder_of, copied):
    folder = copied("llama3")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|eot_id|>", "<|end_of_text|>"))
    found = differing(folder_of("llama3"), exported(folder))
    assert set(found) == {"prompt"}
    assert "the file ' is this?<|end_of_text|>" in found["prompt"]
    assert "the folder ' is this?<|eot_id|>" in found["prompt"]


def test_a_missing_template_is_a_prompt_that_differs(folder_of, copied):
    folder = copied("qwen2")
    (folder / "chat_template.jinja").unlink()
    assert differing(folder_of("qwen2"), exported(folder))["prompt"].startswith(
        "the file has no chat template"
    )


@pytest.mark.parametrize("family", ["llama2", "llama3"])
def test_a_dropped_added_token_is_named(folder_of, copied, family):
    folder = copied(family)

    def drop(tokenizer):
        tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] != "EBITDA"]

    change_json(folder / "tokenizer.json", drop)
    change_json(folder / "tokenizer_config.json", lambda config: config.pop("added_tokens_decoder", None))
    found = differing(folder_of(family), exported(folder))
    assert set(found) == {"tokens"}
    assert "'EBITDA' in the folder" in found["tokens"]


def test_unpermuted_q_and_k_are_named_by_their_tensors(folder_of, copied, monkeypatch):
    whole = layout.decoder_parts

    def unpermuted(config, **more):
        return whole(config, **{**more, "permute": False})

    monkeypatch.setattr("bench.training.gguf.architectures.llama.decoder_parts", unpermuted)
    file = exported(copied("llama2"), "fp32")
    alone = differing(folder_of("llama2"), file, "fp32")["logits"]
    assert "of other content" not in alone  # what writes wrongly compares wrongly too; logits tell
    monkeypatch.undo()
    found = differing(folder_of("llama2"), file, "fp32")
    assert set(found) == {"logits"}
    assert "of other content: blk.0.attn_k.weight, blk.0.attn_q.weight" in found["logits"]
    assert "(4 in all)" in found["logits"]


def test_one_swapped_row_of_one_matrix_is_found(folder_of, copied):
    folder = copied("qwen3")
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    weights[name] = weights[name][[1, 0, *range(2, len(weights[name]))]].contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    found = differing(folder_of("qwen3"), exported(folder))
    assert "of other content: blk.1.ffn_down.weight (1 in all)" in found["logits"]


def test_a_number_that_hardly_moves_the_logits_is_found(folder_of, copied):
    folder = copied("qwen3")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][3, 5] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    found = check_export(folder_of("qwen3"), exported(folder, "fp32"), "fp32", n_strings=5)
    assert "blk.1.ffn_down.weight (1 in all)" in found.differing[0].detail
    assert found.gap.worst < 0.005 * found.gap.spread


def test_a_template_that_renders_nothing_is_a_prompt_that_differs(copied):
    folder = copied("qwen2")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    found = differing(folder, exported(folder))
    assert set(found) == {"prompt"}
    assert "renders no conversation: refused: never" in found["prompt"]


def test_a_swapped_stop_token_is_named(folder_of, copied):
    folder = copied("llama3")
    change_json(folder / "tokenizer_config.json", lambda config: config.update(eos_token="<|end_header_id|>"))
    found = differing(folder_of("llama3"), exported(folder))
    assert "eos is " in found["stop"]
    assert "'<|end_header_id|>' in the file" in found["stop"]
    assert "'<|eot_id|>' in the folder" in found["stop"]


def test_a_stop_token_that_the_file_does_not_know_is_named(folder_of, copied):
    folder = copied("mistral")
    change_json(folder / "generation_config.json", lambda config: config.update(eos_token_id=[2, 100, 101]))
    file = exported(folder)
    assert differing(folder, file) == {}
    change_json(folder / "generation_config.json", lambda config: config.update(eos_token_id=[2, 100, 102]))
    assert "an answer ends at 102" in differing(folder, file)["stop"]
    assert "an answer ends at 100" in differing(folder_of("mistral"), file)["stop"]


def test_a_tensor_of_another_type_than_asked_is_named(folder_of, file_of):
    found = differing(folder_of("qwen2"), file_of("qwen2", "fp32"), "fp16")
    assert set(found) == {"types"}
    assert "blk.0.attn_k.weight is F32, fp16 asks for F16" in found["types"]


def test_rows_that_do_not_fit_a_k_quant_are_named(folder_of, file_of, tmp_path):
    """llama.cpp falls back to another type and returns 0."""
    file = tmp_path / "q4.gguf"
    quantize.quantize(file_of("llama3"), file, "q4_K_M", 1)
    found = check_export(folder_of("llama3"), file, "q4_K_M", n_strings=10)
    assert {finding.aspect for finding in found.differing} == {"types"}
    assert "not q4_K_M" in found.differing[0].detail


def test_an_export_that_differs_is_refused_in_one_line(folder_of, file_of):
    found = check_export(folder_of("qwen2"), file_of("qwen2", "fp32"), "fp16", n_strings=5)
    with pytest.raises(ModelFileError, match=r"fp32.gguf: not the model it was exported from: types: blk"):
        found.require()


def test_another_models_file_differs(folder_of, file_of, copied):
    folder = copied("llama2")
    weights = load_file(folder / "model.safetensors")
    noise = torch.Generator().manual_seed(1)
    for tensor in weights.values():
        tensor.add_(torch.randn(tensor.shape, generator=noise), alpha=0.02)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert set(differing(folder, file_of("llama2"))) == {"logits"}
