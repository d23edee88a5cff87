"""What a recipe of trainings leaves in `models/<name>/`, as `bench evaluate` and a config read it.

    recipe.json                the resolved recipe, its base, trainings and test files
    <training>/arm.json        an entry of a config's `models`
    <training>/card.json       what happened, for people and scripts
    test.jsonl, test-<task>.jsonl, test-other-<task>.jsonl, test-texts.jsonl
                               held-out items, one Article a line

In: what was trained on which data. Out: files, each whole or not there. It trains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import provenance
from bench.records import Article
from bench.training import methods
from bench.training.files import write_whole
from bench.training.methods import TaskModel, Trained
from bench.training.tuning_file import Loaded, Planned
from bench.tune_base import without_template
from bench.tune_data import TaskData

ARM, CARD, RECIPE, TEXTS = "arm.json", "card.json", "recipe.json", "test-texts.jsonl"
FROM_NOTHING = "-scratch"
"""What the family of arms is called that share nothing with the base, after the recipe's name."""
_VERSIONS = ("torch", "transformers", "peft", "trl", "bitsandbytes")


def write_recipe(
    loaded: Loaded,
    folder: Path,
    tasks: Sequence[TaskData],
    other: TaskData | None,
    texts: Sequence[str],
    base: Path | None,
    inputs: Mapping[str, str],
) -> tuple[Path, ...]:
    """The held-out items of each task, and the record of the recipe; the files of the trained tasks' items.

    Sets of one task are one file. `other` is the task that is asked before and after and is not trained.
    `inputs` says of every training what it is to be made of: one that lies there and was made of something
    else may have learnt from these items.
    """
    by_task: dict[str, list[TaskData]] = {}
    for one in tasks:
        if one.test:
            by_task.setdefault(one.shown, []).append(one)
    tests: list[dict[str, str]] = []
    for place, (shown, sets) in enumerate(by_task.items()):
        name = "test.jsonl" if place == 0 else f"test-{sets[0].task.name}.jsonl"
        _write_articles(folder / name, [article for one in sets for article in one.test])
        tests.append({"task": shown, "file": name})
    content = {
        "recipe": loaded.recipe.model_dump(mode="json"),
        "base": None if base is None else _loads(TaskModel(base, None, {})),
        "tests": tests,
        "other_task": None if other is None else _other_task(folder, other),
        "test_texts": _write_texts(folder, texts),
        "trainings": [
            {
                "name": plan.name,
                "kind": plan.kind,
                "needs_base": methods.load(plan.kind).NEEDS_BASE,
                "inputs": inputs[plan.name],
            }
            for plan in loaded.trainings
        ],
    }
    write_whole(folder / RECIPE, _json(content))
    return tuple(folder / test["file"] for test in tests)


def write_training(target: Path, arm: dict[str, Any], card: dict[str, Any]) -> None:
    """A training's two files; `arm.json` comes last, so that where it stands all is there."""
    write_whole(target / CARD, _json(card))
    write_whole(target / ARM, _json(arm))


def finished(target: Path, inputs: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Arm and card of a training that was made of these inputs; None where it has to be made."""
    try:
        arm = json.loads((target / ARM).read_text(encoding="utf-8"))
        card = json.loads((target / CARD).read_text(encoding="utf-8"))
        named = [arm["ref"], *([arm["adapter"]] if arm["adapter"] is not None else [])]
        there = card["inputs"] == inputs and all(Path(name).is_dir() for name in named)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (arm, card) if there else None


def arm_of(loaded: Loaded, plan: Planned, found: Trained) -> dict[str, Any]:
    """The arm as `models:` of a config has it; with a model for each task where one does not answer all.

    A classifier made from nothing is of another family: beside the base it is no fine-tuning of it.
    """
    name = loaded.recipe.name
    is_baseline = not methods.load(plan.kind).NEEDS_BASE and found.options.get("head") == "classification"
    return {
        "family": f"{name}{FROM_NOTHING}" if is_baseline else name,
        "variant": plan.name,
        "quant": found.quant,
        "prompt_style": "zero_shot",
        **_loads(TaskModel(found.ref, found.adapter, found.options)),
        "tasks": {name: _loads(model) for name, model in found.tasks.items()},
    }


def card_of(loaded: Loaded, plan: Planned, found: Trained, inputs: str) -> dict[str, Any]:
    """What happened."""
    return {
        "name": plan.name,
        "recipe": loaded.recipe.name,
        "description": loaded.recipe.description,
        "method": {"kind": plan.kind, **plan.options.model_dump(mode="json")},
        "trainer": plan.trainer.model_dump(mode="json"),
        "swept": plan.swept,
        "seed": loaded.recipe.seed,
        "facts": found.facts,
        "versions": {name: provenance.package_version(name) for name in _VERSIONS},
        "inputs": inputs,
    }


def _loads(model: TaskModel) -> dict[str, Any]:
    """What an arm loads, as a file has it."""
    adapter = None if model.adapter is None else str(model.adapter)
    options = without_template(model.ref) | model.options
    return {"ref": str(model.ref), "adapter": adapter, "options": options, "backend": "hf"}


def _other_task(folder: Path, other: TaskData) -> dict[str, str]:
    name = f"test-other-{other.task.name}.jsonl"
    _write_articles(folder / name, other.test)
    return {"task": other.shown, "file": name}


def _write_texts(folder: Path, texts: Sequence[str]) -> str | None:
    """The held-out texts, each once; the name of their file, or None where there are none."""
    articles = [Article(id=Article.make_id(text, None), text=text, source="dataset") for text in texts]
    kept = [article for article in articles if article.text.strip()]
    if not kept:
        return None
    _write_articles(folder / TEXTS, kept)
    return TEXTS


def _write_articles(path: Path, articles: Sequence[Article]) -> None:
    """One line each; the same one twice is one."""
    once = {article.id: article for article in articles}
    lines = [one.model_dump_json(exclude_none=True, exclude_defaults=True) for one in once.values()]
    write_whole(path, "".join(f"{line}\n" for line in lines).encode("utf-8"))


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
