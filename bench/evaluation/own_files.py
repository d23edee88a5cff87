"""Where the files of a finished training lie: in the folder that was named, wherever they were written.

`arm.json` names them from the working folder in which they were made, as an entry of a config's `models`
does. In a copied, moved or renamed folder the same path means another training, or nothing. In: such a path
and the folder. Out: the path to load; ModelFileError where the folder lacks it. Nothing is read.
"""

from __future__ import annotations

from pathlib import Path

from bench.backends.hf import hub
from bench.errors import ModelFileError

BASE = "base"
"""The folder of `models/<name>/` in which a recipe keeps a base that it gave a chat template."""


def own(named: str, folder: Path, training: str, what: str) -> str:
    """What the training itself made: `named`, where it lies in its folder, else what is there in its place.

    `training` is the folder's name when it was made; what `named` has below that name lies below `folder`.
    """
    if hub.is_hub_reference(named) or _is_in(Path(named), folder):
        return named
    parts = Path(named).parts
    # the first of several folders of that name leaves the longest rest, which no other one has by chance
    for place in (place for place, part in enumerate(parts) if part == training):
        there = folder.joinpath(*parts[place + 1 :])
        if there.exists() and _is_in(there, folder):
            return str(there)
    raise ModelFileError(
        f"{folder / 'arm.json'}: names {what} {named}, which is no part of {folder}, and the folder has none "
        "of its own; copy it whole, or train it again"
    )


def base(named: str, folder: Path, recipe: str) -> str:
    """The base: any model anywhere, but of what the recipe prepared for itself the one in its own folder."""
    there = folder / BASE
    is_prepared = Path(named).parts[-2:] == (recipe, BASE) and not hub.is_hub_reference(named)
    return str(there) if is_prepared and not _is_in(Path(named), folder) and there.is_dir() else named


def _is_in(path: Path, folder: Path) -> bool:
    """By name or in truth: a link in the folder is a part of it, and so is what a linked folder holds."""
    absolute, of = path.absolute(), folder.absolute()
    if absolute.is_relative_to(of) and ".." not in absolute.relative_to(of).parts:
        return True
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a circle of links, a name that is no path
        return False
