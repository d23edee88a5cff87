"""The fine-tune: which tokens bear loss, and that sharing the prefix changes nothing."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from bench import tasks
from bench.train import renderer
from bench.training.lora import (
    IGNORED,
    Example,
    add_adapter,
    answer_loss,
    batches_of_examples,
    common_prefix,
    make_batch,
    train_lora,
)
from bench.training.pipeline import tokenized
from bench.training.recipe import LoraRecipe
from bench.training.stories import story


@pytest.fixture(scope="module")
def examples(encoder):
    from random import Random

    render, rng = renderer(tasks.load("financial_news")), Random(5)
    return [tokenized(render(story(rng, frozenset(), 40)), encoder) for _ in range(4)]


@pytest.fixture(scope="module")
def batch(examples):
    return make_batch(examples, len(common_prefix(examples)), padding=0)


def test_no_token_of_the_prompt_bears_loss(examples, batch):
    n_prefix = len(common_prefix(examples))
    for example, labels in zip(examples, batch.labels, strict=True):
        n_prompt = len(example.prompt) - n_prefix - 1
        assert (labels[:n_prompt] == IGNORED).all()
        assert tuple(labels[labels != IGNORED].tolist()) == example.answer


def test_the_last_trained_label_is_the_end_of_turn(examples, batch, encoder):
    for labels in batch.labels:
        assert labels[labels != IGNORED][-1] == encoder.end_of_turn


def test_padding_bears_no_loss(batch):
    for labels, length in zip(batch.labels, batch.lengths, strict=True):
        assert (labels[length:] == IGNORED).all()


def test_each_label_is_the_token_after_its_place(examples, batch):
    for ids, labels in zip(batch.ids, batch.labels, strict=True):
        places = (labels != IGNORED).nonzero()[:-1, 0]
        assert torch.equal(labels[places], ids[places + 1])


def test_the_common_beginning_is_the_system_turn_at_least(examples, encoder):
    prefix = common_prefix(examples)
    assert encoder.end_of_turn in prefix
    assert all(example.prompt[: len(prefix)] == prefix for example in examples)


def test_sharing_the_prefix_gives_the_loss_of_separate_examples(model, examples, batch):
    model.eval()
    shared = answer_loss(model, torch.tensor(common_prefix(examples)), batch)
    total, n = 0.0, 0
    for example in examples:
        ids = torch.tensor([example.prompt + example.answer])
        logits = model(ids).logits[0, len(example.prompt) - 1 : -1]
        total += float(F.cross_entropy(logits, torch.tensor(example.answer), reduction="sum").detach())
        n += len(example.answer)
    assert float(shared.detach()) == pytest.approx(total / n, abs=1e-4)


def test_sharing_the_prefix_gives_the_gradient_of_separate_examples(model, examples, batch):
    answer_loss(model, torch.tensor(common_prefix(examples)), batch).backward()
    shared = model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    model.zero_grad()
    answer_loss(model, torch.tensor([], dtype=torch.int64), make_batch(examples, 0, 0)).backward()
    assert torch.allclose(shared, model.model.layers[0].self_attn.k_proj.weight.grad, atol=1e-5)


def test_only_the_adapter_needs_gradients(model):
    adapted = add_adapter(model, LoraRecipe(examples=1, steps=1, r=4))
    assert all("lora_" in name for name, p in adapted.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("saved", [("embed_tokens",), ("lm_head",), ("embed_tokens", "lm_head")])
def test_ends_that_are_trained_whole_stay_one_weight(model, examples, saved):
    recipe = LoraRecipe(examples=4, steps=3, r=2, examples_per_step=2, rate=0.02, modules_to_save=saved)
    before = model.get_input_embeddings().weight.detach().clone()
    adapted = add_adapter(model, recipe)
    train_lora(adapted, recipe, examples, padding=0, seed=0)
    merged = adapted.merge_and_unload()
    embedding, head = merged.get_input_embeddings().weight, merged.get_output_embeddings().weight
    assert not torch.equal(embedding, before)
    assert torch.equal(embedding, head)  # a model is saved with the first alone


def test_every_step_has_its_examples_and_all_are_used():
    examples = [Example(tuple(range(n)), (1,)) for n in range(2, 42)]
    steps = batches_of_examples(examples, 4, 10, seed=0)
    assert len(steps) == 10
    assert sorted(i for step in steps for i in step) == list(range(40))


def test_the_first_tokens_of_an_answer_weigh_more(examples):
    weighted = make_batch(examples, 0, 0, n_early=3, early_weight=5.0)
    for labels, weights in zip(weighted.labels, weighted.weights, strict=True):
        assert weights[labels != IGNORED][:4].tolist() == [5.0, 5.0, 5.0, 1.0]
