"""Removes models: a file or a folder below the folder of models, and nothing that is still needed.

In: paths, and the folder they must lie in. Out: what would be removed, and its removal. A symbolic link is
never followed out of the folder; what a run in `sentiments/` was measured on, or a training in the folder of
models stands on, stays unless it is forced.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from bench import store
from bench.errors import BenchError, UsageError, disk_errors
from bench.evaluation.folder import ARM, ArmFile
from bench.model_files import export_folder


class Removal(NamedTuple):
    """One thing that would go."""

    path: Path
    n_bytes: int
    runs: tuple[str, ...]
    """Runs whose arms it is, or holds."""
    trainings: tuple[str, ...] = ()
    """Trainings elsewhere whose base, model or adapter it is, or holds."""


def plan(path: Path, root: Path, runs: Path, going: Sequence[Path] = ()) -> Removal:
    """What removing `path` means; UsageError where it may not be removed at all.

    Trainings below `going`, which is removed with it, need nothing any more.
    """
    where, base = path.absolute(), root.resolve()
    # the link itself is what goes, so only the folder it lies in is resolved
    real = where.parent.resolve() / where.name
    if where.name in {"", ".", ".."} or not real.is_relative_to(base) or real == base:
        raise UsageError(f"{path}: not below {root}; name what lies in it, or say --root FOLDER")
    if not real.exists() and not real.is_symlink():
        raise UsageError(f"{path}: no such file or folder; `bench models list {root}` shows what there is")
    n_bytes = 0 if real.is_symlink() else export_folder.size_of(real)
    gone = (real, *(one.absolute().parent.resolve() / one.name for one in going))
    return Removal(real, n_bytes, _runs_of(real, runs), _trainings_of(real, base, gone))


def _runs_of(path: Path, runs: Path) -> tuple[str, ...]:
    """The runs that have an arm whose model or adapter is, or lies in, what would go."""
    found = []
    for folder in store.list_runs(runs):
        try:
            manifest = store.open_run(folder).manifest
        except BenchError:  # what cannot be read cannot be asked; it may still need the model
            found.append(f"{folder.name} (cannot be read)")
            continue
        refs = {ref for arm in manifest.arms for ref in (arm.spec.ref, arm.spec.adapter) if ref}
        if any(_is_in(Path(ref), path) for ref in refs):
            found.append(manifest.run_id)
    return tuple(found)


def _trainings_of(path: Path, root: Path, gone: Sequence[Path]) -> tuple[str, ...]:
    """The trainings below `root`, and not below what is `gone`, that load what would go."""
    found = []
    for file in sorted(root.rglob(ARM)):
        if any(file.is_relative_to(one) for one in gone):
            continue
        shown = str(file.parent.relative_to(root))
        try:
            arm = ArmFile.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):  # what cannot be read cannot be asked; it may still need the model
            found.append(f"{shown} (cannot be read)")
            continue
        refs = {ref for one in (arm, *arm.tasks.values()) for ref in (one.ref, one.adapter) if ref}
        if any(_is_in(Path(ref), path) for ref in refs):
            found.append(shown)
    return tuple(found)


def _is_in(ref: Path, path: Path) -> bool:
    try:
        return ref.absolute().is_relative_to(path) or ref.resolve().is_relative_to(path.resolve())
    except (OSError, ValueError):  # a tag of a server, which is no path
        return False


def remove(removal: Removal, *, force: bool = False) -> None:
    """Remove it; UsageError where something still refers to it and `force` is not given."""
    if removal.trainings and not force:
        named = ", ".join(removal.trainings[:5])
        raise UsageError(
            f"{removal.path}: {len(removal.trainings)} trainings stand on it ({named}), which could not be "
            "loaded without it; remove them first, or --force removes it all the same"
        )
    if removal.runs and not force:
        named = ", ".join(removal.runs[:5])
        raise UsageError(
            f"{removal.path}: {len(removal.runs)} runs refer to it ({named}), which could not be resumed or "
            "compared without it; --force removes it all the same"
        )
    with disk_errors(removal.path):
        if removal.path.is_dir() and not removal.path.is_symlink():
            shutil.rmtree(removal.path)
        else:
            removal.path.unlink()
        _forget(removal.path)


def _forget(path: Path) -> None:
    """Take what stood there, or in it, out of the card and the entries of the export it belonged to."""
    from bench.model_files import export_card

    for out in (path.parent, path.parent.parent):
        found = export_folder.read_facts(out)
        forms = found.get("forms", {})
        kept = {
            name: one
            for name, one in forms.items()
            if not export_folder.standing(out, one).is_relative_to(path)
        }
        if len(kept) == len(forms):
            continue
        found["forms"] = kept
        export_folder.write_facts(out, found)
        export_folder.write_entries(out, found)
        page = path.parent / export_folder.PAGE
        if page.parent != out / export_folder.GGUF:
            return
        card = export_card.pages(out, found).get(export_folder.GGUF)
        if card is None:  # it would name what is gone
            page.unlink(missing_ok=True)
        else:
            store.write_whole(page, card.encode("utf-8"))
        return
