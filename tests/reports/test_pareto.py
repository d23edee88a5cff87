"""The picture of quality against cost: what is ringed, and what the points are called."""

import dataclasses

import pytest
from matplotlib.text import Annotation

from bench.reports.pareto import Point, _drawn, front, quality_of
from bench.reports.scale import arms_in_order
from tests.builders import manifest, spec
from tests.reports.synthetic import report_input

FP16, Q8 = spec("fp16"), spec("q8_0")
AGAIN = spec("fp16", repeat_of=FP16.arm)
PLACES = arms_in_order(manifest([FP16, Q8, AGAIN]), [FP16.arm, Q8.arm, AGAIN.arm])


def points(**quality):
    named = {"q8": Q8.arm, "fp16": FP16.arm, "again": AGAIN.arm}
    at = {place.arm: place for place in PLACES}
    return [Point(at[named[name]], cost, value) for name, (cost, value) in quality.items()]


def test_the_front_holds_what_nothing_else_beats():
    found = front(points(q8=(1.0, 0.7), fp16=(2.0, 0.8)), more_is_better=True)
    assert [point.place.name for point in found] == ["q8_0", "fp16"]
    found = front(points(q8=(1.0, 0.8), fp16=(2.0, 0.7)), more_is_better=True)
    assert [point.place.name for point in found] == ["q8_0"]


@pytest.mark.parametrize("better", [0.9, 0.1])
def test_a_repeat_is_on_no_front_however_lucky_it_was(better):
    found = points(q8=(1.0, 0.7), fp16=(2.0, 0.8), again=(0.5, better))
    assert [p.place.name for p in front(found, more_is_better=True)] == ["q8_0", "fp16"]


def test_the_points_of_an_arm_and_of_its_repeat_have_different_names():
    data = dataclasses.replace(report_input(1), manifest=manifest([FP16, Q8, AGAIN]))
    found = points(q8=(1.0, 0.7), fp16=(2.0, 0.8), again=(2.1, 0.8))
    figure = _drawn(data, [("size", found)], quality_of(data))
    said = {text.get_text() for text in figure.axes[0].texts if isinstance(text, Annotation)}
    assert said == {"q8_0", "fp16", "fp16 (repeat)"}
