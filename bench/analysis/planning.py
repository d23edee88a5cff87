"""How many articles and iterations a next run needs, from the variance components of this one.

In: components of one group, the shift to find or the margin to settle, and what articles and
iterations cost. Out: articles needed for several numbers of iterations, and the cheapest mix. It plans
the comparison of two arms of that group, and is no test of this run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from bench.analysis.power import MOST, articles_needed, articles_to_detect, smallest_detectable_shift

ITERATIONS = (1, 2, 3, 5, 10, 15, 30, 100)
"""The numbers of iterations a plan shows."""
MOST_ITERATIONS = 400
"""The cheapest mix is looked for up to here; beyond, more iterations hardly change the spread."""


class PlanRow(NamedTuple):
    """What a number of iterations would need."""

    iterations: int
    sd_difference: float
    """Expected spread of the article differences."""
    n_articles_to_detect: float
    """Articles that find the shift with power .80; NaN where no realistic number does."""
    n_articles_needed: float
    """Articles that settle the margin with power .80 if the arms are equal; NaN as above."""
    mde: float
    """The shift that the run's own number of articles would find with power .80."""


class Mix(NamedTuple):
    """The cheapest way to one goal."""

    iterations: int
    n_articles: int
    cost: float


def expected_sd(var_article_arm: float, var_residual: float, iterations: int) -> float:
    """Standard deviation of the article differences of two arms, each article answered so often.

    Unit: the article. sqrt(2 var_article_arm + 2 var_residual / n): both arms move on their own and are
    measured with noise. Undefined (NaN) where a component is.
    Checked against `power` of the reference values, whose tables follow from this formula.
    """
    return math.sqrt(2 * var_article_arm + 2 * var_residual / iterations)


def plan_rows(
    var_article_arm: float, var_residual: float, n_articles: int, shift: float, margin: float
) -> list[PlanRow]:
    """One row per number of iterations in `ITERATIONS`.

    Unit: the article. Assumes that the next articles are like these. Sources: `bench.analysis.power`.
    Undefined (NaN) where the spread is 0 or undefined, or needs more than a million articles.
    Checked against `power` of the reference values: G_detect, G_tost and mde_G19, exactly.
    """
    rows = []
    for iterations in ITERATIONS:
        sd = expected_sd(var_article_arm, var_residual, iterations)
        detect, settle = articles_to_detect(sd, shift), articles_needed(sd, margin)
        mde = smallest_detectable_shift(sd, n_articles)
        rows.append(PlanRow(iterations, sd, detect, settle, mde))
    return rows


def cheapest_mix(
    var_article_arm: float,
    var_residual: float,
    articles: Callable[[float], float],
    cost_article: float,
    cost_iteration: float,
) -> Mix | None:
    """The iterations n and articles G with the lowest G (cost_article + n cost_iteration).

    `articles` gives the articles needed at a spread, e.g. `articles_to_detect` of a shift. On paper
    n is near sqrt(cost_article / cost_iteration x var_residual / var_article_arm); here all n up to
    400 are tried, because G is a whole number. None where no realistic number of articles does.
    Checked against `n_opt_cost_ratio` of the reference values (that formula) and by exhaustion.
    """
    best: Mix | None = None
    for iterations in range(1, MOST_ITERATIONS + 1):
        if best is not None and 2 * (cost_article + iterations * cost_iteration) > best.cost:
            break  # even two articles would cost more
        needed = articles(expected_sd(var_article_arm, var_residual, iterations))
        if not needed <= MOST:
            continue
        cost = needed * (cost_article + iterations * cost_iteration)
        if best is None or cost < best.cost:
            best = Mix(iterations, int(needed), cost)
    return best
