"""Files of a training: whole or not at all, and the record of which stage made which.

In: bytes, and stages with the digest of what they depend on. Out: files written under a temporary
name, fsynced and renamed, and a JSON record per stage, so that a finished stage is not done again. It
trains nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import disk_errors
from bench.identity import content_id

_HERE = Path(__file__).parent


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a kill leaves the old one or the new one. StorageError where it cannot."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def sha256(path: Path) -> str:
    """`sha256:...` of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def source_digest(*names: str) -> str:
    """Digest of modules and packages of this room and of the wording: what a stage's result depends on."""
    modules = [path for name in names for path in _sources(name)]
    paths = modules + sorted((_HERE / "wording").iterdir())
    return content_id([path.read_text(encoding="utf-8") for path in paths])


def _sources(name: str) -> list[Path]:
    return sorted((_HERE / name).rglob("*.py")) or [_HERE / f"{name}.py"]


class Stages:
    """The stages done in one model folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / ".work"

    def facts(self, name: str, key: str) -> dict[str, Any] | None:
        """What a finished stage noted; None if it must run (again)."""
        try:
            record = json.loads((self.work / f"{name}.json").read_text(encoding="utf-8"))
            unchanged = record["key"] == key and all(
                sha256(self.folder / file) == digest for file, digest in record["files"].items()
            )
        except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
            return None
        facts: dict[str, Any] = record["facts"]
        return facts if unchanged else None

    def finish(self, name: str, key: str, files: Iterable[Path], facts: Mapping[str, Any]) -> None:
        """Note that a stage is done, with its files and what a model card says about it."""
        digests = {str(path.relative_to(self.folder)): sha256(path) for path in files}
        record = {"key": key, "files": digests, "facts": dict(facts)}
        write_whole(self.work / f"{name}.json", json.dumps(record, indent=1).encode())

    def digests(self, name: str) -> dict[str, str]:
        """The files of a finished stage and their digests."""
        record = json.loads((self.work / f"{name}.json").read_text(encoding="utf-8"))
        found: dict[str, str] = record["files"]
        return found
