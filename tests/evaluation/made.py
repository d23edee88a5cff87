"""Folders as `bench train` leaves them, with scripted models in the place of trained ones."""

import json
from pathlib import Path

from bench.articles import write_jsonl
from bench.records import Article

LABELS = ("negative", "neutral", "positive")
TASK = "tweet_sentiment"
HEAD = {"head": "classification", "labels": list(LABELS)}
FAKE = {"backend": "fake", "ref": "base"}


def held_out(n=24):
    """Items of `tweet_sentiment`, a third of each label."""
    return tuple(
        Article(id=Article.make_id(text, None), text=text, source="test", label=LABELS[i % 3])
        for i, text in enumerate(f"message number {i} about the weather" for i in range(n))
    )


def arm(name="lora", backend="fake", **fields):
    """`arm.json` of a training."""
    given = {"family": "tiny", "variant": name, "quant": "fp32", "backend": backend, "ref": name}
    given |= {"adapter": None, "options": {}, "prompt_style": "zero_shot"}
    return given | fields


def training(name, kind="lora", needs_base=True, **fields):
    """A finished training: its entry in `recipe.json` and its arm."""
    return {"name": name, "kind": kind, "needs_base": needs_base}, arm(name, **fields)


def write_folder(
    *trainings, base=FAKE, tests=(TASK,), other=None, articles=None, evaluation=None, **recipe
) -> Path:
    """models/tiny with these trainings (`training(...)`)."""
    folder = Path("models/tiny")
    folder.mkdir(parents=True, exist_ok=True)
    files = [{"task": t, "file": "test.jsonl" if not i else f"test-{t}.jsonl"} for i, t in enumerate(tests)]
    other_file = None if other is None else {"task": other, "file": f"test-{other}.jsonl"}
    for entry in (*files, *([other_file] if other_file else [])):
        write_jsonl(folder / entry["file"], articles or held_out())
    for entry, made in trainings:
        (folder / entry["name"]).mkdir(exist_ok=True)
        (folder / entry["name"] / "arm.json").write_text(json.dumps(made))
    written = {"name": "tiny", "task": TASK, "trainings": [{"name": "x", "method": {"kind": "lora"}}]}
    whole = {
        "recipe": {**written, "evaluation": evaluation or {}, **recipe},
        "digest": "what tune.py keeps besides",
        "base": base,
        "tests": files,
        "other_task": other_file,
        "trainings": [entry for entry, _ in trainings],
    }
    (folder / "recipe.json").write_text(json.dumps(whole))
    return folder
