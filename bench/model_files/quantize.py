"""A GGUF file as other quants, with an importance matrix of a run's own articles where asked.

    bench models quantize models/mine-fp16.gguf --to q4_K_M,iq3_xs --imatrix latest

In: a GGUF file in fp32, fp16 or bf16. Out: files beside it that were checked: the same tokenizer and chat
template, tensors of the type asked for. A quant whose blocks the model's rows do not fit is refused, because
the engine would take another type in silence. A matrix that is measured here is also proven: a quarter of
the articles is left out of it, and on those the divergence from the source is told with it and without.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.backends.llama_cpp import gguf_check
from bench.backends.llama_cpp.gguf_check import GgufSummary
from bench.errors import ModelFileError, StorageError, UsageError, disk_errors
from bench.model_files import export_card, export_folder, importance_source
from bench.model_files.importance_source import Texts
from bench.model_files.working_folder import EXPORT, QUANTIZE, locked, working_folder
from bench.store import write_whole
from bench.training.export import forms

if TYPE_CHECKING:
    from bench.training.importance import Measured

SOURCES = ("fp32", "fp16", "bf16")
Told = Callable[[str], None]


class Quantized(NamedTuple):
    """One file that was made."""

    path: Path
    quant: str
    n_bytes: int
    bits_per_weight: float
    tensor_types: dict[str, int]
    fallen_back: tuple[str, ...]
    """Matrices of another type, because their rows do not fit; only where that was allowed."""
    importance: str | None
    """What its importance matrix was measured on."""
    kl: float | None = None
    """Mean KL(source || this) in nats on held-out articles."""
    kl_plain: float | None = None
    """The same of this quant without the importance matrix."""
    n_positions: int = 0
    """Tokens on which both were compared."""


class Result(NamedTuple):
    """What was made, and why something was not."""

    made: tuple[Quantized, ...]
    refused: tuple[str, ...]
    """A line for each quant that is not there."""


def quantize(
    file: Path,
    quants: Sequence[str],
    *,
    out: Path | None = None,
    imatrix: str | None = None,
    task: str | None = None,
    style: str = "zero_shot",
    prove: bool = True,
    allow_fallback: bool = False,
    told: Told = lambda step: None,
) -> Result:
    """Make the quants; BenchErrors say what is wrong before anything is written."""
    from bench.training import file_types

    names = tuple(dict.fromkeys(file_types.checked(name) for name in quants))
    source = _inspected(file)
    targets = {name: _target(file, source, name, out) for name in names}
    _refuse_present(targets, source)
    texts = None if imatrix is None else importance_source.find(imatrix, file, source, task, style, prove)
    whole = _export_of(file, out)
    with _registering(whole), working_folder(out or file.parent, QUANTIZE) as work:
        _refuse_present(targets, source)  # another command may have made one before it gave way
        _refuse_full_disk(work, source, len(names) + 1)
        with disk_errors(work):
            measured = None if texts is None else _measured(file, texts, work, told)
            maker = _Maker(file, source, texts, measured, work, allow_fallback, told)
            made, refused = [], []
            for name, target in targets.items():
                try:
                    made.append(maker.make(name, target))
                except ModelFileError as error:
                    refused.append(str(error))
            if measured is not None and texts is not None and texts.texts and made:
                _keep_matrix(work, file, source, out)
            if whole is not None:
                _register(whole, file, made)
    return Result(tuple(made), tuple(refused))


class _Maker:
    """Makes and checks one quant after the other."""

    def __init__(
        self,
        file: Path,
        source: GgufSummary,
        texts: Texts | None,
        measured: Measured | None,
        work: Path,
        allow_fallback: bool,
        told: Told,
    ) -> None:
        self.file, self.source, self.texts, self.measured = file, source, texts, measured
        self.work, self.allow_fallback, self.told = work, allow_fallback, told

    def make(self, quant: str, target: Path) -> Quantized:
        """The file at its place; ModelFileError where it is not what was asked for."""
        path = self.work / target.name
        self.told(f"{quant}: quantizing")
        try:
            self._quantize(path, quant, self.measured)
            fallen = self._checked(path, quant, target)
        except ModelFileError as error:
            raise ModelFileError(str(error).replace(str(path), str(target))) from error
        found = Quantized(
            path=target,
            quant=quant,
            n_bytes=path.stat().st_size,
            bits_per_weight=8 * path.stat().st_size / self.source.n_parameters,
            tensor_types=gguf_check.inspect(path).tensor_types,
            fallen_back=fallen,
            importance=None if self.measured is None else self.measured.dataset,
        )
        found = self._proven(found, path)
        path.replace(target)
        return found

    def _quantize(self, path: Path, quant: str, measured: Measured | None) -> None:
        from bench.training import quantize as engine
        from bench.training.export.gguf_files import n_threads

        noted: dict[str, str | int] = {}
        if measured is not None:
            noted = {
                "quantize.imatrix.dataset": measured.dataset,
                "quantize.imatrix.entries_count": len(measured.values),
                "quantize.imatrix.chunks_count": measured.n_texts,
            }
        values = None if measured is None else measured.values
        engine.quantize(self.file, path, quant, n_threads(), values, noted)

    def _checked(self, path: Path, quant: str, target: Path) -> tuple[str, ...]:
        """What fell back, where that is allowed; else ModelFileError about `target`."""
        from bench.training.quantize import checked_types, fallen_back

        fallen = tuple(fallen_back(path, quant))
        made = gguf_check.inspect(path)
        if not (fallen and self.allow_fallback):
            checked_types(path, quant)
            gguf_check.refuse_other_quant(made, str(path), quant)
        same = ("architecture", "tokenizer", "pre_tokenizer", "n_vocabulary", "chat_template", "n_parameters")
        changed = [name for name in same if getattr(made, name) != getattr(self.source, name)]
        if changed:
            raise ModelFileError(f"{target}: its {changed[0]} is not that of {self.file.name}; make it again")
        return fallen

    def _proven(self, found: Quantized, path: Path) -> Quantized:
        """The same with the divergence on held-out articles, with the matrix and without."""
        if self.texts is None or not self.texts.held_out:
            return found
        self.told(f"{found.quant}: comparing on {len(self.texts.held_out)} held-out articles")
        kl, n_positions = importance_source.divergence(self.file, path, self.texts.held_out)
        plain = self.work / "plain.gguf"
        try:
            self._quantize(plain, found.quant, None)
            kl_plain, _ = importance_source.divergence(self.file, plain, self.texts.held_out)
        except ModelFileError:  # quants of the fewest bits cannot be made without a matrix
            kl_plain = None
        finally:
            plain.unlink(missing_ok=True)
        return found._replace(kl=kl, kl_plain=kl_plain, n_positions=n_positions)


def _measured(file: Path, texts: Texts, work: Path, told: Told) -> Measured:
    from bench.training import importance
    from bench.training.export.gguf_files import n_threads

    if texts.file is not None:
        gguf_check.inspect(texts.file)  # its layout, before the format's own reader sees it
        return importance.load(texts.file)
    told(f"measuring the importance of every input on {len(texts.texts)} articles")
    measured = importance.measure(file, texts.texts, texts.dataset, n_threads())
    importance.save(measured, work / "imatrix.gguf")
    return measured


# ---------------------------------------------------------------- files


def _inspected(file: Path) -> GgufSummary:
    """The source; ModelFileError or UsageError where it is none to quantize."""
    if file.is_dir():
        raise UsageError(
            f"{file}: a folder; `bench models export {file} --to q4_K_M` makes GGUF files of one"
        )
    found = gguf_check.inspect(file)
    if found.kind not in (None, "model"):
        raise ModelFileError(f"{file}: holds a {found.kind}, not a whole model; name the model's own file")
    if found.quant not in SOURCES:
        raise ModelFileError(
            f"{file}: is {found.quant or 'quantized'} already, and what is rounded twice is another model; "
            "name the file in fp16, bf16 or fp32"
        )
    return found


def _target(file: Path, source: GgufSummary, quant: str, out: Path | None) -> Path:
    return (out or file.parent) / f"{_stem(file, source)}-{quant}.gguf"


def _stem(file: Path, source: GgufSummary) -> str:
    """The file's name without its quant."""
    stem = file.stem
    for ending in {source.quant or "", (source.quant or "").replace("fp", "f")}:
        for mark in "-._":
            stem = stem.removesuffix(mark + ending) if ending else stem
    return stem


def _refuse_present(targets: dict[str, Path], source: GgufSummary) -> None:
    there = [target for target in targets.values() if target.exists()]
    if there:
        raise UsageError(
            f"{there[0]} is there already; remove it (`bench models rm`) or choose another --out"
        )
    if source.quant in targets:
        raise UsageError(f"--to {source.quant}: that is what the file is already")


def _refuse_full_disk(work: Path, source: GgufSummary, n_files: int) -> None:
    needed, free = source.file_bytes * n_files // 2, shutil.disk_usage(work).free
    if free < needed:
        raise StorageError(
            f"{work.parent}: {free / 2**20:,.0f} MiB free, these quants may need {needed / 2**20:,.0f}; free "
            "some space, or name fewer at a time"
        )


def _keep_matrix(work: Path, file: Path, source: GgufSummary, out: Path | None) -> None:
    """The measured matrix beside the quants, in llama.cpp's own form."""
    path = work / "imatrix.gguf"
    path.replace((out or file.parent) / f"{_stem(file, source)}-imatrix.gguf")


def _export_of(file: Path, out: Path | None) -> Path | None:
    """The export that the file belongs to, and what is made of it will; None where there is none."""
    if file.parent.name != export_folder.GGUF or out not in (None, file.parent):
        return None
    whole = file.parent.parent
    return whole if export_folder.read_facts(whole) else None


def _registering(whole: Path | None) -> AbstractContextManager[None]:
    """Keeps exports out of the folder whose record is written at the end."""
    return nullcontext() if whole is None else locked(whole, EXPORT)


def _register(whole: Path, file: Path, made: Sequence[Quantized]) -> None:
    """Into the card and the config entry of the export that the file belongs to."""
    found = export_folder.read_facts(whole)
    if not made or not found:
        return
    new = [_facts(one, file, found["card"]["n_parameters"]) for one in made]
    found["forms"] |= {one["form"]: one for one in new}
    page = export_card.pages(whole, found)[export_folder.GGUF]
    write_whole(file.parent / export_folder.PAGE, page.encode("utf-8"))
    export_folder.write_facts(whole, found)
    export_folder.write_entries(whole, found)


def _facts(one: Quantized, file: Path, n_parameters: int) -> dict[str, Any]:
    said = f"quantized from {file.name}: same tokenizer and chat template, tensor types as asked"
    if one.fallen_back:
        said += f" but for {len(one.fallen_back)} matrices ({one.fallen_back[0]})"
    return {
        "form": forms.gguf(one.quant).name,
        "quant": one.quant,
        "kind": "gguf",
        "file": one.path.name,
        "bytes": one.n_bytes,
        "digest": export_folder.digest_of(one.path),
        "n_parameters": n_parameters,
        "bits_per_weight": one.bits_per_weight,
        "published": True,
        "imatrix": matrix_sentence(one),
        "check": {"tensor_types": one.tensor_types, "differences": [], "said": said},
    }


def matrix_sentence(one: Quantized) -> str | None:
    """What an importance matrix was measured on, and whether it helped; None without one."""
    if one.importance is None or one.kl is None:
        return one.importance
    without = "it cannot be made without" if one.kl_plain is None else f"{one.kl_plain:.4g} without"
    return f"{one.importance}; KL on {one.n_positions:,} held-out tokens {one.kl:.4g} nats, {without}"
