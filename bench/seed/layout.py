"""`bench import`: the seed project's result files become a normal run.

    PATH/sentiments/<model>/<TICKER>_<i>.json   or   PATH/<model>/<TICKER>_<i>.json
    {average_sentiment, time_taken, sentiments: {article key: {reasoning, sentiment, confidence,
                                                               valid, url, published, time_taken}}}

In: a folder. Out: `sentiments/<run_id>/` with samples, articles (a url, no text), `seed-map.yaml` and
`comparisons.yaml`. Everything is read and checked before anything is written, and the run appears
under its name only when it is whole. It invents no text and trusts no aggregate of the files: an
entry with `valid: false`, or one that the other files have and this one lacks, is a failed answer.
Seconds are those of the files, one answer at a time, so they count as latency samples.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import __version__, store, tasks
from bench.errors import UsageError, disk_errors
from bench.identity import content_id
from bench.records import (
    ArmRecord,
    Article,
    Completion,
    Entity,
    Manifest,
    Outcome,
    Revision,
    Sample,
    Verdict,
)
from bench.seed.comparisons import COMPARISONS_FILE, comparisons_text, configured_comparisons
from bench.seed.names import MAP_FILE, SeedArm, map_text, name_arms, read_map
from bench.seed.reading import TASK, Entry, SeedFile, beside, model_folders, models_root, read_files

LAYOUTS = ("seed",)


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    folder: Path
    """The new run."""
    arms: dict[str, SeedArm]
    """Who each folder was taken for."""
    comparisons: tuple[tuple[str, str], ...]
    """Pairs of arms that the files' own config compares."""
    left_out: tuple[tuple[str, str], ...]
    """Pairs whose arms are not there, by folder name."""
    unused: tuple[str, ...]
    """Folders of the map that are not there."""
    n_samples: int


def import_seed(path: Path, root: Path, run_id: str, map_file: Path | None = None) -> Imported:
    """Make the run `root/<run_id>` from the seed layout in `path`.

    UsageError or ConfigError (exit code 2) names every file that cannot be read, and nothing is left
    behind. Without `map_file`, a `seed-map.yaml` beside the folders is used, as an export writes one.
    """
    if (root / run_id).exists():
        raise UsageError(f"{root / run_id} is already there; choose another --run-id")
    base = models_root(path)
    folders = model_folders(base)
    chosen = map_file or beside(path, base, MAP_FILE)
    given = read_map(chosen) if chosen else {}
    arms = name_arms(folders, given)
    files = read_files(base, list(arms))
    articles = _articles(files)
    comparisons, left_out = configured_comparisons(beside(path, base, "config.yaml"), arms)
    samples = list(_samples(run_id, arms, files, articles))
    manifest = _manifest(run_id, arms, files, articles)
    _write(root, manifest, tuple(a for a, _ in articles.values()), samples, arms, comparisons)
    return Imported(
        folder=root / run_id,
        arms=arms,
        comparisons=comparisons,
        left_out=left_out,
        unused=tuple(folder for folder in given if folder not in arms),
        n_samples=len(samples),
    )


# ---------------------------------------------------------------- what it becomes

ArticleKey = tuple[str, str]
"""Ticker and the files' own key."""


def _articles(files: Mapping[str, list[SeedFile]]) -> dict[ArticleKey, tuple[Article, str]]:
    """Each article with its prompt id, by ticker and key, tickers in order, then as first met.

    Its id is the files' key; where two tickers share one (the same page about two companies), a hash.
    """
    first: dict[ArticleKey, Entry] = {}
    for file in sorted((f for fs in files.values() for f in fs), key=lambda f: f.ticker):
        for key, entry in file.entries.items():
            first.setdefault((file.ticker, key), entry)
    keys = [key for _, key in first]
    shared = {key for key in keys if keys.count(key) > 1}
    made = {}
    for (ticker, key), entry in first.items():
        name = content_id(["seed", ticker, key]) if key in shared else key
        article = Article(
            id=name,
            text="",
            url=entry.url,
            published_at=entry.published_at,
            source="seed",
            entity=Entity(name=ticker, ticker=ticker),
        )
        made[ticker, key] = (article, f"seed-{name}")
    return made


def _samples(
    run_id: str,
    arms: Mapping[str, SeedArm],
    files: Mapping[str, list[SeedFile]],
    articles: Mapping[ArticleKey, tuple[Article, str]],
) -> Iterator[Sample]:
    """One sample per folder, file and article of its ticker, the missing ones as failed answers."""
    missing = Verdict(outcome=Outcome.EMPTY, errors=("the imported file has no entry for this article",))
    for folder, arm in arms.items():
        name = arm.spec(folder).arm
        for file in files[folder]:
            for (ticker, key), (article, prompt_id) in articles.items():
                if ticker != file.ticker:
                    continue
                entry = file.entries.get(key)
                yield Sample(
                    run_id=run_id,
                    arm=name,
                    prompt_id=prompt_id,
                    article_id=article.id,
                    iteration=file.iteration,
                    seed=0,
                    completion=entry.completion if entry else Completion(),
                    verdict=entry.verdict if entry else missing,
                )


def _manifest(
    run_id: str,
    arms: Mapping[str, SeedArm],
    files: Mapping[str, list[SeedFile]],
    articles: Mapping[ArticleKey, tuple[Article, str]],
) -> Manifest:
    now, task = datetime.now(UTC), tasks.load(TASK)
    described = task.model_dump(mode="json", include={"name", "version", "answer", "labels"})
    return Manifest(
        run_id=run_id,
        bench_version=__version__,
        config={"imported": {"layout": "seed", "map": {f: a.model_dump() for f, a in arms.items()}}},
        task={**described, "digest": task.digest},
        provenance={"imported": "seed layout; what measured it, and where, is not in its files"},
        article_ids=tuple(article.id for article, _ in articles.values()),
        iterations=len({file.iteration for of_arm in files.values() for file in of_arm}),
        arms=tuple(
            ArmRecord(arm=spec.arm, spec=spec, source_name=folder)
            for folder, spec in ((folder, arm.spec(folder)) for folder, arm in arms.items())
        ),
        revisions=(Revision(at=now, kind="created"),),
        started_at=now,
        finished_at=now,
        status="finished",
    )


# ---------------------------------------------------------------- writing


def _write(
    root: Path,
    manifest: Manifest,
    articles: tuple[Article, ...],
    samples: list[Sample],
    arms: Mapping[str, SeedArm],
    comparisons: tuple[tuple[str, str], ...],
) -> None:
    """The run under a hidden name, renamed when it is whole."""
    hidden = root / f".import-{os.getpid()}"
    try:
        with store.create_run(hidden, manifest, articles) as writer:
            for sample in samples:
                writer.append(sample)
            store.write_whole(writer.folder / MAP_FILE, map_text(arms).encode("utf-8"))
            store.write_whole(writer.folder / COMPARISONS_FILE, comparisons_text(comparisons).encode("utf-8"))
        with disk_errors(root / manifest.run_id):
            (hidden / manifest.run_id).rename(root / manifest.run_id)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
