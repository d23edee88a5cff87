"""`bench plan`: how many articles and iterations a next run would need.

In: a run's name, what to find and what it costs. Out: a table per group (or `--json`) on stdout.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bench.analysis.planning import Mix
    from bench.plan import GroupPlan

RUNS = Path("sentiments")


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")] = "latest",
    shift: Annotated[float, typer.Option(min=1e-6, help="The shift of the mean score to find.")] = 0.05,
    margin: Annotated[float, typer.Option(min=1e-6, help="The margin to settle if arms are equal.")] = 0.05,
    cost_article: Annotated[float, typer.Option(min=0, help="What one more article costs.")] = 1.0,
    cost_iteration: Annotated[
        float, typer.Option(min=1e-9, help="What one more answer of both arms to an article costs.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON on stdout.")] = False,
) -> None:
    """Say how much more data would settle what a run left open."""
    from bench.plan import make_plan
    from bench.store import find_run

    plans = make_plan(find_run(RUNS, run), shift, margin, cost_article, cost_iteration)
    if as_json:
        typer.echo(json.dumps([_plain(plan) for plan in plans], indent=2, ensure_ascii=False))
        return
    for plan in plans:
        typer.echo("\n".join(_lines(plan, shift, margin)))


def _lines(plan: GroupPlan, shift: float, margin: float) -> list[str]:
    from bench.safe_text import inert

    if plan.note:
        return [inert(plan.group), f"  no plan: {plan.note}", ""]
    lines = [
        inert(plan.group),
        f"  iterations   articles to find {shift:g}   articles to settle +-{margin:g}   "
        f"shift found with {plan.n_articles} articles",
    ]
    for row in plan.rows:
        detect, settle = _count(row.n_articles_to_detect), _count(row.n_articles_needed)
        mde = "–" if math.isnan(row.mde) else f"{row.mde:.3f}"
        lines.append(f"  {row.iterations:>10}   {detect:>20}   {settle:>23}   {mde:>12}")
    lines.append(f"  cheapest to find {shift:g}: {_mix(plan.detect)}")
    lines.append(f"  cheapest to settle +-{margin:g}: {_mix(plan.settle)}")
    return [*lines, ""]


def _count(number: float) -> str:
    return "–" if math.isnan(number) else f"{number:.0f}"


def _mix(mix: Mix | None) -> str:
    if mix is None:
        return "no realistic number of articles does"
    return f"{mix.n_articles} articles x {mix.iterations} iterations, cost {mix.cost:g}"


def _plain(plan: GroupPlan) -> dict[str, Any]:
    def defined(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    return {
        "group": plan.group,
        "n_articles": plan.n_articles,
        "var_article_arm": defined(plan.var_article_arm),
        "var_residual": defined(plan.var_residual),
        "rows": [{name: defined(value) for name, value in row._asdict().items()} for row in plan.rows],
        "cheapest_to_detect": plan.detect._asdict() if plan.detect else None,
        "cheapest_to_settle": plan.settle._asdict() if plan.settle else None,
        "note": plan.note,
    }
