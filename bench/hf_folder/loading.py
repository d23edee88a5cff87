"""What transformers raises and says while it loads a folder, and what it must not pass over.

In: what a call of `from_pretrained` told. Out: a ModelFileError where a model would be partly random, and
blocks in which transformers is quiet. It loads nothing itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from bench.errors import ModelFileError

LOAD_ERRORS = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError, ArithmeticError,
    SafetensorError, StrictDataclassError,
)  # fmt: skip
"""What transformers, peft and safetensors raise over files that do not fit together."""


def refuse_unfit(folder: Path, told: Mapping[str, Any]) -> None:
    """ModelFileError where weights are missing or of another shape: transformers makes them random and warns.

    `told` is what `from_pretrained(..., output_loading_info=True)` gives beside the model.
    """
    for problem in ("missing_keys", "mismatched_keys"):
        found = sorted(str(key) for key in told.get(problem) or ())
        if found:
            raise ModelFileError(
                f"{folder}: {len(found)} weights are {problem.split('_')[0]} (e.g. {found[0]}); the files "
                "are not whole, or of another kind of model"
            )


@contextmanager
def without_bars() -> Iterator[None]:
    """No bars of transformers' own over what takes a moment."""
    had = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if had:
            transformers_logging.enable_progress_bar()


@contextmanager
def only_errors() -> Iterator[None]:
    """No bars, and only errors of transformers' own: what it warns of is told by ours, or is meant."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with without_bars():
            yield
    finally:
        transformers_logging.set_verbosity(before)


@contextmanager
def quiet() -> Iterator[None]:
    """No Python warnings either: what matters in them is checked and refused."""
    with only_errors(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
