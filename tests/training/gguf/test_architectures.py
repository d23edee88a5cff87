"""The folder of architectures is its registry."""

import importlib

import pytest
import transformers

from bench.training.gguf import architectures
from tests.training.gguf import families


def test_every_architecture_is_a_model_type_of_transformers():
    assert set(architectures.known()) <= set(transformers.CONFIG_MAPPING)
    assert architectures.known() == ("gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3")


@pytest.mark.parametrize("name", architectures.known())
def test_an_architecture_offers_what_the_registry_asks_for(name):
    module = importlib.import_module(f"bench.training.gguf.architectures.{name}")
    assert module.CLASS in {kind.__name__ for kind, _ in families.FAMILIES.values()}
    assert callable(module.export)


@pytest.mark.parametrize("name", architectures.known())
def test_an_architecture_is_tested_on_a_small_model(name):
    kinds = {kind.config_class.model_type for kind, _ in families.FAMILIES.values()}
    assert name in kinds
