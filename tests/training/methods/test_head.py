"""Heads on bases of every kind: they learn, and the saved arm answers as the trained model does."""

import shutil
from functools import wraps
from statistics import mean
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bench.errors import ConfigError, ModelFileError
from bench.training.methods import load
from tests.training.classifying import (
    LABELS,
    SYSTEM,
    TOPIC,
    TOPIC_SCHEMA,
    Noted,
    answers,
    arm,
    job,
    kept_trainer,
    likeliest,
    make_base,
    toy,
    toy_data,
    two_tasks,
)

HEAD = load("head")
TEXTS = [example.text for example in toy(6, seed=2)]
SILENT = tuple(example._replace(turns=()) for example in toy(9))
LONG = tuple(example._replace(text="the " * 9) for example in toy(3))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Folders of tiny bases, each made once."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = make_base(kind, tmp_path_factory.mktemp("bases") / kind)
        return made[kind]

    return folder


def weights(folder):
    return load_file(str(folder / "model.safetensors"))


@pytest.mark.parametrize("kind", ["distilbert", "gpt2", "llama", "opt"])
def test_a_head_learns_and_its_arm_answers_with_the_trained_models_probabilities(
    kind, base, tmp_path, monkeypatch
):
    trainers = kept_trainer(monkeypatch)
    trained = HEAD.train(job(tmp_path, "head", base(kind)))
    losses = trained.facts["losses"]
    assert mean(losses[-5:]) < 0.7 * mean(losses[:5])
    found = answers(arm(trained), TEXTS)
    for answer, (label, probability) in zip(found, likeliest(trainers[0], trained, TEXTS), strict=True):
        assert answer["label"] == label
        assert answer["confidence"] == pytest.approx(probability, abs=1e-5)
    right = [example.label for example in toy(6, seed=2)]
    assert sum(a["label"] == label for a, label in zip(found, right, strict=True)) >= 4
    assert trained.facts["validation_accuracy"]["tone"] > 0.6


def test_a_frozen_base_keeps_its_weights_and_only_the_head_changes(base, tmp_path):
    trained = HEAD.train(job(tmp_path, "head", base("distilbert"), freeze="base", trainer={"epochs": 1}))
    before, after = weights(base("distilbert")), weights(trained.ref)
    shared = [name for name in after if name.startswith("distilbert.")]
    assert shared
    assert all(torch.equal(before[name], after[name]) for name in shared)
    names = {row["name"] for row in trained.facts["table"]}
    assert names == {
        f"{layer}.{part}" for layer in ("pre_classifier", "classifier") for part in ("weight", "bias")
    }


def test_a_lora_is_merged_into_the_arm(base, tmp_path, monkeypatch):
    trainers = kept_trainer(monkeypatch)
    more: dict[str, Any] = {"adapter": "lora", "r": 4, "alpha": 8, "trainer": {"epochs": 2}}
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), **more))
    assert (trained.adapter, trained.quant) == (None, "fp32")
    assert not any("lora" in name for name in weights(trained.ref))
    changed = weights(trained.ref)["transformer.h.0.attn.c_attn.weight"]
    assert not torch.equal(changed, weights(base("gpt2"))["transformer.h.0.attn.c_attn.weight"])
    found = answers(arm(trained), TEXTS)
    for answer, (label, probability) in zip(found, likeliest(trainers[0], trained, TEXTS), strict=True):
        assert (answer["label"], answer["confidence"]) == (label, pytest.approx(probability, abs=1e-4))


def test_a_lora_over_int8_weights_stays_beside_them(base, tmp_path, monkeypatch):
    pytest.importorskip("bitsandbytes")
    trainers = kept_trainer(monkeypatch)
    more: dict[str, Any] = {"adapter": "lora", "quant": "int8", "trainer": {"epochs": 3}}
    trained = HEAD.train(job(tmp_path, "head", base("opt"), **more))
    assert trained.quant == "int8"
    assert trained.adapter is not None
    assert all("lora_" in name for name in load_file(str(trained.adapter / "adapter_model.safetensors")))
    before, after = weights(base("opt")), weights(trained.ref)
    assert torch.equal(
        before["model.decoder.layers.0.fc1.weight"], after["model.decoder.layers.0.fc1.weight"]
    )
    found = answers(arm(trained), TEXTS)
    for answer, (_label, probability) in zip(found, likeliest(trainers[0], trained, TEXTS), strict=True):
        assert answer["confidence"] == pytest.approx(probability, abs=0.03)  # the arm computes in fp16


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
@pytest.mark.parametrize("quant", ["none", "int8"])
def test_a_head_of_several_layers_is_trained_whole_beside_a_lora(kind, quant, base, tmp_path, monkeypatch):
    if quant == "int8":
        pytest.importorskip("bitsandbytes")
    trainers = kept_trainer(monkeypatch)
    trained = HEAD.train(
        job(tmp_path, "head", base(kind), adapter="lora", quant=quant, trainer={"epochs": 1})
    )
    of_head = {row["name"] for row in trained.facts["table"] if "classifier" in row["name"]}
    assert any({"distilbert": "pre_classifier", "roberta": ".dense."}[kind] in name for name in of_head)
    assert not any("lora" in name for name in of_head)
    found = answers(arm(trained), TEXTS)
    for answer, (_label, probability) in zip(found, likeliest(trainers[0], trained, TEXTS), strict=True):
        # over int8 weights the arm computes in fp16
        assert answer["confidence"] == pytest.approx(probability, abs=1e-4 if quant == "none" else 0.03)


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_an_arm_without_sdpa_asks_for_the_attention_it_was_trained_with(adapter, base, tmp_path, monkeypatch):
    trainers = kept_trainer(monkeypatch)
    trained = HEAD.train(job(tmp_path, "head", base("deberta-v2"), adapter=adapter, trainer={"steps": 4}))
    assert trained.options["attention"] == "eager"
    found = answers(arm(trained), TEXTS)
    for answer, (_label, probability) in zip(found, likeliest(trainers[0], trained, TEXTS), strict=True):
        assert answer["confidence"] == pytest.approx(probability, abs=1e-4)


def test_an_arm_with_sdpa_leaves_attention_as_it_is(base, tmp_path):
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), trainer={"steps": 1}))
    assert "attention" not in trained.options


def test_a_new_layer_below_the_head_is_refused_in_8_bits(base, tmp_path):
    pytest.importorskip("bitsandbytes")
    with pytest.raises(ModelFileError, match=r"no weights for pooler\.dense\.\w+, .*; leave quant out"):
        HEAD.train(job(tmp_path, "head", base("deberta-v2"), adapter="lora", quant="int8"))


def test_a_head_that_could_not_be_saved_is_refused_before_training(base, tmp_path, monkeypatch):
    trainers = kept_trainer(monkeypatch)
    with pytest.raises(ModelFileError, match="does not end in a linear layer for its labels"):
        HEAD.train(job(tmp_path, "head", base("bart")))
    assert not trainers


def test_the_instruction_arrives_alike_in_training_and_evaluation(base, tmp_path, monkeypatch):
    from transformers import DistilBertForSequenceClassification as Model

    seen: list[tuple[int, ...]] = []
    forward = Model.forward

    @wraps(forward)  # Trainer asks for its signature
    def noted(self, input_ids, attention_mask=None, **more):
        kept = input_ids if attention_mask is None else input_ids * attention_mask
        seen.extend(tuple(id_ for id_ in row if id_) for row in kept.tolist())  # 0 is padding
        return forward(self, input_ids=input_ids, attention_mask=attention_mask, **more)

    monkeypatch.setattr(Model, "forward", noted)
    trained = HEAD.train(
        job(tmp_path, "head", base("distilbert"), input="instruction", trainer={"steps": 12})
    )
    assert trained.options["instruction"] == SYSTEM
    in_training = set(seen)
    seen.clear()
    answers(arm(trained), [example.text for example in toy(96)])
    assert set(seen) <= in_training
    assert len(set(seen)) == len({example.text for example in toy(96)})
    seen.clear()
    plain = arm(trained)
    del plain.options["instruction"]
    answers(plain, TEXTS)
    assert not set(seen) & in_training


def test_an_instruction_may_be_written_for_each_task(base, tmp_path):
    wording = {"tone": "Tone?", "topic": "Topic?"}
    more: dict[str, Any] = {"input": "instruction", "instruction": wording, "trainer": {"steps": 2}}
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), two_tasks(), **more))
    assert {task: found.options["instruction"] for task, found in trained.tasks.items()} == wording


def test_two_tasks_share_one_encoder_and_have_a_head_each(base, tmp_path):
    data = two_tasks()
    shuffled = data._replace(train=data.train[::-1])  # whichever comes first, the recipe's order counts
    trained = HEAD.train(job(tmp_path, "head", base("llama"), shuffled))
    assert list(trained.tasks) == ["tone", "topic"]
    tone, topic = (weights(trained.tasks[task].ref) for task in ("tone", "topic"))
    assert {name for name in tone if not torch.equal(tone[name], topic[name])} == {"score.weight"}
    assert (tone["score.weight"].shape[0], topic["score.weight"].shape[0]) == (3, 2)
    assert (trained.ref, trained.options) == (trained.tasks["tone"].ref, trained.tasks["tone"].options)
    accuracy = trained.facts["validation_accuracy"]
    assert min(accuracy.values()) > 0.6
    answers(arm(trained, "tone"), TEXTS)
    found = answers(
        arm(trained, "topic"), ["goal of the north unit", "tariff of the north unit"], TOPIC_SCHEMA
    )
    assert found == ["sport", "trade"]
    assert set(trained.facts["temperature"]) == {"tone", "topic"}


def test_an_adapter_serves_the_heads_of_all_tasks(base, tmp_path):
    pytest.importorskip("bitsandbytes")
    more: dict[str, Any] = {"adapter": "lora", "quant": "int8", "trainer": {"steps": 2}}
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), two_tasks(), **more))
    assert {found.adapter for found in trained.tasks.values()} == {trained.adapter}
    answers(arm(trained, "topic"), ["goal"], TOPIC_SCHEMA)


def test_long_texts_are_left_out_and_counted_or_cut_where_asked(base, tmp_path):
    long = toy(1)[0]._replace(text="rose " * 100)
    data = toy_data(train=(*toy(20), long))
    short = {"trainer": {"steps": 1}}
    trained = HEAD.train(job(tmp_path / "a", "head", base("gpt2"), data, **short))
    assert (trained.facts["examples"], trained.facts["left_out"]) == (20, {"too_long": 1})
    trained = HEAD.train(job(tmp_path / "b", "head", base("gpt2"), data, truncate=True, **short))
    assert (trained.facts["examples"], trained.facts["left_out"]) == (21, {"cut": 1})


def test_settings_of_the_trainer_are_taken(base, tmp_path):
    trainer = {
        "steps": 3, "gradient_checkpointing": True, "precision": "bf16", "accumulation": 2,
        "schedule": "linear", "group_by_length": False,
    }  # fmt: skip
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), adapter="lora", dropout=0.3, trainer=trainer))
    assert trained.facts["steps"] == 3
    answers(arm(trained), TEXTS[:1])


def test_names_of_control_tokens_in_a_text_are_text(base, tmp_path):
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), trainer={"steps": 2}))
    plain, marked = answers(arm(trained), ["sales rose", "sales rose <|endoftext|>"])
    assert plain["confidence"] != marked["confidence"]  # as padding it would not be read


def test_what_a_training_does_not_use_is_said(base, tmp_path):
    progress = Noted()
    some = tuple(example for example in toy(30) if example.label != "neutral")
    data = toy_data(train=some, texts=("General text.",))
    HEAD.train(job(tmp_path, "head", base("gpt2"), data, progress=progress, trainer={"steps": 1}))
    assert "tone: no training example is neutral" in progress.notes
    assert any("reads no general text" in note for note in progress.notes)


def test_a_head_of_other_labels_is_replaced_and_one_of_as_many_goes_on(base, tmp_path):
    first = HEAD.train(job(tmp_path / "a", "head", base("gpt2"), trainer={"steps": 1}))
    progress = Noted()
    HEAD.train(job(tmp_path / "b", "head", first.ref, progress=progress, trainer={"steps": 1}))
    assert any("trained further" in note for note in progress.notes)
    progress.notes.clear()
    HEAD.train(job(tmp_path / "c", "head", first.ref, two_tasks(), progress=progress, trainer={"steps": 1}))
    assert not any("trained further" in note for note in progress.notes)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"r": 4}, "r belongs to adapter: lora"),
        ({"adapter": "lora", "freeze": "base"}, "remove freeze"),
        ({"quant": "int8"}, "add adapter: lora"),
        ({"freeze": "half"}, "freeze"),
        ({"instruction": "Judge."}, "needs input: instruction"),
        ({"hidden": 3}, "hidden"),
    ],
)
def test_options_that_contradict_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        HEAD.Options.model_validate(options)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"data": toy_data(train=())}, "the recipe has none"),
        ({"data": toy_data(labels={"tone": ()})}, "fewer than two labels"),
        ({"data": toy_data(labels={"tone": ("up", "down")})}, "its label 'negative' is none of up, down"),
        ({"input": "instruction", "instruction": {"other": "x"}}, "names other; the tasks are tone"),
        ({"input": "instruction", "data": toy_data(train=SILENT)}, "system message"),
        ({"input": "instruction", "instruction": "the " * 64, "truncate": True}, "takes 64 tokens"),
        ({"trainer": {"packing": True}}, "trainer.packing"),
        ({"trainer": {"patience": 1}, "data": toy_data(n_validation=0)}, "patience"),
        ({"trainer": {"max_tokens": 8}, "data": toy_data(train=LONG)}, "set method.truncate"),
        ({"adapter": "lora", "targets": ["nowhere"]}, "name its layers in method.targets"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(more, match, base, tmp_path):
    with pytest.raises((ConfigError, ModelFileError), match=match):
        HEAD.train(job(tmp_path, "head", base("gpt2"), **more))


def test_a_base_with_missing_weights_is_refused(base, tmp_path):
    from shutil import copytree

    from safetensors.torch import save_file

    folder = copytree(base("distilbert"), tmp_path / "damaged")
    kept = weights(folder)
    del kept["distilbert.embeddings.word_embeddings.weight"]
    save_file(kept, str(folder / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match="missing or misshapen"):
        HEAD.train(job(tmp_path, "head", folder))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match="tokenizer cannot be loaded"):
        HEAD.train(job(tmp_path, "head", tmp_path / "empty"))


def test_labels_of_the_arm_are_those_of_the_task(base, tmp_path):
    trained = HEAD.train(job(tmp_path, "head", base("gpt2"), trainer={"steps": 1}))
    assert trained.options == {"head": "classification", "labels": list(LABELS)}
    assert list(TOPIC) == ["sport", "trade"]


class _Stopping(Noted):
    def step(self, n_done, loss, tokens):
        if n_done == 10:
            raise KeyboardInterrupt


def _emptied(work):
    """The same job again, with an empty folder for the result."""
    shutil.rmtree(work / "out")


def test_a_lora_that_was_stopped_ends_as_an_unbroken_one(base, tmp_path):
    more: dict[str, Any] = {"adapter": "lora", "lora_dropout": 0.1, "trainer": {"steps": 16, "save_steps": 4}}
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        HEAD.train(job(broken, "head", base("gpt2"), progress=_Stopping(), **more))
    _emptied(broken)
    resumed = HEAD.train(job(broken, "head", base("gpt2"), **more))
    unbroken = HEAD.train(job(tmp_path / "unbroken", "head", base("gpt2"), **more))
    assert resumed.facts["resumed_at"] == 8
    assert resumed.facts["losses"] == unbroken.facts["losses"]
    one, other = weights(resumed.ref), weights(unbroken.ref)
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_training_that_had_ended_before_it_was_saved_is_not_done_again(base, tmp_path):
    more: dict[str, Any] = {"trainer": {"epochs": 2, "patience": 1}}
    first = HEAD.train(job(tmp_path, "head", base("distilbert"), **more))
    kept = weights(first.ref)
    _emptied(tmp_path)
    again = HEAD.train(job(tmp_path, "head", base("distilbert"), **more))
    assert again.facts["tokens_per_s"] is None
    assert again.facts["temperature"] == first.facts["temperature"]
    assert all(torch.equal(kept[name], found) for name, found in weights(again.ref).items())
