"""Financial PhraseBank (Malo et al. 2014): sentences of financial news, by how many annotators agreed.

In: the folder with `Sentences_AllAgree.txt`, `_75Agree`, `_66Agree`, `_50Agree` (ISO-8859-1, a
`sentence@label` a line). The files hold one another. Out: every sentence once, with the label and the
confidence of its highest level (1, 0.75, 0.66, 0.5), the highest level first. A sentence that has two
labels at its highest level comes once with each, so that a step can settle it. The mojibake is left to
`normalise`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, resolved
from bench.datasets.row import Row
from bench.errors import ConfigError

LICENCE = "CC BY-NC-SA 3.0"
CREDIT = "Malo, Sinha, Korhonen, Wallenius, Takala (2014), Good debt or bad debt, JASIST 65(4), 782-796"
LEVELS = {"AllAgree": 1.0, "75Agree": 0.75, "66Agree": 0.66, "50Agree": 0.5}
"""Files from the highest level down, with the least share of annotators that agreed."""
LABELS = ("negative", "neutral", "positive")


class Options(FileOptions):
    """The folder; or one file, for its level alone."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """Its files, the highest level first."""
    path = resolved(options.path, root)
    if path.is_file() and _level(path):
        return [path]
    found = [path / f"Sentences_{level}.txt" for level in LEVELS]
    there = [file for file in found if file.is_file()]
    if not there:
        raise ConfigError(f"{path}: none of {', '.join(f.name for f in found)} is there; correct `path`")
    return there


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Every sentence, once for each label of its highest level."""
    settled: dict[str, str] = {}
    for path in inputs(options, root):
        level = _level(path)
        labels: dict[tuple[str, str], int] = {}
        for line_number, sentence, label in _lines(path):
            counts["lines"] += 1
            if settled.get(sentence, level) != level:
                counts["in a file of a higher level too"] += 1
            elif labels.setdefault((sentence, label), line_number) != line_number:
                counts["twice in one file"] += 1
            else:
                settled[sentence] = level
        for (sentence, label), line_number in labels.items():
            yield Row(
                text=sentence, label=label, confidence=LEVELS[level], place=f"{path.name}:{line_number}"
            )


def _level(path: Path) -> str:
    level = path.stem.removeprefix("Sentences_")
    return level if level in LEVELS else ""


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    # only a newline ends a line: ISO-8859-1 has characters that splitlines takes for one
    with path.open(encoding="iso-8859-1", newline="\n") as file:
        for number, line in enumerate(file, 1):
            sentence, at, label = line.rstrip("\r\n").rpartition("@")
            if not at and not label.strip():
                continue
            if not at or label not in LABELS or not sentence.strip():
                raise ConfigError(f"{path}:{number}: not `sentence@label` with one of {', '.join(LABELS)}")
            yield number, sentence.strip(), label
