"""A trained model in the forms it is deployed in, published only where it is proven to be the same model.

    bench models export models/NAME/TRAINING --to fp16,q4_K_M,q8_0 --out exports/NAME

In: a transformers folder, with an adapter or without, or a finished training. Out, below one folder:

    fp16/ nf4/ ...      transformers folders, each with its README.md
    gguf/               GGUF files NAME-QUANT.gguf and their README.md
    models.yaml         the entries for `models:` in config.yaml
    export.json         what was made, of what, and how every form compared
    rejected/           forms that are not the model; no config names them

Everything is made in a hidden folder beside them and renamed when it is whole and was compared, so that a
stop leaves nothing half. An adapter is merged in fp32, never into quantized weights.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import (
    MissingExtraError,
    ModelFileError,
    StorageError,
    UsageError,
    disk_errors,
)
from bench.model_files import export_card, export_folder, export_source
from bench.model_files.export_card import Evaluated
from bench.model_files.export_folder import GGUF, PAGE, REJECTED, Made, place
from bench.model_files.export_source import Source
from bench.model_files.working_folder import EXPORT, remove, working_folder
from bench.openmp import spin_briefly
from bench.store import write_whole
from bench.training.export.forms import Form

if TYPE_CHECKING:
    from bench.model_files.export_check import Reference
    from bench.training.export.check import ExportCheck

_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "nf4": 1.2, "int8": 1.4}
_NEEDS = {
    "folder": (),
    "quantized": ("bitsandbytes", "accelerate"),
    "gguf": ("gguf", "llama_cpp"),
}
_NEED_MATRIX = frozenset(
    ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "iq3_xs", "q2_K_S")
)
"""Quants of so few bits that the engine makes them with an importance matrix only."""
_REMEDY = {"quantized": 'pip install "bench[hf]"', "gguf": 'pip install "bench[train]" "bench[llama]"'}

Told = Callable[[str], None]


class Exported(NamedTuple):
    """What an export left."""

    out: Path
    made: tuple[Made, ...]
    entries: str
    """The published forms as `models:` of a config; empty where there are none."""

    @property
    def refusal(self) -> str | None:
        """One line about the forms that are not the model; None where all are."""
        wrong = [made for made in self.made if not made.is_published]
        if not wrong:
            return None
        named = "; ".join(f"{made.form.name}: {made.check.sentence()}" for made in wrong)
        return f"{self.out / REJECTED}: not the model that was exported, so not published: {named}"


def export(
    model: str,
    forms: Sequence[Form],
    out: Path,
    *,
    adapter: Path | None = None,
    shard_bytes: int = 5 * 10**9,
    family: str | None = None,
    variant: str | None = None,
    licence: str | None = None,
    base_model: str | None = None,
    told: Told = lambda step: None,
) -> Exported:
    """Make, compare and publish the forms; BenchErrors say what is wrong before anything is written."""
    _need_packages(forms)
    source = export_source.find(model, adapter, family, variant)
    _refuse_forms(source, forms, out)
    licence = export_card.licence_of(source, licence)
    source = source._replace(base=export_card.base_of(source, base_model))
    if (other := export_source.other_base(source)) is not None:
        told(f"the adapter names another base ({other[:80]}); its shapes fit this one")
    evaluation = export_card.evaluated(source, told)
    with working_folder(out, EXPORT) as work:
        _refuse_full_disk(source, forms, out)
        with disk_errors(out):
            made = _Export(source, forms, work, shard_bytes, told).run()
            return _published(source, made, out, licence, evaluation)


class _Export:
    """The forms of one model, made one after the other in the folder of work."""

    def __init__(
        self, source: Source, forms: Sequence[Form], work: Path, shard_bytes: int, told: Told
    ) -> None:
        self.source, self.forms, self.work = source, forms, work
        self.shard_bytes, self.told = shard_bytes, told
        self._full: tuple[Path, ExportCheck] | None = None
        """The file that others are quantized from, and how it compared."""
        self._folders: dict[Path, ExportCheck] = {}
        """How every folder in plain precision compared; other forms are made of one."""

    def run(self) -> list[Made]:
        """Every form, whole and compared."""
        known = self._load()
        return [self._made(known, form) for form in _in_order(self.forms)]

    def _load(self) -> Reference:
        from bench.backends.hf import loading
        from bench.model_files import export_check

        head = "classification" if self.source.is_classifier else "causal_lm"
        adapter = self.source.adapter
        self.told("loading the model" + ("" if adapter is None else " and merging its adapter, in fp32"))
        wanted = export_check.request("fp32", head, merge=adapter is not None)
        loaded = loading.load(self.source.files, adapter, wanted)
        return export_check.reference(loaded, str(self.source.files.folder), head)

    def _made(self, known: Reference, form: Form) -> Made:
        self.told(f"{form.name}: writing and comparing")
        kinds = {"folder": self._folder, "quantized": self._quantized, "gguf": self._gguf}
        path, found = kinds[form.kind](known, form)
        n_bytes, digest = export_folder.size_of(path), export_folder.digest_of(path)
        n_weight_bytes = export_folder.weight_bytes_of(path)
        n_parameters = known.loaded.model.num_parameters()
        return Made(form, path, n_bytes, n_weight_bytes, digest, n_parameters, found)

    def _folder(self, known: Reference, form: Form) -> tuple[Path, ExportCheck]:
        path = self.work / form.name
        return path, self._saved(known, path, form.quant)

    def _saved(self, known: Reference, path: Path, dtype: str) -> ExportCheck:
        """How the folder compares, which is written where it is not there yet."""
        from bench.model_files import export_check
        from bench.training.export.weights import save_folder

        if path not in self._folders:
            model, texts = known.loaded.model, self.source.files.texts
            save_folder(model, texts, path, dtype, self.shard_bytes, known.ends)
            self._folders[path] = export_check.check_folder(known, path, dtype)
        return self._folders[path]

    def _quantized(self, known: Reference, form: Form) -> tuple[Path, ExportCheck]:
        """nf4 and int8: bitsandbytes quantizes the merged model while it is read."""
        from bench.backends.hf import loading, model_folder
        from bench.model_files import export_check
        from bench.training.export import weights

        path = self.work / form.name
        files = model_folder.inspect(self._merged_folder(known))
        in_memory = loading.load(files, None, export_check.request(form.quant, known.head))
        weights.write_weights(in_memory.model, path, self.shard_bytes)
        weights.write_texts(self.source.files.texts, path, known.ends)
        return path, export_check.check_quantized(known, in_memory, path, form.quant)

    def _gguf(self, known: Reference, form: Form) -> tuple[Path, ExportCheck]:
        from bench.training.export import gguf_files

        merged = self._merged_folder(known)
        path = self.work / f"{self.source.name}-{form.quant}.gguf"
        title = f"{self.source.spec.family} {self.source.spec.variant}"
        if form.quant in gguf_files.FP_QUANTS:
            self._note(form, gguf_files.write_gguf(merged, path, title, form.quant).notes)
            return path, gguf_files.check(merged, path, form.quant)
        if self._full is None:
            full = self.work / "full.gguf"
            self._note(form, gguf_files.write_gguf(merged, full, title).notes)
            # rounding hides a wrong tensor, so logits are judged before it
            self._full = full, gguf_files.check(merged, full, "fp16")
        full, of_full = self._full
        gguf_files.quantized(full, path, form.quant)
        found = gguf_files.check(merged, path, form.quant)
        logits = (difference for difference in of_full.differences if difference.what == "logits")
        return path, found._replace(differences=(*logits, *found.differences))

    def _note(self, form: Form, notes: Sequence[str]) -> None:
        for note in notes:
            self.told(f"{form.name}: {note}")

    def _merged_folder(self, known: Reference) -> Path:
        """The merged model on disk, as other programs read it; in fp16, or fp32 where a form needs that."""
        finer = any(form.kind == "gguf" and form.quant in {"fp32", "bf16"} for form in self.forms)
        dtype = "fp32" if finer else "fp16"
        own = self.work / dtype
        merged = own if own in self._folders else self.work / "merged"
        found = self._saved(known, merged, dtype)
        if found.differences:  # what is made of another model agrees with that one
            raise ModelFileError(f"{self.source.files.folder}: merged in {dtype}: {found.sentence()}")
        return merged


def _published(
    source: Source, made: Sequence[Made], out: Path, licence: str | None, evaluation: Evaluated
) -> Exported:
    """Every form at its place with its card, or set aside; then what scripts and configs read."""
    before = export_folder.read_facts(out).get("forms", {})
    found = {
        "source": source.spec.model_dump(mode="json", exclude_none=True),
        "card": export_card.about(source, made[0].n_parameters, licence, evaluation),
        "forms": before | {one.form.name: one.facts() for one in made},
    }
    cards = export_card.pages(out, found)
    for one in made:
        if one.is_published and one.form.kind != "gguf":
            write_whole(one.path / PAGE, cards[one.form.name].encode("utf-8"))
    moved = tuple(_moved(one, out, source.name) for one in made)
    if GGUF in cards:
        (out / GGUF).mkdir(exist_ok=True)
        write_whole(out / GGUF / PAGE, cards[GGUF].encode("utf-8"))
    export_folder.write_facts(out, found)
    return Exported(out, moved, export_folder.write_entries(out, found))


def _moved(one: Made, out: Path, name: str) -> Made:
    target = place(out, one.form, name) if one.is_published else out / REJECTED / one.path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not one.is_published:
        remove(target)  # of an earlier attempt
    one.path.replace(target)
    return one._replace(path=target)


def _in_order(forms: Sequence[Form]) -> list[Form]:
    """Folders first: what others are made of is then there already."""
    return sorted(forms, key=lambda form: ("folder", "quantized", "gguf").index(form.kind))


# ---------------------------------------------------------------- what is refused


def _need_packages(forms: Sequence[Form]) -> None:
    needed = ("torch", "transformers", "peft", "safetensors")
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise MissingExtraError('an export needs torch, transformers and peft; run: pip install "bench[hf]"')
    spin_briefly()
    for form in forms:
        for name in _NEEDS[form.kind]:
            if importlib.util.find_spec(name) is None:
                raise MissingExtraError(f"--to {form.name} needs {name}; run: {_REMEDY[form.kind]}")


def _refuse_forms(source: Source, forms: Sequence[Form], out: Path) -> None:
    if source.is_classifier and (gguf := [form.name for form in forms if form.kind == "gguf"]):
        raise UsageError(
            f"--to {gguf[0]}: a GGUF file holds no classification head; take fp32, fp16, bf16, nf4 or int8"
        )
    if bare := [form.name for form in forms if form.quant in _NEED_MATRIX]:
        raise UsageError(
            f"--to {bare[0]}: needs an importance matrix; export gguf-fp16, and make {bare[0]} of "
            "that file with `bench models quantize --imatrix`"
        )
    before = export_folder.read_facts(out).get("source")
    now = source.spec.model_dump(mode="json")
    if before and any(before.get(name) != now[name] for name in ("family", "variant", "ref", "adapter")):
        said = f"{before.get('family')} {before.get('variant')} from {before.get('ref')}"
        raise UsageError(f"{out}: holds an export of another model ({said}); choose another --out")
    there = [path for form in forms if (path := place(out, form, source.name)).exists()]
    if there:
        raise UsageError(
            f"{there[0]} is there already; remove it (`bench models rm`) or choose another --out"
        )
    if any(form.kind == "gguf" for form in forms):
        from bench.training.gguf import refuse_unfit

        refuse_unfit(source.files.folder)


def _refuse_full_disk(source: Source, forms: Sequence[Form], out: Path) -> None:
    """StorageError where the forms, and what they are made of, cannot all stand there."""
    bytes_each = [_BYTES.get(form.quant, 1.1) for form in forms]
    beside = 0.0 if all(form.kind == "folder" for form in forms) else 4.0
    needed = int(source.files.n_parameters * (sum(bytes_each) + beside))
    with disk_errors(out):
        free = shutil.disk_usage(out).free
    if free < needed:
        raise StorageError(
            f"{out}: {free / 2**20:,.0f} MiB free, these forms need about {needed / 2**20:,.0f} while they "
            "are made; free some space, or name fewer at a time"
        )
