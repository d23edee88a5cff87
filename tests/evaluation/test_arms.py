"""Which arms an evaluation has and what it compares: by role, style and quantization."""

import pytest

from bench.errors import ConfigError, UsageError
from bench.evaluation.arms import Settings, planned
from bench.evaluation.folder import read_folder
from tests.evaluation.made import FAKE, HEAD, training, write_folder

LSTM = training("lstm", "lstm", needs_base=False, backend="hf", options=HEAD)
DISTILBERT = training("distilbert", "head", backend="hf", options=HEAD)


def plan(*trainings, settings=None, heads=True, which=0, **fields):
    found = read_folder(write_folder(*trainings, **fields))
    return planned(found, found.tests[which], settings or Settings(), heads=heads)


def short(arm):
    return arm.removeprefix("tiny/").replace("@hf", "").replace("@fake", "").replace("/fp32", "")


def test_untuned_in_both_styles_tuned_heads_and_baselines_are_arms_of_one_run():
    found = plan(training("lora"), DISTILBERT, LSTM)
    roles = {short(arm): role for arm, role in found.roles.items()}
    assert roles == {
        "base": "untuned",
        "base+few_shot": "untuned",
        "lora": "tuned",
        "distilbert": "head",
        "lstm": "baseline",
    }
    assert found.config.sampling.temperature == 0
    assert found.config.iterations == 1
    assert found.notes == ()


def test_tuned_is_compared_with_untuned_and_then_with_every_simpler_model():
    found = plan(training("lora"), DISTILBERT, LSTM)
    assert [(short(a), short(b)) for a, b in found.pairs] == [
        ("lora", "base"),
        ("lora", "base+few_shot"),
        ("distilbert", "base"),
        ("distilbert", "base+few_shot"),
        ("lora", "distilbert"),
        ("lora", "lstm"),
        ("distilbert", "lstm"),
    ]


def test_the_base_runs_at_the_quantization_of_each_tuned_model_and_is_compared_there():
    found = plan(training("lora"), training("qlora", quant="nf4"), evaluation={"untuned": ["zero_shot"]})
    assert [(short(a), short(b)) for a, b in found.pairs] == [("lora", "base"), ("qlora/nf4", "base/nf4")]


def test_the_recipe_decides_whether_the_base_is_asked():
    found = plan(training("lora"), LSTM, evaluation={"untuned": []})
    assert [short(arm) for arm in found.roles] == ["lora", "lstm"]


def test_a_base_that_cannot_be_asked_is_left_out_and_told():
    found = plan(LSTM, base={"backend": "hf", "ref": "models/distilbert"})
    assert [short(arm) for arm in found.roles] == ["lstm"]
    assert len(found.notes) == 2
    assert found.notes[0].startswith("untuned zero_shot (fp32) is left out: models/distilbert")


def test_no_arm_at_all_is_refused_with_what_was_left_out():
    both = ("tweet_sentiment", "sarcasm")
    made = training("a", "head", backend="hf", options=HEAD)
    with pytest.raises(ConfigError, match="no arm can be asked about sarcasm: a is left out of sarcasm"):
        plan(made, base=None, tests=both, which=1)


def test_a_head_that_cannot_say_the_labels_of_the_only_task_is_an_error():
    odd = training("odd", "head", backend="hf", options={**HEAD, "labels": ["up", "down", "flat"]})
    with pytest.raises(UsageError, match="down, flat, up is no choice of the field"):
        plan(odd)


def test_a_training_with_a_head_for_each_task_is_asked_with_the_right_one():
    heads = {
        "tweet_sentiment": {"ref": "models/tiny/two/tweets", "options": HEAD},
        "sarcasm": {
            "ref": "models/tiny/two/sarcasm",
            "options": {**HEAD, "labels": ["sarcastic", "sincere"]},
        },
    }
    made = training("two", "head", backend="hf", options=HEAD, tasks=heads)
    both = ("tweet_sentiment", "sarcasm")
    refs = [plan(made, base=None, tests=both, which=i).config.arms()[0].ref for i in (0, 1)]
    assert refs == ["models/tiny/two/tweets", "models/tiny/two/sarcasm"]
    found = plan(made, training("lora"), base=None, tests=(*both, "phrasebank"), which=2)
    assert [short(arm) for arm in found.roles] == ["lora"]
    assert found.notes == ("two is left out of phrasebank: it has no head for it",)


def test_on_a_task_that_is_not_trained_only_models_that_write_are_asked():
    found = plan(training("lora"), DISTILBERT, LSTM, heads=False)
    assert [short(arm) for arm in found.roles] == ["base", "base+few_shot", "lora"]


def test_settings_replace_the_recipes():
    found = plan(training("lora"), settings=Settings(3, 0.7, 5, 2))
    assert (found.config.iterations, found.config.width) == (3, 2)
    assert found.config.sampling.temperature == 0.7
    assert found.config.articles.limit == 5


def test_a_reference_with_braces_is_a_path_and_no_template():
    found = plan(training("lora"), base={**FAKE, "ref": "a{b}c"})
    assert found.config.arms()[0].ref == "a{b}c"


def test_the_context_is_that_of_the_smallest_model(tmp_path):
    (tmp_path / "config.json").write_text('{"n_positions": 200}')
    found = plan(training("lora", ref=str(tmp_path)), evaluation={"max_tokens": 20})
    assert found.config.sampling.context_tokens == 200
    with pytest.raises(ConfigError, match="max_tokens 200 of the 200 tokens"):
        plan(training("lora", ref=str(tmp_path)), evaluation={"max_tokens": 200})
