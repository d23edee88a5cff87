"""`bench export RUN DIR --layout lm-eval`: each arm in the layout of lm-evaluation-harness.

In: a run. Out: `DIR/<arm>/results_<time>.json` and `DIR/<arm>/samples_<task>_<time>.jsonl`: a line per item,
whose `resps` are its answers, one per iteration (`repeats`), and whose `acc` is their share of right ones,
garbage counting as wrong. Failed measurements are in no `acc`. An `acc` that is not known is left out, and
never 0.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from bench import store
from bench.errors import disk_errors
from bench.exported import Asked, Exported, write_export
from bench.identity import file_stem, slug

INVALID = "[invalid]"
"""What the harness writes where a filter finds no answer."""


def export_lm_eval(run_dir: Path, target: Path) -> list[Path]:
    """Write one folder per arm into `target`, which must be new or empty; the folders made."""
    return write_export(run_dir, target, _write)


def _write(arm: Exported, target: Path) -> Path:
    folder = target / file_stem(arm.record.arm)
    with disk_errors(folder):
        folder.mkdir(parents=True)
    time = arm.manifest.started_at.isoformat(timespec="seconds").replace(":", "-")
    results = json.dumps(results_of(arm), ensure_ascii=False, allow_nan=False, indent=2)
    store.write_whole(folder / f"results_{time}.json", results.encode("utf-8") + b"\n")
    lines = [json.dumps(line, ensure_ascii=False, allow_nan=False) for line in sample_lines(arm)]
    name = f"samples_{slug(_task(arm))}_{time}.jsonl"
    store.write_whole(folder / name, "".join(f"{line}\n" for line in lines).encode("utf-8"))
    return folder


def _task(arm: Exported) -> str:
    return str(arm.manifest.task.get("name", "unknown"))


def results_of(arm: Exported) -> dict[str, Any]:
    """The results file of one arm."""
    manifest, spec, task = arm.manifest, arm.record.spec, _task(arm)
    iterations, n = arm.record.iterations or manifest.iterations, len(arm.items)
    sampling = manifest.config.get("sampling") or {}
    accuracy, stderr = arm.accuracy
    answers = [one for item in arm.items for one in item.answers if one.measured]
    rate = sum(one.valid for one in answers) / len(answers) if answers else math.nan
    figures = {"acc,none": accuracy, "acc_stderr,none": stderr, "valid_rate,none": rate}
    known: dict[str, Any] = {name: value for name, value in figures.items() if not math.isnan(value)}
    n_shots = None if spec.prompt_style == "few_shot" else 0
    return {
        "results": {task: {"alias": task, **known}},
        "group_subtasks": {task: []},
        "configs": {
            task: {
                "task": task,
                "output_type": "generate_until",
                "repeats": iterations,
                "num_fewshot": n_shots,
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
                "generation_kwargs": sampling,
                "metadata": {"version": manifest.task.get("version"), "labels": arm.schema.label_names},
            }
        },
        "versions": {task: manifest.task.get("version")},
        "n-shot": {task: n_shots},
        "higher_is_better": {task: {"acc": True, "valid_rate": True}},
        "n-samples": {task: {"original": len(manifest.article_ids), "effective": n}},
        "config": {
            "model": spec.backend,
            "model_args": {"pretrained": spec.ref, "arm": spec.arm, "digest": spec.digest},
            "batch_size": manifest.decode_width,
            "random_seed": sampling.get("seed"),
            "gen_kwargs": sampling,
        },
        "date": manifest.started_at.timestamp(),
        "model_source": spec.backend,
        "model_name": spec.arm,
        "model_name_sanitized": file_stem(spec.arm),
        "bench_version": manifest.bench_version,
        "run_id": manifest.run_id,
    }


def sample_lines(arm: Exported) -> list[dict[str, Any]]:
    """The samples file of one arm, a dictionary per item."""
    sampling = arm.manifest.config.get("sampling") or {}
    return [_line(place, item, sampling) for place, item in enumerate(arm.items)]


def _line(place: int, item: Asked, sampling: dict[str, Any]) -> dict[str, Any]:
    doc = item.article.model_dump(mode="json", exclude_none=True)
    asked = [message.model_dump(mode="json") for message in item.messages]
    prompt = json.dumps(asked, ensure_ascii=False) if asked else item.article.text
    line: dict[str, Any] = {
        "doc_id": place,
        "doc": doc,
        "target": item.target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": sampling}},
        "resps": [[one.row["completion"]["text"] for one in item.answers]],
        "filtered_resps": [_read(one.label, one.score) for one in item.answers],
        "filter": "none",
        "metrics": ["acc", "valid"],
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(item.target),
        "outcomes": [one.row["verdict"]["outcome"] for one in item.answers],
    }
    measured = [one for one in item.answers if one.measured]
    if measured:
        line["valid"] = sum(one.valid for one in measured) / len(measured)
    if not math.isnan(item.share_right):
        line["acc"] = item.share_right
    line["metrics"] = [name for name in ("acc", "valid") if name in line]
    return line


def _read(label: str | None, score: float | None) -> str:
    return label if label is not None else INVALID if score is None else f"{score:g}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
