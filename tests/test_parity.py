"""What two readings of the same prompts say about the two models."""

import math

import pytest

from bench.backends import StopTokens, TokenProbability
from bench.config import Config
from bench.errors import NotEnoughDataError, UsageError
from bench.parity import Reading, Verdict, compare_arms, judged
from tests import builders

PROMPTS = ["<|user|>Good?<|assistant|>", "<|user|>Bad?<|assistant|>"]
TOKENS: list[tuple[int, ...] | None] = [(5, 6, 7), (5, 8, 9)]
STOP = StopTokens({1: "<|end|>"})


def probabilities(shift=0.0, *, top=3, ids=True):
    values = {3: -0.5, 4: -1.2, 9: -3.0}
    found = {token: value + (shift if token == top else 0) for token, value in values.items()}
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return tuple(TokenProbability(token if ids else None, f"t{token}", value) for token, value in ordered)


def reading(**fields) -> Reading:
    given = {"rendered": PROMPTS, "tokens": TOKENS, "stop": STOP, "first": [probabilities()] * 2, **fields}
    return Reading(**given)


def held(a, b, quants=("fp32", "fp16")):
    first, second = (builders.spec(quant) for quant in quants)
    return judged(first, second, a, b, n_prompts=2)


def test_equal_readings_are_the_same_model():
    found = held(reading(), reading())
    assert found.verdict is Verdict.SAME
    assert [(c.name, c.n_compared, c.n_equal) for c in found.checks] == [
        ("prompt", 2, 2), ("tokens", 2, 2), ("stop", 1, 1), ("logprobs", 2, None),
    ]  # fmt: skip
    assert (found.logprob_mean, found.top1_agreement) == (0, 1)


def test_another_template_is_damage_whatever_the_quantization():
    found = held(reading(), reading(rendered=[PROMPTS[0], "<|user|>bad?<|assistant|>"]), ("fp16", "q4_K_M"))
    assert found.verdict is Verdict.EXPORT
    assert "character 8: 'Bad?" in str(found.checks[0].difference)


def test_a_first_token_that_one_adds_is_named():
    found = held(reading(), reading(tokens=[(0, 5, 6, 7), (0, 5, 8, 9)]))
    assert found.verdict is Verdict.EXPORT
    assert "begins with token 0" in str(found.checks[1].difference)


def test_other_tokens_are_damage_and_their_place_is_said():
    found = held(reading(), reading(tokens=[(5, 6, 7), (5, 8, 2, 9)]))
    assert found.verdict is Verdict.EXPORT
    assert "at token 2 of 3 and 4" in str(found.checks[1].difference)


def test_another_end_of_turn_is_damage():
    found = held(reading(), reading(stop=StopTokens({1: "<|end|>", 2: "<|eot|>"})))
    assert found.verdict is Verdict.EXPORT
    assert found.checks[2].difference == "only B ends at '<|eot|>' (2)"


def test_an_end_by_name_counts_only_where_the_prompts_use_it():
    by_name = StopTokens({1: "<|end|>", 2: "</s>"}, by_name=frozenset({1, 2}))
    idle = held(reading(), reading(stop=by_name))
    assert idle.verdict is Verdict.SAME
    assert idle.checks[2].difference == "B also ends at '</s>' (2), by name; no prompt holds it"
    stated = held(reading(), reading(stop=by_name._replace(by_name=frozenset())))
    assert stated.verdict is Verdict.EXPORT
    used = held(reading(), reading(stop=by_name._replace(texts={1: "<|end|>", 2: "<|user|>"})))
    assert used.verdict is Verdict.EXPORT
    unseen = held(reading(rendered=[None] * 2), reading(rendered=[None] * 2, stop=by_name))
    assert unseen.verdict is Verdict.EXPORT


@pytest.mark.parametrize(
    ("quants", "shift", "verdict"),
    [
        (("fp32", "fp16"), 0.01, Verdict.SAME),
        (("fp32", "fp16"), 0.9, Verdict.EXPORT),
        (("fp32", "q4_K_M"), 0.9, Verdict.QUANTIZATION),
        (("fp32", "q8_0"), 0.9, Verdict.UNEXPLAINED),
        (("fp32", "q4_K_M"), 9.0, Verdict.UNEXPLAINED),
        (("fp32", "q8_0"), 0.01, Verdict.SAME),
        (("fp32", "q7_X"), 0.9, Verdict.UNEXPLAINED),
        (("nf4", "q4_K_M"), 0.9, Verdict.QUANTIZATION),
    ],
)
def test_other_probabilities_are_held_against_the_quantizations(quants, shift, verdict):
    found = held(reading(), reading(first=[probabilities(shift, top=9)] * 2), quants)
    assert found.verdict is verdict
    assert found.logprob_max == pytest.approx(shift)


def test_a_token_that_only_one_lists_counts_as_far_off():
    cut = [probabilities()[:1]] * 2
    found = held(reading(), reading(first=cut), ("fp32", "q4_K_M"))
    assert found.logprob_max == pytest.approx(1.8)


def test_an_engine_that_does_not_tell_all_stop_tokens_is_held_to_those_it_tells():
    more = StopTokens({1: "<|end|>", 2: "<|eot|>"})
    assert held(reading(stop=more), reading(stop=STOP._replace(is_whole=False))).verdict is Verdict.SAME
    assert held(reading(), reading(stop=more._replace(is_whole=False))).verdict is Verdict.EXPORT


def test_tokens_without_ids_are_held_together_by_what_they_write():
    ours = [
        TokenProbability(i, text, value)
        for i, text, value in ((5, " a", -1.2), (6, " a", -1.2), (1, "<|end|>", -1.0))
    ]
    theirs = [TokenProbability(None, " a", math.log(2) - 1.2), TokenProbability(None, "\ufffd", -1.0)]
    found = held(reading(first=[tuple(ours)] * 2), reading(first=[tuple(theirs)] * 2))
    assert found.verdict is Verdict.SAME
    assert found.logprob_max == pytest.approx(0)


def test_servers_without_ids_are_compared_by_text():
    found = held(reading(), reading(first=[probabilities(ids=False)] * 2, tokens=[None] * 2, stop=None))
    assert found.verdict is Verdict.SAME
    assert [c.n_compared for c in found.checks] == [2, 0, 0, 2]


def test_what_nobody_tells_is_no_agreement():
    silent = Reading([None] * 2, [None] * 2, None, [None] * 2)
    with pytest.raises(NotEnoughDataError, match="nothing that could be compared"):
        held(reading(), silent)


def config(**second) -> Config:
    arm = {"family": "tiny", "variant": "base", "backend": "fake", "ref": "x"}
    models = [{**arm, "quants": ["fp16"]}, {**arm, "quants": ["q8_0"], **second}]
    return Config.model_validate({"models": models})


def compared(settings, a, b):
    from bench import tasks

    return compare_arms(settings, tasks.load(settings.task), [builders.article()], a, b)


def test_a_backend_that_shows_nothing_is_said():
    settings = config()
    with pytest.raises(UsageError, match="does not show how it reads"):
        compared(settings, *settings.arms())


def test_an_arm_is_not_compared_with_itself():
    settings = config()
    with pytest.raises(UsageError, match="same as itself"):
        compared(settings, settings.arms()[0], settings.arms()[0])


def test_arms_of_other_prompt_styles_are_not_the_same_by_intent():
    settings = config(prompt_style="few_shot")
    with pytest.raises(UsageError, match="prompt styles"):
        compared(settings, *settings.arms())
