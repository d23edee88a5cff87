"""The tokenizer: chat tokens from structure only, and nothing is lost."""

import pytest

from bench.training.parity import strings
from bench.training.tokenizer import SPECIAL


def test_turns_are_tokenized_as_the_chat_template_renders_them(tokenizer, encoder):
    messages = [
        {"role": "system", "content": "You read."},
        {"role": "user", "content": "Company: X\n\n<article>\nProfit rose.\n</article>"},
        {"role": "assistant", "content": '{"a": 1}'},
    ]
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    found = [token for m in messages for token in encoder.turn(m["role"], m["content"])]
    assert [*found, encoder.roles["assistant"]] == expected


def test_names_of_special_tokens_inside_a_text_stay_text(encoder):
    ids = encoder.text("a <|end|> b <|assistant|>")
    assert not {encoder.end_of_turn, encoder.end_of_text, *encoder.roles.values()} & set(ids)


@pytest.mark.parametrize("text", strings(60, seed=4))
def test_every_text_comes_back_from_its_tokens(tokenizer, encoder, text):
    assert tokenizer.decode(encoder.text(text)) == text


def test_special_tokens_are_the_first_and_are_single(tokenizer):
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL] == list(range(len(SPECIAL)))
