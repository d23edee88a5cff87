"""The Financial PhraseBank: sentences of financial news with the label that people agreed on.

In: `articles.path`, one of its files (`Sentences_AllAgree.txt`, ...): ISO-8859-1, a `sentence@label` a line.
Out: its sentences in file order with label and, as source, the file's name, which says how many agreed. The
four files hold one another: never train on one and measure on another. The data is not part of this project:
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
    try:
        text = path.read_bytes().decode("iso-8859-1")
    except OSError as error:
        raise NoArticlesError(f"{path}: cannot be read: {error.strerror}") from error
    # not splitlines: ISO-8859-1 has characters that it would take for line ends
    lines = enumerate(text.split("\n"), 1)
    return [
        _lead(line.removesuffix("\r"), f"{path.name}:{number}", path)
        for number, line in lines
        if line.strip()
    ]


def _lead(line: str, where: str, path: Path) -> Lead:
    sentence, at, label = line.rpartition("@")
    if not at or label not in LABELS or not sentence.strip():
        raise ConfigError(
            f"{path}:{where.rpartition(':')[2]}: not `sentence@label` with one of {', '.join(LABELS)}"
        )
    sentence = sentence.strip()
    identity = Article.make_id(sentence, None)
    return Lead(where=where, article=Article(id=identity, text=sentence, source=path.stem, label=label))
