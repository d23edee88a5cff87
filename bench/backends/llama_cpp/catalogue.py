"""Every GGUF file below a folder, and what each one is.

In: a folder. Out: one record a file, sorted by path; a damaged file is a record with its error. No
engine is loaded.
"""

from __future__ import annotations

from pathlib import Path

from bench.backends.llama_cpp import gguf_check
from bench.errors import ModelFileError
from bench.records import Record


class ModelFile(Record):
    """One file: what it is, or why it is nothing."""

    file: str
    """Path relative to the folder."""
    architecture: str | None = None
    """The engine's name of its architecture."""
    quant: str | None = None
    """The quantization by its tensors; None where they fit no name."""
    n_parameters: int | None = None
    """Numbers in all tensors."""
    file_bytes: int | None = None
    """Size of the file."""
    context_tokens: int | None = None
    """The context it was trained for."""
    has_chat_template: bool | None = None
    """Whether it can be asked at all."""
    digest: str | None = None
    """`sha256:...` of the file."""
    error: str | None = None
    """What is wrong with it; then the rest is None."""


def list_models(folder: Path) -> list[ModelFile]:
    """The model files of a folder and of the folders in it; empty where there are none."""
    return [_describe(path, folder) for path in sorted(folder.rglob("*.gguf"))]


def _describe(path: Path, folder: Path) -> ModelFile:
    name = str(path.relative_to(folder))
    try:
        found = gguf_check.inspect(path)
        return ModelFile(
            file=name,
            architecture=found.architecture,
            quant=found.quant,
            n_parameters=found.n_parameters,
            file_bytes=found.file_bytes,
            context_tokens=found.context_tokens,
            has_chat_template=found.chat_template is not None,
            digest=gguf_check.file_digest(path),
        )
    except ModelFileError as error:
        return ModelFile(file=name, error=str(error).removeprefix(f"{path}: "))
