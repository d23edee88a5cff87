"""The cures for forgetting as orders of examples: shares kept, nothing lost, the same for the same seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.training.mixing import gradually, interleaved, n_to_mix, texts_to_mix, together

DOCUMENTS = tuple(f"document {n}" for n in range(30))
TASKS = {task: tuple(f"{task}{n}" for n in range(n)) for task, n in (("a", 20), ("b", 12), ("c", 8))}


@given(n=st.integers(0, 5_000), share=st.floats(0, 0.95))
def test_general_text_is_the_share_asked_for_of_all_sequences(n, share):
    m = n_to_mix(n, share)
    assert abs(m - share * (n + m)) <= 0.5 + 1e-6 * n


def test_a_share_that_leaves_no_room_for_the_task_is_refused():
    for share in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="at least 0, below 1"):
            n_to_mix(10, share)


def test_mixed_texts_are_drawn_once_each_before_any_stands_twice():
    few = texts_to_mix(DOCUMENTS, 60, 0.25, seed=3)
    assert len(few.texts) == few.n_documents == 20
    many = texts_to_mix(DOCUMENTS, 70, 0.5, seed=3)
    assert len(many.texts) == 70
    assert many.n_documents == 30
    assert set(Counter(many.texts).values()) == {2, 3}
    assert texts_to_mix(DOCUMENTS, 70, 0.5, seed=3) == many
    assert texts_to_mix(DOCUMENTS, 70, 0.5, seed=4).texts != many.texts


def test_without_documents_or_share_nothing_is_mixed_in():
    assert texts_to_mix((), 10, 0.5, 0) == ((), 0)
    assert texts_to_mix(DOCUMENTS, 10, 0.0, 0) == ((), 0)


@given(n=st.integers(0, 60), m=st.integers(0, 60))
def test_interleaving_keeps_both_orders_and_the_share_everywhere(n, m):
    items, among = [("i", k) for k in range(n)], [("t", k) for k in range(m)]
    whole = interleaved(items, among)
    assert [x for x in whole if x[0] == "i"] == items
    assert [x for x in whole if x[0] == "t"] == among
    seen = 0
    for place, (kind, _) in enumerate(whole, 1):
        seen += kind == "t"
        assert abs(seen - place * m / (n + m)) <= 1


def test_tasks_together_are_shuffled_into_one_another_and_none_is_lost():
    mixed = together(TASKS, seed=1)
    assert sorted(mixed) == sorted(x for items in TASKS.values() for x in items)
    assert mixed == together(TASKS, seed=1)
    assert mixed != together(TASKS, seed=2)
    assert {item[0] for item in mixed[:20]} == {"a", "b", "c"}


def test_tasks_gradually_come_in_turn_with_the_stated_share_of_earlier_ones():
    made = gradually(TASKS, 0.2, seed=1)
    assert [stage.task for stage in made.stages] == ["a", "b", "c"]
    assert [stage.n_own for stage in made.stages] == [20, 12, 8]
    assert [stage.n_rehearsed for stage in made.stages] == [0, 3, 2]
    start = 0
    for stage in made.stages:
        turn = made.items[start : start + stage.n_own + stage.n_rehearsed]
        assert sum(item.startswith(stage.task) for item in turn) == stage.n_own
        start += len(turn)
    assert start == len(made.items)
    last = [item[0] for item in made.items[-10:] if item[0] != "c"]
    assert sorted(last) == ["a", "b"]  # evenly from the tasks before


def test_without_rehearsal_a_turn_holds_its_own_task_alone():
    made = gradually(TASKS, 0.0, seed=1)
    assert [item[0] for item in made.items] == ["a"] * 20 + ["b"] * 12 + ["c"] * 8


def test_passes_repeat_a_task_inside_its_own_turn():
    made = gradually(TASKS, 0.5, seed=1, passes=3)
    assert [stage.n_own for stage in made.stages] == [60, 36, 24]
    assert [stage.n_rehearsed for stage in made.stages] == [0, 36, 24]
    first = made.items[:60]
    assert Counter(Counter(first).values()) == {3: 20}
    with pytest.raises(ValueError, match="at least 1"):
        gradually(TASKS, 0.5, seed=1, passes=0)
