"""Raw documents from files: what continued pre-training reads, what is mixed in, what forgetting is held to.

In: a recipe's GeneralText and the folder that its files lie below. Out: documents: paragraphs between
blank lines, in the files' order, those below MIN_WORDS words (headings, single names) left out and counted.
Every fourth of them, chosen by its own text, is held out: no training of ours reads it, so that one file can
serve both sides of a measurement. It tokenizes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.errors import ConfigError
from bench.identity import normalized_text
from bench.training.tuning_recipe import GeneralText

MIN_WORDS = 20
HELD_OUT_OF = 4
"""One of so many documents is never trained on."""
SAMPLE = "bench's own sample"
_BLANK = re.compile(r"\n[ \t\r\f\v]*\n")
_FILE = Path(__file__).parents[1] / "tuning_samples" / "general.txt"
_N_GENERATED = 400


class Documents(NamedTuple):
    """General text, and where it is from."""

    train: tuple[str, ...]
    """What a training may read."""
    held_out: tuple[str, ...]
    """What none may."""
    source: str
    """The files, or SAMPLE."""
    n_short: int
    """Paragraphs of fewer than MIN_WORDS words, which are left out."""
    note: str = ""
    """What was not as the recipe says."""


def read_documents(options: GeneralText, root: Path) -> Documents:
    """The documents of the recipe's files, or of the bundled sample.

    The sample stands in where a file is missing and the recipe allows that (`bundled`), with a note.
    ConfigError for a missing file otherwise, one that is not UTF-8, and files without any document.
    """
    missing = [name for name in options.files if not (root / name).is_file()]
    if missing and not options.bundled:
        raise ConfigError(f"general text: {root / missing[0]}: no such file; set --data-root or mend `files`")
    if missing or not options.files:
        note = f"{root / missing[0]} is missing: {SAMPLE} of general text stands in for it" if missing else ""
        return _divided(_sample(), SAMPLE, note)
    texts = tuple(_text(root / name) for name in options.files)
    found = _divided(texts, ", ".join(options.files))
    if not found.train and not found.held_out:
        raise ConfigError(
            f"general text: no paragraph of {MIN_WORDS} words or more in {found.source}; put a blank line "
            "between documents"
        )
    return found


def paragraphs(text: str) -> Iterator[str]:
    """What stands between blank lines, without white space around it."""
    for part in _BLANK.split(text.replace("\r\n", "\n")):
        if part.strip():
            yield part.strip()


def is_held_out(document: str) -> bool:
    """Whether a document belongs to the part that is never trained on; its words alone decide."""
    digest = hashlib.sha256(normalized_text(document).encode("utf-8", "backslashreplace")).digest()
    return digest[0] % HELD_OUT_OF == 0


def _divided(texts: tuple[str, ...], source: str, note: str = "") -> Documents:
    every = [part for text in texts for part in paragraphs(text)]
    # one that stands there twice could be on one side only, but would count twice as a unit
    kept = list(dict.fromkeys(part for part in every if len(part.split()) >= MIN_WORDS))
    n_short = sum(len(part.split()) < MIN_WORDS for part in every)
    sides = [is_held_out(part) for part in kept]
    return Documents(
        tuple(part for part, out in zip(kept, sides, strict=True) if not out),
        tuple(part for part, out in zip(kept, sides, strict=True) if out),
        source,
        n_short,
        note,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"general text: {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"general text: {path}: not UTF-8 (byte {error.start + 1})") from error


@cache
def _sample() -> tuple[str, ...]:
    if _FILE.is_file():
        return (_text(_FILE),)
    from bench.training.world import Scene

    rng = Random("general text")
    return tuple(Scene.draw(rng, frozenset()).fill("essay") for _ in range(_N_GENERATED))
