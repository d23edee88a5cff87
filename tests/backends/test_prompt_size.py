"""A prompt that was cut is told from one that is merely short."""

import pytest

from bench.backends._server.prompt_size import REFERENCE, SHORT, Yardstick, overflows
from tests.backends.asking import prompt, sampling

SETTINGS = sampling(context_tokens=4096, max_tokens=96)


def yardstick(chars_per_token=4.0, template_tokens=0):
    counts = [round(len(text) / chars_per_token) + template_tokens for text in (SHORT, REFERENCE)]
    found = Yardstick.measured(*counts)
    assert found is not None
    return found


@pytest.mark.parametrize(("n_tokens", "expected"), [(4000, False), (4001, True)])
def test_the_answers_room_is_part_of_what_has_to_fit(n_tokens, expected):
    assert overflows(n_tokens, SETTINGS) is expected


@pytest.mark.parametrize("template_tokens", [0, 30, 500])
def test_a_prompt_far_too_long_for_what_was_counted_was_cut(template_tokens):
    assert yardstick(template_tokens=template_tokens).was_cut(prompt(text="x" * 40_000), 3000, SETTINGS)


@pytest.mark.parametrize("template_tokens", [0, 30, 500])
def test_a_prompt_that_was_read_whole_was_not(template_tokens):
    measured = yardstick(template_tokens=template_tokens)
    for n_chars in (100, 8_000, 15_000, 20_000):
        assert not measured.was_cut(prompt(text="x" * n_chars), n_chars // 4 + template_tokens, SETTINGS)


def test_text_that_needs_few_tokens_is_not_called_cut_where_it_may_fit():
    assert not yardstick().was_cut(prompt(text=" " * 15_000), 300, SETTINGS)


@pytest.mark.parametrize("counts", [(None, None), (900, 900), (None, 5), (7, 5)])
def test_a_server_that_does_not_count_measures_nothing(counts):
    assert Yardstick.measured(*counts) is None
