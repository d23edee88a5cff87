"""GGUF files of an export: written at full precision, quantized, compared.

In: a merged transformers folder. Out: GGUF files, and an ExportCheck of each. It knows no architecture:
`bench.training.gguf` does.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.training.export.check import N_STRINGS, Difference, ExportCheck
from bench.training.gguf import FP_QUANTS, write_gguf
from bench.training.gguf.check import check_export
from bench.training.quantize import quantize

__all__ = ["FP_QUANTS", "check", "quantized", "write_gguf"]


def quantized(full: Path, target: Path, quant: str) -> None:
    """The full-precision file as another quant."""
    quantize(full, target, quant, n_threads())


def n_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(folder: Path, path: Path, quant: str) -> ExportCheck:
    """A GGUF file against the folder it was made of."""
    found = check_export(folder, path, quant, n_strings=N_STRINGS)
    holds = {finding.aspect: finding.holds for finding in found.findings}
    return ExportCheck(
        n_prompts=int(holds["prompt"] is True),
        n_strings=N_STRINGS,
        n_positions=found.gap.n_positions,
        max_logit_difference=found.gap.worst,
        tensor_types=found.tensor_types,
        differences=tuple(Difference(finding.aspect, finding.detail) for finding in found.differing),
        rounds=quant not in FP_QUANTS,
    )
