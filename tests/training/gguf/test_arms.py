"""An exported file as an arm beside its folder, as `bench models parity` compares them."""

import pytest

from bench import tasks
from bench.config import Config
from bench.parity import ArmParity, Verdict, compare_arms
from tests import builders


def compared(family, folder, file, task, context_tokens) -> ArmParity:
    arm = {"family": family, "variant": "base", "quants": ["fp32"]}
    config = Config.model_validate(
        {
            "task": task,
            "sampling": {"context_tokens": context_tokens, "max_tokens": 8},
            "models": [
                {**arm, "backend": "hf", "ref": str(folder)},
                {**arm, "backend": "llama_cpp", "ref": str(file)},
            ],
        }
    )
    return compare_arms(config, tasks.load(task), [builders.article()], *config.arms())


@pytest.mark.parametrize("family", ["llama3", "qwen2", "phi3"])
def test_a_file_is_the_same_arm_as_its_folder(folder_of, file_of, family):
    found = compared(family, folder_of(family), file_of(family, "fp32"), "tweet_sentiment", 250)
    assert found.verdict is Verdict.SAME, found.reason
    assert found.warnings == ()


def test_a_text_past_the_sliding_window_is_computed_otherwise_and_why_is_said(folder_of, file_of):
    found = compared("phi3", folder_of("phi3"), file_of("phi3", "fp32"), "financial_news", 400)
    assert found.verdict is Verdict.EXPORT
    assert found.warnings == (
        "phi3/base/fp32@llama_cpp: context_tokens 400 is more than the 300 it was trained for",
    )
