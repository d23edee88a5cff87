"""The kinds of articles: which facts stand in one, and what judgement follows from them.

In: a random generator and a scene. Out: a Draft: sentences, headline, score, confidence, reasons. A
draft is not laid out yet, and no kind knows how its prompt will look.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import NamedTuple

from bench.training.grammar import Event, Slot, events, symbols
from bench.training.world import Scene

_TONES = ("good", "bad", "flat")
_TILT = {"good": "more good than bad", "bad": "more bad than good", None: "evenly balanced"}
_GENERAL = ("street", "sky", "people", "house", "money_talk", "sea", "history", "health", "school", "travel")
_SIGN = {"good": 1.0, "bad": -1.0, None: 0.0}


class Draft(NamedTuple):
    """An article before it is laid out, and its judgement."""

    title: str
    sentences: list[str]
    score: float
    confidence: float
    reasoning: str
    topic: str
    """The event's name."""
    extras: tuple[str, ...] = ()
    """More sentences of the same drift, for longer articles."""


class _Fact(NamedTuple):
    said: str
    reason: str


def sentence(text: str) -> str:
    """`text` with a capital letter and an end."""
    text = text.strip()
    for index, char in enumerate(text):
        if char.isalpha():
            text = text[:index] + char.upper() + text[index + 1 :]
            break
        if char.isdigit():
            break
    return text if text[-1] in '.!?"' else text + "."


def lines(rng: Random, scene: Scene, symbol: str, n: int) -> list[str]:
    """Up to n different sentences of a symbol."""
    pool = symbols("words.txt")[symbol]
    return [sentence(scene.say(line)) for line in rng.sample(pool, min(n, len(pool)))]


def _frame(rng: Random, scene: Scene, symbol: str, **values: str) -> str:
    bound = {Slot(name, ""): value for name, value in values.items()}
    return scene.say(rng.choice(symbols("frames.txt")[symbol]), bound)


def _inner(text: str) -> str:
    """A sentence as it stands inside another: small first letter, unless it begins with a name."""
    first = text.split(" ", 1)[0].lower()
    return text[0].lower() + text[1:] if first in _small_starts() else text


@cache
def _small_starts() -> frozenset[str]:
    return frozenset(word for line in symbols("keys.txt")["small_start"] for word in line.split())


def _pick(rng: Random, tone: str) -> Event:
    return rng.choice(events(f"{tone}.txt"))


def _facts(rng: Random, scene: Scene, event: Event, n: int) -> list[_Fact]:
    """Up to n facts of the event; the first one names the company."""
    drawn = rng.sample(event.facts, len(event.facts))
    drawn.sort(key=lambda fact: "{co}" not in fact[0])
    others = drawn[1:]
    rng.shuffle(others)
    told: list[_Fact] = []
    for said, reason in [drawn[0], *others][:n]:
        bound: dict[Slot, str] = {}
        told.append(_Fact(sentence(scene.say(said, bound)), scene.say(reason, bound)))
    return told


def _headline(rng: Random, scene: Scene, event: Event) -> str:
    scene.named = False
    text = scene.say(rng.choice(event.headlines))
    scene.named = False
    if rng.random() < 0.4:
        text = text.replace(scene.subject.name, scene.subject.stem)
    return sentence(text).rstrip(".")


def _quote(rng: Random, scene: Scene, tone: str) -> str:
    quote = scene.fill(f"{tone}_quote")
    who = scene.say("[{boss} {person}|{person}, the {boss},|a spokeswoman|{person}]")
    if rng.random() < 0.6:
        return f'"{quote}," {who} said.'
    return f'{sentence(who)[:-1].rstrip(",")} said: "{quote}."'


def brief_reason(rng: Random, scene: Scene, tone: str) -> str:
    """What a fact comes down to, in a few words."""
    return scene.say(rng.choice(_pick(rng, tone).facts)[1])


def brief(rng: Random, scene: Scene) -> Draft:
    """One fact, or one sentence of what others say about it."""
    tone = rng.choice(_TONES)
    event = _pick(rng, tone)
    fact = _Fact(*rng.choice(event.facts))
    bound: dict[Slot, str] = {}
    sentences = [sentence(scene.say(fact.said, bound))]
    if rng.random() < 0.25:
        sentences += lines(rng, scene, f"{tone}_said", 1)
    score, confidence = rng.uniform(event.low, event.high), rng.uniform(0.75, 0.95)
    return Draft("", sentences, score, confidence, scene.say(fact.reason, bound), event.name)


def _single(rng: Random, scene: Scene) -> Draft:
    """One event, told with one to three of its facts."""
    tone = rng.choice(_TONES)
    event = _pick(rng, tone)
    title = _headline(rng, scene, event)
    facts = _facts(rng, scene, event, 6)
    n_facts = rng.choice((1, 2, 2, 3))
    told, untold = facts[:n_facts], facts[n_facts:]
    sentences = [fact.said for fact in told]
    extras = [fact.said for fact in untold] + lines(rng, scene, f"{tone}_said", 5)
    sentences += lines(rng, scene, f"{tone}_said", rng.choice((0, 1, 2, 3)))
    if rng.random() < 0.35:
        sentences.insert(rng.randint(1, len(sentences)), _quote(rng, scene, tone))
    reasoning = told[0].reason
    if n_facts > 1 and rng.random() < 0.4:
        reasoning += f", and {told[1].reason}"
    score, confidence = rng.uniform(event.low, event.high), rng.uniform(0.8, 0.95)
    if tone != "flat" and rng.random() < 0.2:
        sentences += lines(rng, scene, "hedge_bad" if tone == "good" else "hedge_good", 1)
        score, confidence = score * 0.8, confidence - 0.1
    return Draft(title, sentences, score, confidence, reasoning, event.name, tuple(extras))


def _mixed(rng: Random, scene: Scene) -> Draft:
    """Good and bad about the same company; what is said about it tilts the balance, or nothing does."""
    first, second = rng.sample(("good", "bad"), 2)
    one, two = _pick(rng, first), _pick(rng, second)
    title = _headline(rng, scene, rng.choice((one, two)))
    a, b = _facts(rng, scene, one, 2), _facts(rng, scene, two, 2)
    sentences = [fact.said for fact in a[: rng.choice((1, 2))]]
    sentences.append(_frame(rng, scene, "turn").replace("@", _inner(b[0].said)))
    sentences += [fact.said for fact in b[1 : rng.choice((1, 2))]]
    tilt = rng.choice(("good", "bad", None))
    if tilt:
        sentences += lines(rng, scene, f"{tilt}_said", rng.choice((1, 2)))
    reasoning = f"{a[0].reason}, but {b[0].reason}; {_TILT[tilt]}"
    score = _SIGN[tilt] * rng.uniform(0.15, 0.4)
    return Draft(title, sentences, score, rng.uniform(0.5, 0.7), reasoning, one.name)


def _several(rng: Random, scene: Scene) -> Draft:
    """Two companies in one article; only one is asked about."""
    tone, other = rng.choice(_TONES), scene.others[0]
    seen = scene.about(other)
    event, other_event = _pick(rng, tone), _pick(rng, rng.choice(_TONES))
    mine, theirs = _facts(rng, scene, event, 2), _facts(rng, seen, other_event, 2)
    title = _headline(rng, *((scene, event) if rng.random() < 0.5 else (seen, other_event)))
    scene.named = True
    blocks = [[fact.said for fact in mine], [fact.said for fact in theirs]]
    rng.shuffle(blocks)
    reasoning = mine[0].reason
    if rng.random() < 0.5:
        reasoning += f"; {_frame(rng, scene, 'aside')}"
    score, confidence = rng.uniform(event.low, event.high), rng.uniform(0.7, 0.88)
    return Draft(title, blocks[0] + blocks[1], score, confidence, reasoning, event.name)


def _passing(rng: Random, scene: Scene) -> Draft:
    """News about somebody else; the company is mentioned in passing or not at all."""
    other = scene.others[0]
    seen = scene.about(other)
    event = _pick(rng, rng.choice(_TONES))
    title = _headline(rng, seen, event)
    sentences = [fact.said for fact in _facts(rng, seen, event, rng.choice((1, 2, 3)))]
    sentences += lines(rng, seen, rng.choice(("market", "background", "colour")), 2)
    if rng.random() < 0.75:
        sentences.insert(rng.randint(1, len(sentences)), sentence(_frame(rng, scene, "passing")))
    reasoning = _frame(rng, scene, "passing_reason")
    return Draft(title, sentences, 0.0, rng.uniform(0.75, 0.93), reasoning, "other_company")


def _irony(rng: Random, scene: Scene) -> Draft:
    """Bad news in the words of praise."""
    event = _pick(rng, "bad")
    facts = _facts(rng, scene, event, 3)
    scene.named = True
    frame = _frame(rng, scene, "irony")
    first = facts[0].said if frame.endswith((". @", "? @")) else _inner(facts[0].said)
    sentences = [sentence(frame.replace("@", first)), *(fact.said for fact in facts[1:])]
    if rng.random() < 0.6:
        sentences.append(_frame(rng, scene, "irony_quote"))
    reasoning = f"{_frame(rng, scene, 'irony_reason')}: {facts[0].reason}"
    scene.named = False
    title, score = _frame(rng, scene, "irony_title"), rng.uniform(event.low, event.high)
    return Draft(title, sentences, score, rng.uniform(0.6, 0.8), reasoning, event.name)


def _teaser(rng: Random, scene: Scene) -> Draft:
    """The beginning of an article behind a paywall; often it tells nothing."""
    tone = rng.choice(_TONES)
    event = _pick(rng, tone)
    vague = tone == "flat" or rng.random() < 0.4
    scene.named = False
    title = _frame(rng, scene, "teaser_title") if vague else _headline(rng, scene, event)
    scene.named = False
    opening = lines(rng, scene, "background", 1) if vague else [_facts(rng, scene, event, 1)[0].said]
    sentences = [*opening, *lines(rng, scene, "teaser", rng.choice((1, 2)))]
    if vague:
        reasoning = "only a teaser is visible and it tells no decisive fact"
        return Draft(title, sentences, 0.0, rng.uniform(0.2, 0.4), reasoning, "teaser")
    reasoning = _frame(rng, scene, f"teaser_{tone}", event=event.name.replace("_", " "))
    score = rng.uniform(event.low, event.high) * 0.7
    return Draft(title, sentences, score, rng.uniform(0.4, 0.6), reasoning, event.name)


def _rumour(rng: Random, scene: Scene) -> Draft:
    """A fact that nobody confirms."""
    event = _pick(rng, rng.choice(("good", "bad")))
    title = _headline(rng, scene, event) + "?"
    fact = _facts(rng, scene, event, 1)[0]
    frame = sentence(_frame(rng, scene, "rumour").replace("@", _inner(fact.said)))
    sentences = [frame, *lines(rng, scene, "flat_said", 1)]
    score = rng.uniform(event.low, event.high) * 0.55
    reasoning = f"unconfirmed reports say that {fact.reason}"
    return Draft(title, sentences, score, rng.uniform(0.4, 0.6), reasoning, event.name)


def lexicon(tone: str) -> tuple[str, ...]:
    """The words of the lexicon that point one way."""
    return tuple(word for line in symbols("lexicon.txt")[tone] for word in line.split())


def _loose(rng: Random, scene: Scene) -> Draft:
    """Loosely told: only the words and how many of each side there are decide.

    Real articles share words with these texts, but not sentences.
    """
    tone = rng.choice(_TONES)
    words = rng.sample(lexicon(tone), rng.randint(4, 9))
    n_other = rng.choice((0, 0, 1, 2)) if tone != "flat" else 0
    other = rng.sample(lexicon("bad" if tone == "good" else "good"), n_other)
    left = words[2:] + other
    rng.shuffle(left)
    left = words[:2] + left
    sentences: list[str] = []
    while left:
        sentences.append(_with_words(rng, scene, left))
    low = {"good": 0.35, "bad": -0.35, "flat": 0.0}[tone]
    score = low + _SIGN.get(tone, 0.0) * (0.06 * len(words) - 0.12 * n_other)
    rng.shuffle(sentences)
    title = sentence(f"{scene.subject.name}: {words[0]} and {words[1]}")
    reasoning = _frame(rng, scene, "loose_reason").replace("*", words[0], 1).replace("*", words[1], 1)
    confidence = rng.uniform(0.6, 0.85) - 0.05 * n_other
    return Draft(title.rstrip("."), sentences, score, confidence, reasoning, "tone_of_the_words")


def _with_words(rng: Random, scene: Scene, left: list[str]) -> str:
    """A sentence that takes one to three words off the list."""
    if rng.random() < 0.5:
        text = _frame(rng, scene, "loose")
        while "@" in text:
            text = text.replace("@", left.pop() if left else scene.fill("thing"), 1)
        return sentence(text)
    pool = rng.choice(("market", "background", "colour", "general"))
    told = scene.fill(rng.choice(_GENERAL)) if pool == "general" else lines(rng, scene, pool, 1)[0]
    shown = told.split(" ")
    shown.insert(rng.randint(0, len(shown) - 1), left.pop())
    return sentence(" ".join(shown))


KINDS: dict[str, tuple[float, Callable[[Random, Scene], Draft]]] = {
    "single": (0.4, _single),
    "mixed": (0.1, _mixed),
    "several": (0.11, _several),
    "passing": (0.08, _passing),
    "loose": (0.2, _loose),
    "irony": (0.03, _irony),
    "teaser": (0.05, _teaser),
    "rumour": (0.05, _rumour),
}
"""Each kind with its share of the articles."""
