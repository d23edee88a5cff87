"""Joins a recipe's `base` with where models are: a folder, the hub at a pinned commit, another recipe.

In: the recipe's BaseOptions. Out: the folder of a whole model in transformers' form, checked by the backend
that will run it, and a digest of it; with a chat template where one is needed. It trains only what another
recipe has to make first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.backends.hf import hub, model_folder
from bench.errors import ConfigError
from bench.identity import content_id
from bench.training import tuning_file
from bench.training.tuning_file import Loaded
from bench.training.tuning_recipe import BaseOptions, is_tuning
from bench.tune_data import beside

MakeBase = Callable[[Path], Path]
"""Trains another recipe and gives the folder of its last model."""
_WHOSE = "recipe's base"


class Base(NamedTuple):
    """A base model."""

    folder: Path
    digest: str
    """Of every file that is loaded, and of the chat template that a recipe gives it."""
    plain: Path
    """The same without what was added for conversations; a head reads no template."""


def refuse_circle(loaded: Loaded) -> None:
    """ConfigError where a recipe is, directly or through others, its own base, or takes the base's folder."""
    chain = [loaded]
    while (named := chain[-1].recipe.base) is not None and named.recipe is not None:
        here = chain[-1].path
        path = beside(named.recipe, here.parent)
        if any(path.resolve() == one.path.resolve() for one in chain):
            if len(chain) == 1:
                raise ConfigError(f"{here}: base.recipe: it names itself; name another recipe")
            circle = " -> ".join(one.path.name for one in chain)
            raise ConfigError(
                f"{here}: base.recipe: {circle} -> {path.name} is a circle; one of them needs another base"
            )
        if not path.is_file() or not is_tuning(tuning_file.document_of(path).data):
            return
        chain.append(tuning_file.load(path))
        name = chain[-1].recipe.name
        if name in [one.recipe.name for one in chain[:-1]]:
            raise ConfigError(
                f"{here}: base.recipe: {path.name} has the name {name} too, and would be made in the same "
                "folder; rename one of them"
            )


def find(options: BaseOptions, here: Path, make: MakeBase) -> Path:
    """The folder that the recipe names; ConfigError or ModelFileError where there is none."""
    if options.recipe is not None:
        path = beside(options.recipe, here)
        if not path.is_file():
            raise ConfigError(f"base.recipe: {options.recipe}: no such file beside the recipe")
        return make(path)
    ref = str(options.ref)
    if hub.is_hub_reference(ref):
        if options.revision is None:
            raise ConfigError(
                f"base.revision: {ref} needs the 40 hex digits of a commit; a branch or tag may be another "
                "model tomorrow"
            )
        return hub.download(hub.hub_folder(_WHOSE, ref, options.revision))
    if options.revision is not None:
        raise ConfigError("base.revision: it belongs to a hub reference (hf://owner/repo); remove it")
    near = beside(ref, here)
    return Path(ref) if Path(ref).is_dir() else near


def digest(folder: Path) -> str:
    """Of every file of the base that is loaded; ModelFileError where it is not a whole model."""
    return model_folder.digest(model_folder.inspect(folder), None)


def without_template(folder: Path) -> dict[str, str]:
    """The option by which `hf` runs a causal model that was never shown turns; none for any other model."""
    files = model_folder.inspect(folder)
    kinds = files.config.get("architectures") or []
    is_causal = any(str(kind).endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds)
    return {"template": "plain"} if is_causal and model_folder.template_source(files) is None else {}


def prepare(plain: Path, chat_template: str | None, here: Path, out: Path, *, chats: bool) -> Base:
    """The base, ready to be trained; `out` is where it is written if it needs the recipe's template."""
    found = digest(plain)
    if not chats:
        return Base(plain, found, plain)
    from bench.training.chat_base import template_text, with_chat

    template = None if chat_template is None else template_text(chat_template, here)
    kept = out / "digest.txt"
    made_of = content_id([found, template])
    if kept.is_file() and kept.read_text(encoding="utf-8") == made_of:
        return Base(out, made_of, plain)
    folder = with_chat(plain, template, out)
    if folder == out:
        kept.write_text(made_of, encoding="utf-8")
    return Base(folder, made_of, plain)
