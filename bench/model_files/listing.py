"""Every model below a folder, with what it takes: size, bits per weight, memory, seconds to load.

In: a folder. Out: a row for each GGUF file and each transformers folder; a damaged one is a row with its
error. Memory and seconds come from runs that loaded the same weights as the same quant, or are measured
where asked, each model alone in a process of its own; where neither is so they are None.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import store
from bench.backends.hf import model_folder
from bench.backends.llama_cpp.catalogue import ModelFile, list_models
from bench.errors import BenchError, ModelFileError, StorageError, UsageError
from bench.model_files import export_folder

_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_MEASURE_S = 600


class Cost(NamedTuple):
    """What a model takes, and who says so."""

    peak_memory_bytes: int | None
    load_s: float | None
    said_by: str
    """A run's name, or `measured`."""


class Row(ModelFile):
    """One model, and what it takes."""

    backend: str
    """The backend that runs it."""
    bits_per_weight: float | None = None
    """Bytes on disk for each weight, times 8."""
    peak_memory_bytes: int | None = None
    """Highest resident memory of a process that has it loaded and has answered."""
    load_s: float | None = None
    """Seconds to load it."""
    said_by: str | None = None
    """Where memory and seconds are from: a run, or `measured`."""


def rows(
    folder: Path, runs: Path, *, measure: bool = False, told: Callable[[str], None] = lambda step: None
) -> list[Row]:
    """The models of a folder and of the folders in it, sorted by path."""
    known = _known_costs(runs)
    found = [*(Row(**model.model_dump(), backend="llama_cpp") for model in list_models(folder))]
    found += [_folder_row(path, folder) for path in _folders(folder)]
    return [_with_cost(row, folder, known, measure, told) for row in sorted(found, key=lambda row: row.file)]


def _folders(folder: Path) -> Iterator[Path]:
    for config in folder.rglob(model_folder.CONFIG):
        if any(config.parent.glob("model*.safetensors")) and ".export" not in config.parts:
            yield config.parent


def _folder_row(path: Path, below: Path) -> Row:
    name = f"{path.relative_to(below)}/"
    try:
        files = model_folder.inspect(path, quant=model_folder.ANY_QUANT)
        return Row(
            file=name,
            backend="hf",
            architecture=str(files.config.get("model_type", "?"))[:40],
            quant=_quant(files),
            n_parameters=_n_parameters(files),
            file_bytes=files.n_bytes,
            context_tokens=_context(files),
            has_chat_template=model_folder.template_source(files) is not None,
            digest=model_folder.digest(files, None),
        )
    except (ModelFileError, StorageError) as error:  # of its own files, or of the export it belongs to
        return Row(file=name, backend="hf", error=str(error).removeprefix(f"{path}: "))


def _n_parameters(files: model_folder.ModelFiles) -> int | None:
    """Numbers in all tensors; of packed weights, which are fewer, what the export noted."""
    if "quantization_config" not in files.config:
        return files.n_parameters
    for one in export_folder.read_facts(files.folder.parent).get("forms", {}).values():
        if one.get("file") == files.folder.name:
            return int(one["n_parameters"])
    return None


def _quant(files: model_folder.ModelFiles) -> str | None:
    settings = files.config.get("quantization_config")
    if isinstance(settings, dict):
        return "nf4" if settings.get("load_in_4bit") else "int8" if settings.get("load_in_8bit") else None
    return _PRECISIONS.get(str(files.config.get("dtype") or files.config.get("torch_dtype")))


def _context(files: model_folder.ModelFiles) -> int | None:
    found = files.config.get("max_position_embeddings") or files.config.get("n_positions")
    return found if isinstance(found, int) else None


_Weights = tuple[str, str | None]
"""A digest, and what was made of those weights on loading."""


def _weights(digest: str, backend: str, quant: str | None) -> _Weights:
    """hf loads one folder as several quants; a file of another backend is of one, whatever it was called."""
    return digest, quant if backend == "hf" else None


def _known_costs(runs: Path) -> dict[_Weights, Cost]:
    """What runs measured, by what they loaded; the latest run wins."""
    found: dict[_Weights, Cost] = {}
    for folder in store.list_runs(runs):
        try:
            manifest = store.open_run(folder).manifest
        except BenchError:  # a run that cannot be read tells nothing
            continue
        for arm in manifest.arms:
            loaded = arm.loaded
            if loaded is not None and loaded.digest and loaded.load_s is not None:
                cost = Cost(loaded.peak_memory_bytes, loaded.load_s, manifest.run_id)
                found[_weights(loaded.digest, arm.spec.backend, arm.spec.quant)] = cost
    return found


def _with_cost(
    row: Row, folder: Path, known: dict[_Weights, Cost], measure: bool, told: Callable[[str], None]
) -> Row:
    if row.error is not None:
        return row
    bits = None
    if row.file_bytes is not None and row.n_parameters:
        bits = 8 * row.file_bytes / row.n_parameters
    cost = None if row.digest is None else known.get(_weights(row.digest, row.backend, row.quant))
    if measure and row.has_chat_template and row.quant is not None:
        told(f"loading {row.file}")
        cost = measured(folder / row.file, row.backend, row.quant)
    more = {} if cost is None else cost._asdict()
    return row.model_copy(update={"bits_per_weight": bits, **more})


def measured(path: Path, backend: str, quant: str) -> Cost | None:
    """Load a model alone in a process and let it answer; None where it cannot."""
    command = [sys.executable, "-P", "-m", "bench.model_files.cost", str(path), backend, quant]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_MEASURE_S, check=False)
        found = json.loads(done.stdout)
        return Cost(found["peak_memory_bytes"], found["load_s"], "measured")
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def chosen_file(path: Path, quant: str | None) -> Path:
    """The GGUF that a file, or an export's folder and a quant, mean; UsageError where none or several."""
    if path.is_file():
        if quant is not None:
            raise UsageError(f"--quant {quant}: {path} is one file; leave it out, or name its folder")
        return path
    folder = path / "gguf" if (path / "gguf").is_dir() else path
    found = {model.file: model.quant for model in list_models(folder) if model.error is None}
    fitting = [name for name, own in found.items() if own and (quant is None or own.lower() == quant.lower())]
    if not found:
        raise UsageError(f"{path}: holds no GGUF file; `bench models export` makes them")
    if len(fitting) != 1:
        known = ", ".join(sorted({own or "?" for own in found.values()})) or "none"
        raise UsageError(f"{folder}: {len(fitting)} files fit; say --quant (there are: {known})")
    return folder / fitting[0]
