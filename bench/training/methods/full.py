"""Full fine-tuning: every weight of the base is trained.

In: a Job. Out: a model folder of its own, in the precision it was trained in.
"""

from __future__ import annotations

from typing import Any

from bench.errors import ConfigError
from bench.records import Record
from bench.training.methods import Job, Trained

NEEDS_BASE = True
NEEDS_CHAT = True
_MODEL = "model"


class Options(Record):
    """There is nothing to choose."""


def train(job: Job) -> Trained:
    """Train the whole base; bf16 and fp16 compute in it over weights in fp32."""
    import torch

    from bench.hf_folder.loading import without_bars
    from bench.training.sft import DTYPES, fit

    if job.base is None:
        raise ConfigError("method full needs a base model; set `base`")
    fitted = fit(job, torch.float32, lambda model: model)
    folder, precision = job.out / _MODEL, job.trainer.precision
    if fitted.is_main:
        model = fitted.model.to(DTYPES[precision])
        model.generation_config = _generation_config(job, model.config)
        with without_bars():
            model.save_pretrained(str(folder), safe_serialization=True)
        fitted.tokenizer.save_pretrained(str(folder))
    return Trained(ref=folder, adapter=None, quant=precision, options={}, facts=fitted.facts)


def _generation_config(job: Job, config: Any) -> Any:
    """The base's own, else its config's: every token that ends an answer, of which the trainer leaves one."""
    from transformers import GenerationConfig

    if job.base is not None and (job.base / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(str(job.base))
    return GenerationConfig.from_model_config(config)
