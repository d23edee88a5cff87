"""Tables to read: what is undefined is a dash, and no label can end its cell."""

import pandas as pd

from bench.evaluation.shown import NOTHING, arm_table, as_markdown, cell, confusion_tables, pair_table

NAN = float("nan")
ARMS = pd.DataFrame(
    {
        "arm": ["t/base/fp32@hf", "t/lora/fp32@hf"],
        "role": ["untuned", "tuned"],
        "n_samples": [30, 30],
        "valid_rate": [0.5, 1.0],
        "accuracy": [0.4, 0.9],
        "accuracy_bounded_low": [0.25, 0.75],
        "accuracy_bounded_high": [0.6, 0.97],
        "ece": [NAN, NAN],
        "macro_f1": [0.3, NAN],
        "macro_f1_ci_low": [0.2, NAN],
        "macro_f1_ci_high": [0.4, NAN],
    }
)


def test_an_arm_is_shown_with_its_intervals_and_columns_without_a_value_are_left_out():
    table = arm_table(ARMS)
    assert table.headers == ("arm", "role", "items", "valid", "accuracy", "macro F1")
    assert table.rows[0] == (
        "t/base/fp32@hf",
        "untuned",
        "30",
        "50.0 %",
        "40.0 % (25.0 to 60.0)",
        "30.0 % (20.0 to 40.0)",
    )
    assert table.rows[1][-1] == NOTHING


def test_a_confusion_matrix_has_a_column_for_garbage():
    rows = [("a", r, x, n) for r, x, n in [("up", "up", 3), ("up", "down", 1), ("up", "garbage", 2)]]
    rows += [("a", "down", x, n) for x, n in [("up", 0), ("down", 4), ("garbage", 0)]]
    (table,) = confusion_tables(pd.DataFrame(rows, columns=["arm", "label", "answered", "n"]))
    assert table.headers == ("right \\ answered", "up", "down", "garbage")
    assert table.rows == (("up", "3", "1", "2"), ("down", "0", "4", "0"))


def test_a_comparison_is_shown_in_points_with_its_verdict():
    row = {
        "arm_a": "a",
        "arm_b": "b",
        "n_items": 20,
        "accuracy_difference": 0.05,
        "ci_low": -0.1,
        "ci_high": 0.2,
    }
    more = {"n_wrong_to_right": 3, "n_right_to_wrong": 2, "p_holm": 1e-4, "verdict": "not decided"}
    table = pair_table(pd.DataFrame([row | more]))
    assert table.rows[0] == (
        "a minus b",
        "20",
        "+5.0 (-10.0 to +20.0)",
        "3",
        "2",
        "under 0.001",
        "not decided",
    )


def test_nothing_in_a_cell_ends_it_or_links_anywhere():
    assert cell("a|b\nc") == "a\\|b c"
    assert cell("<script>[x](http://y)") == "\\<script>\\[x](http://y)"
    assert "\x1b" not in cell("\x1b[31mred")


def test_markdown_has_a_row_for_each_row():
    lines = as_markdown(arm_table(ARMS)).splitlines()
    assert lines[0] == "### Arms"
    assert lines[3] == "|" + " --- |" * 6
    assert len(lines) == 6
