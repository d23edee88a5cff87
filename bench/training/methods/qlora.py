"""QLoRA: LoRA on a base in 4 bits (nf4, double quantization, computed in bf16).

In: a Job. Out: an adapter, and the arm of the base in nf4 with it. The base is quantized by bitsandbytes as
the backend `hf` does it, so that the adapter meets in a sweep the weights it was trained on.

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs".
"""

from __future__ import annotations

from typing import Any

from bench.training.lora_options import LoraOptions
from bench.training.methods import Job, Trained

NEEDS_BASE = True
NEEDS_CHAT = True
UNSLOTH = True
QUANT = "nf4"


class Options(LoraOptions):
    """LoRA's own."""


def quantization() -> Any:
    """How the base is quantized (a BitsAndBytesConfig): as `bench.backends.hf` loads an arm at nf4."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def train(job: Job) -> Trained:
    """Train an adapter on a base in 4 bits."""
    import torch
    from peft import prepare_model_for_kbit_training

    from bench.training.adapters import save, with_lora
    from bench.training.sft import fit

    options = job.options
    assert isinstance(options, Options)

    def adapt(model: Any) -> Any:
        if job.trainer.unsloth:
            return with_lora(model, options, job)
        # norms and embeddings to fp32; checkpointing is switched on by the trainer
        ready = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        return with_lora(ready, options, job)

    return save(fit(job, torch.bfloat16, adapt, quantization()), job, QUANT)
