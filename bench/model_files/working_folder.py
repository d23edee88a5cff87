"""A hidden folder for what is not finished, and the lock that keeps a second command out of it.

In: the folder that the finished files go to. Out: an empty folder in it, gone again at the end. What a killed
command left there is removed by the next one. It knows nothing of what is made.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import RunLockedError, StorageError, disk_errors

EXPORT, QUANTIZE = ".export", ".quantize"
_MAKERS = {EXPORT: "another export or quantization", QUANTIZE: "another quantization"}


@contextmanager
def locked(out: Path, name: str) -> Iterator[None]:
    """Nobody else works in `out` under this name meanwhile; RunLockedError at once where somebody does."""
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(out / f"{name}.lock").acquire(timeout=0)
    except Timeout as error:  # an OSError too
        raise RunLockedError(
            f"{out}: {_MAKERS[name]} works here; wait for it or choose another --out"
        ) from error
    except OSError as error:
        raise StorageError(f"{out}: cannot be written: {error.strerror}") from error
    with lock:
        yield


@contextmanager
def working_folder(out: Path, name: str) -> Iterator[Path]:
    """The folder `name` in `out`, empty and for this command alone."""
    work = out / name
    with locked(out, name):
        try:
            remove(work)
            with disk_errors(work):
                work.mkdir()
            yield work
        finally:
            remove(work)


def remove(path: Path) -> None:
    """Remove a file, a folder or a link that may be there; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
