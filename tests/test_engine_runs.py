"""Whole runs on the real engine: the same again, killed in the middle of a batch, one article too long."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bench import store, sweep
from bench.config import load_config
from tests.builders import article
from tests.fixtures.tiny_gguf import make_tiny_gguf

RUNS = Path("sentiments")
TEXTS = ("Sales rose.", "Sales fell by a tenth.", "Nothing happened.", "The harbour was closed for a day.")
CONFIG = """\
articles: {source: articles.jsonl}
iterations: 15
width: 8
sampling: {temperature: 1.0, max_tokens: 150, context_tokens: 4096}
models:
  - {family: t, variant: base, quants: [fp16], backend: llama_cpp, ref: MODEL, options: {n_threads: 1}}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that takes a task's prompts."""
    pytest.importorskip("llama_cpp")
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context=4096)


@pytest.fixture
def project(model):
    """A working folder with a config and four articles."""
    Path("config.yaml").write_text(CONFIG.replace("MODEL", str(model)))
    write_articles(TEXTS)


def write_articles(texts) -> None:
    Path("articles.jsonl").write_text("".join(article(t).model_dump_json() + "\n" for t in texts))


def plan() -> sweep.Plan:
    return sweep.plan(load_config(Path("config.yaml")))


def rows(run_id):
    run = store.open_run(RUNS / run_id)
    return list(run.samples(run.manifest.arms[0].arm))


def texts(run_id) -> dict[tuple[str, int], str]:
    return {(row["prompt_id"], row["iteration"]): row["completion"]["text"] for row in rows(run_id)}


@pytest.mark.usefixtures("project")
def test_an_unbroken_run_repeated_gives_the_same_texts():
    sweep.start(plan(), RUNS, "a")
    sweep.start(plan(), RUNS, "b")
    assert texts("a") == texts("b")
    assert len(set(texts("a").values())) == len(TEXTS) * 15


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_in_mid_batch_loses_only_unfinished_answers(number):
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--run-id", "r"], stderr=subprocess.DEVNULL
    )
    while sum(path.read_bytes().count(b"\n") for path in RUNS.glob("r/samples/*")) < 3:
        assert process.poll() is None, "the run was over too soon"
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    [path] = RUNS.glob("r/samples/*")
    before = path.read_bytes()
    whole = before[: before.rfind(b"\n") + 1]
    n_before = whole.count(b"\n")
    assert n_before < len(TEXTS) * 15
    manifest = sweep.resume(plan(), RUNS / "r")
    assert manifest.status == "finished"
    assert path.read_bytes().startswith(whole)
    assert Counter(Counter((r["prompt_id"], r["iteration"]) for r in rows("r")).values()) == {1: 60}
    assert (manifest.arms[0].n_before_resume, manifest.arms[0].n_after_resume) == (n_before, 60 - n_before)


@pytest.mark.usefixtures("project")
def test_an_article_that_does_not_fit_is_an_overflow_and_the_others_go_on():
    write_articles((TEXTS[0], "The board met again. " * 600, *TEXTS[1:]))
    sweep.start(plan(), RUNS, "r")
    outcomes = [row["verdict"]["outcome"] for row in rows("r")]
    assert outcomes.count("context_overflow") == 15
    assert len(outcomes) == 75
    overflown = [r["completion"] for r in rows("r") if r["verdict"]["outcome"] == "context_overflow"]
    assert all(c["prompt_tokens"] > 4096 - 150 and not c["text"] for c in overflown)


@pytest.mark.usefixtures("project")
def test_what_the_engine_took_is_in_the_manifest():
    sweep.start(plan(), RUNS, "r")
    loaded = json.loads((RUNS / "r" / "manifest.json").read_text())["arms"][0]["loaded"]
    tokens = sum(row["completion"]["completion_tokens"] for row in rows("r"))
    assert loaded["speed"]["decode_tokens"] == pytest.approx(tokens, abs=60)
    assert min(loaded["load_s"], loaded["speed"]["prefill_s"], loaded["speed"]["decode_s"]) > 0
    assert loaded["peak_memory_bytes"] > loaded["file_bytes"] > 0
    assert {row["completion"]["batch_size"] for row in rows("r")} == {8}
