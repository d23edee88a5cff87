"""Built data sets on disk: `datasets/<name>/`, whole or not there at all.

    card.json  card.md
    rows/train.jsonl  rows/validation.jsonl  rows/test.jsonl
    <format>/<side>.jsonl or .txt

In: a name. Out: a folder to write into that takes the old one's place when it is whole; or the card and
the rows of a set that is there. A folder without a card is never replaced.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from bench.datasets.card import Card, FileCard
from bench.datasets.readers.rows import rows_of
from bench.datasets.row import SPLITS, Row
from bench.errors import RunLockedError, StorageError, UsageError, disk_errors
from bench.identity import slug

ROOT = Path("datasets")
CARD, PAGE = "card.json", "card.md"


@contextmanager
def replacing(root: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """An empty folder that becomes `root/name` when the block ends well, and one for scratch."""
    target = root / name
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    with locked(root, name), tempfile.TemporaryDirectory(prefix=f".{slug(name)}-", dir=root) as work:
        if target.exists() and not (target / CARD).is_file():
            raise UsageError(f"{target} is there and is no data set of ours; move it or choose another name")
        fresh, scratch = Path(work, "new"), Path(work, "scratch")
        fresh.mkdir()
        scratch.mkdir()
        yield fresh, scratch
        with disk_errors(target):
            if target.exists():
                target.rename(Path(work, "old"))
            fresh.rename(target)


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """The lock of one data set; RunLockedError while another process has it."""
    lock = FileLock(root / f".{slug(name)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunLockedError(f"{root / name} is being written by another process; wait for it") from error
    except OSError as error:
        raise StorageError(f"cannot lock {root / name}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def find(root: Path, name: str) -> Path:
    """The folder of a data set by its name or path; UsageError with the names there are."""
    for folder in (root / name, Path(name)):
        if (folder / CARD).is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in root.glob(f"*/{CARD}")))
    raise UsageError(
        f"no data set {name!r} in {root}; there are: {known or 'none yet; bench data build makes one'}"
    )


def read_card(folder: Path) -> Card:
    """The card of a data set."""
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except OSError as error:
        raise StorageError(f"cannot read {folder / CARD}: {error.strerror}") from error
    except ValidationError as error:
        raise StorageError(
            f"{folder / CARD}: not a card: {error.errors()[0]['msg']}; build it again"
        ) from error


def rows(folder: Path, side: str) -> Iterator[Row]:
    """The rows of one side."""
    path = folder / "rows" / f"{side}.jsonl"
    if path.is_file():
        yield from (row for _, row in rows_of(path))


def all_rows(folder: Path) -> Iterator[Row]:
    """The rows of every side."""
    for side in SPLITS:
        yield from rows(folder, side)


def changed_files(folder: Path) -> list[str]:
    """Files that are not what the card says."""
    card = read_card(folder)
    wanted = [file for side in card.sides.values() for file in side.files.values()]
    return [file.name for file in wanted if file_card(folder / file.name, file.name) != file]


def file_card(path: Path, name: str) -> FileCard | None:
    """Hash and size of a file; None where it is not there."""
    if not path.is_file():
        return None
    with disk_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileCard(name=name, sha256=digest, n_bytes=path.stat().st_size)
