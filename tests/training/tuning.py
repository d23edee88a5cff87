"""Tiny causal bases with real tokenizers, examples to learn from, and jobs on them."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from bench.training.display import Silent
from bench.training.methods import Data, Example, Job, Turn, load
from bench.training.tuning_recipe import TrainerOptions

disable_progress_bar()
LABELS = ("bad", "good")
TEMPLATES = {
    "plain": (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "<|end|>",
        ("<|system|>", "<|user|>", "<|assistant|>"),
    ),
    "chatml": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|im_end|>",
        ("<|im_start|>",),
    ),
    # a token that begins the text, and one that ends a turn beside the one that ends a text
    "llama3": (
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
        " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>"),
    ),
    # a space before and after the answer, no system turn
    "llama2": (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
        "{% elif m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}"
        "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}",
        "</s>",
        (),
    ),
    # one that writes an empty thought before an answer that is there, and none before one to come
    "thinking": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
        "{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|im_end|>",
        ("<|im_start|>",),
    ),
}
"""Each with the token that ends an answer, and the other tokens that it writes."""


def tokenizer(template: str | None = "plain") -> Any:
    """Byte-level BPE of few merges with the tokens of one template; none where there is no template."""
    source, end, others = TEMPLATES[template] if template else (None, "<|endoftext|>", ())
    special = list(dict.fromkeys(["<|endoftext|>", "<s>", end, *others]))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(["How is number 12? good bad label the word"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token=end,
        pad_token="<|endoftext|>",
        additional_special_tokens=list(others),
        chat_template=source,
        model_max_length=512,
    )


def base(
    folder: Path, kind: str = "llama", template: str | None = "plain", *, tied: bool = True, hidden: int = 64
) -> Path:
    """A tiny base with random weights, saved."""
    words = tokenizer(template)
    torch.manual_seed(0)
    ids = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    ids |= {"pad_token_id": words.pad_token_id, "vocab_size": len(words)}
    model: Any
    shape: dict[str, Any]
    if kind == "gpt2":
        shape = {"n_embd": hidden, "n_layer": 2, "n_head": 2, "n_positions": 512}
        model = GPT2LMHeadModel(GPT2Config(**shape, **ids, initializer_range=0.1))
    else:
        shape = {
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2 if kind == "phi3" else 1,
            "max_position_embeddings": 512,
            "tie_word_embeddings": tied,
            "initializer_range": 0.1,
        }
        made = {"llama": (LlamaConfig, LlamaForCausalLM), "phi3": (Phi3Config, Phi3ForCausalLM)}[kind]
        model = made[1](made[0](**shape, **ids))
    model.save_pretrained(str(folder))
    words.save_pretrained(str(folder))
    return folder


def examples(n: int, seed: int = 0, task: str = "tone") -> tuple[Example, ...]:
    """Questions of different lengths, each with a right answer."""
    found = []
    for place in range(n):
        label = LABELS[(place + seed) % 2]
        turns = (
            Turn("system", "Say how it is."),
            Turn("user", f"How is number {place}?" + " word" * (place % 5)),
        )
        answer = f'{{"label": "{label}"}}'
        found.append(Example(f"{task}-{seed}-{place}", task, f"number {place}", turns, answer, label))
    return tuple(found)


def data(n: int = 16, n_validation: int = 4, **more: Any) -> Data:
    """One task."""
    given = {"texts": (), "validation_texts": (), "labels": {"tone": LABELS}, **more}
    return Data(**{"train": examples(n), "validation": examples(n_validation, seed=1), **given})


class Noted(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[int, float, int]] = []

    def note(self, text: str) -> None:
        """Keeps it."""
        self.notes.append(text)

    def step(self, n_done: int, loss: float, tokens: int) -> None:
        """Keeps it."""
        self.steps.append((n_done, loss, tokens))


def job(
    folder: Path, kind: str, base: Path | None, learnt: Data | None = None, progress: Any = None, **more: Any
) -> Job:
    """A short training in `folder`; `trainer` and everything else go to the method's options."""
    trainer = {"epochs": 2, "batch_size": 4, "rate": 5e-3, "max_tokens": 200, **more.pop("trainer", {})}
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    return Job(
        options=load(kind).Options.model_validate(more),
        trainer=TrainerOptions.model_validate(trainer),
        base=base,
        data=data() if learnt is None else learnt,
        out=out,
        work=work,
        seed=3,
        progress=progress or Silent(),
    )
