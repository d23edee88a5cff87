"""The journal: one JSON line for each call that is sent, answered or failed, never rewritten.

    {"asked": CALL, "item": ..., "labeller": ..., "attempt": 1}      before it is sent
    {"answered": CALL, ..., "completion": {...}}                     before anything else is done with it
    {"failed": CALL, ..., "reason": ..., "status": 500}              a call that came to nothing
    {"batch": KEY, "labeller": ..., "calls": [...]}    before a batch is made, then with "id"

In: what happened. Out: the state that a resume goes on from. One write for each line, and answers are
forced onto the disk; a torn last line is cut. Whether an answer is valid is not in it: the task's schema
says so each time it is read.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from bench.errors import StorageError, disk_errors
from bench.records import Completion

NAME = "journal.jsonl"
Key = tuple[str, str]


@dataclass
class Past:
    """What is known of one job."""

    answers: dict[int, Completion] = field(default_factory=dict)
    """By attempt."""
    open: dict[int, str] = field(default_factory=dict)
    """Calls by attempt that were sent and came to no end."""
    n_failed: int = 0
    """Calls that came to nothing."""
    n_interrupted: int = 0
    """Calls that were sent a second time because nobody knew what became of them."""


@dataclass
class Batch:
    """One batch that was made, or begun to be."""

    key: str
    labeller: str
    calls: tuple[tuple[str, str, int], ...]
    """Call, item and attempt."""
    id: str | None = None
    """The server's; None where a kill came before it was told."""


class Journal:
    """Appends to the journal of one labelling; `past` is what it held when it was opened, and since."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.past: dict[Key, Past] = {}
        self.batches: dict[str, Batch] = {}
        self._turn = threading.Lock()  # an arm of our own answers in a thread of its own
        _cut_torn_line(self.path)
        for line in _lines(self.path):
            self._take(line)
        with disk_errors(self.path):
            # unbuffered: a line is in the system's hands when its write returns
            self._file: BinaryIO = self.path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def of(self, key: Key) -> Past:
        """What is known of a job."""
        return self.past.setdefault(key, Past())

    def asked(self, call: str, key: Key, attempt: int) -> None:
        """A call is about to be sent."""
        self._append(_line("asked", call, key, attempt))

    def answered(self, call: str, key: Key, attempt: int, completion: Completion) -> None:
        """An answer came; it is on the disk when this returns."""
        said = completion.model_dump(mode="json", exclude_none=True)
        self._append(_line("answered", call, key, attempt) | {"completion": said}, forced=True)

    def failed(self, call: str, key: Key, attempt: int, reason: str, status: int | None) -> None:
        """A call came to nothing."""
        self._append(_line("failed", call, key, attempt) | {"reason": reason, "status": status})

    def batch(self, batch: Batch) -> None:
        """A batch is about to be made (without id), or was made (with it)."""
        line = {"batch": batch.key, "labeller": batch.labeller, "calls": batch.calls, "id": batch.id}
        self._append(line, forced=True)

    def close(self) -> None:
        """Force everything onto the disk."""
        with self._file, disk_errors(self.path):
            os.fdatasync(self._file.fileno())

    def _append(self, line: dict[str, Any], *, forced: bool = False) -> None:
        content = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._turn, disk_errors(self.path):
            written = self._file.write(content)
            while written < len(content):  # a nearly full disk takes a part and fails at the next write
                written += self._file.write(content[written:])
            if forced:
                os.fdatasync(self._file.fileno())
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "batch" in line:
            calls = tuple((str(c), str(i), int(a)) for c, i, a in line["calls"])
            self.batches[line["batch"]] = Batch(line["batch"], line["labeller"], calls, line["id"])
            return
        past, attempt = self.of((line["item"], line["labeller"])), int(line["attempt"])
        if "asked" in line:
            past.n_interrupted += attempt in past.open
            past.open[attempt] = line["asked"]
            return
        past.open.pop(attempt, None)
        if "answered" in line:
            past.answers.setdefault(attempt, Completion.model_validate(line["completion"]))
        else:
            past.n_failed += 1


def _line(what: str, call: str, key: Key, attempt: int) -> dict[str, Any]:
    return {what: call, "item": key[0], "labeller": key[1], "attempt": attempt}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                raise StorageError(
                    f"{path}:{number}: not a line of a journal ({error}); the file was changed"
                ) from error
            yield found


def _cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline: a line that the machine's end left unfinished."""
    if not path.exists():
        return
    content = path.read_bytes()
    keep = content.rfind(b"\n") + 1
    if keep < len(content):
        with disk_errors(path), path.open("r+b") as file:
            file.truncate(keep)
