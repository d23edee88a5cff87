"""Whether a GGUF file is the model of the folder it was made of, aspect by aspect.

In: the folder, the file, the quantization it should be at. Out: an ExportCheck with one finding for the
rendered prompt, the tokens, where an answer ends, the logits and the tensors' types; each says what was
compared or what differs, where and by how much. It changes nothing and publishes nothing: who exported
the file calls `require` and leaves a file alone that does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import ModelFileError
from bench.training.engine import open_engine
from bench.training.gguf.architectures import export_of, refuse_unknown
from bench.training.gguf.check_numbers import check_logits, check_types
from bench.training.gguf.check_reading import check_prompt, check_stop, check_tokens
from bench.training.gguf.finding import Finding
from bench.training.gguf.source import Source, read_source
from bench.training.parity import LogitGap, strings
from bench.training.quantize import tensor_types

__all__ = ["ExportCheck", "Finding", "check_export"]
_TEXT_TOKENS = 192


class ExportCheck(NamedTuple):
    """What was found out about one file."""

    gguf: Path
    quant: str
    findings: tuple[Finding, ...]
    gap: LogitGap
    """The logits' difference in numbers; of a quantized file too, where it decides nothing."""
    tensor_types: dict[str, int]
    """Tensors of each type in the file."""

    @property
    def holds(self) -> bool:
        """Whether nothing that was compared differs."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def differing(self) -> tuple[Finding, ...]:
        """What differs."""
        return tuple(finding for finding in self.findings if finding.holds is False)

    def require(self) -> None:
        """ModelFileError, naming what differs, unless the file is the model."""
        if not self.holds:
            found = "; ".join(f"{f.aspect}: {f.detail}" for f in self.differing)
            raise ModelFileError(f"{self.gguf}: not the model it was exported from: {found}; not published")


def check_export(
    folder: Path, file: Path, quant: str, texts: Sequence[str] = (), n_strings: int = 200
) -> ExportCheck:
    """Hold a GGUF file against its folder. ModelFileError where one of them cannot be read at all.

    `texts` are run for their logits; there are some of its own where none are given. Logits decide at
    fp32, fp16 and bf16 only, against the folder's weights rounded to that.
    """
    refuse_unknown(folder)
    source = read_source(folder)
    ids = _text_ids(source, texts or [" ".join(strings(40, seed)) for seed in (1, 2)])
    with open_engine(file, max(map(len, ids)) + 8) as engine:
        reading = (
            check_prompt(source, engine),
            check_tokens(source, engine, n_strings),
            check_stop(source, engine),
        )
        logits, gap = check_logits(source, file, quant, engine, ids)
    types = check_types(source, file, quant)
    return ExportCheck(file, quant, (*reading, logits, types), gap, tensor_types(file))


def _text_ids(source: Source, texts: Sequence[str]) -> list[list[int]]:
    limit = min(_TEXT_TOKENS, export_of(source).context_tokens)
    found = [source.tokenizer(text, add_special_tokens=False)["input_ids"][:limit] for text in texts]
    return [ids for ids in found if ids] or [[int(source.tokenizer.eos_token_id)]]
