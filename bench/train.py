"""Joins a recipe, a task and the training room: what `bench train` and the demo call.

In: a recipe file or the name of a preset, and a folder. Out: the model files in `<folder>/<family>/`.
The fine-tune's prompts are rendered by the task itself, so that a tuned arm meets in a sweep what it
was trained on. Importing this loads neither torch nor llama.cpp.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from bench import tasks
from bench.errors import ConfigError, MissingExtraError, RunLockedError, StorageError, disk_errors
from bench.identity import content_id
from bench.openmp import spin_briefly
from bench.records import AnswerSchema, Article, Entity

if TYPE_CHECKING:
    from bench.training.display import TrainingProgress
    from bench.training.pipeline import Exchange, ModelFile, Render
    from bench.training.recipe import Recipe
    from bench.training.stories import Story

_PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "gguf", "llama_cpp")
_NEEDED_BYTES = 500 * 2**20
_HERE = Path(__file__).parent
_RECIPES = (_HERE / "_recipes", _HERE.parent / "recipes")
"""Where presets lie: inside an installed package, or beside it in a checkout."""


class Trained(NamedTuple):
    """The models that stand in the folder after a training."""

    family: str
    folder: Path
    files: tuple[ModelFile, ...]
    """One for each variant and quantization."""
    max_logit_difference: dict[str, float]
    """By variant: the fp16 file against transformers."""
    seconds: dict[str, float]
    """By stage; of a stage that was kept, the seconds it once took."""


def presets() -> dict[str, Path]:
    """The recipes that ship with bench, by name."""
    folder = next((folder for folder in _RECIPES if folder.is_dir()), None)
    if folder is None:
        return {}
    # those of a folder (`small/phrasebank`) are called with it; recipes of data are `bench data`'s
    found = [path for path in sorted(folder.glob("**/*.yaml")) if path.relative_to(folder).parts[0] != "data"]
    return {str(path.relative_to(folder).with_suffix("")): path for path in found}


def find_recipe(name: str) -> Path:
    """The recipe of a preset. ConfigError with the known names if there is none."""
    known = presets()
    if name not in known:
        raise ConfigError(f"no preset {name!r}; known: {', '.join(known) or 'none'}; or give a recipe file")
    return known[name]


def is_tuning(path: Path) -> bool:
    """Whether a recipe file fine-tunes a base (`bench.tune`) rather than making a model from nothing."""
    from bench.training import tuning_file, tuning_recipe

    return tuning_recipe.is_tuning(tuning_file.document_of(path).data)


def descriptions() -> dict[str, str]:
    """The one line of each recipe that ships with bench, of either kind, by name."""
    from bench.training import tuning_file
    from bench.training.recipe import load_recipe

    return {
        name: tuning_file.description(path) if is_tuning(path) else load_recipe(path).description
        for name, path in presets().items()
    }


def train(recipe: Path | str, out: Path, progress: TrainingProgress | None = None) -> Trained:
    """Make the models of a recipe file (a Path) or preset (a name) in `out/<family>/`.

    What is there and unchanged is kept; what was interrupted goes on. Raises ConfigError for the
    recipe, MissingExtraError, StorageError, RunLockedError while another process trains there, and
    ModelFileError where a file is not what it should be.
    """
    _need_extra()
    spin_briefly()
    from bench.training.display import Silent

    # peft imports bitsandbytes, which says at once that it found no kernel of the hub's
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    from bench.training.pipeline import run
    from bench.training.recipe import load_recipe

    wanted = load_recipe(recipe if isinstance(recipe, Path) else find_recipe(recipe))
    task = tasks.load(wanted.task)
    render = renderer(task)
    folder = out / wanted.family
    _prepare(folder)
    try:
        lock = FileLock(folder / ".work" / "lock").acquire(timeout=0)
    except Timeout as error:  # an OSError too, so it must be told apart before disk_errors sees it
        raise RunLockedError(
            f"{folder}: another process trains here; wait for it or use another --out"
        ) from error
    with lock, disk_errors(folder):
        made = run(wanted, folder, render, _task_digest(task), avoided(task), progress or Silent())
    differences = {variant: parity.max_logit_difference for variant, parity in made.parity.items()}
    return Trained(wanted.family, folder, made.files, differences, made.seconds)


def models_present(out: Path, preset: str) -> bool:
    """Whether every file of a preset stands in `out` with the size its card says, from this recipe."""
    from bench.training.recipe import load_recipe

    recipe = load_recipe(find_recipe(preset))
    return all(_card_holds(out / recipe.family, variant, recipe) for variant in ("base", "fine-tuned"))


def _card_holds(folder: Path, variant: str, recipe: Recipe) -> bool:
    try:
        card = json.loads((folder / f"{variant}.json").read_text(encoding="utf-8"))
        same = card["recipe"] == recipe.model_dump(mode="json")
        return same and all((folder / f["name"]).stat().st_size == f["bytes"] for f in card["files"])
    except (OSError, json.JSONDecodeError, KeyError, TypeError):
        return False


def _need_extra() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'training needs {", ".join(missing)}: pip install "bench[train]" "bench[llama]"'
        )


def _prepare(folder: Path) -> None:
    with disk_errors(folder):
        (folder / ".work").mkdir(parents=True, exist_ok=True)
        probe = folder / ".work" / "probe"
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        raise StorageError(
            f"{folder}: {free / 2**20:.0f} MiB free, a training needs {_NEEDED_BYTES / 2**20:.0f}; "
            "free some space"
        )


# ---------------------------------------------------------------- the task's side


def renderer(task: tasks.Task) -> Render:
    """Turns a story into the task's zero-shot messages and the answer a model should write."""
    from bench.training.pipeline import Exchange

    reason = _reason_field(task.answer)
    score, confidence = task.answer.score, task.answer.confidence
    known = {reason, score, confidence}
    if score is None or len(known) != len(task.answer.fields) + (confidence is None):
        raise ConfigError(
            f"task {task.name}: a training can only make answers of a text, a score and a confidence"
        )

    def render(story: Story) -> Exchange:
        messages = task.render(story_article(story), "zero_shot").messages
        values = {reason: story.reasoning, score: story.score, confidence: story.confidence}
        answer = {field.name: values[field.name] for field in task.answer.fields}
        return Exchange(tuple((m.role, m.content) for m in messages), tasks.answer_text(answer))

    return render


def _reason_field(schema: AnswerSchema) -> str | None:
    return next((field.name for field in schema.fields if field.type == "text" and not field.choices), None)


def story_article(story: Story) -> Article:
    """A story as an article, as a sweep would meet it."""
    entity = Entity(name=story.subject.name, ticker=story.subject.ticker) if story.named else None
    identity = Article.make_id(story.text, entity)
    return Article(id=identity, text=story.text, title=story.title, source="generated", entity=entity)


def _task_digest(task: tasks.Task) -> str:
    """What of the task decides the fine-tune: the zero-shot wording and the schema."""
    shown = task.model_dump(mode="json", exclude={"examples", "description"})
    return content_id(shown)


def avoided(task: tasks.Task) -> frozenset[str]:
    """Words of the examples' companies, lower case: no invented company may be called so."""
    names = [example.entity.name for example in task.examples if example.entity]
    return frozenset(word.lower() for name in names for word in name.split())
