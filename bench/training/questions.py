"""Made-up question formats for the base: conversations about several articles in one format each.

In: stories and a random generator. Out: conversations whose format is described by its own examples,
never twice the same keys, and never the keys of the task itself. Every JSON object is right: what a
base does wrong later it does on its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, NamedTuple

from bench.training.grammar import symbols
from bench.training.stories import Story
from bench.training.world import Scene

_KEYS: dict[str, tuple[str, ...]] = {
    "why": (
        "why",
        "because",
        "facts",
        "evidence",
        "grounds",
        "gist",
        "remark",
        "explanation",
        "note",
        "summary",
    ),
    "tone": ("tone", "mood", "verdict", "direction", "effect", "label", "view", "feeling"),
    "score": ("score", "rating", "points", "grade", "level", "value", "impact", "balance"),
    "sure": ("certainty", "sure", "trust", "weight", "probability", "belief", "reliability"),
    "company": ("company", "name", "firm", "subject", "who"),
    "topic": ("topic", "event", "theme", "category", "about"),
    "trade": ("sector", "industry", "trade", "business"),
    "good": ("good", "positive", "favourable", "helps"),
}
_TONE_WORDS = (
    ("bad", "neutral", "good"), ("negative", "neutral", "positive"), ("down", "flat", "up"),
    ("unfavourable", "mixed", "favourable"), ("harmful", "irrelevant", "helpful"), ("sell", "hold", "buy"),
)  # fmt: skip
_ASK = (
    "Company: {co}\n\n{text}", "News about {co}:\n{text}", "{text}\n\nCompany: {co}",
    "Text: {text}\nFirm: {co}",
    "What does this mean for {co}?\n\n{text}", "### {co}\n{text}", "<text>\n{text}\n</text>\nAbout: {co}",
)  # fmt: skip
_INTRO = (
    "You read news and answer questions about companies.", "You are an assistant for investors.",
    "Read each article and fill in the form.", "Answer in the same form every time.",
    "You judge what news means for a company.", "You take notes on articles.", "You are a careful reader.",
)  # fmt: skip
_SENTENCES = (
    "{why} This is {tone} for {co}.", "It is {tone} news for {co}: {why}", "{tone}. {why}",
    "For {co} the news is {tone}, because {lower}", "{why}",
)  # fmt: skip


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: str
    content: str


Value = Callable[[Story], Any]
Form = Callable[[Story], str]


def glossary(rng: Random, phrases: list[tuple[str, float]]) -> list[Turn]:
    """Words and phrases, each answered with the way it points."""
    words = _TONE_WORDS[0]
    turns: list[Turn] = []
    for text, sign in phrases:
        shown = text[0].upper() + text[1:] if rng.random() < 0.3 else text
        turns += [Turn("user", shown), Turn("assistant", words[1 + round(sign)])]
    return turns


def tags(rng: Random, stories: list[Story]) -> list[Turn]:
    """A conversation that marks each text with one word: the shortest way to say which side it takes."""
    words, bare = rng.choice(_TONE_WORDS), rng.random() < 0.5
    turns = [Turn("system", f"Mark each text: {', '.join(words)}.")]
    for item in stories:
        asked = item.text if bare else f"{item.subject.name}: {item.text}"
        turns += [Turn("user", asked), Turn("assistant", words[_place(item)])]
    return turns


def conversation(rng: Random, stories: list[Story]) -> list[Turn]:
    """One conversation: perhaps a system turn, then question and answer for each story."""
    form, described = _form(rng)
    ask = rng.choice(_ASK)
    turns: list[Turn] = []
    if rng.random() < 0.8:
        system = rng.choice(_INTRO)
        turns.append(Turn("system", f"{system}\n{described}" if rng.random() < 0.8 else system))
    for item in stories:
        body = f"{item.title}\n\n{item.text}" if item.title else item.text
        turns.append(Turn("user", ask.format(co=item.subject.name, text=body)))
        turns.append(Turn("assistant", form(item)))
    return turns


def records(rng: Random, scene: Scene) -> str:
    """A plain document of several records with the same made-up keys, as tables and logs have them."""
    kinds = rng.sample(("city", "country", "month", "n", "year", "person", "pct", "weekday", "product"), 4)
    keys = {_key(rng, "topic"): kind for kind in kinds[: rng.choice((2, 3, 4))]}
    rows = [{key: scene.fill(kind) for key, kind in keys.items()} for _ in range(rng.randint(4, 8))]
    if rng.random() < 0.6:
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    joint = rng.choice((": ", " = ", " | "))
    return "\n\n".join("\n".join(f"{key}{joint}{value}" for key, value in row.items()) for row in rows)


def _form(rng: Random) -> tuple[Form, str]:
    """A format of answers, and a description of it."""
    draw = rng.random()
    if draw < 0.1:
        words, pattern = rng.choice(_TONE_WORDS), rng.choice(_SENTENCES)
        return lambda s: _spoken(pattern, s, words), "Answer in plain sentences."
    values = _values(rng)
    if draw < 0.75:
        described = (
            "Answer with one JSON object with the keys " + ", ".join(f'"{key}"' for key in values) + "."
        )
        return lambda s: json.dumps({k: v(s) for k, v in values.items()}, ensure_ascii=False), described
    mark = rng.choice(("", "- ", "* ", "> "))
    joint = rng.choice((": ", " = ", ": ", " -> "))
    described = "Answer with these lines: " + ", ".join(values) + "."
    return lambda s: "\n".join(f"{mark}{k}{joint}{v(s)}" for k, v in values.items()), described


def _spoken(pattern: str, item: Story, words: tuple[str, ...]) -> str:
    bare = item.reasoning.startswith(item.subject.stem)
    lower = item.reasoning if bare else item.reasoning[0].lower() + item.reasoning[1:]
    text = pattern.format(why=item.reasoning, lower=lower, tone=words[_place(item)], co=item.subject.name)
    return text[0].upper() + text[1:]


def _place(item: Story) -> int:
    return 0 if item.score < -0.05 else 2 if item.score > 0.05 else 1


def _values(rng: Random) -> dict[str, Value]:
    """Keys in the order of the answer, each with the way to its value."""
    words = rng.choice(_TONE_WORDS)
    scale = rng.choice(_SCALES)
    makers: dict[str, Value] = {
        "why": lambda s: s.reasoning,
        "tone": lambda s: words[_place(s)],
        "score": lambda s: scale(s.score),
        "sure": lambda s: s.confidence,
        "company": lambda s: s.subject.name,
        "topic": lambda s: s.topic,
        "trade": lambda s: s.subject.sector.kind,
        "good": lambda s: s.score > 0.05,
    }
    wanted = rng.sample(sorted(makers), rng.choice((2, 3, 3, 4)))
    if not {"tone", "score", "good"} & set(wanted):
        wanted[-1] = rng.choice(("tone", "score"))
    if "why" not in wanted and rng.random() < 0.8:
        wanted[0] = "why"
    if "why" in wanted and rng.random() < 0.7:  # mostly reasons come before what they lead to
        wanted.remove("why")
        wanted.insert(0, "why")
    return {_key(rng, name): makers[name] for name in wanted}


def _key(rng: Random, name: str) -> str:
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(_KEYS[name])
    if draw < 0.75:
        return rng.choice(_nouns())
    return f"{rng.choice(_nouns())}_{rng.choice((rng.choice(_KEYS[name]), rng.choice(_nouns())))}"


@cache
def _nouns() -> tuple[str, ...]:
    return tuple(word for line in symbols("keys.txt")["noun"] for word in line.split())


_SCALES: tuple[Callable[[float], float], ...] = (
    lambda score: score,
    lambda score: score,
    lambda score: round(5 * score),
    lambda score: round(5 + 5 * score),
    lambda score: round(3 + 2 * score),
    lambda score: round(100 * score),
    lambda score: round(0.5 + score / 2, 2),
)
