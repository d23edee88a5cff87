"""How well and how fast the main text of real pages is found, beside bare trafilatura and all text.

    python benchmarks/extraction.py [--data FOLDER] [--json]

In: the folder of pages with human gold, `html/<id>.html.gz` and `ground-truth.json`. Out: for each extractor
F1 of mean precision and mean recall over 4-gram multisets of `\\w+` tokens, case kept, on all pages
and on two halves; the worst page against bare trafilatura; pages refused; pages/s, taken in turns.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import trafilatura
from bs4 import BeautifulSoup

from bench.articles.extract import extract

DATA = Path(os.environ.get("BENCH_REAL_DATA") or Path(__file__).parents[2] / "shared" / "data")
FOLDER = "html-article-extraction-benchmark"
_TOKEN = re.compile(r"\w+")
_RUN = 4


class Page(NamedTuple):
    """One page with its gold."""

    name: str
    url: str
    html: bytes
    gold: str


class Score(NamedTuple):
    """Means over pages, and the F1 of the means."""

    f1: float
    precision: float
    recall: float


def pages(data: Path) -> list[Page]:
    """The pages of the benchmark folder, by id."""
    folder = data / FOLDER
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    return [
        Page(name, gold["url"], _saved(folder / "html" / f"{name}.html.gz"), gold["articleBody"])
        for name, gold in sorted(truth.items())
    ]


def _saved(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def runs(text: str) -> Counter[tuple[str, ...]]:
    """The multiset of 4-grams; a shorter text is one run."""
    tokens = _TOKEN.findall(text)
    return (
        Counter(tuple(tokens[i : i + _RUN]) for i in range(max(1, len(tokens) - _RUN + 1)))
        if tokens
        else Counter()
    )


def precision_recall(gold: str, found: str) -> tuple[float, float]:
    """Of one page."""
    wanted, got = runs(gold), runs(found)
    n_shared = (wanted & got).total()
    return (n_shared / got.total() if got else 0.0, n_shared / wanted.total() if wanted else 0.0)


def f1(precision: float, recall: float) -> float:
    """The harmonic mean; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(pairs: list[tuple[float, float]]) -> Score:
    """F1 of mean precision and mean recall."""
    precision = sum(p for p, _ in pairs) / len(pairs)
    recall = sum(r for _, r in pairs) / len(pairs)
    return Score(f1(precision, recall), precision, recall)


EXTRACTORS: dict[str, Callable[[Page], str]] = {
    "bench": lambda page: extract(page.html, page.url).text,
    "trafilatura": lambda page: trafilatura.extract(page.html) or "",
    "trafilatura, no comments": lambda page: trafilatura.extract(page.html, include_comments=False) or "",
    "soup.get_text()": lambda page: BeautifulSoup(page.html, "lxml").get_text(),
}


def measure(found: list[Page]) -> dict[str, tuple[list[tuple[float, float]], float]]:
    """Precision and recall of each page, and CPU seconds, by extractor; they take turns page by page."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in EXTRACTORS}
    seconds = dict.fromkeys(EXTRACTORS, 0.0)
    for reader in EXTRACTORS.values():  # what is loaded and compiled once is not counted
        reader(found[0])
    for page in found:
        for name, reader in EXTRACTORS.items():
            began = time.process_time()
            text = reader(page)
            seconds[name] += time.process_time() - began
            pairs[name].append(precision_recall(page.gold, text))
    return {name: (pairs[name], seconds[name]) for name in EXTRACTORS}


def report(found: list[Page]) -> dict[str, object]:
    """Everything that is printed."""
    measured = measure(found)
    bare = [f1(*pair) for pair in measured["trafilatura"][0]]
    ours = [f1(*pair) for pair in measured["bench"][0]]
    worst = min(range(len(found)), key=lambda i: ours[i] - bare[i])
    kinds = [extract(page.html, page.url) for page in found]
    return {
        "n_pages": len(found),
        "extractors": {
            name: {
                **score(pairs)._asdict(),
                "f1_even": score(pairs[::2]).f1,
                "f1_odd": score(pairs[1::2]).f1,
                "pages_per_s": len(found) / seconds,
            }
            for name, (pairs, seconds) in measured.items()
        },
        "worst_page": {"url": found[worst].url, "f1_difference": ours[worst] - bare[worst]},
        "refused": [
            f"{page.url}: {read.kind} ({read.reason})"
            for page, read in zip(found, kinds, strict=True)
            if read.kind != "article"
        ],
    }


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not (options.data / FOLDER).is_dir():
        raise SystemExit(f"no {FOLDER} in {options.data.name}: set --data or BENCH_REAL_DATA")
    result = report(pages(options.data))
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{'':26}     F1   precision  recall   F1 of halves     pages/s")
    extractors = result["extractors"]
    assert isinstance(extractors, dict)
    for name, row in extractors.items():
        means = f"{row['f1']:.4f}   {row['precision']:.4f}   {row['recall']:.4f}"
        print(f"{name:26} {means}   {row['f1_even']:.4f}  {row['f1_odd']:.4f}   {row['pages_per_s']:6.1f}")
    print(f"worst page against bare trafilatura: {result['worst_page']}")
    print(f"refused: {result['refused']}")


if __name__ == "__main__":
    main()
