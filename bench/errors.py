"""The exceptions a user can meet, and the exit code each one ends with.

In: what was found, where, and what to do about it. Out: one clear line and a documented exit code.
It does not print and does not exit: `bench.cli` does both, in one place.

    BenchError                  70  never raised itself
    +-- UsageError               2  a command line that cannot be honoured
    |   `-- ConfigError          2  a config, task or recipe file that is wrong
    +-- NotEnoughDataError       3  the gate cannot decide yet
    +-- MeasurementInvalidError  4  the numbers would not mean what they say
    +-- ModelFileError           5  a model file that is missing, damaged or of another kind
    +-- NoArticlesError          6  no articles, or none fits the context
    +-- RunLockedError           7  another process writes this run
    +-- ResumeRefusedError       8  the run was made with another config, model or article set
    +-- StorageError             9  disk full, folder not writable
    +-- BackendError            10  backend unreachable, or K failures in a row
    +-- MissingExtraError       11  an optional dependency is not installed
    `-- ApprovalError           12  approval missing or stale

Codes without an exception: 0 ok, 1 the gate says fail, 13 `bench validate --check` found invalid
text, 14 `bench models parity` found a quantization between two arms, 15 it found more than that, 70 a
crash of ours (with its traceback), 130 interrupted.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

EXIT_OK = 0
EXIT_GATE_FAIL = 1
EXIT_TEXT_NOT_VALID = 13
EXIT_ARMS_QUANTIZED = 14
EXIT_ARMS_DIFFER = 15
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class BenchError(Exception):
    """Something the user can mend. `str(error)` says what, where and what to do, in one line."""

    exit_code: int = EXIT_INTERNAL


class UsageError(BenchError):
    """A command line or a request that cannot be honoured."""

    exit_code = 2


class ConfigError(UsageError):
    """A file the user wrote (config, task, recipe) is wrong; the message names file and line."""


class NotEnoughDataError(BenchError):
    """The data cannot settle the question yet."""

    exit_code = 3


class MeasurementInvalidError(BenchError):
    """The measurement itself failed, so no verdict about a model is possible."""

    exit_code = 4


class ModelFileError(BenchError):
    """A model file is missing, damaged, or not what was asked for."""

    exit_code = 5


class NoArticlesError(BenchError):
    """There is nothing to measure on."""

    exit_code = 6


class RunLockedError(BenchError):
    """Another process is writing this run."""

    exit_code = 7


class ResumeRefusedError(BenchError):
    """What is on disk was measured under other conditions; the message says which."""

    exit_code = 8


class StorageError(BenchError):
    """The disk is full or a folder cannot be written."""

    exit_code = 9


class BackendError(BenchError):
    """The backend cannot be reached, or failed too often in a row."""

    exit_code = 10


class MissingExtraError(BenchError):
    """An optional part is not installed; the message names the extra to install."""

    exit_code = 11


class ApprovalError(BenchError):
    """The sign-off is missing, or what was signed has changed since."""

    exit_code = 12


_DISK_REASONS = {
    errno.ENOSPC: "no space left on the device; free some and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "operation not permitted; choose another folder or change its permissions",
    errno.ENOTDIR: "a file is in the way; move it or choose another folder",
    errno.EEXIST: "a file is in the way; move it or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
}


def storage_error(error: OSError, where: object) -> StorageError:
    """The StorageError that says what went wrong on disk at `where`."""
    reason = _DISK_REASONS.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot write {where}: {reason}")


@contextmanager
def disk_errors(where: object) -> Iterator[None]:
    """Map every OSError of the block to a StorageError about `where` (a path)."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, where) from error


def one_line(error: object) -> str:
    """A foreign error's text in one line of at most 300 characters; its class where it says nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class classless_errors:  # noqa: N801 - used like a function, as contextlib's own are
    """Map an error whose class is Exception itself to a ModelFileError that begins with `what`.

    Libraries written in Rust (tokenizers) raise it over files they cannot read; every other error passes.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is Exception:
            raise ModelFileError(f"{self._what}: {one_line(error)}") from error
