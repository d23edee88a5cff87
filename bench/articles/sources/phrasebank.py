"""The Financial PhraseBank: sentences of financial news with the label that people agreed on.

In: `articles.path`, one of its files (`Sentences_AllAgree.txt`, ...): ISO-8859-1, a `sentence@label` a line.
Out: its sentences in file order with label and, as source, the file's name, which says how many agreed at the
least; where the other files lie beside it, the group `agreement` says it of every sentence. The four files
hold one another: never train on one and measure on another. The data is not part of this project:
Malo et al. 2014, "Good debt or bad debt", https://doi.org/10.1002/asi.23062, CC BY-NC-SA 3.0.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.articles.sources import Failed, Get, Lead
from bench.config import ArticlesConfig
from bench.errors import ConfigError, NoArticlesError
from bench.records import Article

LABELS = ("negative", "neutral", "positive")
LEVELS = {
    "Sentences_AllAgree": "all",
    "Sentences_75Agree": "75 % or more",
    "Sentences_66Agree": "66 % or more",
    "Sentences_50Agree": "50 % or more",
}
"""The files, the strictest first, and how many people agreed on the labels in them."""


class Source:
    """One file of the data set."""

    def __init__(self, settings: ArticlesConfig) -> None:
        if settings.path is None:
            raise ConfigError("articles.path: the source `phrasebank` needs the path of one of its files")
        self._path = Path(settings.path).expanduser()

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """Its sentences."""
        return await asyncio.to_thread(_read, self._path)


def _read(path: Path) -> list[Lead | Failed]:
    levels = _levels(path)
    return [
        _lead(line, f"{path.name}:{number}", path, levels.get(line))
        for number, line in enumerate(_lines(path), 1)
        if line.strip()
    ]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("iso-8859-1")
    except OSError as error:
        raise NoArticlesError(f"{path}: cannot be read: {error.strerror}") from error
    # not splitlines: ISO-8859-1 has characters that it would take for line ends
    return [line.removesuffix("\r") for line in text.split("\n")]


def _levels(path: Path) -> dict[str, str]:
    """The strictest level of every line, as far as the data set's other files lie beside `path`."""
    found: dict[str, str] = {}
    for stem, level in reversed(LEVELS.items()):
        file = path.with_name(f"{stem}.txt")
        if path.stem in LEVELS and file.is_file():
            found |= dict.fromkeys(_lines(file), level)
    return found


def _lead(line: str, where: str, path: Path, agreement: str | None) -> Lead:
    sentence, at, label = line.rpartition("@")
    if not at or label not in LABELS or not sentence.strip():
        raise ConfigError(
            f"{path}:{where.rpartition(':')[2]}: not `sentence@label` with one of {', '.join(LABELS)}"
        )
    sentence = sentence.strip()
    identity = Article.make_id(sentence, None)
    groups = {} if agreement is None else {"agreement": agreement}
    article = Article(id=identity, text=sentence, source=path.stem, label=label, groups=groups)
    return Lead(where=where, article=article)
