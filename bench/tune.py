"""Joins a recipe of trainings, its data and its base: what `bench train RECIPE.yaml` calls.

    recipe -> data sets -> examples by task ----.
                                                 >-- method --> models/<name>/<training>/ --> arms
    base (folder, hub, another recipe) ---------'

In: a recipe file, a folder for models, where the data lie. Out: one folder a training with `arm.json` (an
entry of a config's `models`) and `card.json` (what happened), the held-out items, and `recipe.json`. A
training whose inputs did not change is not done again, and one that was killed goes on at its last whole
checkpoint. Of several processes (`accelerate launch`) one writes. Importing this loads no torch.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import FileLock, Timeout

from bench import tune_base, tune_data, tune_files
from bench.datasets.folder import ROOT as SETS
from bench.errors import ConfigError, MissingExtraError, RunLockedError, UsageError, disk_errors
from bench.identity import content_id
from bench.openmp import spin_briefly
from bench.training import general_text, methods, mixing, tuning_file
from bench.training.files import write_whole
from bench.training.methods import Data, Example, Job
from bench.training.tuning_file import Loaded, Planned
from bench.training.tuning_recipe import is_tuning
from bench.tune_base import Base
from bench.tune_data import TaskData

if TYPE_CHECKING:
    from bench.training.display import TrainingProgress

BASE = "base"
"""Where a base with chat tokens added is kept, in `models/<name>/`."""
_PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "safetensors")


class TrainedArm(NamedTuple):
    """A finished training."""

    name: str
    kind: str
    folder: Path
    arm: dict[str, Any]
    """What `arm.json` holds."""
    facts: dict[str, Any]
    """What `card.json` holds."""
    is_new: bool
    """False where nothing had changed since it was made."""


class Tuned(NamedTuple):
    """What a recipe left."""

    name: str
    folder: Path
    trainings: tuple[TrainedArm, ...]
    base: Path | None
    tests: tuple[Path, ...]
    """The held-out items, a file for each task."""
    is_measured: bool
    """Whether the recipe has anything to be measured on."""


class _Inputs(NamedTuple):
    """What the trainings of a recipe have in common."""

    tasks: tuple[TaskData, ...]
    texts: tuple[str, ...]
    validation_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    """Held-out texts, where text is learnt and no task."""
    general: tuple[str, ...]
    """General text that may be mixed in."""
    other: TaskData | None
    """A task that is asked before and after, and not trained."""
    base: Base | None


def tune(
    recipe: Path,
    out: Path = Path("models"),
    root: Path = Path(),
    progress: TrainingProgress | None = None,
    only: Sequence[str] | None = None,
) -> Tuned:
    """Make every training of a recipe, or those that `only` names, in `out/<name>/`.

    Raises ConfigError for the recipe and its data, MissingExtraError, ModelFileError for the base,
    RunLockedError while another process trains there, StorageError.
    """
    _need_extra()
    spin_briefly()
    from bench.training.display import Silent

    loaded = tuning_file.load(recipe)
    tune_base.refuse_circle(loaded)
    chosen = _chosen(loaded, only)
    progress = progress if progress is not None and is_main_process() else Silent()
    _safe_imports(chosen)
    from bench.training import machine, trainer_arguments

    for plan in chosen:
        with _about(plan):
            trainer_arguments.refuse(plan.trainer)
            if plan.trainer.unsloth and not getattr(methods.load(plan.kind), "UNSLOTH", False):
                raise ConfigError(f"trainer.unsloth: {plan.kind} is not trained through Unsloth; write false")
    folder = out / loaded.recipe.name
    with _locked(folder), disk_errors(folder):
        start = _start(loaded, out, root, progress)
        with machine.main_process_first():
            inputs = _inputs(loaded, start, folder, root, progress)
            # of all trainings, so that those that are not chosen and were made of other data are told apart
            keys = {plan.name: _key(loaded, plan, inputs) for plan in loaded.trainings}
            tests = _write_recipe(loaded, inputs, keys, folder) if is_main_process() else ()
        made = tuple(_trained(loaded, plan, inputs, keys[plan.name], folder, progress) for plan in chosen)
    base = None if inputs.base is None else inputs.base.folder
    evaluation = loaded.recipe.evaluation
    is_measured = bool(tests or inputs.test_texts or evaluation.forgetting or evaluation.other_task)
    return Tuned(loaded.recipe.name, folder, made, base, tests, is_measured)


# ---------------------------------------------------------------- before anything is trained


def _need_extra() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'training needs {", ".join(missing)}: pip install "bench[train]"')


def _chosen(loaded: Loaded, only: Sequence[str] | None) -> tuple[Planned, ...]:
    """The trainings to be made: all, or those named; an entry's name stands for its whole sweep."""
    if only is None:
        return loaded.trainings
    entries = {training.name for training in loaded.recipe.trainings}
    known = {plan.name for plan in loaded.trainings} | entries
    if unknown := [name for name in only if name not in known]:
        raise UsageError(f"--only: no training {unknown[0]!r}; there are {', '.join(sorted(known))}")
    of_sweep = {name for name in only if name in entries}
    return tuple(
        plan
        for plan in loaded.trainings
        if plan.name in only or any(plan.swept and plan.name.startswith(f"{name}-") for name in of_sweep)
    )


def is_main_process() -> bool:
    """Whether this process writes; `accelerate launch` numbers its processes."""
    return os.environ.get("RANK", "0") == "0"


def _safe_imports(chosen: Sequence[Planned]) -> None:
    """Import what fetches code of a hub's while it is imported in the way that keeps it from doing so."""
    if any(plan.trainer.unsloth for plan in chosen) and importlib.util.find_spec("unsloth") is not None:
        importlib.import_module("unsloth")  # it changes transformers and peft, so it comes before them
    if importlib.util.find_spec("bitsandbytes") is not None:
        from bench.backends.hf.loading import load_bitsandbytes

        load_bitsandbytes()


@contextmanager
def _about(plan: Planned) -> Iterator[None]:
    """Say of which training a refusal speaks."""
    try:
        yield
    except (UsageError, MissingExtraError) as error:
        raise type(error)(f"training {plan.name}: {error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    work = folder / ".work"
    with disk_errors(folder):
        work.mkdir(parents=True, exist_ok=True)
    if not is_main_process():
        yield
        return
    try:
        lock = FileLock(work / "lock").acquire(timeout=0)
    except Timeout as error:
        raise RunLockedError(
            f"{folder}: another process trains here; wait for it or use another --out"
        ) from error
    with lock:
        yield


def _start(loaded: Loaded, out: Path, root: Path, progress: TrainingProgress) -> Path | None:
    """The folder of the base as it is found, or as another recipe makes it: all processes train that."""

    def make(path: Path) -> Path:
        return _model_of(path, out, root, progress)

    options = loaded.recipe.base
    return None if options is None else tune_base.find(options, loaded.path.parent, make)


def _inputs(
    loaded: Loaded, start: Path | None, folder: Path, root: Path, progress: TrainingProgress
) -> _Inputs:
    recipe, here = loaded.recipe, loaded.path.parent
    learns_task = tune_data.learns_task(recipe)
    found = tune_data.prepare(recipe, here, root, SETS, progress.note)
    texts = found.texts
    general: tuple[str, ...] = ()
    if recipe.general_text is not None:
        documents = general_text.read_documents(recipe.general_text, root)
        if documents.note:
            progress.note(documents.note)
        general = documents.train
    everything = texts.train if learns_task else (*texts.train, *general)
    base = _base(loaded, start, folder / BASE, talks=learns_task)
    general = general if learns_task else ()
    return _Inputs(found.tasks, everything, texts.validation, texts.test, general, found.other, base)


def _write_recipe(loaded: Loaded, inputs: _Inputs, keys: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    base = None if inputs.base is None else inputs.base.folder
    return tune_files.write_recipe(loaded, folder, inputs.tasks, inputs.other, inputs.test_texts, base, keys)


def _base(loaded: Loaded, start: Path | None, target: Path, *, talks: bool) -> Base | None:
    """The base ready to be trained, with a chat template where a training shows it turns."""
    if start is None or loaded.recipe.base is None:
        return None
    chats = talks and any(getattr(methods.load(plan.kind), "NEEDS_CHAT", False) for plan in loaded.trainings)
    template = loaded.recipe.base.chat_template
    return tune_base.prepare(start, template, loaded.path.parent, target, chats=chats)


def _model_of(path: Path, out: Path, root: Path, progress: TrainingProgress) -> Path:
    """The last model of another recipe, which is made if it is not there."""
    if not is_tuning(tuning_file.document_of(path).data):
        from bench.train import train
        from bench.training import machine

        with machine.main_process_first():
            return train(path, out, progress).folder / "hf" / "base"
    arm = tune(path, out, root, progress).trainings[-1].arm
    if arm["adapter"] is not None or arm["options"].get("head", "causal_lm") != "causal_lm":
        raise ConfigError(
            f"base.recipe: {path}: its last training leaves no whole model to start from (an adapter or a "
            "head); put one that does (pretraining, full) last"
        )
    return Path(arm["ref"])


# ---------------------------------------------------------------- what a training learns from


def _data(loaded: Loaded, plan: Planned, inputs: _Inputs) -> tuple[Data, Planned]:
    """The data of one training; tasks that are introduced gradually make its epochs part of them."""
    recipe = loaded.recipe
    labels = {found.task.name: found.task.labels for found in inputs.tasks}
    by_task: dict[str, tuple[Example, ...]] = {}
    for found in inputs.tasks:
        by_task[found.task.name] = by_task.get(found.task.name, ()) + found.train
    validation = tuple(example for found in inputs.tasks for example in found.validation)
    if recipe.introduce == "gradually":
        train, plan = _gradually(by_task, plan, recipe.rehearsed, recipe.seed)
    else:
        train = mixing.together(by_task, recipe.seed)
    texts = inputs.texts
    if by_task:
        share = recipe.general_text.share if recipe.general_text else 0.0
        texts = mixing.texts_to_mix(inputs.general, len(train), share, recipe.seed).texts
    keep = recipe.introduce == "gradually"
    return Data(train, validation, texts, inputs.validation_texts, labels, keep_order=keep), plan


def _gradually(
    by_task: dict[str, tuple[Example, ...]], plan: Planned, rehearsed: float, seed: int
) -> tuple[tuple[Example, ...], Planned]:
    """Each task in its turn, seen as often as the epochs say, and then one pass over all of it."""
    options, epochs = plan.trainer, plan.trainer.epochs
    # None of these could be honoured: the order is kept, and it is gone through once
    refused = {
        f"epochs: {epochs:g}: tasks introduced gradually need whole ones": epochs != int(epochs),
        "patience: tasks introduced gradually are one pass, which has no epoch to stop after; remove it": (
            options.patience is not None
        ),
        "steps: tasks introduced gradually are seen to the end, and steps could end before the last; set "
        "epochs instead": options.steps is not None,
        "group_by_length: true contradicts `introduce: gradually`, whose order is kept; remove it": (
            "group_by_length" in options.model_fields_set and options.group_by_length
        ),
    }
    for said, applies in refused.items():
        if applies:
            raise ConfigError(f"training {plan.name}: {said}")
    found = mixing.gradually(by_task, rehearsed, seed, int(epochs))
    trainer = plan.trainer.model_copy(update={"epochs": 1.0, "group_by_length": False})
    return found.items, plan._replace(trainer=trainer)


# ---------------------------------------------------------------- one training


def _start_of(plan: Planned, base: Base | None) -> Path | None:
    """The folder from which a training starts."""
    if base is None:
        return None
    return base.folder if getattr(methods.load(plan.kind), "NEEDS_CHAT", False) else base.plain


def _key(loaded: Loaded, plan: Planned, inputs: _Inputs) -> str:
    """What a training is made of, in short: what was made of the same is not made again."""
    data, effective = _data(loaded, plan, inputs)
    base = inputs.base
    return content_id(
        [
            plan.kind,
            plan.options.model_dump(mode="json"),
            effective.trainer.model_dump(mode="json", exclude={"report_to", "save_steps"}),
            loaded.recipe.seed,
            _content(data),
            None if base is None else [base.digest, str(_start_of(plan, base))],
        ]
    )


def _trained(
    loaded: Loaded, plan: Planned, inputs: _Inputs, key: str, folder: Path, progress: TrainingProgress
) -> TrainedArm:
    """Train, unless what lies there was made of the same inputs."""
    target, work = folder / plan.name, folder / ".work" / plan.name
    there = tune_files.finished(target, key)
    if there is not None:
        progress.note(f"{plan.name}: unchanged, kept")
        return TrainedArm(plan.name, plan.kind, target, *there, is_new=False)
    if is_main_process():
        _clear(target, work, key)
    _wait()
    data, effective = _data(loaded, plan, inputs)
    start = _start_of(plan, inputs.base)
    job = Job(plan.options, effective.trainer, start, data, target, work, loaded.recipe.seed, progress)
    with _about(plan):
        found = methods.load(plan.kind).train(job)
    _wait()  # for the one that writes
    arm, card = tune_files.arm_of(loaded, plan, found), tune_files.card_of(loaded, effective, found, key)
    if is_main_process():
        tune_files.write_training(target, arm, card)
        shutil.rmtree(work, ignore_errors=True)
    return TrainedArm(plan.name, plan.kind, target, arm, card, is_new=True)


def _content(data: Data) -> str:
    """A digest of everything that is learnt from."""
    plain = data._asdict() | {
        side: [
            (*one._replace(turns=())[:], [list(turn) for turn in one.turns]) for one in getattr(data, side)
        ]
        for side in ("train", "validation")
    }
    return content_id(plain)


def _clear(target: Path, work: Path, key: str) -> None:
    """An empty folder for the result; checkpoints stay if they are of the same inputs."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    kept = work / "inputs.txt"
    if not kept.is_file() or kept.read_text(encoding="utf-8") != key:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        write_whole(kept, key.encode())


def _wait() -> None:
    from bench.training.machine import wait_for_everyone

    wait_for_everyone()
