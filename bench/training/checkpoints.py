"""Checkpoints of a training with transformers' Trainer: only whole ones are gone on with.

In: the folder in which Trainer saves. Out: a mark in each checkpoint once all of it is written, with the size
of every file and the digest of all but large ones, and the newest checkpoint that bears a right one. A kill
while Trainer saves leaves a folder without a mark: it is removed. It neither saves nor loads a model.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from bench.training.files import sha256, write_whole

MARK = "whole.json"
_PREFIX = "checkpoint-"
_STATE = "trainer_state.json"
_LARGE_BYTES = 256 * 2**20


class Checkpoint(NamedTuple):
    """A whole checkpoint."""

    folder: Path
    steps: int
    """Optimizer steps done."""
    seconds: float
    """Seconds they took, over all sessions."""
    is_finished: bool
    """Whether the training ended with it."""


def mark_whole(folder: Path, seconds: float) -> None:
    """Note that all files of a checkpoint are written."""
    files = {path.name: _seen(path) for path in sorted(folder.iterdir()) if _counts(path)}
    write_whole(folder / MARK, json.dumps({"seconds": seconds, "files": files}, indent=1).encode())


def newest_whole(work: Path) -> Checkpoint | None:
    """The checkpoint to go on with; None where there is none. Others that are newer are removed."""
    found = [path for path in work.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal()]
    for folder in sorted(found, key=_steps, reverse=True):
        checkpoint = _read(folder)
        if checkpoint is not None:
            return checkpoint
        shutil.rmtree(folder)
    return None


def _steps(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _seen(path: Path) -> list[int | str]:
    """Size and digest; of a large file, which takes long to read, the size alone."""
    size = path.stat().st_size
    return [size] if size > _LARGE_BYTES else [size, sha256(path)]


def _counts(path: Path) -> bool:
    return path.is_file() and path.name != MARK and path.suffix != ".partial"


def _read(folder: Path) -> Checkpoint | None:
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        if any(_seen(folder / name) != seen for name, seen in mark["files"].items()):
            return None
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        is_finished = _has_ended(state)
        return Checkpoint(folder, int(state["global_step"]), float(mark["seconds"]), is_finished)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _has_ended(state: dict[str, Any]) -> bool:
    """Whether the last step was done, or early stopping had said so: Trainer itself would go on."""
    control = state.get("stateful_callbacks", {}).get("TrainerControl", {})
    return state["global_step"] >= state["max_steps"] or bool(control["args"]["should_training_stop"])
