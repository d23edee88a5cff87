"""What a training left in `models/<name>/`, read and checked.

In: the folder. Out: a TrainedFolder, or a ConfigError that names the file, what is wrong with it and what
makes it anew. Nothing is loaded; weights are looked at by the backend that runs them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from bench.errors import ConfigError, UsageError
from bench.evaluation import own_files
from bench.records import Name, Record, Style, Text
from bench.training.tuning_recipe import TuningRecipe

RECIPE, ARM, CARD = "recipe.json", "arm.json", "card.json"
_MASKED = "ForMaskedLM"
RecordT = TypeVar("RecordT", bound=Record)


class Loaded(Record):
    """What an arm loads."""

    ref: Text
    """A model folder, or a repository of the hub."""
    adapter: Text | None = None
    """A PEFT adapter for it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The backend's options."""
    backend: Name = "hf"
    """The backend that runs it."""


class ArmFile(Loaded):
    """`arm.json`: a finished training as an entry of a config's `models`."""

    family: Name
    variant: Name
    quant: Name
    prompt_style: Style = "zero_shot"
    tasks: dict[str, Loaded] = Field(default_factory=dict)
    """By task, where one training left a model for each; empty where one model answers all."""

    @property
    def is_classifier(self) -> bool:
        """Whether it answers with a classification head."""
        return self.options.get("head") == "classification"

    @property
    def writes(self) -> bool:
        """Whether it foretells what follows: no classifier, and no model that fills gaps in a text."""
        kinds = model_config(self.ref).get("architectures")
        fills_gaps = isinstance(kinds, list) and any(str(kind).endswith(_MASKED) for kind in kinds)
        return not self.is_classifier and not fills_gaps

    def found_in(self, folder: Path) -> ArmFile:
        """The arm as the training's `folder` has it; ModelFileError where files of its own are not there."""
        place = _found_in(self, folder, self.variant, self.family)
        tasks = {name: _found_in(one, folder, self.variant, self.family) for name, one in self.tasks.items()}
        return self.model_copy(update={"ref": place.ref, "adapter": place.adapter, "tasks": tasks})


class TestFile(Record):
    """The held-out items of one task."""

    __test__ = False  # pytest looks for tests by name

    task: Text
    """A task's name or file."""
    file: Text
    """The items, in the folder."""


class TrainingEntry(Record):
    """A training of the recipe, sweeps expanded."""

    name: Name
    """Its folder, and the arm's variant."""
    kind: str
    """The method."""
    needs_base: bool = True
    """Whether it started from the base model."""
    inputs: str | None = None
    """What it is to be made of; None in a folder of before that was kept."""


class CardFile(Record):
    """`card.json`, as far as an evaluation needs it."""

    model_config = Record.model_config | {"extra": "ignore"}

    inputs: str
    """What the training was made of."""


class RecipeFile(Record):
    """`recipe.json`, as far as an evaluation needs it."""

    model_config = Record.model_config | {"extra": "ignore"}

    recipe: TuningRecipe
    base: Loaded | None = None
    """The model before the trainings, as an arm loads it."""
    tests: tuple[TestFile, ...] = ()
    """In the recipe's order; the first is the task's."""
    other_task: TestFile | None = None
    """A task that is not trained."""
    test_texts: Text | None = None
    """A file of held-out texts, of a recipe that learns text and no task."""
    trainings: tuple[TrainingEntry, ...]


class Trained(NamedTuple):
    """A finished training."""

    arm: ArmFile
    kind: str
    needs_base: bool


class TrainedFolder(NamedTuple):
    """All of a folder."""

    folder: Path
    recipe: TuningRecipe
    base: Loaded | None
    tests: tuple[TestFile, ...]
    other_task: TestFile | None
    test_texts: Path | None
    trained: tuple[Trained, ...]
    notes: tuple[str, ...]
    """Trainings that are not finished, or were made of something else than the recipe says now."""

    @property
    def causal(self) -> tuple[Trained, ...]:
        """The trained models that write."""
        return tuple(one for one in self.trained if one.arm.writes)


def read_folder(folder: Path) -> TrainedFolder:
    """What `bench train` left in a folder.

    A training that was made of other data may have learnt from the held-out items, so it is left out with a
    note. UsageError where there is no such folder or nothing in it is left to measure, ConfigError for a file
    that is not what it should be.
    """
    path = folder / RECIPE
    if not path.is_file():
        raise UsageError(
            f"{folder}: no {RECIPE} in it; name a folder that `bench train RECIPE.yaml` made (models/NAME)"
        )
    found = _record(path, RecipeFile)
    finished = [one for one in found.trainings if (folder / one.name / ARM).is_file()]
    if not finished:
        raise UsageError(f"{folder}: no training in it is finished; run `bench train` on its recipe first")
    current = [one for one in finished if _is_current(folder, one)]
    stale = [one.name for one in finished if one not in current]
    if not current:
        raise UsageError(
            f"{folder}: {', '.join(stale)}: made of other data or settings than {RECIPE} has now; run "
            "`bench train` on its recipe again"
        )
    for test in (*found.tests, *((found.other_task,) if found.other_task else ())):
        _refuse_absent(folder, test.file, f"the held-out items of {test.task}")
    if found.test_texts is not None:
        _refuse_absent(folder, found.test_texts, "the held-out texts")
    trained = tuple(Trained(_arm(folder / one.name), one.kind, one.needs_base) for one in current)
    unfinished = [one.name for one in found.trainings if one not in finished]
    notes = [f"not finished, so not measured: {', '.join(unfinished)}"] if unfinished else []
    if stale:
        notes.append(
            f"made of other data or settings than {RECIPE} has now, so not measured (held-out items may have "
            f"been learnt from): {', '.join(stale)}; `bench train` on its recipe makes it anew"
        )
    texts = folder / found.test_texts if found.test_texts is not None else None
    base = found.base
    if base is not None and base.backend == "hf":
        base = base.model_copy(update={"ref": own_files.base(base.ref, folder, found.recipe.name)})
    return TrainedFolder(
        folder, found.recipe, base, found.tests, found.other_task, texts, trained, tuple(notes)
    )


def _arm(folder: Path) -> ArmFile:
    return _record(folder / ARM, ArmFile).found_in(folder)


def _found_in(loaded: Loaded, folder: Path, training: str, recipe: str) -> Loaded:
    if loaded.backend != "hf":  # what other backends load was not trained here
        return loaded
    adapter, ref = loaded.adapter, loaded.ref
    if adapter is not None:
        adapter = own_files.own(adapter, folder, training, "the adapter")
    if adapter is None or loaded.options.get("head") == "classification":
        ref = own_files.own(ref, folder, training, "the model")
    else:
        ref = own_files.base(ref, folder.parent, recipe)
    return loaded.model_copy(update={"ref": ref, "adapter": adapter})


def _is_current(folder: Path, one: TrainingEntry) -> bool:
    """Whether a finished training was made of what the recipe says, or where that was not kept."""
    return one.inputs is None or _record(folder / one.name / CARD, CardFile).inputs == one.inputs


def _refuse_absent(folder: Path, name: str, what: str) -> None:
    if Path(name).name != name:
        raise ConfigError(f"{folder / RECIPE}: tests: {name!a} is no plain file name")
    if not (folder / name).is_file():
        raise ConfigError(
            f"{folder / name}: no such file, though {RECIPE} names it as {what}; run `bench train` on its "
            "recipe again"
        )


def _record(path: Path, kind: type[RecordT]) -> RecordT:
    try:
        # through JSON, because strict mode then takes a list for a tuple
        return kind.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigError(
            f"{path}: {where}: {first['msg']}; `bench train` on its recipe writes it anew"
        ) from error


def model_config(ref: str) -> dict[str, Any]:
    """The `config.json` of a model folder; empty where it cannot be read here (the backend says why)."""
    try:
        found = json.loads((Path(ref) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
