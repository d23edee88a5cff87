"""Composed news articles with the judgement that follows from how they were composed.

In: a random generator and words that no company may be called. Out: Stories: text, company, score,
confidence and the reasons. The score comes from the facts put in, not from a model. It renders no
prompt and knows no task.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from bench.training.grammar import symbols
from bench.training.kinds import KINDS, Draft, brief, brief_reason, lexicon, lines, sentence
from bench.training.world import Company, Scene

_PADDING = ("background", "background", "market", "colour", "general", "flat_said")
_PHRASES = {
    "good": ("good_noun", "good_adj", "good_did", "good_said", "driver", "view_good", "good_quote"),
    "bad": ("bad_noun", "bad_adj", "bad_did", "bad_said", "drag", "view_bad", "bad_quote"),
    "flat": ("thing", "flat_did", "flat_said", "market", "background", "colour", "flat_quote"),
}
_GENERAL = ("street", "sky", "people", "house", "money_talk", "sea", "history", "health", "school", "travel")


class Story(NamedTuple):
    """An article and what is known about it, since it was composed."""

    kind: str
    subject: Company
    named: bool
    """Whether the question names the company."""
    title: str | None
    text: str
    score: float
    """-1 to 1, towards the subject."""
    confidence: float
    """0 to 1."""
    reasoning: str
    topic: str
    """The event's name in words."""


def phrase(rng: Random, avoid: frozenset[str]) -> tuple[str, float]:
    """A few words and which way they point: -1, 0 or 1."""
    tone, sign = rng.choice((("good", 1.0), ("bad", -1.0), ("flat", 0.0)))
    scene = Scene.draw(rng, avoid)
    scene.named = True
    draw = rng.random()
    if draw < 0.45:
        words = rng.sample(lexicon(tone), rng.choice((1, 1, 2, 3)))
        return rng.choice((" ", ", ", " and ")).join(words), sign
    if draw < 0.7:
        return brief_reason(rng, scene, tone), sign
    said = rng.choice(_PHRASES[tone])
    return scene.say(rng.choice(symbols("words.txt")[said])), sign


def note(rng: Random, avoid: frozenset[str]) -> Story:
    """One or two sentences about one fact, with their judgement: what words mean is learnt here."""
    scene = Scene.draw(rng, avoid)
    draft = brief(rng, scene)
    return _told(rng, scene, "single", draft, None, " ".join(draft.sentences))


def story(rng: Random, avoid: frozenset[str], longest_words: int = 450) -> Story:
    """One composed article with its judgement."""
    scene = Scene.draw(rng, avoid)
    kind = rng.choices(tuple(KINDS), tuple(weight for weight, _ in KINDS.values()))[0]
    draft = KINDS[kind][1](rng, scene)
    # half of the articles are as short as their facts: reading is learnt there, patience on the others
    wanted = min(longest_words, int(rng.lognormvariate(4.7, 0.6)))
    if kind not in ("teaser", "irony") and rng.random() < 0.5:
        _pad(rng, scene, draft, wanted)
    title = draft.title if rng.random() < 0.75 else None
    return _told(rng, scene, kind, draft, title, _layout(rng, scene, draft.sentences))


def _told(rng: Random, scene: Scene, kind: str, draft: Draft, title: str | None, text: str) -> Story:
    score = max(-1.0, min(1.0, round(draft.score * 20) / 20)) + 0.0  # + 0.0: never -0.0
    return Story(
        kind=kind,
        subject=scene.subject,
        named=rng.random() < 0.9 or kind in ("several", "passing"),
        title=title,
        text=text,
        score=score,
        confidence=max(0.05, min(0.98, round(draft.confidence, 2))),
        reasoning=sentence(f"{_side(kind, score)}: {draft.reasoning}"),
        topic=draft.topic.replace("_", " "),
    )


def _side(kind: str, score: float) -> str:
    """Which way the reasons point. It stands before them: what is decided comes first."""
    if kind == "mixed":
        return "Mixed news"
    if abs(score) < 0.1:
        return "Neutral"
    return "Good news" if score > 0 else "Bad news"


def _pad(rng: Random, scene: Scene, draft: Draft, wanted_words: int) -> None:
    """Add more of the same and background until the article is about as long as wanted."""
    n_words = sum(len(line.split()) for line in draft.sentences)
    extras = rng.sample(draft.extras, len(draft.extras))
    while n_words < wanted_words:
        pool = rng.choice(_PADDING)
        if extras and rng.random() < 0.45:
            line = extras.pop()
        elif pool == "general":
            line = scene.fill(rng.choice(_GENERAL))
        else:
            (line,) = lines(rng, scene, pool, 1)
        draft.sentences.insert(rng.randint(1, len(draft.sentences)), line)
        n_words += len(line.split())


def _layout(rng: Random, scene: Scene, sentences: list[str]) -> str:
    """The sentences in paragraphs, sometimes with a dateline."""
    per_paragraph = rng.choice((1, 2, 2, 3, 4))
    groups = [" ".join(sentences[i : i + per_paragraph]) for i in range(0, len(sentences), per_paragraph)]
    text = rng.choice(("\n\n", "\n\n", "\n", " ")).join(groups)
    if rng.random() < 0.25:
        city, month = scene.fill("city"), scene.fill("month")[:3]
        place = city.upper() if rng.random() < 0.6 else city
        text = rng.choice((f"{place}, {month} {rng.randint(1, 28)} - ", f"{place} - ", f"({place}) ")) + text
    return text
