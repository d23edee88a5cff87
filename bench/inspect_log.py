"""`bench export RUN DIR --layout inspect`: each arm as a log of inspect_ai, which its viewer and
`inspect_ai.log.read_eval_log` open.

In: a run. Out: `DIR/<arm>.json`, version 2 of the log's JSON format (inspect_ai 0.3.285): an epoch is an
iteration, a sample an answer. Scores: `right` (C or I, where the article has a label), `valid` (1 or 0), the
task's `score` and its distance to a reference score. A failed measurement is a sample with an error and no
score. inspect_ai itself is not needed to write it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import store
from bench.exported import Answered, Asked, Exported, write_export
from bench.identity import content_id, file_stem
from bench.records import Message

LOG_VERSION = 2
_STATUS = {"finished": "success", "interrupted": "cancelled", "failed": "error", "running": "started"}
_STOP = {"stop": "stop", "length": "max_tokens", "context_overflow": "model_length", None: "unknown"}
_SENT_AS_THEY_ARE = ("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty")


def export_inspect(run_dir: Path, target: Path) -> list[Path]:
    """Write one log per arm into `target`, which must be new or empty; the paths made."""
    return write_export(run_dir, target, _write)


def _write(arm: Exported, target: Path) -> Path:
    path = target / f"{file_stem(arm.record.arm)}.json"
    text = json.dumps(inspect_log(arm), ensure_ascii=False, allow_nan=False, indent=1)
    store.write_whole(path, text.encode("utf-8") + b"\n")
    return path


def inspect_log(arm: Exported) -> dict[str, Any]:
    """The log of one arm, in the order of fields that inspect_ai writes."""
    manifest, name = arm.manifest, arm.record.arm
    samples = [sample for item in arm.items for sample in _samples(item, name)]
    started, completed = _time(manifest.started_at), _time(manifest.finished_at or manifest.started_at)
    return {
        "version": LOG_VERSION,
        "status": _STATUS[manifest.status],
        "eval": _spec(arm, started),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": {}},
        "results": {
            "total_samples": len(arm.items) * (arm.record.iterations or manifest.iterations),
            "completed_samples": len(samples),
            "scores": list(_results(arm)),
        },
        "stats": {"started_at": started, "completed_at": completed, "model_usage": {}},
        "samples": samples,
    }


def _spec(arm: Exported, started: str) -> dict[str, Any]:
    manifest, record = arm.manifest, arm.record
    sampling = manifest.config.get("sampling") or {}
    task = str(manifest.task.get("name", "unknown"))
    return {
        "eval_id": content_id([manifest.run_id, record.arm]),
        "run_id": manifest.run_id,
        "created": started,
        "task": task,
        "task_id": content_id([manifest.run_id, record.arm, "task"]),
        "task_version": str(manifest.task.get("version", "0")),
        "task_attribs": {},
        "task_args": {},
        "dataset": {
            "name": task,
            "samples": len(arm.items),
            "sample_ids": [item.article.id for item in arm.items],
            "shuffled": False,
        },
        "model": record.arm,
        "model_generate_config": {name: sampling[name] for name in _SENT_AS_THEY_ARE if name in sampling},
        "model_args": {},
        "config": {"epochs": record.iterations or manifest.iterations, "epochs_reducer": ["mean"]},
        "packages": {"bench": manifest.bench_version},
        "metadata": {
            "model": record.spec.model_dump(mode="json", exclude={"options"}),
            "sampling": sampling,
            "labels": list(arm.schema.label_names),
            "prompts": "as sent" if arm.prompt_known else "not at hand: the input is the article alone",
        },
    }


def _results(arm: Exported) -> Iterator[dict[str, Any]]:
    """Accuracy as everywhere in this project: the mean over items of the share of right answers."""
    accuracy, stderr = arm.accuracy
    answers = [one for item in arm.items for one in item.answers]
    if not math.isnan(accuracy):
        n = sum(one.right is not None for one in answers)
        yield _result("right", {"accuracy": accuracy, "stderr": stderr}, n, len(answers) - n)
    measured = [one for one in answers if one.measured]
    if measured:
        rate = sum(one.valid for one in measured) / len(measured)
        yield _result("valid", {"mean": rate}, len(measured), len(answers) - len(measured))


def _result(name: str, metrics: dict[str, float], scored: int, unscored: int) -> dict[str, Any]:
    known = {key: value for key, value in metrics.items() if not math.isnan(value)}
    return {
        "name": name,
        "scorer": name,
        "reducer": "mean",
        "scored_samples": scored,
        "unscored_samples": unscored,
        "params": {},
        "metrics": {key: {"name": key, "value": value, "params": {}} for key, value in known.items()},
    }


def _samples(item: Asked, model: str) -> Iterator[dict[str, Any]]:
    article = item.article
    asked = [_message(message) for message in item.messages]
    shown = f"{article.title}\n\n{article.text}" if article.title else article.text
    known = {
        "source": article.source,
        "entity": article.entity.name if article.entity else None,
        "title": article.title,
        "url": article.url,
        "reference_score": article.reference_score,
    }
    for one in item.answers:
        completion = one.row["completion"]
        answer = {"role": "assistant", "content": completion["text"], "source": "generate", "model": model}
        sample: dict[str, Any] = {
            "id": article.id,
            "epoch": one.row["iteration"] + 1,
            "input": asked or shown,
            "target": item.target,
            "messages": [*(asked or [{"role": "user", "content": shown}]), answer],
            "output": _output(one, answer, model),
            "scores": _scores(one, article.reference_score),
            "metadata": {name: value for name, value in known.items() if value is not None},
            "total_time": completion["duration_s"],
        }
        if not one.measured:
            said = completion["error"] or f"measurement failed: {one.row['verdict']['outcome']}"
            sample["error"] = {"message": said, "traceback": "", "traceback_ansi": ""}
        yield sample


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}


def _output(one: Answered, answer: dict[str, Any], model: str) -> dict[str, Any]:
    completion = one.row["completion"]
    tokens = completion["prompt_tokens"], completion["completion_tokens"]
    output: dict[str, Any] = {
        "model": model,
        "choices": [{"message": answer, "stop_reason": _STOP[completion["stop_reason"]]}],
        "completion": completion["text"],
        "time": completion["duration_s"],
    }
    if None not in tokens:
        usage = {"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens)}
        output["usage"] = usage | {"input_tokens_cache_read": completion["cached_tokens"]}
    return output


def _scores(one: Answered, reference: float | None) -> dict[str, Any] | None:
    """By scorer; None for a failed measurement, which is neither right nor wrong."""
    if not one.measured:
        return None
    verdict = one.row["verdict"]
    why = "; ".join(verdict["errors"]) or None
    found: dict[str, Any] = {}
    if one.right is not None:
        read = one.label if one.label is not None else f"garbage: {verdict['outcome']}"
        found["right"] = {"value": "C" if one.right else "I", "answer": read, "explanation": why}
    found["valid"] = {"value": int(one.valid), "answer": verdict["outcome"], "explanation": why}
    if one.score is not None:
        found["score"] = {"value": one.score}
        if reference is not None:
            found["score_error"] = {"value": abs(one.score - reference)}
    return found


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
