"""Quantized files of every family: the engine quantizes what was exported, and the check tells a fallback."""

from typing import Any

import pytest

from bench.training.gguf import write_gguf
from bench.training.gguf.check import check_export
from bench.training.quantize import quantize
from tests.training.gguf import families

WIDE = {"hidden_size": 256, "head_dim": 64, "intermediate_size": 512, "num_hidden_layers": 1}


@pytest.mark.parametrize("family", ["llama2", "mistral", "qwen2", "qwen3", "phi3", "gpt2"])
def test_k_quants_of_a_family_hold_but_for_rounding(tmp_path, family):
    config: dict[str, Any] = {"n_embd": 256, "n_layer": 1} if family == "gpt2" else WIDE
    folder = families.make(family, tmp_path / "model", **config)
    full = write_gguf(folder, tmp_path / "full.gguf", family).path
    for quant, main in (("q4_K_M", "Q4_K"), ("q8_0", "Q8_0")):
        file = tmp_path / f"{quant}.gguf"
        quantize(full, file, quant, 1)
        found = check_export(folder, file, quant, n_strings=20)
        assert found.differing == ()
        assert found.tensor_types[main] >= 2
        logits = next(finding for finding in found.findings if finding.aspect == "logits")
        assert logits.holds is None
        assert f"rounded by {quant}, so not judged" in logits.detail
        assert found.gap.worst > 0.001


def test_a_quantized_file_of_another_quant_is_named(tmp_path, folder_of, file_of):
    file = tmp_path / "q8.gguf"
    quantize(file_of("llama3"), file, "q8_0", 1)
    found = check_export(folder_of("llama3"), file, "q4_0", n_strings=5)
    assert {finding.aspect for finding in found.differing} == {"types"}
