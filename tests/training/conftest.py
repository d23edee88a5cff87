"""A small tokenizer and an untrained model for the tests of this room."""

import pytest

pytest.importorskip("torch", reason="the train extra is not installed")

import torch

from bench.training.base import build
from bench.training.corpus import tokenizer_texts
from bench.training.recipe import Architecture
from bench.training.tokenizer import Encoder, train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(tokenizer_texts(0, frozenset(), 60_000), 1024, 4096)


@pytest.fixture(scope="session")
def encoder(tokenizer):
    return Encoder(tokenizer)


@pytest.fixture
def model(tokenizer, encoder):
    torch.manual_seed(0)
    return build(Architecture(intermediate=256, layers=2), len(tokenizer), encoder)
