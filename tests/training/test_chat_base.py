"""A base without a chat template gets one, with the tokens it lacks, and an adapter that trains them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from safetensors.torch import load_file

from bench.errors import ConfigError
from bench.training.chat_base import template_text, untrained_tokens, with_chat
from bench.training.conversation import Conversations
from bench.training.methods import load
from bench.training.model_folder import load_causal, load_tokenizer
from tests.training import tuning
from tests.training.methods.test_causal import answered

INNER = "base_model.model"
"""Where peft keeps the model."""


def test_a_base_with_a_template_of_its_own_is_left_as_it_is(tmp_path):
    folder = tuning.base(tmp_path / "base")
    assert with_chat(folder, None, tmp_path / "out") == folder
    assert untrained_tokens(folder) == ()
    assert not (tmp_path / "out").exists()


def test_a_base_without_one_asks_for_it(tmp_path):
    folder = tuning.base(tmp_path / "base", template=None)
    with pytest.raises(ConfigError, match=r"no chat template.*base\.chat_template.* chatml, plain"):
        with_chat(folder, None, tmp_path / "out")
    with pytest.raises(ConfigError, match="cannot be read; give a Jinja file or one of"):
        template_text("chatmel", tmp_path)


@pytest.mark.parametrize("tied", [True, False])
def test_tokens_that_are_missing_are_added_and_the_rest_stays(tmp_path, tied):
    folder = tuning.base(tmp_path / "base", template=None, tied=tied)
    made = with_chat(folder, template_text("chatml", tmp_path), tmp_path / "out")
    before, after = load_tokenizer(folder), load_tokenizer(made)
    new = after.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert untrained_tokens(made) == tuple(new) == (len(before), len(before) + 1)
    assert after.eos_token == "<|im_end|>"
    assert after("How is it?")["input_ids"] == before("How is it?")["input_ids"]
    old, grown = load_causal(folder, torch.float32), load_causal(made, torch.float32)
    ids = torch.tensor([before("How is number 3?")["input_ids"]])
    with torch.no_grad():
        assert torch.allclose(old(ids).logits, grown(ids).logits[..., : len(before)], atol=1e-5)
    assert new[1] in grown.generation_config.eos_token_id
    assert Conversations(after, "out").end_of_turn == new[1]


def test_a_template_of_known_tokens_adds_none_and_shares_the_weights_file(tmp_path):
    folder = tuning.base(tmp_path / "base", template="chatml")
    other = template_text("chatml", tmp_path) + "{# another #}"
    made = with_chat(folder, other, tmp_path / "out")
    assert untrained_tokens(made) == ()
    assert (made / "model.safetensors").samefile(folder / "model.safetensors")


@pytest.mark.parametrize("tied", [True, False])
def test_an_adapter_on_such_a_base_trains_its_embeddings_and_runs_as_an_arm(tmp_path, tied):
    folder = tuning.base(tmp_path / "base", template=None, tied=tied)
    made = with_chat(folder, template_text("plain", tmp_path), tmp_path / "chat")
    job = tuning.job(tmp_path, "lora", made, r=4, trainer={"epochs": 1})
    done = load("lora").train(job)
    saved = load_file(f"{done.adapter}/adapter_model.safetensors")
    rows, head = saved[f"{INNER}.model.embed_tokens.weight"], saved[f"{INNER}.lm_head.weight"]
    assert torch.equal(rows, head) is tied
    before = load_causal(made, torch.float32).get_input_embeddings().weight
    assert not torch.equal(rows, before)
    config = json.loads(Path(f"{done.adapter}/adapter_config.json").read_text())
    assert config["ensure_weight_tying"] is tied
    found, _ = answered(done, text="How is number 3?")
    assert found.completion_tokens > 0


def test_embeddings_that_are_not_called_as_a_llama_s_are_trained_with_their_head(tmp_path):
    folder = tuning.base(tmp_path / "base", "gpt2", template=None)
    made = with_chat(folder, template_text("plain", tmp_path), tmp_path / "chat")
    done = load("lora").train(tuning.job(tmp_path, "lora", made, r=4, trainer={"epochs": 1}))
    saved = load_file(f"{done.adapter}/adapter_model.safetensors")
    rows, head = saved[f"{INNER}.transformer.wte.weight"], saved[f"{INNER}.lm_head.weight"]
    assert torch.equal(rows, head)
    assert not torch.equal(rows, load_causal(made, torch.float32).get_input_embeddings().weight)
    found, _ = answered(done, text="How is number 3?")
    assert found.completion_tokens > 0


@pytest.mark.parametrize("options", [{"type": "loha", "target_modules": ["q_proj"]}, {"type": "ia3"}])
def test_an_adapter_that_cannot_tie_new_tokens_to_the_head_is_refused(tmp_path, options):
    folder = tuning.base(tmp_path / "base", template=None)
    made = with_chat(folder, template_text("plain", tmp_path), tmp_path / "chat")
    with pytest.raises(ConfigError, match="embeddings and head are one weight"):
        load("peft").train(tuning.job(tmp_path, "peft", made, **options))


def test_a_prompt_that_is_learned_cannot_teach_new_tokens(tmp_path):
    folder = tuning.base(tmp_path / "base", template=None)
    made = with_chat(folder, template_text("plain", tmp_path), tmp_path / "chat")
    job = tuning.job(tmp_path, "peft", made, type="prompt_tuning", num_virtual_tokens=2)
    with pytest.raises(ConfigError, match="chat tokens that nobody has trained"):
        load("peft").train(job)
