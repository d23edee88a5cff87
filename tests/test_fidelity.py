"""How close a quantization's probabilities are to full precision's: on real files, and by hand."""

from pathlib import Path

import numpy as np
import pytest

from bench import store, sweep, tasks
from bench.config import Config
from bench.fidelity import divergence, log_probabilities, measure_fidelity
from bench.report import add_fidelity
from tests.builders import article
from tests.fixtures.tiny_gguf import make_tiny_gguf

RUNS = Path("sentiments")
ARTICLES = tuple(article(f"Examplecorp sold {n} ships.") for n in range(2))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One random model in three precisions."""
    pytest.importorskip("llama_cpp")
    folder = tmp_path_factory.mktemp("models")
    for quant in ("q4_K_M", "q8_0", "fp16"):
        make_tiny_gguf(folder / f"{quant}.gguf", quant=quant, context=4096)
    return folder


def plan(ref, quants=("q4_K_M", "q8_0", "fp16"), backend="llama_cpp") -> sweep.Plan:
    model = {
        "family": "tiny",
        "variant": "base",
        "quants": list(quants),
        "backend": backend,
        "ref": ref,
        "options": {"n_threads": 1} if backend == "llama_cpp" else {},
    }
    config = Config.model_validate(
        {
            "iterations": 2,
            "models": [model],
            "width": 4,
            "sampling": {"max_tokens": 12, "temperature": 1.0, "context_tokens": 4096},
        }
    )
    task = tasks.load(config.task)
    return sweep.Plan(config, task, ARTICLES, sweep._checked_arms(config), 2, 4)


@pytest.fixture
def measured(models):
    """A run of the three with its fidelity."""
    asked = plan(f"{models}/{{quant}}.gguf")
    sweep.start(asked, RUNS, "r")
    with sweep.continued(asked, RUNS / "r", None) as (writer, whole):
        found, notes = measure_fidelity(whole, writer)
    assert notes == []
    return {one.arm.partition("/base/")[2].partition("@")[0]: one for one in found}


def test_less_precision_is_further_away(measured):
    assert measured["fp16"].kl_mean == 0
    assert measured["fp16"].top1_agreement == 1
    assert 0 < measured["q8_0"].kl_mean < measured["q4_K_M"].kl_mean
    assert measured["q4_K_M"].top1_agreement < measured["q8_0"].top1_agreement <= 1
    for one in measured.values():
        assert one.kl_mean <= one.kl_p99 or one.kl_p99 == 0
        assert one.perplexity_of_baseline > 1
        assert one.n_articles == len(one.kl_by_article) == 2
        assert 0 < one.n_answer_tokens < one.n_positions


def test_what_was_measured_is_stored_and_reported(measured):
    run = store.open_run(RUNS / "r")
    arms = [record.arm for record in run.manifest.arms]
    found = {arm: one for arm in arms if (one := run.fidelity(arm)) is not None}
    assert {one.arm for one in found.values()} == set(arms)
    import pandas as pd

    tables = {
        "arms": pd.DataFrame({"arm": arms}),
        "cells": pd.DataFrame({"arm": arms[0], "article_id": [a.id for a in ARTICLES]}),
    }
    add_fidelity(tables, found)
    assert tables["arms"]["kl_mean"].tolist() == [found[arm].kl_mean for arm in arms]
    assert tables["cells"]["kl_mean"].tolist() == [found[arms[0]].kl_by_article[a.id] for a in ARTICLES]


def test_a_group_without_full_precision_is_told(models):
    asked = plan(f"{models}/{{quant}}.gguf", quants=("q8_0",))
    sweep.start(asked, RUNS, "r")
    with sweep.continued(asked, RUNS / "r", None) as (writer, whole):
        found, notes = measure_fidelity(whole, writer)
    assert found == []
    assert "no fidelity, because no fp16" in notes[0]


def test_a_backend_without_probabilities_is_told():
    asked = plan("{quant}", quants=("q8_0", "fp16"), backend="fake")
    sweep.start(asked, RUNS, "r")
    with sweep.continued(asked, RUNS / "r", None) as (writer, whole):
        found, notes = measure_fidelity(whole, writer)
    assert found == []
    assert all("gives no probabilities" in note for note in notes)
    assert len(notes) == 2


def test_the_divergence_is_that_of_the_book():
    p, q = np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.25, 0.5]])
    logs = [log_probabilities((np.log(values) + 3).astype(np.float32)) for values in (p, q)]
    expected = 0.5 * np.log(2) - 0.25 * np.log(2)
    assert divergence(*logs)[0] == pytest.approx(expected, rel=1e-5)
    assert divergence(logs[0], logs[0])[0] == 0
