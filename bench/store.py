"""A run on disk: `sentiments/<run_id>/`, written so that a kill at any moment loses nothing finished.

    manifest.json           what was asked, of whom, with what
    articles.jsonl          the frozen articles, one a line
    samples/<arm>.jsonl     one Sample a line; one write and flush each, fsync per article
    latency/<arm>.jsonl     the same for answers that were timed alone
    fidelity/<arm>.json     how close its probabilities are to its baseline's
    forgetting.csv          how well tuned models and their bases foretold text, written by `bench evaluate`
    run.lock                held while a process writes; pid and host inside

In: records. Out: the same records. Whole files are written to a temporary name, fsynced and
renamed; a torn last line is cut when a run is opened for writing and ignored by readers. It decides
nothing about what may be resumed: `bench.sweep` does.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import filelock
from pydantic import ValidationError

from bench.errors import ResumeRefusedError, RunLockedError, StorageError, UsageError, disk_errors
from bench.identity import file_stem
from bench.records import SCHEMA_VERSION, AnswerSchema, Article, Fidelity, Manifest, Sample
from bench.sample_lines import Keys, Row, line_reader

MANIFEST = "manifest.json"
ARTICLES = "articles.jsonl"
LOCK = "run.lock"
FORGETTING = "forgetting.csv"
LATEST = "latest"
"""What a command takes for the newest run; no run's name."""
_RUN_ID = re.compile(r"\w[\w.-]*")
_LONGEST_ID = 100


class Run:
    """A run folder, opened for reading. Reading needs no lock and never writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder / MANIFEST)

    def articles(self) -> tuple[Article, ...]:
        """The frozen articles in the manifest's order; StorageError where one is not what was frozen."""
        path = self.folder / ARTICLES
        by_id: dict[str, Article] = {}
        for number, line in enumerate(_lines(path), 1):
            try:
                article = Article.model_validate_json(line)
            except ValidationError as error:
                raise StorageError(f"{path}:{number}: not an article: {error.errors()[0]['msg']}") from error
            self._refuse_changed(article, f"{path}:{number}")
            by_id[article.id] = article
        missing = [i for i in self.manifest.article_ids if i not in by_id]
        if missing:
            raise StorageError(f"{path}: article {missing[0]} is missing ({len(missing)} in all); restore it")
        return tuple(by_id[i] for i in self.manifest.article_ids)

    def _refuse_changed(self, article: Article, where: str) -> None:
        """An id is the hash of what was asked about; an imported article has no text, and its file's key."""
        if "imported" in self.manifest.config:
            return
        identity = Article.make_id(article.text, article.entity, article.parts)
        if article.id != identity:
            raise StorageError(
                f"{where}: article {article.id} was changed since it was frozen (its text, entity and parts "
                f"now give the id {identity}); restore the file, or start a new run with the changed article"
            )

    def samples_path(self, arm: str) -> Path:
        """The file of one arm's samples; it may not exist yet."""
        return self.folder / "samples" / f"{file_stem(arm)}.jsonl"

    def samples(self, arm: str) -> Iterator[Row]:
        """One arm's samples as plain dictionaries; a torn last line is not one of them.

        StorageError for a line that is no sample of this run's task, of another article, iteration or arm
        than the run has, or that stands there twice: no kill, resume or extension leaves such a line.
        """
        return self._rows(self.samples_path(arm), arm)

    def latency_path(self, arm: str) -> Path:
        """The file of one arm's latency samples, answered alone; it need not exist."""
        return self.folder / "latency" / f"{file_stem(arm)}.jsonl"

    def latency_samples(self, arm: str) -> Iterator[Row]:
        """One arm's latency samples, as `samples`; none where the run has none."""
        return self._rows(self.latency_path(arm), arm)

    def _rows(self, path: Path, arm: str) -> Iterator[Row]:
        """The samples in a file; none if it does not exist."""
        read = line_reader(self._schema())
        keys = Keys(arm, self.manifest.article_ids, self._iterations(arm))
        for number, line in enumerate(_lines(path), 1):
            try:
                row = read(line)
                keys.add(row)
            except ValueError as error:
                raise _damaged(path, number, str(error)) from error
            yield row

    def _iterations(self, arm: str) -> int | None:
        """Repeats of one arm; None in an imported run, whose files begin where they like and have gaps."""
        if "imported" in self.manifest.config:
            return None
        own = (record.iterations for record in self.manifest.arms if record.arm == arm)
        return next(own, None) or self.manifest.iterations

    def _schema(self) -> AnswerSchema | None:
        """The answer schema that the run recorded; None where there is none that can be read."""
        try:
            return AnswerSchema.model_validate(self.manifest.task.get("answer"))
        except ValidationError:  # whoever needs it says so
            return None

    def latency_keys(self, arm: str) -> set[tuple[str, int]]:
        """(prompt_id, iteration) of every latency sample of one arm."""
        return {(row["prompt_id"], row["iteration"]) for row in self.latency_samples(arm)}

    def fidelity(self, arm: str) -> Fidelity | None:
        """How close the arm's probabilities are to its baseline's; None where that was not measured."""
        path = self._fidelity_path(arm)
        try:
            return Fidelity.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(f"{path}: cannot be read; remove it and measure the fidelity again") from error

    def _fidelity_path(self, arm: str) -> Path:
        return self.folder / "fidelity" / f"{file_stem(arm)}.json"

    def keys(self, arm: str) -> set[tuple[str, int]]:
        """(prompt_id, iteration) of every finished sample of one arm."""
        return {(row["prompt_id"], row["iteration"]) for row in self.samples(arm)}


class RunWriter(Run):
    """A run folder, locked for writing. Use as a context manager; only one can be open at a time."""

    def __init__(self, folder: Path) -> None:
        self._lock = _take_lock(folder)
        try:
            super().__init__(folder)
            for path in (*sorted(folder.glob("samples/*.jsonl")), *sorted(folder.glob("latency/*.jsonl"))):
                _cut_torn_line(path)
        except BaseException:
            self._lock.release()
            raise
        self._files: dict[Path, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, sample: Sample) -> None:
        """Write one sample: one write, flushed to the system at once."""
        self._write(self.samples_path(sample.arm), sample)

    def append_latency(self, sample: Sample) -> None:
        """The same for a latency sample."""
        self._write(self.latency_path(sample.arm), sample)

    def _write(self, path: Path, sample: Sample) -> None:
        line = sample.model_dump_json().encode("utf-8") + b"\n"
        with disk_errors(path):
            file = self._file(path)
            written = file.write(line)
            while written < len(line):  # a nearly full disk takes a part and fails at the next write
                written += file.write(line[written:])

    def sync(self, arm: str) -> None:
        """Force one arm's samples onto the disk; called after each article."""
        with disk_errors(self.samples_path(arm)):
            os.fdatasync(self._file(self.samples_path(arm)).fileno())

    def finish_arm(self, arm: str) -> None:
        """Close one arm's file, synced."""
        self._finish(self.samples_path(arm))

    def finish_latency(self) -> None:
        """Close every file of latency samples, synced."""
        for path in [path for path in self._files if path.parent.name == "latency"]:
            self._finish(path)

    def save_fidelity(self, fidelity: Fidelity) -> None:
        """Replace one arm's fidelity, all or nothing."""
        path = self._fidelity_path(fidelity.arm)
        with disk_errors(path):
            path.parent.mkdir(exist_ok=True)
        write_whole(path, fidelity.model_dump_json(indent=2).encode("utf-8") + b"\n")

    def _finish(self, path: Path) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            with file, disk_errors(path):
                os.fdatasync(file.fileno())

    def save_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest, all or nothing."""
        self.manifest = manifest
        write_whole(self.folder / MANIFEST, manifest.model_dump_json(indent=2).encode("utf-8") + b"\n")

    def add_articles(self, articles: tuple[Article, ...]) -> None:
        """Replace the frozen articles, all or nothing; the manifest says which of them count."""
        write_articles(self.folder / ARTICLES, articles)

    def close(self) -> None:
        """Sync and close every file and give the lock back."""
        try:
            for path in list(self._files):
                self._finish(path)
        finally:
            self._lock.release()

    def _file(self, path: Path) -> IO[bytes]:
        if path not in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)
            # unbuffered: each write is one system call, whole in the page cache when it returns
            self._files[path] = path.open("ab", buffering=0)
        return self._files[path]


def create_run(root: Path, manifest: Manifest, articles: tuple[Article, ...]) -> RunWriter:
    """Make `root/<run_id>/` and open it for writing; UsageError if there is a run of that name."""
    folder = root / manifest.run_id
    if (folder / MANIFEST).exists():
        raise UsageError(f"{folder} is already a run; resume it, or choose another --run-id")
    with disk_errors(folder):
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        write_articles(folder / ARTICLES, articles)
        # last, so that a folder with a manifest is always a whole run
        write_whole(folder / MANIFEST, manifest.model_dump_json(indent=2).encode("utf-8") + b"\n")
    return RunWriter(folder)


def open_run(folder: Path) -> Run:
    """The run in `folder`, for reading."""
    return Run(folder)


def find_run(root: Path, name: str) -> Path:
    """The folder of a run by its name, by its path, or `latest`; UsageError names what there is."""
    runs = sorted(list_runs(root), key=lambda folder: _read_manifest(folder / MANIFEST).started_at)
    if name == LATEST and runs:
        return runs[-1]
    for folder in (root / name, Path(name)):
        if is_run(folder):
            return folder
    known = ", ".join(folder.name for folder in runs[-8:]) or "none yet; `bench run` makes one"
    raise UsageError(f"no run {name!r} in {root}; there are: {known}")


def is_run(folder: Path) -> bool:
    """Whether a run lies there; of a name that no disk takes, that none does."""
    try:
        return (folder / MANIFEST).is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def checked_run_id(name: str) -> str:
    """The name of a new run; UsageError where it cannot be a folder's or would break a line or a command."""
    if name == LATEST or not _RUN_ID.fullmatch(name) or len(name.encode("utf-8", "replace")) > _LONGEST_ID:
        raise UsageError(
            f"--run-id {name[:_LONGEST_ID]!r}: a run's name is one plain folder name of letters, digits, "
            f"'.', '_' and '-', at most {_LONGEST_ID} bytes, and not {LATEST!r}"
        )
    return name


def list_runs(root: Path) -> list[Path]:
    """The run folders below `root`, by name."""
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))


def write_articles(path: Path, articles: tuple[Article, ...]) -> None:
    """Articles as JSON lines, all or nothing."""
    write_whole(path, b"".join(a.model_dump_json().encode("utf-8") + b"\n" for a in articles))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, and never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with disk_errors(path):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, number: int, what: str) -> StorageError:
    return StorageError(
        f"{path}:{number}: {what}; the file was changed by hand or by the disk: restore it, or remove the "
        "line and measure what is then missing (bench run --resume)"
    )


def _lines(path: Path) -> Iterator[bytes]:
    """The complete lines of a file; none if it does not exist."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def _cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline: a line that a kill left unfinished."""
    with disk_errors(path), path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        position, tail = end, b""
        while position > 0 and b"\n" not in tail:
            step = min(65_536, position)
            position -= step
            file.seek(position)
            tail = file.read(step)
        keep = position + tail.rfind(b"\n") + 1
        if keep < end:
            file.truncate(keep)
            os.fsync(file.fileno())


def _read_manifest(path: Path) -> Manifest:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; is this a run folder?") from error
    try:
        version = json.loads(text).get("schema_version")
        if version != SCHEMA_VERSION:
            raise ResumeRefusedError(
                f"{path}: schema version {version}, this bench reads {SCHEMA_VERSION}; use its own bench"
            )
        return Manifest.model_validate_json(text)
    except (ValueError, AttributeError) as error:
        raise StorageError(f"{path}: not a manifest: {str(error).splitlines()[0]}") from error


def _take_lock(folder: Path) -> filelock.BaseFileLock:
    path = folder / LOCK
    lock = filelock.FileLock(path)
    with disk_errors(path):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            owner = path.read_text(encoding="utf-8").strip() or "another process"
            raise RunLockedError(
                f"{folder.name} is being written by {owner}; wait for it or stop it"
            ) from error
        path.write_text(f"pid {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    return lock
