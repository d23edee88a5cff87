"""Small models to export: real folders with real adapters, made on the spot."""

import json
import shutil
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from bench.backends import get
from bench.records import ModelSpec
from tests.fixtures.tiny_hf import llama_config, make_tiny_hf, make_tokenizer

WIDE = {"hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1, "initializer_range": 0.05}
"""Rows that K-quants fit."""


def make_model(folder: Path, **fields) -> Path:
    """A Llama with random weights and a tokenizer with a chat template."""
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(llama_config(len(tokenizer), **fields))
    return make_tiny_hf(folder, tokenizer, model)


def make_adapter(folder: Path, base: Path, **options) -> Path:
    """A LoRA for the base that changes what it says."""
    model = LlamaForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    torch.manual_seed(1)
    given = {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peft, about what these tests are for
        adapted = get_peft_model(model, LoraConfig(**given))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
            elif "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted.save_pretrained(str(folder))
    return folder


def make_training(root: Path, base: Path, adapter: Path | None, **fields) -> Path:
    """A finished training as `bench train` leaves it, with the evaluation beside it."""
    folder = root / "phrases" / "lora"
    folder.mkdir(parents=True)
    if adapter is not None:
        adapter = Path(shutil.copytree(adapter, folder / "adapter"))
    arm = {
        "family": "phrases",
        "variant": "lora",
        "quant": "fp32",
        "backend": "hf",
        "ref": str(base),
        "adapter": None if adapter is None else str(adapter),
        "options": {},
        "prompt_style": "zero_shot",
        **fields,
    }
    (folder / "arm.json").write_text(json.dumps(arm))
    (folder / "card.json").write_text(json.dumps({"steps": 12, "loss_last": 0.5, "parameters": {"all": 1}}))
    spec = ModelSpec.model_validate(arm)
    (root / "phrases" / "evaluation.csv").write_text(
        f"arm,variant,accuracy,macro_f1,digest\n{spec.arm},lora,0.8125,0.79,{get('hf').digest(spec)}\n"
        "phrases/base/fp32@hf,base,0.41,,\n"
    )
    return folder
