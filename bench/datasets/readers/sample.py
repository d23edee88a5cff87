"""Bundled samples: sentences made from templates of our own, so that every recipe runs without any data.

    - {reader: sample, path: phrasebank, rows: 900}

In: the name of a file in `bench/datasets/samples/` (`path`) and how many rows. Out: that many different
rows, the labels in turns, the same ones every time. A row's group is its template; a source of `templates:
learnt` and one of `templates: held_out` have none in common, so that a test asks about wordings that were not
learnt. What a model makes of such text says that a recipe works, not how good the model is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from pydantic import Field

from bench.datasets.readers import Counts, FileOptions
from bench.datasets.row import Row
from bench.errors import ConfigError

LICENCE = "Apache-2.0"
CREDIT = "invented for bench"
SAMPLES = Path(__file__).parents[1] / "samples"

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_TRIES_A_ROW = 200
_HELD_OUT_OF = 6


class Options(FileOptions):
    """Which sample, and how much of it."""

    rows: int = Field(900, ge=1, le=100_000)
    """Rows; refused where the templates do not give so many."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Another seed gives other rows."""
    templates: Literal["all", "learnt", "held_out"] = "all"
    """`held_out`: every sixth template of each label; `learnt`: the others."""


class Sample(NamedTuple):
    """A file of templates."""

    columns: tuple[str, ...]
    """What a template's columns are: `text`, and `title` or `parent` before it."""
    words: dict[str, tuple[str, ...]]
    """What a slot may hold."""
    templates: dict[str, tuple[str, ...]]
    """By label."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """The file of templates; `root` does not matter."""
    path = SAMPLES / f"{options.path}.txt"
    known = sorted(file.stem for file in SAMPLES.glob("*.txt"))
    if options.path not in known:
        raise ConfigError(f"no sample {options.path!a}; there are: {', '.join(known)}")
    return [path]


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """The rows of the sample."""
    for path in inputs(options, root):
        sample = parsed(path.read_text(encoding="utf-8"))
        random = Random(f"{options.seed}/{path.stem}")
        labels, seen = list(sample.templates), set[str]()
        for number in range(options.rows):
            label = labels[number % len(labels)]
            chosen = _chosen(len(sample.templates[label]), options.templates)
            yield _fresh(sample, label, chosen, seen, random, f"{path.stem}:{number + 1}")
        counts["templates"] += sum(map(len, sample.templates.values()))


def parsed(text: str) -> Sample:
    """A file of templates as it is written."""
    columns: tuple[str, ...] = ("text",)
    words: dict[str, list[str]] = {}
    templates: dict[str, list[str]] = {}
    target: list[str] = []
    is_list = False
    for line in text.splitlines():
        if line.startswith("columns:"):
            columns = tuple(line.removeprefix("columns:").split())
        elif line.startswith("::"):
            target, is_list = words.setdefault(line[2:].strip(), []), True
        elif line.startswith("= "):
            target, is_list = templates.setdefault(line[2:].strip(), []), False
        elif line.strip() and not line.startswith("#"):
            target += [word.strip() for word in line.split(", ")] if is_list else [line.strip()]
    return Sample(
        columns,
        {name: tuple(found) for name, found in words.items()},
        {name: tuple(found) for name, found in templates.items()},
    )


def _chosen(n_templates: int, which: str) -> list[int]:
    """The numbers of the templates that are taken."""
    held_out = range(_HELD_OUT_OF - 1, n_templates, _HELD_OUT_OF)
    if which == "all":
        return list(range(n_templates))
    return [number for number in range(n_templates) if (number in held_out) == (which == "held_out")]


def _fresh(sample: Sample, label: str, chosen: list[int], seen: set[str], random: Random, place: str) -> Row:
    """A row that was not there yet."""
    for _ in range(_TRIES_A_ROW if chosen else 0):
        number = random.choice(chosen)
        slots: dict[str, str] = {}
        said = _expanded(sample.templates[label][number], sample, slots, random)
        found = dict(zip(sample.columns, (part.strip() for part in said.split("||")), strict=True))
        # a comment that is answered twice would tie two templates to one side
        once = found.get("parent", said)
        if once in seen:
            continue
        seen.add(once)
        return Row(
            text=found["text"],
            label=label if len(sample.templates) > 1 else None,
            entity=slots.get("company"),
            title=found.get("title"),
            parts=(("parent", found["parent"]),) if "parent" in found else (),
            group=f"{label}/{number}",
            place=place,
        )
    raise ConfigError(f"{place}: the templates of {label!a} give no more rows; ask for fewer `rows`")


def _expanded(template: str, sample: Sample, slots: dict[str, str], random: Random) -> str:
    """A text of the template: choices from the inside out, then words, which may hold slots themselves."""
    said = template
    while _CHOICE.search(said):
        said = _CHOICE.sub(lambda choice: random.choice(choice[1].split("|")), said, count=1)
    while slot := _SLOT.search(said):
        said = said[: slot.start()] + _word(slot[1], sample, slots, random) + said[slot.end() :]
    return " ".join(said.split())


def _word(name: str, sample: Sample, slots: dict[str, str], random: Random) -> str:
    """What a slot holds: the same all through one text; a capital in its name begins its word with one."""
    key = name.lower()
    if key not in slots:
        listed = sample.words.get(key) or sample.words.get(key.rstrip("23"))
        if listed:
            taken = set(slots.values())
            slots[key] = random.choice([word for word in listed if word not in taken] or listed)
        else:
            slots.update(_numbers(random))
    word = slots[key]
    return word[:1].upper() + word[1:] if name[0].isupper() else word


def _numbers(random: Random) -> dict[str, str]:
    """Figures for one text; `lo` is less than `hi`, `smaller` less than `small`."""
    low = random.uniform(1.2, 90)
    small = random.uniform(0.2, 1.9)
    share = random.uniform(6, 45)
    return {
        "lo": f"{low:.1f}",
        "hi": f"{low * random.uniform(1.1, 1.9):.1f}",
        "small": f"{small:.2f}",
        "smaller": f"{small * random.uniform(0.4, 0.9):.2f}",
        "pct": random.choice(("{:.1f} %", "{:.0f} %", "{:.0f} pct", "{:.0f} percent")).format(share),
        "smallpct": f"{share / 2:.1f} %",
        "n": str(random.randrange(20, 900)),
        "few": random.choice(("two", "three", "four", "five", "six", "seven", "eight")),
        "day": str(random.randrange(1, 29)),
        "year": str(random.randrange(2005, 2031)),
    }
