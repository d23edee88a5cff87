"""A task from the file that a person wrote: YAML, Python or CSV.

In: a path. Out: a Task, or a ConfigError with file and line. In YAML, what follows from the labels need not
be written: the one field of a bare answer, the choices of the label's field, and the labels themselves
where that field has choices.

A Python file is **executed**, with the rights of who runs `bench`; so one is only ever loaded by the path
that a user gives. It has `TASK`, a Task, or a function `task()` that returns one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from pydantic import RootModel, ValidationError

from bench import yaml_file
from bench.errors import ConfigError
from bench.identity import canonical_json, content_id
from bench.records import AnswerField, AnswerSchema, Entity, Prompt, Record, Style
from bench.tasks._csv import read_csv
from bench.tasks._json_schema import fields_of
from bench.tasks._task import Example, Item, Task
from bench.yaml_file import Document, Location, PlacedError

STYLES: tuple[Style, ...] = get_args(Style)
_CHILDREN: dict[str, type[Record]] = {
    "answer": AnswerSchema,
    "fields": AnswerField,
    "examples": Example,
    "items": Item,
    "entity": Entity,
}
_BROKEN_CODE = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError,
    RuntimeError, SyntaxError, SystemExit, TypeError, ValueError,
)  # fmt: skip


def read(path: Path) -> Task:
    """The task in a file. ConfigError says what is wrong with it, and where."""
    return _READERS[path.suffix.lower()](path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"task {path}: {error.strerror}; give a task's name or a readable file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"task {path}: not UTF-8; save the file as UTF-8") from error


# ---------------------------------------------------------------- YAML


def _yaml(path: Path) -> Task:
    document = yaml_file.parsed(_text(path), path, "a task needs a name, a version, a user turn, an answer")
    document = _with_items(document)
    try:
        whole = document._replace(data=_completed(document.data))
        task = whole.checked(Task, _known_keys)
        canonical_json(task.model_dump(mode="json"))  # refuses NaN and infinities
    except PlacedError as error:
        raise ConfigError(f"{path}:{document.line(error.location)}: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: a value cannot be read: {error}") from error
    return task


def _with_items(document: Document) -> Document:
    """The task with the items of another file beside it, where `items` names one."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("items"), str):
        return document
    path = document.path.parent / data["items"]
    items = yaml_file.parsed(_text(path), path, "write a list of items").checked(_Items, _item_keys)
    return document._replace(data={**data, "items": items.model_dump(mode="json")})


class _Items(RootModel[tuple[Item, ...]]):
    """A file of items."""


def _item_keys(location: Location) -> list[str]:
    return yaml_file.known_keys(Item, {"entity": Entity}, location)


def _completed(data: Any) -> Any:
    """The data of a task file with what follows from the labels; wrong types are left to the check."""
    if not isinstance(data, dict) or not isinstance(data.get("answer"), dict):
        return data
    if data.get("code") is not None:
        raise PlacedError(("code",), "unknown key")
    answer, labels = dict(data["answer"]), data.get("labels")
    if "json_schema" in answer:
        if "fields" in answer:
            raise PlacedError(("answer", "json_schema"), "give `fields` or `json_schema`, not both")
        try:
            answer["fields"] = fields_of(answer.pop("json_schema"))
        except PlacedError as error:
            raise PlacedError(("answer", "json_schema", *error.location), error.message) from error
    if answer.get("form", "json") != "json" and "fields" not in answer:
        answer |= {"label": "label", "fields": [{"name": "label", "type": "text"}]}
    field = _label_field(answer)
    if field is not None and "choices" not in field and isinstance(labels, list):
        synonyms = answer.get("label_map") if answer.get("form", "json") == "json" else None
        field["choices"] = [*labels, *(synonyms if isinstance(synonyms, dict) else ())]
    elif field is not None and labels is None and not answer.get("label_map"):
        labels = field.get("choices")
    return {**data, "answer": answer} | ({} if labels is None else {"labels": labels})


def _label_field(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The field that is the label, as a copy that stands in the answer instead of it."""
    fields = answer.get("fields")
    if not isinstance(fields, list):
        return None
    answer["fields"] = [dict(f) if isinstance(f, dict) else f for f in fields]
    named = (f for f in answer["fields"] if isinstance(f, dict) and f.get("name") == answer.get("label"))
    return next(named, None)


def _known_keys(location: Location) -> list[str]:
    known = yaml_file.known_keys(Task, _CHILDREN, location)
    return [*known, "json_schema"] if location == ("answer",) else [k for k in known if k != "code"]


# ---------------------------------------------------------------- Python


def _python(path: Path) -> Task:
    source = _text(path)
    name = f"bench_task_{content_id([str(path.resolve()), source])}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"task {path}: cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes look their module up there
    try:
        spec.loader.exec_module(module)
        made = module.task() if callable(getattr(module, "task", None)) else getattr(module, "TASK", None)
        if isinstance(made, Task):
            _try_out(made)
    except _BROKEN_CODE as error:
        raise ConfigError(f"{path}{_line(error, path)}: {_summary(error)}") from error
    if not isinstance(made, Task):
        raise ConfigError(
            f"task {path}: it has neither `TASK`, a Task, nor a function `task()` that makes one"
        )
    return made.model_copy(update={"code": hashlib.sha256(source.encode("utf-8")).hexdigest()})


def _try_out(task: Task) -> None:
    """Render something once in each style, where a task renders in a way of its own."""
    asked = task.items[:1] or (Item(text="x", parts=dict.fromkeys(task.parts, "x")),)
    for style in STYLES:
        prompt = task.render(asked[0].article("trial"), style)
        if not isinstance(prompt, Prompt):
            raise TypeError(f"render gives a {type(prompt).__name__}, not a Prompt")


def _line(error: BaseException, path: Path) -> str:
    """`:LINE` of the user's file at which it failed."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename) == path or Path(f.filename) == path.resolve()]
    return f":{lines[-1]}" if lines else ""


def _summary(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = "".join(f"{part}." for part in first["loc"])[:-1]
        return f"{where}: {first['msg']}" if where else str(first["msg"]).removeprefix("Value error, ")
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


_READERS: dict[str, Callable[[Path], Task]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".py": _python,
    ".csv": read_csv,
}
SUFFIXES = tuple(_READERS)
"""What a task's file may end in."""
