"""Training on raw text: new models of each kind, and bases that read on."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from bench.errors import ConfigError, ModelFileError
from bench.training.blocks import marks
from bench.training.display import Silent
from bench.training.methods import Data, Job, pretraining
from bench.training.tuning_recipe import TrainerOptions

TEXTS = tuple(
    f"Profit of the firm {name} rose to {n} million in May." for n, name in enumerate("abcdefgh" * 6)
)
HELD_OUT = ("Profit of the firm z rose to 7 million in May.",)
SIDES = (("rose", "Good"), ("fell", "Bad"))
TINY = {"hidden": 32, "layers": 1, "heads": 2, "vocabulary": 400, "context_tokens": 64}


class Breaking(Silent):
    """Breaks the training off at a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, n_done: int, loss: float, tokens: int) -> None:
        if n_done == self._step:
            raise KeyboardInterrupt


def job(tmp_path: Path, base=None, texts=TEXTS, trainer=None, **options):
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir(parents=True, exist_ok=True)
    given = {"epochs": 4, "batch_size": 4, "rate": 0.01, "max_tokens": 48, **(trainer or {})}
    return Job(
        options=pretraining.Options(**options),
        trainer=TrainerOptions(**given),
        base=base,
        data=Data((), (), texts, HELD_OUT, {}),
        out=out,
        work=work,
        seed=0,
        progress=Silent(),
    )


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "distilbert"])
def test_a_new_model_of_each_kind_learns_and_can_be_loaded(architecture, tmp_path):
    trained = pretraining.train(job(tmp_path, architecture=architecture, **TINY))
    losses = trained.facts["losses"]
    assert losses[-1] < losses[0] - 0.5
    kind = AutoModelForMaskedLM if architecture == "distilbert" else AutoModelForCausalLM
    model = kind.from_pretrained(trained.ref)
    tokenizer = AutoTokenizer.from_pretrained(trained.ref)
    assert model.config.model_type == architecture
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert tokenizer.decode(tokenizer("Profit rose")["input_ids"], skip_special_tokens=True).lower() == (
        "profit rose"
    )


def test_a_base_reads_on_from_where_it_was(tmp_path):
    first = pretraining.train(job(tmp_path, architecture="gpt2", **TINY))
    before = AutoModelForCausalLM.from_pretrained(first.ref).state_dict()
    (tmp_path / "more").mkdir()
    more = job(tmp_path / "more", base=first.ref, trainer={"epochs": 1, "rate": 1e-6})
    second = pretraining.train(more)
    assert second.facts["losses"][0] == pytest.approx(first.facts["losses"][-1], abs=0.8)
    after = AutoModelForCausalLM.from_pretrained(second.ref).state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)


def test_the_mark_between_documents_is_learnt(tmp_path):
    trained = pretraining.train(job(tmp_path, architecture="llama", trainer={"epochs": 12}, **TINY))
    tokenizer = AutoTokenizer.from_pretrained(trained.ref)
    ids = tokenizer(HELD_OUT[0], add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(trained.ref)(ids).logits[0, -1]
    assert int(logits.argmax()) == marks(tokenizer, is_masked=False).end


def test_the_held_out_documents_give_a_validation_loss(tmp_path):
    trained = pretraining.train(job(tmp_path, architecture="opt", trainer={"epochs": 1}, **TINY))
    assert len(trained.facts["validation"]) == 1


def test_news_and_conversations_are_added_on_request(tmp_path):
    asked = job(
        tmp_path, architecture="llama", trainer={"steps": 1}, texts=(), news=5, conversations=4, **TINY
    )
    asked = asked._replace(trainer=asked.trainer.model_copy(update={"max_tokens": 400}))
    asked = asked._replace(options=asked.options.model_copy(update={"context_tokens": 512}))
    trained = pretraining.train(asked)
    assert trained.facts["documents"] == 5
    assert trained.facts["blocks"] > 1


@pytest.mark.parametrize(
    "options",
    [
        {"architecture": "gpt2", "conversations": 3},
        {"architecture": "gpt2", "objective": "masked"},
        {"architecture": "llama", "hidden": 36, "heads": 4},
        {"architecture": "mamba"},
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options):
    with pytest.raises(ValidationError):
        pretraining.Options(**options)


def test_nothing_to_start_from_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="`architecture` for a new one"):
        pretraining.train(job(tmp_path))


def test_a_base_and_a_new_architecture_together_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="remove one of the two"):
        pretraining.train(job(tmp_path, base=tmp_path, architecture="llama", **TINY))


def test_no_text_at_all_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no text"):
        pretraining.train(job(tmp_path, architecture="llama", texts=(), **TINY))


def test_an_objective_that_the_base_cannot_learn_is_refused(tmp_path):
    first = pretraining.train(job(tmp_path, architecture="gpt2", trainer={"steps": 1}, **TINY))
    with pytest.raises(ConfigError, match="cannot learn the masked objective"):
        pretraining.train(job(tmp_path, base=first.ref, objective="masked"))


def test_tokens_in_which_a_side_is_taken_can_weigh_more(tmp_path):
    texts = tuple(f"Sales {way} at firm {n}.\n{side} news" for n in range(12) for way, side in SIDES)
    plain, weighed = (
        pretraining.train(job(tmp_path / name, architecture="llama", texts=texts, **TINY, **more)).facts[
            "losses"
        ]
        for name, more in (("plain", {}), ("weighed", {"decision_weight": 20.0, "decision_tokens": 1}))
    )
    assert weighed[0] == pytest.approx(plain[0], rel=0.1)
    # the last line is one of two words: what weighs is learnt sooner than names and numbers
    assert weighed[-1] < plain[-1]


def test_muon_is_taken_on_request_and_resumes_exactly(tmp_path):
    asked = {"architecture": "gpt2", "matrix_rate": 0.02, **TINY}
    whole = job(tmp_path / "whole", trainer={"save_steps": 3}, **asked)
    broken = job(tmp_path / "broken", trainer={"save_steps": 3}, **asked)
    losses = pretraining.train(whole).facts["losses"]
    with pytest.raises(KeyboardInterrupt):
        pretraining.train(broken._replace(progress=Breaking(5)))
    facts = pretraining.train(broken).facts
    assert facts["resumed_at"] in (3, 4)
    assert facts["losses"] == losses


def broken_off(asked, at):
    """A training that ended at a step, and the vocabulary that it had learnt by then."""
    with pytest.raises(KeyboardInterrupt):
        pretraining.train(asked._replace(progress=Breaking(at)))
    return AutoTokenizer.from_pretrained(asked.work / "checkpoint-3").get_vocab()


def test_a_new_model_goes_on_with_the_vocabulary_that_its_weights_were_trained_for(tmp_path):
    asked = job(tmp_path, architecture="distilbert", trainer={"save_steps": 3}, **TINY)
    learnt = broken_off(asked, at=4)
    resumed = pretraining.train(asked)
    assert resumed.facts["resumed_at"] == 3
    assert AutoTokenizer.from_pretrained(resumed.ref).get_vocab() == learnt


def test_a_new_model_whose_vocabulary_was_lost_begins_anew(tmp_path):
    asked = job(tmp_path, architecture="distilbert", trainer={"save_steps": 3}, **TINY)
    broken_off(asked, at=4)
    (asked.work / "tokenizer" / "tokenizer.json").write_text("{}")
    begun = pretraining.train(asked)
    assert begun.facts["resumed_at"] is None
    kept = AutoTokenizer.from_pretrained(asked.work / "tokenizer").get_vocab()
    assert AutoTokenizer.from_pretrained(begun.ref).get_vocab() == kept


def test_a_masked_base_resumes_exactly_in_the_middle_of_an_epoch(tmp_path):
    new = job(tmp_path / "new", architecture="distilbert", trainer={"steps": 1}, **TINY)
    base = pretraining.train(new).ref
    given = {"save_steps": 3, "batch_size": 2, "epochs": 2}
    losses = pretraining.train(job(tmp_path / "whole", base=base, trainer=given)).facts["losses"]
    asked = job(tmp_path / "broken", base=base, trainer=given)
    broken_off(asked, at=5)
    facts = pretraining.train(asked).facts
    assert facts["resumed_at"] == 3
    assert facts["losses"] == losses


def test_muon_beside_another_optimizer_is_refused(tmp_path):
    asked = job(tmp_path, architecture="gpt2", matrix_rate=0.02, **TINY)
    asked = asked._replace(trainer=asked.trainer.model_copy(update={"optimizer": "paged_adamw"}))
    with pytest.raises(ConfigError, match="paged_adamw"):
        pretraining.train(asked)


@pytest.mark.parametrize("damage", [{"n_head": 3}, {"layer_norm_epsilon": "abc"}], ids=str)
def test_a_base_whose_config_does_not_fit_is_refused_in_one_line(tmp_path, damage):
    first = pretraining.train(job(tmp_path, architecture="gpt2", trainer={"steps": 1}, **TINY))
    config = first.ref / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | damage))
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        pretraining.train(job(tmp_path / "more", base=first.ref))
