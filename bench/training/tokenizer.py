"""The byte-level BPE tokenizer: trained on generated text, with the chat tokens from the start.

In: texts and a vocabulary size. Out: a tokenizer folder in the transformers format. Its
pre-tokenizer is the one llama.cpp calls `gpt-2`, so that both split every text alike. Every byte is
in the vocabulary, so that nothing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PRE_TOKENIZER = "gpt-2"
"""llama.cpp's name of the pre-tokenizer."""
END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|end|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL = (END_OF_TEXT, END_OF_TURN, *ROLES.values())
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int, context_tokens: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocab_size` tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=list(ROLES.values()),
        chat_template=CHAT_TEMPLATE,
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder."""
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


class Encoder:
    """Texts and conversations to token ids; contents can never become special tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.encode_special_tokens = True
        self.end_of_text: int = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
        self.end_of_turn: int = tokenizer.convert_tokens_to_ids(END_OF_TURN)
        self.roles: dict[str, int] = {r: tokenizer.convert_tokens_to_ids(t) for r, t in ROLES.items()}

    def text(self, text: str) -> list[int]:
        """The ids of plain text."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    def turn(self, role: str, content: str) -> list[int]:
        """The ids of one whole turn."""
        return [self.roles[role], *self.text(content), self.end_of_turn]
