"""A tiny transformers model with a real adapter, made once, and sessions on it that are always closed."""

import shutil
import warnings

import pytest

pytest.importorskip("torch", reason="the hf extra is not installed")
pytest.importorskip("transformers", reason="the hf extra is not installed")

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from bench import backends
from tests.backends.asking import hf_spec, sampling
from tests.builders import SCHEMA


def adapter_for(model, seed=1):
    """A LoRA adapter that does something: its second matrices are not zero."""
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return adapted


@pytest.fixture(scope="session")
def tiny_adapter(tiny_hf, tmp_path_factory):
    """The folder of an adapter for the tiny model."""
    folder = tmp_path_factory.mktemp("adapter")
    model = LlamaForCausalLM.from_pretrained(str(tiny_hf), dtype=torch.float32)
    adapter_for(model).save_pretrained(str(folder))
    return folder


@pytest.fixture
def copied(tiny_hf, tmp_path):
    """A copy of the tiny model that a test may damage."""
    return shutil.copytree(tiny_hf, tmp_path / "model")


@pytest.fixture
def open_hf(tiny_hf):
    """Open an arm: `open_hf(quant, settings, width=..., spec fields...)`."""
    sessions = []

    def opened(quant="fp32", settings=None, *, width=1, folder=tiny_hf, schema=SCHEMA, **fields):
        spec = hf_spec(folder, quant, **fields)
        session = backends.get("hf").open(spec, settings or sampling(), schema, width)
        sessions.append(session)
        return session

    yield opened
    for session in sessions:
        session.close()
