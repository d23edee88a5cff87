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

import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench import __version__, store, tasks
from bench.errors import ConfigError, UsageError, disk_errors
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
from bench.seed_names import MAP_FILE, SeedArm, map_text, name_arms, read_map, read_yaml
from bench.validation import judge_text

LAYOUTS = ("seed",)
TASK = "financial_news"
COMPARISONS_FILE = "comparisons.yaml"
MAX_BAD_SHOWN = 8
_FILE = re.compile(r"(?P<ticker>.+)_(?P<iteration>\d{1,6})\.json")
_NOT_KEPT = "the imported file keeps no text of this answer"


class Entry(NamedTuple):
    """One article in one file."""

    verdict: Verdict
    url: str | None
    published_at: datetime | None
    completion: Completion


class SeedFile(NamedTuple):
    """One file: one iteration over the articles of one ticker."""

    ticker: str
    iteration: int
    entries: dict[str, Entry]


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
    base = _models_root(path)
    folders = _model_folders(base)
    chosen = map_file or _beside(path, base, MAP_FILE)
    given = read_map(chosen) if chosen else {}
    arms = name_arms(folders, given)
    files = _read_files(base, list(arms))
    articles = _articles(files)
    comparisons, left_out = _comparisons(_beside(path, base, "config.yaml"), arms)
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


# ---------------------------------------------------------------- reading


def _models_root(path: Path) -> Path:
    """The folder that holds the model folders."""
    for folder in (path / "sentiments", path):
        if folder.is_dir() and _model_folders(folder):
            return folder
    found = "no such folder" if not path.is_dir() else "no model folder with <TICKER>_<i>.json files in it"
    raise UsageError(f"{path}: {found}; give the folder that holds `sentiments/` or the model folders")


def _beside(path: Path, base: Path, name: str) -> Path | None:
    """The file of this name in the folder that was given, or next to the folder of model folders."""
    return next((p / name for p in (path, base.parent) if (p / name).is_file()), None)


def _model_folders(folder: Path) -> list[str]:
    with disk_errors(folder):
        return sorted(
            child.name
            for child in folder.iterdir()
            if child.is_dir() and any(_FILE.fullmatch(file.name) for file in child.iterdir())
        )


def _read_files(base: Path, folders: list[str]) -> dict[str, list[SeedFile]]:
    """Every file of every folder, by ticker and iteration; one error names all the bad ones."""
    schema = tasks.load(TASK).answer
    found: dict[str, list[SeedFile]] = {}
    bad: list[str] = []
    for folder in folders:
        files = []
        for path in sorted(p for p in (base / folder).iterdir() if p.suffix == ".json"):
            try:
                files.append(_read_file(path, schema))
            except ValueError as error:
                bad.append(f"{folder}/{path.name}: {error}")
        found[folder] = sorted(files, key=lambda file: (file.ticker, file.iteration))
        bad += _twice(folder, files)
    if bad:
        more = [f"... and {len(bad) - MAX_BAD_SHOWN} more"] if len(bad) > MAX_BAD_SHOWN else []
        raise UsageError("\n".join(["nothing was imported, because of:", *bad[:MAX_BAD_SHOWN], *more]))
    return found


def _twice(folder: str, files: list[SeedFile]) -> list[str]:
    """Iterations that two files claim, as `MSFT_1.json` and `MSFT_01.json` do."""
    counts = Counter((file.ticker, file.iteration) for file in files)
    return [f"{folder}: two files are {ticker}_{i}" for (ticker, i), n in counts.items() if n > 1]


def _read_file(path: Path, schema: Any) -> SeedFile:
    """One file; ValueError says what is wrong with it."""
    name = _FILE.fullmatch(path.name)
    if name is None:
        raise ValueError("its name is not <TICKER>_<i>.json")
    try:
        data = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    entries = data.get("sentiments") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("it has no object `sentiments`")
    judged = {key: _entry(key, value, schema) for key, value in entries.items()}
    return SeedFile(name["ticker"], int(name["iteration"]), judged)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _entry(key: str, value: Any, schema: Any) -> Entry:
    if not key or not isinstance(value, dict):
        raise ValueError(f"article {key!r}: no object")
    valid = value.get("valid")
    if not isinstance(valid, bool):
        raise ValueError(f"article {key}: `valid` is not true or false")
    outcome = value.get("outcome")  # written by our own export, which loses no failed measurement
    if valid:
        verdict = _judged(key, value, schema)
    elif outcome is None:
        verdict = Verdict(outcome=Outcome.EMPTY, errors=(_NOT_KEPT,))
    elif outcome in list(Outcome) and outcome != Outcome.VALID:
        verdict = Verdict(outcome=Outcome(outcome), errors=(_NOT_KEPT,))
    else:
        raise ValueError(f"article {key}: unknown outcome {outcome!r}")
    seconds = _number(key, value, "time_taken")
    return Entry(
        verdict,
        _text(key, value, "url"),
        _date(_text(key, value, "published")),
        Completion(
            stop_reason="stop" if valid else None,
            duration_s=seconds,
            ttft_s=_number(key, value, "ttft_s"),
            completion_tokens=_count(key, value, "completion_tokens"),
            batch_size=1 if seconds is not None else None,
            error=_NOT_KEPT if verdict.outcome == Outcome.BACKEND_ERROR else None,
        ),
    )


def _judged(key: str, value: Mapping[str, Any], schema: Any) -> Verdict:
    """The verdict on an entry that calls itself valid: a score out of range is a failed answer, an answer
    without its fields is a damaged file."""
    answer = {field.name: value[field.name] for field in schema.fields if field.name in value}
    verdict = judge_text(json.dumps(answer), schema)
    if verdict.outcome in (Outcome.VALID, Outcome.OUT_OF_RANGE):
        return verdict
    why = "; ".join(verdict.errors) or verdict.outcome.value
    raise ValueError(f"article {key}: it says `valid`, but {why}")


def _number(key: str, value: Mapping[str, Any], name: str) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
        raise ValueError(f"article {key}: `{name}` is no number of seconds: {number!r}")
    return float(number)


def _count(key: str, value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise ValueError(f"article {key}: `{name}` is no count: {number!r}")
    return number


def _text(key: str, value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"article {key}: `{name}` is no text: {text!r}")
    return text


def _date(text: str | None) -> datetime | None:
    """An RFC 2822 date in UTC; None where it is none."""
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


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


def _comparisons(
    path: Path | None, arms: Mapping[str, SeedArm]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """The `comparison_pairs` of a config beside the folders: those whose arms are there, and the others."""
    data = read_yaml(path) if path else None
    pairs = (data.get("comparison_pairs") if isinstance(data, dict) else None) or []
    found: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
            raise ConfigError(f"{path}: comparison_pairs: two model names were expected, found {pair!r}")
        a, b = (name.replace(":", "_") for name in pair)
        if a in arms and b in arms and a != b:
            found.append((arms[a].spec(a).arm, arms[b].spec(b).arm))
        else:
            left_out.append((a, b))
    return tuple(dict.fromkeys(found)), tuple(left_out)


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


def comparisons_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Pairs of arms as the file that `bench report` reads beside the run's samples."""
    return yaml.safe_dump({"comparisons": [list(pair) for pair in pairs]}, sort_keys=False, width=1000)


def stored_comparisons(folder: Path) -> tuple[tuple[str, str], ...]:
    """The pairs of arms that were imported with a run; none where there is no such file."""
    path = folder / COMPARISONS_FILE
    data = read_yaml(path) if path.is_file() else None
    pairs = (data.get("comparisons") if isinstance(data, dict) else None) or []
    if not all(isinstance(p, list) and len(p) == 2 and all(isinstance(a, str) for a in p) for p in pairs):
        raise ConfigError(f"{path}: comparisons: pairs of arms were expected")
    return tuple((a, b) for a, b in pairs)
