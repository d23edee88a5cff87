"""The grammar expands templates and keeps a fact and its reason in step."""

from random import Random

import pytest

from bench.training.grammar import Slot, events, expand, parse, symbols
from bench.training.world import Scene


def test_a_choice_takes_one_option_and_a_slot_is_filled():
    text = expand("[a|b] {what}", Random(0), lambda name: f"<{name}>", {})
    assert text in {"a <what>", "b <what>"}


def test_choices_may_stand_inside_choices():
    assert {expand("[a[1|2]|b]", Random(i), str, {}) for i in range(40)} == {"a1", "a2", "b"}


@pytest.mark.parametrize("template", ["[a|b", "a]", "[a|[b]"])
def test_brackets_that_do_not_match_are_refused(template):
    with pytest.raises(ValueError, match=r"unmatched|unclosed"):
        parse(template)


def test_a_slot_keeps_its_value_between_a_fact_and_its_reason():
    values = iter(["first", "second", "third"])
    bound: dict[Slot, str] = {}
    said = expand("{pct} and {pct.2}", Random(0), lambda _: next(values), bound)
    assert said == "first and second"
    assert expand("{pct}", Random(0), lambda _: next(values), bound) == "first"


@pytest.mark.parametrize("file", ["good.txt", "bad.txt", "flat.txt"])
def test_every_event_of_the_wording_can_be_written_out(file):
    scene = Scene.draw(Random(1), frozenset())
    for event in events(file):
        assert event.headlines
        assert any("{co}" in said for said, _ in event.facts)
        for said, reason in event.facts:
            bound: dict[Slot, str] = {}
            written = scene.say(said, bound) + scene.say(reason, bound)
            assert not set("{}[]|") & set(written)


@pytest.mark.parametrize("file", ["words.txt", "general.txt"])
def test_every_symbol_of_the_wording_can_be_written_out(file):
    scene = Scene.draw(Random(2), frozenset())
    for alternatives in symbols(file).values():
        for alternative in alternatives:
            assert not set("{}[]|") & set(scene.say(alternative))


def test_good_events_score_above_zero_and_bad_ones_below():
    assert all(0 < event.low < event.high <= 1 for event in events("good.txt"))
    assert all(-1 <= event.low < event.high < 0 for event in events("bad.txt"))
    assert all(-0.1 < event.low < event.high <= 0.1 for event in events("flat.txt"))
