"""Whole groups to one side, shares met, a source's own sides kept."""

from collections import Counter

import pytest
from pydantic import ValidationError

from bench.datasets import split
from bench.datasets.row import Row
from tests.datasets.building import setting, unlike


def divided(tmp_path, given, seed="0", **options):
    where = setting(tmp_path, seed=seed)
    return list(split.apply(given, split.Options(**options), where)), where.counts


def many(n, **fields):
    return [Row(unlike(i), label="xyz"[i % 3], **fields) for i in range(n)]


def test_shares_are_met_for_every_label(tmp_path):
    found, _ = divided(tmp_path, many(300))
    counts = Counter((row.split, row.label) for row in found)
    assert {counts["train", label] for label in "xyz"} == {80}
    assert {counts["validation", label] for label in "xyz"} == {10}


def test_another_seed_divides_otherwise_and_the_same_seed_alike(tmp_path):
    first, second, other = (divided(tmp_path, many(100), seed)[0] for seed in ("a", "a", "b"))
    assert first == second
    assert first != other


@pytest.mark.parametrize(
    "pair",
    [
        (Row("sales rose by nine percent in the north"), Row("sales rose by ten percent in the north")),
        (Row("EUR 13.1 mn after 8.7 mn"), Row("EUR 2.5 mn after 8.8 mn")),
        (Row("one", group="thread"), Row("two", group="thread")),
        (Row("one", id="7"), Row("two", id="7")),
        (Row("one", parts=(("parent", "p q"),)), Row("two", parts=(("parent", "P Q!"),))),
        (Row("one", parts=(("parent", "p q"),)), Row("P, q")),
    ],
)
def test_rows_of_one_group_are_on_one_side(tmp_path, pair):
    for seed in range(12):
        found, _ = divided(tmp_path, [*many(20), *pair], str(seed), train=0.5, validation=0.25, test=0.25)
        assert found[-1].split == found[-2].split


def test_a_sources_own_test_set_stays_and_training_rows_like_it_go(tmp_path):
    test = Row("sales rose by nine percent in the north", split="test")
    leak = Row("sales rose by nine percent in the north again", split="train")
    undecided = Row("sales rose by nine percent in the south")
    found, counts = divided(tmp_path, [leak, Row("nothing like it", split="train"), test, undecided])
    assert [(row.text, row.split) for row in found] == [("nothing like it", "train"), (test.text, "test")]
    assert counts["left out: the same as in test"] == 2


def test_a_share_of_nothing_gets_nothing(tmp_path):
    found, _ = divided(tmp_path, many(20), train=1.0, validation=0.0, test=0.0)
    assert {row.split for row in found} == {"train"}


def test_shares_that_do_not_add_up_are_refused():
    with pytest.raises(ValidationError, match=r"add up to 0\.9, not to 1"):
        split.Options(train=0.7)
