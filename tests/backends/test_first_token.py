"""The likeliest first tokens, believed only where they are what servers promise."""

import pytest

from bench.backends import TokenProbability
from bench.backends._server.first_token import neutral, probabilities, probabilities_by_text
from tests.backends.asking import sampling


def test_alternatives_are_told_likeliest_first():
    entry = {"top_logprobs": [{"token": "b", "logprob": -2, "id": 5}, {"token": "a", "logprob": -1.0}]}
    assert probabilities(entry) == (TokenProbability(None, "a", -1.0), TokenProbability(5, "b", -2.0))


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        {},
        {"top_logprobs": 7},
        {"top_logprobs": []},
        {"top_logprobs": [{"token": 7, "logprob": -1}]},
        {"top_logprobs": [{"token": "a", "logprob": float("nan")}, {"token": "b", "logprob": None}]},
    ],
)
def test_what_is_no_list_of_probabilities_is_absent(entry):
    assert probabilities(entry) is None


def test_the_older_interface_has_a_table():
    told = probabilities_by_text({"token_id:7": -2.0, " a": -1.0})
    assert told == (TokenProbability(None, " a", -1.0), TokenProbability(7, "", -2.0))
    assert probabilities_by_text([1]) is None


def test_probabilities_are_asked_for_without_any_setting_of_the_run():
    settings = neutral(sampling(temperature=0.1, top_k=5, min_p=0.2, stop=["x"], presence_penalty=1))
    assert (settings.temperature, settings.top_k, settings.min_p, settings.stop) == (1.0, 0, 0.0, ())
    assert (settings.presence_penalty, settings.max_tokens) == (0.0, 1)
