"""Each method for causal models trains, and what it leaves answers as an arm of `hf`."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import peft
import torch
from safetensors.torch import load_file

from bench import backends
from bench.errors import ConfigError
from bench.training import adapters, sft, trainer_arguments
from bench.training.lora_options import LoraOptions
from bench.training.methods import load
from bench.training.model_folder import load_causal, load_tokenizer
from tests.backends.asking import complete, hf_spec, sampling
from tests.builders import SCHEMA
from tests.training import tuning

KINDS = [
    ("full", {}, "fp32"),
    ("lora", {"r": 8, "bias": "all", "targets": ("q_proj", "down_proj")}, "fp32"),
    ("qlora", {"r": 8, "dropout": 0.1}, "nf4"),
    ("int8_lora", {"r": 8}, "int8"),
    ("peft", {"type": "ia3"}, "fp32"),
    ("peft", {"type": "prompt_tuning", "num_virtual_tokens": 5}, "fp32"),
    ("peft", {"type": "p_tuning", "num_virtual_tokens": 5, "encoder_hidden_size": 16}, "fp32"),
    ("peft", {"type": "loha", "r": 4, "target_modules": ["q_proj", "v_proj"]}, "fp32"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tuning.base(tmp_path_factory.mktemp("causal") / "base")


def answered(made, **fields):
    """What the arm of a training answers, greedily, and the session's record."""
    adapter = None if made.adapter is None else str(made.adapter)
    spec = hf_spec(made.ref, made.quant, adapter=adapter, options=made.options)
    session = backends.get("hf").open(spec, sampling(temperature=0.0, max_tokens=24), SCHEMA, 1)
    try:
        (found,) = complete(session, [0], system="Say how it is.", **fields)
        assert found.error is None
        return found, session.loaded
    finally:
        session.close()


def saved(made):
    """The tensors of an adapter's file."""
    return load_file(f"{made.adapter}/adapter_model.safetensors")


@pytest.mark.parametrize(("kind", "options", "quant"), KINDS, ids=lambda v: str(v)[:40])
def test_a_training_lowers_the_loss_and_its_arm_answers(tmp_path, base, kind, options, quant):
    rate = 0.05 if kind == "peft" else 5e-3
    made = load(kind).train(tuning.job(tmp_path, kind, base, trainer={"rate": rate, "epochs": 4}, **options))
    assert made.quant == quant
    assert made.facts["losses"][-1] < made.facts["losses"][0]
    found, _ = answered(made, text="How is number 3?")
    assert found.completion_tokens > 0


def test_full_training_learns_what_it_is_shown_and_stops_where_it_should(tmp_path, base):
    learnt = tuning.data(train=tuning.examples(2) * 8, validation=())
    made = load("full").train(tuning.job(tmp_path, "full", base, learnt, trainer={"epochs": 20}))
    for example in learnt.train[:2]:
        found, _ = answered(made, text=example.turns[1].content)
        assert found.text == example.answer
        assert found.stop_reason == "stop"


def test_a_base_without_a_generation_config_leaves_one_with_what_its_config_says(tmp_path):
    bare = tuning.base(tmp_path / "bare", hidden=16)
    (bare / "generation_config.json").unlink()
    made = load("full").train(tuning.job(tmp_path, "full", bare, trainer={"steps": 1}))
    found = json.loads((made.ref / "generation_config.json").read_text())
    assert found["eos_token_id"] == json.loads((bare / "config.json").read_text())["eos_token_id"]


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_a_prompt_that_was_learned_changes_the_answer_as_it_does_in_peft(tmp_path, base):
    from bench.backends.hf.tokens import Tokens
    from tests.backends.asking import prompt

    options: dict[str, Any] = {"type": "prompt_tuning", "num_virtual_tokens": 5}
    made = load("peft").train(
        tuning.job(tmp_path, "peft", base, trainer={"rate": 0.5, "epochs": 6}, **options)
    )
    found, record = answered(made, text="How is number 3?")
    assert record.details["adapter"] == "applied"
    ids = Tokens(load_tokenizer(base), "base").of_prompt(prompt("How is number 3?", system="Say how it is."))
    assert found.prompt_tokens == len(ids) + 5
    plain = load_causal(base, torch.float32)
    with torch.no_grad():
        before = plain(torch.tensor([ids])).logits[0, -1].argmax()
        adapted = peft.PeftModel.from_pretrained(plain, str(made.adapter)).eval()
        first = (
            adapted(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.int64))
            .logits[0, -1]
            .argmax()
        )
    text = Tokens(load_tokenizer(base), "base").text([int(first)])
    assert found.text.startswith(text)
    assert first != before


def test_norms_and_head_of_an_8_bit_base_are_trained_beside_in_fp32(tmp_path, base, monkeypatch):
    seen = {}

    def looked_at(model, *args, **kwargs):
        seen.update({name: parameter.dtype for name, parameter in model.named_parameters()})
        raise KeyboardInterrupt

    monkeypatch.setattr(sft, "trainer_for", looked_at)
    with pytest.raises(KeyboardInterrupt):
        load("int8_lora").train(tuning.job(tmp_path, "int8_lora", base, modules_to_save=("lm_head",)))
    assert {seen[name] for name in seen if "norm" in name or "lm_head" in name} == {torch.float32}
    assert {dtype for name, dtype in seen.items() if "base_layer" in name} == {torch.int8}


@pytest.mark.parametrize("name", ["lm_head", "embed_tokens", "model.embed_tokens"])
def test_ends_that_a_base_shares_are_trained_as_one_by_whatever_name(tmp_path, base, name):
    trainer = {"steps": 3}
    made = load("lora").train(
        tuning.job(tmp_path, "lora", base, r=2, modules_to_save=(name,), trainer=trainer)
    )
    ends = {key.rpartition(".weight")[0]: tensor for key, tensor in saved(made).items() if "lora" not in key}
    rows, head = ends["base_model.model.model.embed_tokens"], ends["base_model.model.lm_head"]
    assert torch.equal(rows, head)
    assert not torch.equal(rows, load_causal(base, torch.float32).get_input_embeddings().weight)


def test_an_adapter_that_ties_what_a_base_shares_may_train_it(tmp_path, base):
    options: dict[str, Any] = {
        "type": "adalora",
        "target_modules": ["q_proj"],
        "total_step": 10,
        "modules_to_save": ["lm_head"],
    }
    made = load("peft").train(tuning.job(tmp_path, "peft", base, trainer={"steps": 3}, **options))
    found = saved(made)
    rows = found["base_model.model.model.embed_tokens.weight"]
    assert torch.equal(rows, found["base_model.model.lm_head.weight"])


def test_adapters_of_a_quantized_base_keep_their_precision(tmp_path, base):
    made = load("qlora").train(tuning.job(tmp_path, "qlora", base, r=4))
    weights = saved(made)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("gpt2", ("c_attn",)), ("gpt2", "all-linear"), ("phi3", ("qkv_proj", "gate_up_proj"))],
)
def test_fused_layers_take_an_adapter(tmp_path, kind, targets):
    folder = tuning.base(tmp_path / "base", kind)
    made = load("lora").train(
        tuning.job(tmp_path, "lora", folder, targets=targets, r=4, trainer={"epochs": 1})
    )
    config = json.loads(Path(f"{made.adapter}/adapter_config.json").read_text())
    assert config["fan_in_fan_out"] is (kind == "gpt2")
    names = " ".join(saved(made))
    assert all(f"{target}.lora_A" in names for target in targets if targets != "all-linear")
    assert "lm_head" not in names
    answered(made, text="How is number 3?")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"targets": ("q_proj", "c_attn")},
            r"method\.targets: the base has no layer 'c_attn'; it has .*q_proj",
        ),
        ({"targets": ("lm_head",)}, "lm_head: the head takes no adapter"),
        ({"modules_to_save": ("head",)}, r"method\.modules_to_save: the base has no layer 'head'"),
    ],
)
def test_layers_that_the_base_has_not_are_refused(base, tmp_path, options, said):
    job = tuning.job(tmp_path, "lora", base, **options)
    assert isinstance(job.options, LoraOptions)
    with pytest.raises(ConfigError, match=said):
        adapters.with_lora(load_causal(base, torch.float32), job.options, job)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "prefix_tuning"}, "no type of adapter 'prefix_tuning' that an arm can run; known: .*ia3"),
        ({"type": "lora", "r": 4}, "kind: lora has it"),
        ({"type": "ia3", "rank": 3}, r"no field of peft's IA3Config; it has .*target_modules"),
        ({"type": "ia3", "target_modules": ["a"], "feedforward_modules": ["b"]}, "IA3Config refuses it"),
    ],
)
def test_fields_that_peft_has_not_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        load("peft").Options.model_validate(options)


def test_the_best_of_a_prompt_cannot_be_kept_and_is_refused(tmp_path, base):
    options: dict[str, Any] = {
        "type": "prompt_tuning",
        "num_virtual_tokens": 4,
        "trainer": {"patience": 1},
    }
    with pytest.raises(ConfigError, match="patience"):
        load("peft").train(tuning.job(tmp_path, "peft", base, **options))


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_unsloth_is_asked_for_the_same_base_and_adapter(tmp_path, base, kind, monkeypatch):
    """A double of its interface: its kernels need a GPU, what is asked of it does not."""
    asked = {}

    class FastLanguageModel:
        @staticmethod
        def from_pretrained(**wanted):
            asked.update(wanted)
            return load_causal(base, wanted["dtype"]), load_tokenizer(base)

        @staticmethod
        def get_peft_model(model, **wanted):
            asked.update(wanted)
            config = peft.LoraConfig(r=wanted["r"], target_modules=wanted["target_modules"])
            return adapters.adapted(model, config)

    monkeypatch.setitem(sys.modules, "unsloth", SimpleNamespace(FastLanguageModel=FastLanguageModel))
    monkeypatch.setattr(trainer_arguments, "refuse", lambda options: None)
    trainer = {"unsloth": True, "epochs": 1, "gradient_checkpointing": True}
    made = load(kind).train(tuning.job(tmp_path, kind, base, r=4, alpha=7, trainer=trainer))
    assert asked["model_name"] == str(base)
    assert asked["load_in_4bit"] is (kind == "qlora")
    assert (asked["r"], asked["lora_alpha"], asked["random_state"]) == (4, 7, 3)
    assert asked["use_gradient_checkpointing"] == "unsloth"
    assert any("q_proj.lora_A" in name for name in saved(made))
