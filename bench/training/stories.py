"""Composed news articles with the judgement that follows from how they were composed.

In: a random generator and words that no company may be called. Out: Stories: text, company, score,
confidence and the reasons. The score comes from the facts put in, not from a model. It renders no
prompt and knows no task.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from bench.training.grammar import Event, Slot, events, symbols
from bench.training.world import Company, Scene

_TONES = ("good", "bad", "flat")
_IRONY = (
    "Bravo. {}", "What a triumph: {}", "One has to admire {co}: {}", "Shareholders will be thrilled to hear that {}",
    "Let nobody say that {co} lacks ambition. {}", "A round of applause, please: {}",
    "Just what everyone was hoping for: {}", "Another masterstroke: {}", "Congratulations are in order, for {}",
)  # fmt: skip
_RUMOUR = (
    "rumours have it that {}", "according to a report that could not be confirmed, {}",
    "people who know the matter say that {}", "it is whispered in the market that {}",
    "unconfirmed messages on the internet claim that {}",
)  # fmt: skip
_PASSING = (
    "{co} was not affected", "{co}, which makes {product}, has its office in the same street",
    "the list also includes {co}", "{co} did not take part", "{person} once worked for {co}",
    "{co} was mentioned only as an example", "others in the trade, such as {co}, were not involved",
    "a spokesman for {co} had no comment", "{co} will report its own figures next month",
)  # fmt: skip


_SMALL_STARTS = frozenset(
    """the a an it its management net operating pre-tax core underlying annual profit earnings revenue sales turnover
    group organic like-for-like comparable orders bookings new demand shareholders analysts supplies prices
    inspectors engineers officials reviewers judges auditors hackers police prosecutors directors shops employees
    staff volunteers minutes each chief chair free large angry oil trading""".split()
)
"""Words that lose their capital letter inside a sentence."""


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


class _Draft(NamedTuple):
    """Sentences of the story in order, its headline, and the judgement."""

    title: str
    sentences: list[str]
    score: float
    confidence: float
    reasoning: str
    topic: str
    extras: tuple[str, ...] = ()
    """More sentences of the same drift, for longer articles."""


def sentence(text: str) -> str:
    """`text` with a capital letter and an end."""
    text = text.strip()
    for index, char in enumerate(text):
        if char.isalpha():
            text = text[:index] + char.upper() + text[index + 1 :]
            break
        if char.isdigit():
            break
    return text if text[-1] in ".!?\"" else text + "."


def _inner(text: str) -> str:
    """A sentence as it stands inside another: small first letter, unless it begins with a name."""
    small = text.split(" ", 1)[0].isalpha() and text.split(" ", 1)[0].lower() in _SMALL_STARTS
    return text[0].lower() + text[1:] if small else text


def story(rng: Random, avoid: frozenset[str], longest_words: int = 450) -> Story:
    """One composed article with its judgement."""
    scene = Scene.draw(rng, avoid)
    kind = rng.choices(tuple(_KINDS), tuple(weight for weight, _ in _KINDS.values()))[0]
    draft = _KINDS[kind][1](rng, scene)
    # most articles are short, some are long: the long ones are what a wire report looks like
    wanted = min(longest_words, int(rng.lognormvariate(4.6, 0.6)))
    if kind not in ("teaser", "irony"):
        _pad(rng, scene, draft, wanted)
    title = draft.title if rng.random() < 0.75 else None
    return Story(
        kind=kind,
        subject=scene.subject,
        named=rng.random() < 0.9 or kind in ("several", "passing"),
        title=title,
        text=_layout(rng, scene, draft.sentences),
        score=_rounded(draft.score),
        confidence=max(0.05, min(0.98, round(draft.confidence, 2))),
        reasoning=sentence(draft.reasoning),
        topic=draft.topic.replace("_", " "),
    )


def _rounded(score: float) -> float:
    return max(-1.0, min(1.0, round(score * 20) / 20)) + 0.0  # + 0.0: never -0.0


def _pick(rng: Random, tone: str) -> Event:
    return rng.choice(events(f"{tone}.txt"))


def _facts(rng: Random, scene: Scene, event: Event, n: int) -> list[tuple[str, str]]:
    """Up to n facts of the event as (sentence, reason)."""
    told: list[tuple[str, str]] = []
    for said, reason in rng.sample(event.facts, min(n, len(event.facts))):
        bound: dict[Slot, str] = {}
        told.append((sentence(scene.say(said, bound)), scene.say(reason, bound)))
    return told


def _headline(rng: Random, scene: Scene, event: Event) -> str:
    scene.named = False
    text = scene.say(rng.choice(event.headlines))
    scene.named = False
    if rng.random() < 0.4:
        text = text.replace(scene.subject.name, scene.subject.stem)
    return sentence(text).rstrip(".")


def _lines(rng: Random, scene: Scene, symbol: str, n: int) -> list[str]:
    pool = symbols("words.txt")[symbol]
    return [sentence(scene.say(line)) for line in rng.sample(pool, min(n, len(pool)))]


def _quote(rng: Random, scene: Scene, tone: str) -> str:
    quote = scene.say(rng.choice(symbols("words.txt")[f"{tone}_quote"]))
    who = scene.say("[{boss} {person}|{person}, the {boss},|a spokeswoman|{person}]")
    return f'"{quote}," {who} said.' if rng.random() < 0.6 else f'{sentence(who)[:-1].rstrip(",")} said: "{quote}."'


def _reason(rng: Random, scene: Scene, reasons: list[str], tone: str) -> str:
    text = reasons[0]
    if len(reasons) > 1 and rng.random() < 0.6:
        text += f", and {reasons[1]}"
    if rng.random() < 0.35:
        text += f", {scene.fill(f'mood_{tone}')}"
    return text


def _single(rng: Random, scene: Scene) -> _Draft:
    tone = rng.choice(_TONES)
    event = _pick(rng, tone)
    title = _headline(rng, scene, event)
    facts = _facts(rng, scene, event, 6)
    n_facts = rng.choice((1, 2, 2, 3))
    sentences = [said for said, _ in facts[:n_facts]]
    extras = [said for said, _ in facts[n_facts:]] + _lines(rng, scene, f"{tone}_said", 5)
    facts = facts[:n_facts]
    score = rng.uniform(event.low, event.high)
    confidence = rng.uniform(0.8, 0.95)
    n_said = rng.choice((0, 1, 2, 3))
    sentences += _lines(rng, scene, f"{tone}_said", n_said)
    if rng.random() < 0.35:
        sentences.insert(rng.randint(1, len(sentences)), _quote(rng, scene, tone))
    reasoning = _reason(rng, scene, [reason for _, reason in facts], tone)
    if tone != "flat" and rng.random() < 0.2:
        sentences += _lines(rng, scene, f"hedge_{_other(tone)}", 1)
        score *= 0.8
        confidence -= 0.1
    return _Draft(title, sentences, score, confidence, reasoning, event.name, tuple(extras))


def _other(tone: str) -> str:
    # hedge_bad stands in a good story and the other way round
    return {"good": "bad", "bad": "good"}[tone]


def _mixed(rng: Random, scene: Scene) -> _Draft:
    first, second = rng.sample(("good", "bad"), 2)
    one, two = _pick(rng, first), _pick(rng, second)
    title = _headline(rng, scene, rng.choice((one, two)))
    a = _facts(rng, scene, one, 2)
    b = _facts(rng, scene, two, 2)
    turn = rng.choice(("However, ", "But ", "At the same time, ", "On the other hand, ", "Yet ", "Meanwhile, "))
    sentences = [said for said, _ in a[: rng.choice((1, 2))]] + [turn + _inner(b[0][0])]
    sentences += [said for said, _ in b[1 : rng.choice((1, 2))]]
    tilt = rng.choice(("good", "bad", None))
    sign = {"good": 1.0, "bad": -1.0, None: 0.0}[tilt]
    if tilt:
        sentences += _lines(rng, scene, f"{tilt}_said", rng.choice((1, 2)))
    verdict = {
        "good": "on balance slightly good", "bad": "on balance slightly bad", None: "which balance each other",
    }[tilt]  # fmt: skip
    reasoning = f"{a[0][1]}, but {b[0][1]}, {verdict}"
    score = sign * rng.uniform(0.15, 0.4)
    return _Draft(title, sentences, score, rng.uniform(0.5, 0.7), reasoning, one.name)


def _several(rng: Random, scene: Scene) -> _Draft:
    tone = rng.choice(_TONES)
    event, other = _pick(rng, tone), scene.others[0]
    seen = scene.about(other)
    other_event = _pick(rng, rng.choice(_TONES))
    mine, theirs = _facts(rng, scene, event, 2), _facts(rng, seen, other_event, 2)
    title = _headline(rng, *((scene, event) if rng.random() < 0.5 else (seen, other_event)))
    scene.named = seen.named = True
    blocks = [[said for said, _ in mine], [said for said, _ in theirs]]
    rng.shuffle(blocks)
    sentences = blocks[0] + blocks[1]
    reasoning = mine[0][1].replace("the company", scene.subject.stem)
    if rng.random() < 0.5:
        reasoning += f"; the news about {other.stem} {rng.choice(('does not count', 'concerns another company'))}"
    return _Draft(title, sentences, rng.uniform(event.low, event.high) * 0.95, rng.uniform(0.7, 0.88), reasoning, event.name)


def _passing(rng: Random, scene: Scene) -> _Draft:
    other = scene.others[0]
    seen = scene.about(other)
    event = _pick(rng, rng.choice(_TONES))
    title = _headline(rng, seen, event)
    sentences = [said for said, _ in _facts(rng, seen, event, rng.choice((1, 2, 3)))]
    sentences += _lines(rng, seen, rng.choice(("market", "background", "colour")), 2)
    if rng.random() < 0.75:
        sentences.insert(rng.randint(1, len(sentences)), sentence(scene.say(rng.choice(_PASSING))))
    reasoning = rng.choice((
        f"the article is about {other.stem} and says nothing that matters for {scene.subject.stem}",
        f"{scene.subject.stem} is only mentioned in passing",
        f"the news concerns {other.stem}, not {scene.subject.stem}",
        f"there is no news about {scene.subject.stem} in the article",
    ))  # fmt: skip
    return _Draft(title, sentences, 0.0, rng.uniform(0.75, 0.93), reasoning, "other company")


def _irony(rng: Random, scene: Scene) -> _Draft:
    event = _pick(rng, "bad")
    facts = _facts(rng, scene, event, 3)
    sentences = [said for said, _ in facts]
    scene.named = True
    wrap = scene.say(rng.choice(_IRONY).replace("{}", "<fact>"))
    first = sentences[0] if wrap.endswith(". <fact>") else _inner(sentences[0])
    sentences[0] = sentence(wrap.replace("<fact>", first))
    if rng.random() < 0.6:
        sentences.append(f'"{scene.fill("good_quote")}," said {scene.fill("boss")} {scene.fill("person")}, [as if nothing had happened|to nobody in particular].'.replace("[as if nothing had happened|to nobody in particular]", rng.choice(("as if nothing had happened", "to nobody in particular"))))
    reasoning = f"{rng.choice(('the praise is ironic', 'the tone is ironic'))}: {facts[0][1]}"
    return _Draft(scene.say("[A triumph|Well done|Bravo], {co}"), sentences, rng.uniform(event.low, event.high), rng.uniform(0.6, 0.8), reasoning, event.name)


def _teaser(rng: Random, scene: Scene) -> _Draft:
    tone = rng.choice(_TONES)
    event = _pick(rng, tone)
    vague = rng.random() < 0.5
    title = scene.say("[What to know about|Five questions about|Inside] {co}") if vague else _headline(rng, scene, event)
    scene.named = False
    opening = _lines(rng, scene, "background", 1) if vague else [_facts(rng, scene, event, 1)[0][0]]
    sentences = [*opening, *_lines(rng, scene, "teaser", rng.choice((1, 2)))]
    if vague or tone == "flat":
        return _Draft(title, sentences, 0.0, rng.uniform(0.2, 0.4), "only a teaser is visible and it tells no decisive fact", "teaser")
    score = rng.uniform(event.low, event.high) * 0.7
    reasoning = f"only the beginning is visible: {event.name.replace('_', ' ')} is {rng.choice(('good', 'welcome') if tone == 'good' else ('bad', 'unwelcome'))} news"
    return _Draft(title, sentences, score, rng.uniform(0.4, 0.6), reasoning, event.name)


def _rumour(rng: Random, scene: Scene) -> _Draft:
    tone = rng.choice(("good", "bad"))
    event = _pick(rng, tone)
    title = _headline(rng, scene, event) + "?"
    said, reason = _facts(rng, scene, event, 1)[0]
    sentences = [sentence(rng.choice(_RUMOUR).format(_inner(said)))]
    sentences += _lines(rng, scene, "flat_said", 1)
    score = rng.uniform(event.low, event.high) * 0.55
    return _Draft(title, sentences, score, rng.uniform(0.4, 0.6), f"unconfirmed reports say that {reason}", event.name)


_KINDS: dict[str, tuple[float, Callable[[Random, Scene], _Draft]]] = {
    "single": (0.56, _single),
    "mixed": (0.12, _mixed),
    "several": (0.13, _several),
    "passing": (0.06, _passing),
    "irony": (0.03, _irony),
    "teaser": (0.05, _teaser),
    "rumour": (0.05, _rumour),
}


def _pad(rng: Random, scene: Scene, draft: _Draft, wanted_words: int) -> None:
    """Add background until the article is about as long as wanted."""
    pools = ("background", "background", "market", "colour", "general", "flat_said")
    n_words = sum(len(line.split()) for line in draft.sentences)
    extras = rng.sample(draft.extras, len(draft.extras))
    while n_words < wanted_words:
        pool = rng.choice(pools)
        if extras and rng.random() < 0.45:
            line = extras.pop()
        elif pool == "general":
            line = scene.fill(rng.choice(("street", "sky", "people", "house", "money_talk", "sea", "history")))
        else:
            (line,) = _lines(rng, scene, pool, 1)
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
