"""LoRA on a base in full precision.

In: a Job. Out: an adapter, and the arm of base and adapter, which runs in the precision it was trained in.
"""

from __future__ import annotations

from bench.training.lora_options import LoraOptions
from bench.training.methods import Job, Trained

NEEDS_BASE = True
NEEDS_CHAT = True
UNSLOTH = True


class Options(LoraOptions):
    """LoRA's own."""


def train(job: Job) -> Trained:
    """Train an adapter on a base that stays as it is."""
    from bench.training.adapters import save, with_lora
    from bench.training.sft import DTYPES, fit

    options = job.options
    assert isinstance(options, Options)
    precision = job.trainer.precision
    fitted = fit(job, DTYPES[precision], lambda model: with_lora(model, options, job))
    return save(fitted, job, precision)
