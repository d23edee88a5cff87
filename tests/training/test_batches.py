"""Batches of blocks: padding, and the tokens that a masked model has to guess."""

from types import SimpleNamespace

import pytest
import torch

from bench.training.bases import new_tokenizer
from bench.training.batches import HiddenTokens, Padded

SHARE = 0.3


@pytest.fixture(scope="module")
def tokenizer():
    return new_tokenizer("distilbert", ["profit rose and sales fell in May"] * 3, 300, 64)


@pytest.fixture(scope="module")
def ids(tokenizer):
    return tokenizer("profit rose and sales fell in may " * 8)["input_ids"]


def rows(*blocks, is_held_out=False):
    return [
        {"input_ids": ids, "place": place, "is_held_out": is_held_out} for place, ids in enumerate(blocks)
    ]


def in_epoch(collator, number, found):
    collator.on_epoch_begin(None, SimpleNamespace(epoch=float(number)), None)
    return collator(found)


def test_rows_are_padded_at_the_right_and_padding_bears_no_loss(tokenizer):
    batch = Padded(tokenizer)([{"input_ids": [5], "labels": [5]}, {"input_ids": [6, 7], "labels": [6, 7]}])
    assert batch["input_ids"].tolist() == [[5, tokenizer.pad_token_id], [6, 7]]
    assert batch["labels"].tolist() == [[5, -100], [6, 7]]


def test_a_share_of_the_ordinary_tokens_is_hidden_and_bears_the_loss(tokenizer, ids):
    collator = HiddenTokens(tokenizer, SHARE, seed=0)
    batch = collator(rows(*[ids] * 50))
    wanted = batch["labels"] != -100
    assert wanted.float().mean() == pytest.approx(SHARE, abs=0.05)
    whole = torch.tensor([ids] * 50)
    assert torch.equal(batch["labels"][wanted], whole[wanted])
    assert torch.equal(batch["input_ids"][~wanted], whole[~wanted])
    hidden = batch["input_ids"][wanted] == tokenizer.mask_token_id
    assert hidden.float().mean() == pytest.approx(0.8, abs=0.1)
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    assert not special & set(batch["labels"][wanted].tolist())


def test_what_is_hidden_depends_on_seed_epoch_and_place_and_not_on_what_was_drawn_before(tokenizer, ids):
    found, others = rows(ids, ids), rows(ids, ids[:20], ids)
    first = HiddenTokens(tokenizer, SHARE, seed=0)
    before = in_epoch(first, 3, found)["labels"]
    torch.manual_seed(7)
    again = HiddenTokens(tokenizer, SHARE, seed=0)
    in_epoch(again, 2, others)
    assert torch.equal(in_epoch(again, 3, others)["labels"][0], before[0])
    assert not torch.equal(before[0], before[1])
    assert not torch.equal(in_epoch(again, 4, found)["labels"], before)
    assert not torch.equal(in_epoch(HiddenTokens(tokenizer, SHARE, seed=1), 3, found)["labels"], before)


def test_what_is_held_out_is_the_same_in_every_epoch(tokenizer, ids):
    collator, found = HiddenTokens(tokenizer, SHARE, seed=0), rows(ids, is_held_out=True)
    assert torch.equal(in_epoch(collator, 0, found)["labels"], in_epoch(collator, 5, found)["labels"])
    assert not torch.equal(in_epoch(collator, 0, found)["labels"], collator(rows(ids))["labels"])


def test_even_a_short_block_has_something_to_guess(tokenizer, ids):
    collator = HiddenTokens(tokenizer, 0.01, seed=0)
    labels = collator(rows(*[[*ids[:2], ids[-1]]] * 20))["labels"]
    assert (labels != -100).sum(dim=1).tolist() == [1] * 20
    assert set(labels[labels != -100].tolist()) == {ids[1]}
