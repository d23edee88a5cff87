"""What a GGUF file is, found out without trusting it.

In: a path (and for `refuse_other_quant` what an arm says about it). Out: a GgufSummary, or a
ModelFileError with one line. Reading happens in a child process with time and memory limits, so no
file can hang, fill or crash the process that measures. No weights are read, and no engine is loaded
unless `probe_engine` is asked whether it knows such a model.
"""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends.llama_cpp import gguf_read
from bench.backends.llama_cpp.quants import canonical, file_label, main_types
from bench.errors import ModelFileError
from bench.records import Record

READ_TIMEOUT_S = 30.0
PROBE_TIMEOUT_S = 60.0
_REMEDY = "run `bench train --preset tiny` to make the embedded models, or correct `ref`"
_AGAIN = "copy, download or convert it again"
_OTHER = "take another model, or a newer engine (pip install -U llama-cpp-python)"


class GgufSummary(Record):
    """Header, metadata and tensor table of one file, as far as anybody here needs them."""

    gguf_version: int
    """Version of the container format."""
    architecture: str
    """The engine's name of the model's architecture, e.g. `llama`."""
    kind: str | None
    """`model`, `adapter`, ...; None where the file does not say."""
    name: str | None
    """The model's own name."""
    file_type: int | None
    """The quantization the file claims, as the engine numbers them."""
    importance: str | None
    """What its importance matrix was measured on; None where it was quantized without, or not at all."""
    context_tokens: int | None
    """The context the model was trained for."""
    n_layers: int | None
    """Blocks."""
    n_cache_values: int | None
    """Numbers that the context keeps of one token, at most."""
    n_heads: int | None
    """Attention heads; None where there are none, or not as many in every layer."""
    n_embedding: int | None
    """Width of the hidden state."""
    tokenizer: str | None
    """Kind of tokenizer: `gpt2`, `llama`, ..."""
    pre_tokenizer: str | None
    """How text is cut before merging."""
    n_vocabulary: int | None
    """Tokens in the vocabulary."""
    chat_template: str | None
    """The Jinja template of a conversation."""
    n_tensors: int
    """Tensors in the file."""
    n_parameters: int
    """Numbers in all tensors."""
    tensor_types: dict[str, int]
    """Tensors of each type."""
    block_elements: dict[str, int]
    """Numbers of each type in the matrices of the blocks; the largest names the quantization."""
    file_bytes: int
    """Size of the file."""

    @property
    def quant(self) -> str | None:
        """The quantization by this project's names, e.g. `q4_K_M`; None where the blocks tell nothing."""
        return file_label(self.file_type, self.main_type)

    @property
    def main_type(self) -> str | None:
        """The tensor type that most numbers of the blocks have."""
        return max(self.block_elements, key=self.block_elements.__getitem__, default=None)

    @property
    def template_digest(self) -> str | None:
        """The first 16 hex digits of the chat template's SHA-256."""
        if self.chat_template is None:
            return None
        return hashlib.sha256(self.chat_template.encode("utf-8")).hexdigest()[:16]


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    path: Path
    size: int
    mtime_ns: int


def stamp(path: Path) -> Stamp:
    """The file's state now; ModelFileError where there is no readable plain file."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such model file; {_REMEDY}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a possible file name"
        raise ModelFileError(f"{path}: cannot be read: {reason}; {_REMEDY}") from error
    if stat.S_ISDIR(found.st_mode):
        raise ModelFileError(f"{path}: a folder, not a model file; name the .gguf file in it")
    if not stat.S_ISREG(found.st_mode):
        raise ModelFileError(f"{path}: not a plain file; name a .gguf file")
    return Stamp(path.resolve(), found.st_size, found.st_mtime_ns)


def file_digest(path: Path) -> str:
    """`sha256:...` of the whole file; read once per process and state of the file."""
    return _file_digest(stamp(path))


@lru_cache(maxsize=256)
def _file_digest(now: Stamp) -> str:
    try:
        with now.path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ModelFileError(f"{now.path}: cannot be read: {error.strerror}") from error


def inspect(path: Path) -> GgufSummary:
    """What the file says it is, once sizes and offsets were checked against the file."""
    return _inspect(stamp(path), str(path))


@lru_cache(maxsize=256)
def _inspect(now: Stamp, shown: str) -> GgufSummary:
    # isolated: the reader needs nothing but the standard library
    command = ["-I", "-S", str(Path(gguf_read.__file__)), str(now.path)]
    found = run_limited(command, shown, READ_TIMEOUT_S, remedy=_AGAIN)
    try:
        return GgufSummary.model_validate(found)
    except ValueError as error:
        raise ModelFileError(f"{shown}: its metadata is of the wrong type; {_AGAIN}") from error


def probe_engine(path: Path) -> None:
    """Ask the engine, in a child process, whether it knows this architecture, tokenizer and template."""
    _probe(stamp(path), str(path))


@lru_cache(maxsize=256)
def _probe(now: Stamp, shown: str) -> None:
    # -P: a json.py in the working folder must not be imported instead of the library's
    command = ["-P", "-m", "bench.backends.llama_cpp.probe", str(now.path)]
    run_limited(command, shown, PROBE_TIMEOUT_S, remedy=_OTHER)


def run_limited(arguments: list[str], shown: str, timeout_s: float, *, remedy: str) -> dict[str, Any]:
    """The JSON object that a child python prints; anything else about it is the file's fault."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(
            f"{shown}: checking it did not end within {timeout_s:.0f} s; it is damaged or hostile; {remedy}"
        ) from error
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise ModelFileError(
            f"{shown}: checking it ended with code {done.returncode}; it is damaged or hostile; {remedy}"
        ) from error
    if "error" in found:
        raise ModelFileError(f"{shown}: {found['error']}; {remedy}")
    return found


def refuse_unusable(summary: GgufSummary, shown: str, declared_quant: str) -> None:
    """Refuse what is no chat model, or is not at the quantization that the arm declares."""
    if summary.kind not in (None, "model"):
        raise ModelFileError(f"{shown}: holds a {summary.kind}, not a whole model; name the model's own file")
    if not summary.tokenizer or summary.tokenizer == "no_vocab" or not summary.n_vocabulary:
        raise ModelFileError(f"{shown}: holds no tokenizer; convert the model with its tokenizer")
    if not summary.chat_template:
        raise ModelFileError(
            f"{shown}: holds no chat template (tokenizer.chat_template); convert the model again from a "
            "folder whose tokenizer has one"
        )
    refuse_other_quant(summary, shown, declared_quant)


def refuse_other_quant(summary: GgufSummary, shown: str, declared: str) -> None:
    """Refuse a file whose tensors are not what the arm's quant says; unknown names are let pass."""
    wanted = main_types(declared)
    if wanted is None or summary.main_type is None:
        return
    found = summary.quant
    if summary.main_type in wanted and found in (None, canonical(declared)):
        return
    raise ModelFileError(
        f"{shown}: declared as {declared}, but its tensors are {_counts(summary)}"
        f"{f' ({found})' if found else ''}; correct `quant` or `ref`"
    )


def _counts(summary: GgufSummary) -> str:
    return ", ".join(f"{n} x {kind}" for kind, n in summary.tensor_types.items())
