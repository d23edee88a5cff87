"""The labelled tasks on the data sets they are named after: read whole, run, and held against the labels."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bench import items, tasks
from bench.cli.app import app
from bench.config import ArticlesConfig
from bench.records import SCORE_LABELS
from tests.fixtures.tiny_gguf import make_tiny_gguf

N_ITEMS = 24
SETS: dict[str, tuple[str, dict[str, Any]]] = {
    "phrasebank": (
        "phrasebank",
        {"source": "phrasebank", "path": "financial-phrasebank/Sentences_AllAgree.txt"},
    ),
    "tweets": (
        "tweet_sentiment",
        {
            "source": "files",
            "path": "tweet-sentiment-extraction/kaggle_train.csv",
            "columns": {"text": "text", "label": "sentiment"},
        },
    ),
    "financial_tweets": (
        "tweet_sentiment",
        {
            "source": "files",
            "path": "twitter-financial-news-sentiment/sent_valid.csv",
            "label_map": {"0": "negative", "1": "positive", "2": "neutral"},
        },
    ),
    "airline": (
        "tweet_sentiment",
        {
            "source": "files",
            "path": "twitter-us-airline/Tweets.csv",
            "columns": {"text": "text", "label": "airline_sentiment"},
        },
    ),
}


@pytest.fixture(params=SETS)
def labelled(request, real_data):
    """A task's name and the `articles` section for one data set."""
    task, section = SETS[request.param]
    path = real_data / section["path"]
    if not path.is_file():
        pytest.skip(f"no {section['path']} among the public data")
    return task, {**section, "path": str(path)}


def measured(task: str, section: dict[str, Any], model: dict[str, Any], n: int) -> list[dict[str, str]]:
    """`quality.csv` of a run over the first `n` items."""
    config = {
        "task": task,
        "articles": {**section, "limit": n},
        "iterations": 2,
        "sampling": {"max_tokens": 40, "context_tokens": 4096},
        "models": [{"family": "m", "variant": "base", "quants": ["fp16"], **model}],
    }
    Path("config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    for arguments in (["run", "--run-id", "r"], ["report", "r", "--only", "csv"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.exception
    with Path("reports/r/tables/quality.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_data_set_is_read_whole_with_the_tasks_labels_and_run(labelled):
    task, section = labelled
    found = items.load(tasks.load(task), ArticlesConfig.model_validate(section))
    counts = Counter(article.label for article in found)
    assert set(counts) == set(SCORE_LABELS)
    assert min(counts.values()) > 100
    (row,) = measured(task, section, {"backend": "fake", "ref": "x"}, N_ITEMS)
    assert (int(row["n_items"]), int(row["n_answers"]), int(row["n_garbage"])) == (N_ITEMS, 2 * N_ITEMS, 0)
    right = measured_by_hand([article.label for article in found[:N_ITEMS]])
    assert float(row["accuracy"]) == pytest.approx(right)


def measured_by_hand(labels: list[str | None]) -> float:
    """Right answers among all, counted in the run's own lines."""
    from bench import store

    run = store.open_run(Path("sentiments/r"))
    truth = dict(zip(run.manifest.article_ids, labels, strict=True))
    rows = list(run.samples(run.manifest.arms[0].arm))
    right = [row for row in rows if truth[row["article_id"]] == row["verdict"]["answer"]["label"]]
    return len(right) / len(rows)


def test_a_real_engine_reads_real_sentences(real_data, tmp_path):
    task, section = SETS["phrasebank"]
    path = real_data / section["path"]
    if not path.is_file():
        pytest.skip("no Financial PhraseBank among the public data")
    model = make_tiny_gguf(tmp_path / "tiny.gguf", context=4096)
    given = {"backend": "llama_cpp", "ref": str(model), "output": "json_schema", "options": {"n_threads": 1}}
    (row,) = measured(task, {**section, "path": str(path)}, given, 4)
    assert int(row["n_items"]) == 4
