"""The base's training text: generated documents and conversations, packed into sequences of tokens.

In: a seed, how much of what, and an encoder. Out: integer arrays. Short sequences hold plain
documents and short conversations; long ones hold several documents or one conversation about many
articles, so that examples in the context come to mean something.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import numpy.typing as npt

from bench.training.questions import Turn, conversation, glossary, records, tags
from bench.training.stories import Story, note, phrase, story
from bench.training.tokenizer import Encoder
from bench.training.world import Scene

_GLOSSARY_LATER = 0.12
"""Share of conversations that go on asking for words, so that they are not forgotten."""
Tokens = npt.NDArray[np.int64]


def article_text(item: Story) -> str:
    """A story as a plain document."""
    return f"{item.title}\n\n{item.text}" if item.title else item.text


def plain_documents(rng: Random, avoid: frozenset[str], general_share: float) -> Iterator[str]:
    """News, records and general prose without end."""
    while True:
        draw = rng.random()
        if draw > 0.75:
            yield records(rng, Scene.draw(rng, avoid))
        elif draw < general_share:
            scene = Scene.draw(rng, avoid)
            yield "\n\n".join(scene.fill("essay") for _ in range(rng.choice((1, 2, 3))))
        else:
            yield article_text(story(rng, avoid))


def tokenizer_texts(seed: int, avoid: frozenset[str], n_characters: int) -> Iterator[str]:
    """Documents and conversations to learn the vocabulary from."""
    rng = Random(f"{seed}/tokenizer")
    documents = plain_documents(rng, avoid, 0.25)
    made = 0
    while made < n_characters:
        if rng.random() < 0.5:
            texts = [next(documents)]
        else:
            texts = [turn.content for turn in conversation(rng, [story(rng, avoid, 80) for _ in range(3)])]
        yield from texts
        made += sum(map(len, texts))


def _turn_ids(encoder: Encoder, turns: list[Turn]) -> list[int]:
    return [token for turn in turns for token in encoder.turn(turn.role, turn.content)]


def _conversation_ids(rng: Random, avoid: frozenset[str], encoder: Encoder, lengths: list[int]) -> list[int]:
    turns = conversation(rng, [story(rng, avoid, length) for length in lengths])
    return _turn_ids(encoder, turns)


def _short(rng: Random, avoid: frozenset[str], encoder: Encoder, n_tokens: int, marks: float) -> list[int]:
    """A conversation about words and phrases, notes of a sentence or two, or short articles.

    What a word means for the answer is learnt in a fraction of the steps where little else is in
    sight: the shortest sequences hold words and phrases, the next ones a single note.
    """
    if n_tokens > 200 and rng.random() < 0.5:
        return _conversation_ids(rng, avoid, encoder, [60] * (n_tokens // 200))
    if n_tokens < 48 or rng.random() < _GLOSSARY_LATER:
        turns = glossary(rng, [phrase(rng, avoid) for _ in range(n_tokens // 12)])
    else:
        ask, per_note = (tags, 40) if rng.random() < marks else (conversation, 70)
        turns = ask(rng, [note(rng, avoid) for _ in range(max(1, n_tokens // per_note))])
    return _turn_ids(encoder, turns)


def _long(rng: Random, avoid: frozenset[str], encoder: Encoder, n_tokens: int) -> list[int]:
    """One conversation about short and longer articles that fills a long sequence."""
    lengths = [rng.choice((25, 40, 60)) for _ in range(rng.choice((3, 4, 5, 6)))]
    while sum(lengths) < 0.5 * n_tokens:
        lengths.append(rng.choice((25, 40, 60, 90, 250)))
    return _conversation_ids(rng, avoid, encoder, lengths)


def sequences(
    seed: int,
    name: str,
    avoid: frozenset[str],
    encoder: Encoder,
    shape: tuple[int, int],
    share: float,
    general: float,
    marks: float = 0.0,
) -> Tokens:
    """`shape` = (sequences, tokens) ids; `share` of the sequences begin with a conversation.

    Of the conversations about notes, the share `marks` asks for one word only.

    The rest of each sequence is filled with documents, one after the other.
    """
    rng = Random(f"{seed}/{name}")
    documents = plain_documents(rng, avoid, general)
    n, width = shape
    packed = np.empty(shape, dtype=np.int64)
    rest: list[int] = []
    for row in range(n):
        ids: list[int] = []
        if rng.random() < share:
            ids = (
                _long(rng, avoid, encoder, width)
                if width > 1024
                else _short(rng, avoid, encoder, width, marks)
            )
            ids.append(encoder.end_of_text)
        else:
            ids, rest = rest, []
        while len(ids) < width:
            ids += [*encoder.text(next(documents)), encoder.end_of_text]
        packed[row] = ids[:width]
        rest = rest or ids[width:][:width]
    return packed
