"""What holds for every question: the folder is the registry."""

import numpy as np
import pytest

from bench.analysis import questions
from tests.analysis.questions.evidence import NAN, around, asked, evidence

CENTRES = np.linspace(-0.8, 0.8, 40)
COLUMNS = {
    "estimate", "lower", "upper", "margin", "verdict", "reason", "p_value", "n_articles_needed",
    "n_iterations_needed", "applies", "unit",
}  # fmt: skip


def test_correctness_is_asked_first_and_then_the_five_questions_in_order():
    assert questions.names() == ("quality", "fine_tuning", "valid", "mean", "rms", "variance", "labels")


@pytest.mark.parametrize(
    "name", [name for name in questions.names() if name not in {"quality", "fine_tuning"}]
)
def test_a_copy_of_the_baseline_passes_without_a_warning(name):
    scores = around(CENTRES, 0.05, 15)
    answer = asked(name, scores, scores)
    assert answer["verdict"] == "pass"
    assert set(answer) == COLUMNS


@pytest.mark.parametrize("name", questions.names())
def test_an_arm_without_any_valid_answer_passes_nothing(name):
    answer = asked(name, [[NAN] * 4] * 40, around(CENTRES, 0.05, 4))
    assert answer["verdict"] in {"fail", "not_testable", "not_enough_data"}


@pytest.mark.parametrize("name", questions.names())
def test_one_article_passes_nothing(name):
    assert asked(name, [[0.1, 0.2, 0.1]], [[0.1, 0.2, 0.2]])["verdict"] not in {"pass", "fail"}


@pytest.mark.parametrize("name", ["mean", "rms", "variance", "labels"])
def test_questions_about_scores_need_80_percent_of_the_articles(name):
    scores = around(CENTRES, 0.05, 15)
    silent = [[NAN] * 15 if i < 9 else cell for i, cell in enumerate(scores)]
    answer = asked(name, silent, scores)
    assert answer["verdict"] == "not_enough_data"
    assert "only 78% of the articles" in answer["reason"]
    enough = [[NAN] * 15 if i < 8 else cell for i, cell in enumerate(scores)]
    assert asked(name, enough, scores)["verdict"] == "pass"


@pytest.mark.parametrize("name", ["mean", "rms", "variance", "labels"])
def test_a_task_without_a_score_is_not_asked_about_one(name):
    answer = asked(name, [[0.1, 0.2]] * 3, [[0.1, 0.2]] * 3, has_score=False)
    assert (answer["verdict"], answer["applies"]) == ("not_testable", False)


def test_a_task_without_labels_is_not_asked_about_them():
    answer = asked("labels", [[0.1, 0.2]] * 3, [[0.1, 0.2]] * 3, thresholds=None)
    assert (answer["verdict"], answer["applies"]) == ("not_testable", False)


def test_of_a_baseline_only_the_floor_is_asked():
    single = evidence(around(CENTRES, 0.05, 15), around(CENTRES, 0.05, 15))
    words = {
        name: questions.alone(name, single, "this is the baseline").iloc[0] for name in questions.names()
    }
    assert words["valid"]["verdict"] == "pass"
    assert {words[name]["verdict"] for name in ("mean", "rms", "variance", "labels")} == {"not_testable"}


@pytest.mark.parametrize("name", questions.names())
def test_passing_is_the_same_as_a_p_value_of_at_most_5_percent(name):
    for seed in range(6):
        baseline = around(CENTRES[:20], 0.1, 5, seed)
        answer = asked(name, around(CENTRES[:20] + 0.02 * seed, 0.12, 5, seed + 100), baseline)
        assert (answer["verdict"] == "pass") == (answer["p_value"] <= 0.05)
