"""LoRA on a base in 8 bits (LLM.int8()), its norms and its head in fp32.

In: a Job. Out: an adapter, and the arm of the base in int8 with it.

Source: Dettmers et al. 2022, "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale".
"""

from __future__ import annotations

from typing import Any

from bench.training.lora_options import LoraOptions
from bench.training.methods import Job, Trained

NEEDS_BASE = True
NEEDS_CHAT = True
QUANT = "int8"


class Options(LoraOptions):
    """LoRA's own."""


def train(job: Job) -> Trained:
    """Train an adapter on a base in 8 bits."""
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import BitsAndBytesConfig

    from bench.training.adapters import save, with_lora
    from bench.training.model_folder import without_casting_notes
    from bench.training.sft import fit

    options = job.options
    assert isinstance(options, Options)

    def adapt(model: Any) -> Any:
        # what bitsandbytes leaves in half precision (norms, embeddings, head) goes to fp32
        ready = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        return with_lora(ready, options, job)

    with without_casting_notes():
        fitted = fit(job, torch.float16, adapt, BitsAndBytesConfig(load_in_8bit=True))
    return save(fitted, job, QUANT)
