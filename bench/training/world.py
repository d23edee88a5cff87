"""The invented world of the training texts: companies, people, figures, and how a text names them.

In: a random generator. Out: values for the grammar's slots. No company of the task's examples or of
the bundled articles can appear: stems are made of syllables and a list of stems to avoid is honoured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from random import Random

from bench.training.grammar import Slot, expand, symbols, table

_MONTHS = ["January", "February", "March", "April", "May", "June", "July"]
_MONTHS += ["August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
_SMALL = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ORDINAL = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_PARTS = ("a third", "a quarter", "a fifth", "nearly half", "about a third", "almost a fifth", "a tenth")
_SUFFIXES = ("Group", "Holdings", "International", "plc", "AG", "Inc", "Corp", "SE", "& Sons", "Partners")
_CURRENCIES = (
    ("${} {}",) * 4
    + ("{} {} euros",) * 3
    + ("€{} {}", "£{} {}", "{} {} pounds", "{} {} kronor", "{} {} francs", "{} {} dollars", "{} {} yen")
)


class Sector:
    """A trade: what it makes, for whom, from what."""

    def __init__(self, row: tuple[tuple[str, ...], ...]) -> None:
        (self.kind,), self.words, self.products, self.customers, self.inputs = row


@cache
def sectors() -> tuple[Sector, ...]:
    """All trades of the wording file."""
    return tuple(Sector(row) for row in table("sectors.txt"))


@cache
def _words(name: str) -> tuple[str, ...]:
    values = symbols("names.txt")[name]
    return values if " " in values[0] and name == "agency" else tuple(w for v in values for w in v.split())


@dataclass(frozen=True)
class Company:
    """An invented company."""

    stem: str
    name: str
    ticker: str | None
    sector: Sector


def stem(rng: Random) -> str:
    """An invented word to call a company by."""
    middle = rng.choice(_words("middle")) if rng.random() < 0.65 else ""
    return rng.choice(_words("onset")) + middle + rng.choice(_words("ending"))


def company(rng: Random, avoid: frozenset[str], sector: Sector | None = None) -> Company:
    """A company whose stem is not in `avoid` (lower case)."""
    trade = sector or rng.choice(sectors())
    word = stem(rng)
    while word.lower() in avoid:
        word = stem(rng)
    shape = rng.random()
    if shape < 0.6:
        name = f"{word} {rng.choice(trade.words)}"
    elif shape < 0.75:
        name = f"{word} {rng.choice(_SUFFIXES)}"
    elif shape < 0.85:
        name = f"{word} {rng.choice(trade.words)} {rng.choice(_SUFFIXES)}"
    else:
        name = word
    letters = [c for c in word.upper() if c not in "AEIOU"] or list(word.upper())
    ticker = "".join(letters[:4]) if rng.random() < 0.6 else None
    return Company(word, name, ticker, trade)


def person(rng: Random) -> str:
    """An invented person's full name."""
    surname = rng.choice(_words("surname")) + rng.choice(_words("surname_end"))
    return f"{rng.choice(_words('first'))} {surname}"


@dataclass
class Scene:
    """Who and where one article is about; fills the slots of its sentences."""

    rng: Random
    subject: Company
    others: tuple[Company, ...]
    currency: str
    weekday: str
    percent: str
    named: bool = False
    """Whether the subject was named in full already."""
    people: list[str] = field(default_factory=list)

    @classmethod
    def draw(cls, rng: Random, avoid: frozenset[str], subject: Company | None = None) -> Scene:
        """A new scene around a new (or the given) company."""
        who = subject or company(rng, avoid)
        others = tuple(company(rng, avoid, who.sector if rng.random() < 0.7 else None) for _ in range(3))
        percent = rng.choice(("{} percent", "{} percent", "{}%", "{} per cent"))
        return cls(rng, who, others, rng.choice(_CURRENCIES), rng.choice(_DAYS), percent)

    def about(self, other: Company) -> Scene:
        """The same scene seen from another company."""
        rest = tuple(c for c in self.others if c is not other)
        return Scene(self.rng, other, rest or self.others, self.currency, self.weekday, self.percent)

    def say(self, template: str, bound: dict[Slot, str] | None = None) -> str:
        """A text of the template, as it comes (not a sentence yet)."""
        return expand(template, self.rng, self.fill, {} if bound is None else bound)

    def fill(self, name: str) -> str:
        """A fresh value for a slot; nested symbols are expanded."""
        maker = getattr(self, f"_{name}", None)
        if maker is not None:
            return str(maker())
        for file in ("words.txt", "general.txt"):
            if name in symbols(file):
                return self.say(self.rng.choice(symbols(file)[name]))
        return self.rng.choice(_words(name))

    def _co(self) -> str:
        if not self.named:
            self.named = True
            return self.subject.name
        draw = self.rng.random()
        if draw < 0.35:
            return self.subject.stem
        if draw < 0.5:
            return self.subject.name
        return self.rng.choice(("the company", "the company", "the group", f"the {self.subject.sector.kind}"))

    def _rival(self) -> str:
        return self.rng.choice(self.others).name

    def _sector_kind(self) -> str:
        return self.subject.sector.kind

    def _product(self) -> str:
        return self.rng.choice(self.subject.sector.products)

    def _customers(self) -> str:
        return self.rng.choice(self.subject.sector.customers)

    def _input(self) -> str:
        return self.rng.choice(self.subject.sector.inputs)

    def _person(self) -> str:
        return person(self.rng)

    def _he(self) -> str:
        return self.rng.choice(("he", "she"))

    def _his(self) -> str:
        return self.rng.choice(("his", "her"))

    def _broker(self) -> str:
        return f"{stem(self.rng)} {self.rng.choice(_words('broker_end'))}"

    def _agency_rating(self) -> str:
        return self.rng.choice(symbols("names.txt")["agency_rating"])

    def _pct(self) -> str:
        draw = self.rng.random()
        if draw < 0.12:
            return self.rng.choice(_PARTS)
        number = f"{self.rng.uniform(1, 30):.1f}" if draw < 0.4 else str(self.rng.randint(2, 60))
        return self.percent.format(number)

    def _money(self) -> str:
        unit = "million" if self.rng.random() < 0.75 else "billion"
        if unit == "billion" or self.rng.random() < 0.25:
            amount = f"{self.rng.uniform(1, 20):.1f}"
        else:
            amount = str(self.rng.randint(2, 990))
        return self.currency.format(amount, unit)

    def _cents(self) -> str:
        amount = f"{self.rng.uniform(0.1, 90):.2f}"
        return (
            f"{self.rng.randint(4, 99)} cents"
            if self.rng.random() < 0.3
            else self.currency.format(amount, "").replace("  ", " ").strip()
        )

    def _count(self) -> str:
        digits = self.rng.choice((10, 100, 100, 1000, 1000))
        number = f"{self.rng.randint(2, 99) * digits:,}"
        return self.rng.choice(("", "", "", "about ", "some ", "more than ", "nearly ")) + number

    def _n(self) -> str:
        return self.rng.choice(_SMALL) if self.rng.random() < 0.7 else str(self.rng.randint(13, 60))

    def _ordinal(self) -> str:
        return self.rng.choice(_ORDINAL)

    def _duration(self) -> str:
        return f"{self.rng.choice(_SMALL)}-year"

    def _month(self) -> str:
        return self.rng.choice(_MONTHS)

    def _weekday(self) -> str:
        return self.weekday

    def _year(self) -> str:
        return str(self.rng.randint(1950, 2029))

    def _date(self) -> str:
        day, month = self.rng.randint(1, 28), self._month()
        return self.rng.choice((f"{day} {month}", f"{month} {day}"))

    def _hour(self) -> str:
        return f"{self.rng.randint(8, 18)}:{self.rng.choice(('00', '15', '30'))}"
