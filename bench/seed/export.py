"""`bench export RUN --layout seed DIR`: a run in the seed project's layout.

In: a run. Out: `DIR/sentiments/<model>/<TICKER>_<i>.json`, `DIR/seed-map.yaml` (who each folder is) and
`DIR/config.yaml` (the pairs that were imported with it); `bench import DIR` reads all three. The layout
has no place for texts, so none is written. Where it would lose why an answer failed, its tokens or its time
to first token, the entry has further keys, which the seed project ignores.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import yaml

from bench import store
from bench.errors import UsageError, disk_errors
from bench.identity import content_id, slug
from bench.records import AnswerSchema, ArmRecord, Article, Outcome
from bench.seed.comparisons import stored_comparisons
from bench.seed.names import MAP_FILE, SeedArm, map_text

NO_TICKER = "ARTICLES"
"""Stands for the ticker of articles that have none."""


def export_seed(run_dir: Path, target: Path) -> list[Path]:
    """Write the run in `run_dir` into `target`, which must be new or empty; the model folders made."""
    run = store.open_run(run_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty; give a new folder")
    schema = AnswerSchema.model_validate(run.manifest.task.get("answer"))
    names = _folder_names(run.manifest.arms)
    articles = {article.id: article for article in run.articles()}
    with disk_errors(target):
        folders = []
        for record in run.manifest.arms:
            folder = target / "sentiments" / names[record.arm]
            folder.mkdir(parents=True)
            folders.append(folder)
            _write_arm(folder, run, record.arm, articles, schema)
        fields = list(SeedArm.model_fields)
        arms = {names[r.arm]: SeedArm(**{f: getattr(r.spec, f) for f in fields}) for r in run.manifest.arms}
        store.write_whole(target / MAP_FILE, map_text(arms).encode("utf-8"))
        pairs = [[names[a], names[b]] for a, b in stored_comparisons(run_dir) if a in names and b in names]
        config = yaml.safe_dump({"comparison_pairs": pairs}, width=1000)
        store.write_whole(target / "config.yaml", config.encode("utf-8"))
    return folders


def _folder_names(arms: tuple[ArmRecord, ...]) -> dict[str, str]:
    """One plain folder name per arm, the imported one where there is one."""
    names: dict[str, str] = {}
    for record in arms:
        spec = record.spec
        name = record.source_name or f"{spec.family}-{spec.variant}-{spec.quant}"
        plain = slug(name.replace(":", "_"), 120)
        if plain != name or plain.lower() in {other.lower() for other in names.values()}:
            plain = f"{content_id(record.arm, 10)}-{plain}"
        names[record.arm] = plain
    return names


def _write_arm(
    folder: Path, run: store.Run, arm: str, articles: Mapping[str, Article], schema: AnswerSchema
) -> None:
    """One file per ticker and iteration, articles in the run's order."""
    files: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in run.samples(arm):
        article = articles.get(row["article_id"])
        if article is not None:
            ticker = article.entity.ticker if article.entity else None
            files[slug(ticker or NO_TICKER), row["iteration"]][article.id] = _entry(row, article, schema)
    for (ticker, iteration), entries in files.items():
        ordered = {name: entries[name] for name in articles if name in entries}
        content = {
            "average_sentiment": _average(ordered.values(), schema),
            "time_taken": sum(entry["time_taken"] or 0 for entry in ordered.values()),
            "sentiments": ordered,
        }
        path = folder / f"{ticker}_{iteration}.json"
        store.write_whole(path, json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8") + b"\n")


def _entry(row: Mapping[str, Any], article: Article, schema: AnswerSchema) -> dict[str, Any]:
    completion, verdict = row["completion"], row["verdict"]
    valid = verdict["outcome"] == Outcome.VALID
    entry: dict[str, Any] = {f.name: verdict["answer"][f.name] for f in schema.fields} if valid else {}
    alone = completion["batch_size"] == 1
    entry |= {
        "valid": valid,
        "url": article.url,
        "published": format_datetime(article.published_at) if article.published_at else None,
        "time_taken": completion["duration_s"] if alone else None,
    }
    if not valid and verdict["outcome"] != Outcome.EMPTY:
        entry["outcome"] = verdict["outcome"]
    if alone and completion["ttft_s"] is not None:
        entry["ttft_s"] = completion["ttft_s"]
    if completion["completion_tokens"] is not None:
        entry["completion_tokens"] = completion["completion_tokens"]
    return entry


def _average(entries: Any, schema: AnswerSchema) -> float | None:
    """The confidence-weighted mean score of the valid answers; None where there is no weight."""
    if schema.score is None or schema.confidence is None:
        return None
    pairs = [(entry[schema.score], entry[schema.confidence]) for entry in entries if entry["valid"]]
    weight = sum(confidence for _, confidence in pairs)
    return sum(score * confidence for score, confidence in pairs) / weight if weight else None
