"""Plans from variance components: the reference tables, and the cheapest mix."""

import math
from functools import partial

import pytest

from bench.analysis.planning import cheapest_mix, expected_sd, plan_rows
from bench.analysis.power import articles_to_detect
from tests.analysis.builders import reference

REFERENCE = reference()["power"]


@pytest.mark.parametrize("name", REFERENCE)
def test_a_plan_has_the_reference_numbers_of_articles(name):
    expected = REFERENCE[name]
    rows = plan_rows(expected["var_article_model"], expected["var_resid"], 19, 0.05, 0.05)
    compared = 0
    for row in rows:
        wanted = expected["table"].get(str(row.iterations))
        if wanted:
            compared += 1
            assert (row.n_articles_to_detect, row.n_articles_needed) == (wanted["G_detect"], wanted["G_tost"])
            assert row.mde == pytest.approx(wanted["mde_G19"], abs=5.1e-5)
    assert compared >= 5


@pytest.mark.parametrize("ratio", [1, 5, 20])
@pytest.mark.parametrize("name", REFERENCE)
def test_the_cheapest_mix_costs_no_more_than_the_formulas(name, ratio):
    expected = REFERENCE[name]
    components = (expected["var_article_model"], expected["var_resid"])
    articles = partial(articles_to_detect, shift=0.01)
    mix = cheapest_mix(*components, articles, ratio, 1)
    assert mix is not None
    on_paper = expected["n_opt_cost_ratio"][str(ratio)]
    assert on_paper == pytest.approx(math.sqrt(ratio * components[1] / components[0]))
    n = round(on_paper)
    assert mix.cost <= articles(expected_sd(*components, n)) * (ratio + n)
    assert mix.iterations == pytest.approx(on_paper, rel=0.5, abs=2)


def test_a_hopeless_shift_has_no_mix():
    assert cheapest_mix(1e6, 1.0, partial(articles_to_detect, shift=1e-6), 1, 1) is None
