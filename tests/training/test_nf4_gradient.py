"""Gradients through a 4-bit base after an evaluation, against the same weights in full precision.

On processors with AVX512-BF16 bitsandbytes switches a layer that has answered to a kernel without autograd.
Elsewhere the switch does not exist and the test of the trap is skipped; the gradients are held either way.
"""

import pytest

pytest.importorskip("bitsandbytes", reason="the train extra is not installed")
pytest.importorskip("trl", reason="the train extra is not installed")

import torch

from bench.training import adapters
from bench.training.methods import qlora
from bench.training.model_folder import load_causal, safe_for_training
from tests.training import tuning


def gradients(model, ids):
    """Of every adapter matrix, for the loss of these tokens."""
    model.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    found = {n: p.grad.flatten().float() for n, p in model.named_parameters() if p.grad is not None}
    return torch.cat([found[name] for name in sorted(found) if "lora_" in name])


def with_adapter(model, job):
    """The same adapter each time, its second matrices not zero."""
    torch.manual_seed(1)
    adapted = adapters.with_lora(model, job.options, job)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return adapted


def dequantized(model):
    """A copy in full precision of what a quantized model computes with."""
    from bitsandbytes import functional

    weights = {}
    for name, module in model.named_modules():
        if type(module).__name__ == "Linear4bit":
            weight = functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            weights[f"{name}.weight"] = weight.float()
    return weights


@pytest.fixture
def pair(tmp_path):
    """A job, its base in 4 bits, and the reference."""
    folder = tuning.base(tmp_path / "base", hidden=128)
    job = tuning.job(tmp_path, "qlora", folder, r=8)
    quantized = load_causal(folder, torch.float32, qlora.quantization())
    reference = load_causal(folder, torch.float32)
    found = dequantized(quantized)
    assert len(found) == 14
    reference.load_state_dict(found, strict=False)
    return job, quantized, reference


def cosine_after_answering(job, quantized, reference, *, safe):
    ids = torch.randint(5, 280, (4, 24), generator=torch.Generator().manual_seed(2))
    ours, theirs = with_adapter(quantized, job), with_adapter(reference, job)
    if safe:
        safe_for_training(ours)
    ours.eval()
    with torch.no_grad():
        ours(input_ids=ids)
        ours(input_ids=ids[:1, :1])
    ours.train()
    return torch.nn.functional.cosine_similarity(
        gradients(ours, ids), gradients(theirs.train(), ids), dim=0
    ).item()


def test_gradients_after_an_evaluation_are_those_of_the_dequantized_weights(pair):
    assert cosine_after_answering(*pair, safe=True) > 0.99


@pytest.mark.filterwarnings("ignore:bitsandbytes..gemv_4bit. an autograd kernel was not registered")
def test_without_the_guard_they_point_elsewhere(pair):
    from bitsandbytes.functional import has_avx512bf16

    if not has_avx512bf16():
        pytest.skip("this processor has no AVX512-BF16, so bitsandbytes has no other kernel to switch to")
    assert cosine_after_answering(*pair, safe=False) < 0.9


def test_a_training_guards_its_base_before_anything_is_evaluated(tmp_path, monkeypatch):
    import bitsandbytes

    from bench.training import sft

    seen = []

    def looked_at(model, *rest):
        seen.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr(sft, "trainer_for", looked_at)
    folder = tuning.base(tmp_path / "base")
    with pytest.raises(KeyboardInterrupt):
        qlora.train(tuning.job(tmp_path, "qlora", folder))
    layers = [m for m in seen[0].modules() if type(m) is bitsandbytes.nn.Linear4bit]
    assert len(layers) == 14
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
