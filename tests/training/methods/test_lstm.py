"""The LSTM baseline: it learns from the training texts alone, resumes exactly, and is an arm of hf."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from bench import backends
from bench.errors import ConfigError
from bench.training.methods import load
from tests.backends.asking import sampling
from tests.training.classifying import (
    SCHEMA,
    TOPIC_SCHEMA,
    answers,
    arm,
    job,
    kept_trainer,
    likeliest,
    toy,
    toy_data,
    two_tasks,
)

LSTM = load("lstm")
HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
"""So that a program of a test finds the tests' own modules."""
SMALL: dict[str, Any] = {
    "embedding": 16,
    "hidden": 16,
    "min_count": 1,
    "dropout": 0.1,
    "trainer": {"rate": 3e-2},
}
TEXTS = [example.text for example in toy(6, seed=2)]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_it_learns_and_its_arm_answers_with_the_trained_models_probabilities(pooling, tmp_path, monkeypatch):
    trainers = kept_trainer(monkeypatch)
    trained = LSTM.train(job(tmp_path, "lstm", **SMALL, pooling=pooling))
    losses = trained.facts["losses"]
    assert mean(losses[-5:]) < 0.5 * mean(losses[:5])
    assert trained.facts["validation_accuracy"]["tone"] > 0.8
    for answer, expected in zip(
        answers(arm(trained), TEXTS), likeliest(trainers[0], trained, TEXTS), strict=True
    ):
        assert (answer["label"], answer["confidence"]) == (expected[0], pytest.approx(expected[1], abs=1e-5))


def test_its_words_are_those_of_the_training_texts_alone(tmp_path):
    held_out = tuple(e._replace(text=f"{e.text} hapax") for e in toy(30, seed=1))
    trained = LSTM.train(job(tmp_path, "lstm", data=toy_data(validation=held_out), **SMALL))
    from transformers import AutoTokenizer

    words = set(AutoTokenizer.from_pretrained(str(trained.ref)).get_vocab()) - {"[PAD]", "[UNK]", "[CLS]"}
    assert words == {word for example in toy(96) for word in example.text.split()}


def test_a_training_that_was_killed_ends_with_the_same_losses(tmp_path):
    more: dict[str, Any] = {**SMALL, "trainer": {"rate": 1e-2, "epochs": 3, "save_steps": 4}}
    script = f"""
import os, signal
from pathlib import Path
from bench.training.methods import load
from bench.training.display import Silent
from tests.training.classifying import job

class Killing(Silent):
    def step(self, n_done, loss, tokens):
        if n_done == 10:
            os.kill(os.getpid(), signal.SIGKILL)

load("lstm").train(job(Path({str(tmp_path / "killed")!r}), "lstm", progress=Killing(), **{more!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, env=HERE, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (tmp_path / "killed" / "out").rmdir()
    resumed = LSTM.train(job(tmp_path / "killed", "lstm", **more)).facts
    unbroken = LSTM.train(job(tmp_path / "unbroken", "lstm", **more)).facts
    assert resumed["resumed_at"] == 8
    assert resumed["losses"] == unbroken["losses"]
    assert resumed["validation"] == unbroken["validation"]


def test_hostile_texts_are_answered(tmp_path):
    trained = LSTM.train(job(tmp_path, "lstm", **SMALL))
    texts = [
        "",
        " \u200b ",
        "[PAD] [PAD]",
        "\ud800 lone",
        "\x00\x1b[31m",
        "=cmd|' /C calc'!A0",
        "rose " * 400,
    ]
    assert len(answers(arm(trained), texts)) == len(texts)


def test_padding_named_in_a_text_is_text(tmp_path):
    trained = LSTM.train(job(tmp_path, "lstm", **SMALL))
    plain, marked = answers(arm(trained), ["sales rose", "sales rose [PAD]"])
    assert plain["confidence"] != marked["confidence"]


def test_two_tasks_have_a_head_each(tmp_path):
    trained = LSTM.train(job(tmp_path, "lstm", data=two_tasks(), **SMALL))
    assert min(trained.facts["validation_accuracy"].values()) > 0.8
    answers(arm(trained, "tone"), TEXTS)
    assert answers(arm(trained, "topic"), ["the goal", "a tariff"], TOPIC_SCHEMA) == ["sport", "trade"]


@pytest.mark.parametrize("trainer", [{"precision": "bf16"}, {"gradient_checkpointing": True}])
def test_settings_that_mean_nothing_for_it_are_refused(trainer, tmp_path):
    with pytest.raises(ConfigError, match="trains in fp32"):
        LSTM.train(job(tmp_path, "lstm", trainer=trainer))


def test_its_arm_takes_one_thread_unless_told(tmp_path):
    trained = LSTM.train(job(tmp_path, "lstm", **{**SMALL, "trainer": {"steps": 1}}))
    spec, threads = arm(trained), []
    for given in ({}, {"n_threads": 2}):
        options = {**trained.options, **given}
        session = backends.get("hf").open(spec.model_copy(update={"options": options}), sampling(), SCHEMA, 1)
        threads.append(session.loaded.details["n_threads"])
        session.close()
    assert threads == [1, 2]


def test_an_arm_that_cannot_be_is_refused(tmp_path):
    trained = LSTM.train(job(tmp_path, "lstm", **{**SMALL, "trainer": {"steps": 1}}))
    spec, check = arm(trained), backends.get("hf").check
    with pytest.raises(ConfigError, match="nothing in this network"):
        check(spec.model_copy(update={"quant": "int8"}), sampling())
    with pytest.raises(ConfigError, match="set option head: classification"):
        check(spec.model_copy(update={"options": {}}), sampling())


@pytest.mark.parametrize("kind", ["head", "lstm"])
def test_a_recipe_is_checked_without_torch(kind):
    code = (
        f"import sys; from bench.training.methods import load; load({kind!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, env=HERE, capture_output=True, text=True)
    assert done.stdout == "False\n"
