"""A recipe file of trainings, read and spread out: every mistake with its line, every sweep its trainings.

In: a YAML file as `tuning_recipe` describes it. Out: the TuningRecipe, and one Planned for each training:
its name, method, options and trainer options, all checked. A list where a field holds one value is a sweep,
whose trainings are called after what differs (`lora-r8`, `lora-r16`). It opens no data and no model.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bench import yaml_file
from bench.errors import ConfigError
from bench.records import Record
from bench.training import methods
from bench.training.tuning_recipe import NAME, TrainerOptions, Training, TuningRecipe, is_tuning
from bench.yaml_file import Document, Location

MAX_TRAININGS = 200
RESERVED = ("base", "data", "evaluation", "reports", "runs")
"""Folders in `models/<name>/` that hold something else."""
_REMEDY = "recipes/ has examples"
_TAGS = re.compile(r"^(literal|tuple|list|str|int|float|bool|none|constrained-str|function-)\b.*[\[\]'].*$")


class Planned(NamedTuple):
    """One training of a recipe."""

    name: str
    """Unique in the recipe: the variant of its arm."""
    kind: str
    """The method."""
    options: Record
    """The method's Options."""
    trainer: TrainerOptions
    swept: dict[str, Any]
    """Where it is one of a sweep: what differs, by field."""


class Loaded(NamedTuple):
    """A checked recipe file."""

    path: Path
    recipe: TuningRecipe
    trainings: tuple[Planned, ...]


def document_of(path: Path) -> Document:
    """The plain data of a recipe file of either kind; ConfigError where it cannot be read."""
    try:
        return yaml_file.parsed(path.read_text(encoding="utf-8"), path, _REMEDY)
    except OSError as error:
        raise ConfigError(
            f"recipe {path}: {error.strerror}; give a readable file or a preset's name"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"recipe {path}: not UTF-8 text") from error


def load(path: Path) -> Loaded:
    """The recipe of a file; ConfigError with file and line of every mistake."""
    return checked(document_of(path))


def checked(document: Document) -> Loaded:
    """The recipe of a YAML document."""
    if not is_tuning(document.data):
        raise ConfigError(f"{document.path}:1: no `trainings`; {_REMEDY}")
    document = _with_list_of_data(document)
    recipe: TuningRecipe = _record(document, TuningRecipe)
    _check_parts(document, recipe)
    planned: list[Planned] = []
    for place, training in enumerate(recipe.trainings):
        planned += _planned(document, place, training, recipe)
    _refuse_names(document, recipe, planned)
    return Loaded(document.path, recipe, tuple(planned))


def description(path: Path) -> str:
    """The one line of a recipe for a list; nothing of its methods is imported."""
    recipe: TuningRecipe = _record(_with_list_of_data(document_of(path)), TuningRecipe)
    return recipe.description


def _with_list_of_data(document: Document) -> Document:
    """One `data` section as a list of one."""
    if not isinstance(document.data.get("data"), dict):
        return document
    data = document.data | {"data": [document.data["data"]]}
    lines = {
        ("data", 0, *place[1:]) if place[:1] == ("data",) and len(place) > 1 else place: line
        for place, line in document.lines.items()
    }
    return Document(document.path, data, lines)


# ---------------------------------------------------------------- the recipe's own parts


def _check_parts(document: Document, recipe: TuningRecipe) -> None:
    for place, data in enumerate(recipe.data):
        if (data.recipe is None) == (data.set is None):
            raise _error(document, ("data", place), "give either `recipe` or `set`")
        if data.bundled is not None and data.recipe is None:
            raise _error(
                document, ("data", place, "bundled"), "it stands in for `recipe`, which is not there"
            )
    base = recipe.base
    if base is not None and (base.ref is None) == (base.recipe is None):
        raise _error(document, ("base",), "give either `ref` or `recipe`")
    if base is not None and base.revision is not None and base.ref is None:
        raise _error(document, ("base", "revision"), "it belongs to `ref`")
    general = recipe.general_text
    if general is not None and not general.files and not general.bundled:
        raise _error(document, ("general_text",), "no files, and `bundled: false`: nothing is left to read")
    tasks = [data.task or recipe.task for data in recipe.data]
    if any(tasks) and not all(tasks):
        raise _error(
            document, ("data", tasks.index(None)), "others have a task and this one has none; set `task`"
        )
    if recipe.introduce == "gradually" and len(recipe.data) < 2:
        raise _error(document, ("introduce",), "gradually needs several tasks in `data`")


def _refuse_names(document: Document, recipe: TuningRecipe, planned: list[Planned]) -> None:
    seen: set[str] = set()
    for place, training in enumerate(recipe.trainings):
        if training.name in RESERVED:
            where: Location = ("trainings", place, "name")
            raise _error(
                document, where, f"{training.name} is the name of another folder there; choose another"
            )
    for one in planned:
        if one.name in seen:
            raise _error(document, ("trainings",), f"two trainings are called {one.name}; rename one")
        seen.add(one.name)
    if len(planned) > MAX_TRAININGS:
        raise _error(document, ("trainings",), f"{len(planned)} trainings; at most {MAX_TRAININGS} are made")


def _error(document: Document, where: Location, message: str) -> ConfigError:
    name = ".".join(map(str, where))
    return ConfigError(f"{document.path}:{document.line(where)}: {name}: {message}")


# ---------------------------------------------------------------- trainings and sweeps


def _planned(document: Document, place: int, training: Training, recipe: TuningRecipe) -> Iterator[Planned]:
    """Every training that one entry stands for."""
    where: Location = ("trainings", place)
    kind = _kind(document, (*where, "method"), training)
    module = methods.load(kind)
    if module.NEEDS_BASE and recipe.base is None:
        raise _error(document, (*where, "method"), f"{kind} starts from a base model; set `base`")
    written: dict[str, Any] = {key: value for key, value in training.method.items() if key != "kind"}
    for chosen in _combinations(document, (*where, "method"), written, module):
        options = _record(chosen.document, module.Options)
        for also in _combinations(document, (*where, "trainer"), dict(training.trainer), None):
            swept = chosen.swept | also.swept
            name = "-".join([training.name, *(f"{key}{_shown(value)}" for key, value in swept.items())])
            if not re.fullmatch(NAME, name):
                raise _error(document, where, f"{name!r} is no name for a folder; use a shorter `name`")
            trainer = _record(also.document, TrainerOptions)
            yield Planned(name, kind, options, trainer, swept)


def _kind(document: Document, where: Location, training: Training) -> str:
    kind = training.method.get("kind")
    if not isinstance(kind, str) or kind not in methods.names():
        found = "no `kind`" if kind is None else f"no method {kind!r}"
        raise _error(document, where, f"{found}; known: {', '.join(methods.names())}")
    return kind


class _Combination(NamedTuple):
    """One choice of every swept field, as a document whose lines are the file's."""

    document: Document
    swept: dict[str, Any]


def _combinations(
    document: Document, where: Location, written: dict[str, Any], module: Any
) -> Iterator[_Combination]:
    """The values of each field, every one with every other. Without a module: a trainer's options."""
    record = TrainerOptions if module is None else module.Options
    takes_list = getattr(module, "takes_list", None)
    fields: list[list[tuple[str, Any, Location, bool]]] = []
    for key, value in written.items():
        place = (*where, key)
        is_value = not isinstance(value, list) or (
            takes_list(written, key)
            if takes_list and key not in record.model_fields
            else _fits(record, key, value)
        )
        if is_value:
            fields.append([(key, value, place, False)])
        elif not value:
            raise _error(document, place, "an empty list; give a value, or several for a sweep")
        else:
            fields.append([(key, one, (*place, n), True) for n, one in enumerate(value)])
    for chosen in itertools.product(*fields):
        lines: dict[Location, int] = {(): document.line(where)}
        for key, _, place, _ in chosen:
            lines[key,] = document.line(place)
        data = {key: value for key, value, _, _ in chosen}
        swept = {key: value for key, value, _, is_swept in chosen if is_swept}
        yield _Combination(Document(document.path, data, lines), swept)


def _fits(record: type[BaseModel], key: str, value: list[Any]) -> bool:
    """Whether a list is one value of a field rather than several."""
    field = record.model_fields.get(key)
    if field is None:
        return True  # which the record then refuses by its name
    if value and all(isinstance(one, list) for one in value):
        return False
    return _holds_lists(field) and _is_valid(field, value)


def _holds_lists(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(getattr(kind, "__origin__", kind) in {tuple, list} for kind in kinds)


def _is_valid(field: FieldInfo, value: list[Any]) -> bool:
    try:
        TypeAdapter[Any](field.annotation or object).validate_json(
            json.dumps(value, default=str), strict=True
        )
    except ValidationError:
        # a list of texts with a mistake in it is still meant as one value
        return all(isinstance(one, str) for one in value)
    return True


def _shown(value: Any) -> str:
    """A swept value in a name."""
    if isinstance(value, list):
        return "_".join(_shown(one) for one in value)
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    return re.sub(r"[^A-Za-z0-9.]+", "_", text)


# ---------------------------------------------------------------- messages


def _record(document: Document, record: type[Any]) -> Any:
    """The data as a record, with the keys that are known at each place in the messages."""
    return document.checked(record, lambda place: _keys(record, place), _tags(document, record))


def _tags(document: Document, record: type[Any]) -> frozenset[str]:
    """Names in pydantic's locations that are its own and stand in no file: those of a union's branches."""
    try:
        record.model_validate_json(json.dumps(document.data, default=str), strict=True)
    except ValidationError as error:
        parts = {part for problem in error.errors(include_url=False) for part in problem["loc"]}
        return frozenset(part for part in parts if isinstance(part, str) and _TAGS.match(part))
    return frozenset()


def _keys(record: type[Any], location: Location) -> list[str]:
    """The keys there are at a place of a record."""
    found: Any = record
    for part in location:
        if isinstance(part, int):
            continue
        field = found.model_fields.get(str(part)) if hasattr(found, "model_fields") else None
        found = _record_in(field.annotation) if field is not None else None
    return list(found.model_fields) if hasattr(found, "model_fields") else []


def _record_in(annotation: Any) -> Any:
    """The record in `X`, `X | None` or `tuple[X, ...]`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record_in(part)) is not None), None)
