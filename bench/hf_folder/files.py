"""The files of a transformers folder: its JSON, and the safetensors that its weights are in.

In: a folder. Out: plain data and paths, or a ModelFileError with one line. Nothing is loaded, and no name
that a file holds leads out of the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.errors import ModelFileError

GENERATION = "generation_config.json"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
AGAIN = "copy, download or save it again"
_MAX_JSON_BYTES = 200 * 2**20
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; ModelFileError for anything else."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelFileError(f"{path}: too large for what it should be; {AGAIN}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path.parent}: holds no {path.name}; name a folder that save_pretrained wrote"
        ) from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: not JSON; {AGAIN}") from error
    if not isinstance(found, dict):
        raise ModelFileError(f"{path}: not a JSON object; {AGAIN}")
    return found


def generation_ends(folder: Path) -> frozenset[int]:
    """The tokens that end an answer by the folder's generation config; ModelFileError for a damaged one.

    transformers passes over a file that it cannot read, and answers would then end elsewhere.
    """
    path = folder / GENERATION
    found = read_json(path).get("eos_token_id") if path.is_file() else None
    ends = found if isinstance(found, list) else [] if found is None else [found]
    if any(not isinstance(end, int) or isinstance(end, bool) for end in ends):
        raise ModelFileError(f"{path}: eos_token_id is no token's number; correct it")
    return frozenset(ends)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Its safetensors, in one file or in parts, each of which is there."""
    if (folder / SINGLE).is_file():
        return (folder / SINGLE,)
    if not (folder / INDEX).is_file():
        raise ModelFileError(no_safetensors(folder, "a model"))
    index = read_json(folder / INDEX)
    parts = index.get("weight_map")
    names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
    # a name with a path in it could leave the folder
    if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
        raise ModelFileError(f"{folder / INDEX}: names no .safetensors files of this folder; {AGAIN}")
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise ModelFileError(f"{folder}: {absent[0]} is missing ({len(names)} parts belong to it); {AGAIN}")
    return tuple(folder / name for name in names)


def no_safetensors(folder: Path, what: str) -> str:
    """What is wrong with a folder that holds no safetensors."""
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return (
            f"{folder}: its weights are pickled ({pickles[0]}), and a pickle can run any code; convert them "
            "to safetensors (save_pretrained does) and name that folder"
        )
    return f"{folder}: holds no safetensors of {what}; name a folder that save_pretrained wrote"
