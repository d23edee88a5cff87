"""A made-up run as a report gets it: seeded, with undefined cells, failures and labels."""

import numpy as np
import pandas as pd

from bench.records import Article, Entity, Outcome
from bench.reports import ReportInput
from tests.builders import SCHEMA, manifest, spec

QUANTS = ("fp16", "q4_K_M", "q8_0", "q5_K_M")  # not in the order that a report shows


def report_input(n_groups: int = 2, n_articles: int = 24, seed: int = 7) -> ReportInput:
    """A run of `4 * n_groups` arms; the first article of the first arm has no valid answer."""
    draw = np.random.default_rng(seed)
    specs = [
        spec(quant, family=f"model-{group // 2}", variant=("base", "fine-tuned")[group % 2])
        for group in range(n_groups)
        for quant in QUANTS
    ]
    articles = tuple(_article(index) for index in range(n_articles))
    cells = _cells(specs, articles, draw)
    failures = _failures(cells)
    tables = {
        "cells": cells,
        "arms": _arms(cells, specs),
        "pairs": _pairs(specs, draw),
        "drift": _drift(cells),
        "agreement": _agreement(specs, draw),
        "anova": _anova(specs, draw),
        "variance": pd.DataFrame(
            {"group": sorted({s.group for s in specs}), "var_article": 0.1, "singular": False}
        ),
        "failures": failures,
        "iterations": pd.DataFrame(
            [
                {"arm": s.arm, "iteration": i, "n_valid": 20, "duration_s": np.nan}
                for s in specs
                for i in (0, 1)
            ]
        ),
    }
    made = manifest(
        specs,
        articles,
        task={"name": "news", "version": "1", "answer": SCHEMA.model_dump(mode="json")},
        provenance={"cpu": "a processor", "packages": {"numpy": "2", "torch": None}, "cores_logical": 2},
        status="finished",
    )
    baselines = {s.arm: s.arm.replace(f"/{s.quant}@", "/fp16@") for s in specs if s.quant != "fp16"}
    return ReportInput(
        tables, made, articles, _invalid(specs, articles), valid=_valid(specs, articles), baselines=baselines
    )


def _article(index: int) -> Article:
    text = f"Company {index} said on Monday that its sales rose by {index} percent. " * 6
    titles = ("Quarterly sales beat what the market had expected, again", "Recall", "A merger is called off")
    entity = Entity(name=f"Company {index}", ticker=f"CO{index}")
    return Article(
        id=Article.make_id(text, entity),
        text=text,
        title=f"{titles[index % 3]} {index}",
        source="sample",
        entity=entity,
        label=("negative", "neutral", "positive")[index % 3],
        reference_score=round(index / 30 - 0.4, 2),
    )


def _identity(one) -> dict[str, object]:
    return {"arm": one.arm, **one.model_dump(include={"family", "variant", "quant", "backend"})}


def _cells(specs, articles, draw) -> pd.DataFrame:
    level = draw.uniform(-0.9, 0.9, len(articles))
    rows = []
    for position, one in enumerate(specs):
        for index, article in enumerate(articles):
            n_valid = (
                0 if (position, index) == (0, 0) else int(draw.integers(1 if one.variant == "base" else 4, 6))
            )
            score = float(np.clip(level[index] + draw.normal(0, 0.2), -1, 1))
            rows.append(
                {
                    **_identity(one),
                    "article_id": article.id,
                    "n_samples": 5,
                    "n_valid": n_valid,
                    "n_failed_measurements": 0,
                    "valid_rate": n_valid / 5,
                    "score_mean": score if n_valid else np.nan,
                    "score_variance": float(draw.exponential(0.03)) if n_valid > 1 else np.nan,
                    "confidence_mean": float(draw.uniform(0.4, 1)) if n_valid else np.nan,
                    "duration_mean_s": float(draw.uniform(0.5, 3)),
                    "completion_tokens_mean": 40.0,
                }
            )
    return pd.DataFrame(rows)


def _arms(cells, specs) -> pd.DataFrame:
    means = cells.groupby("arm", sort=False)[
        ["valid_rate", "score_mean", "confidence_mean", "duration_mean_s"]
    ].mean()
    rows = [
        {
            **_identity(one),
            "n_articles": cells["article_id"].nunique(),
            "n_failed_measurements": 0,
            **means.loc[one.arm].to_dict(),
            "valid_clustered_low": max(0.0, means.loc[one.arm, "valid_rate"] - 0.08),
            "valid_clustered_high": min(1.0, means.loc[one.arm, "valid_rate"] + 0.08),
            "score_ci_low": means.loc[one.arm, "score_mean"] - 0.1,
            "score_ci_high": means.loc[one.arm, "score_mean"] + 0.1,
            "score_variance_within": 0.03,
            "seconds_per_valid": means.loc[one.arm, "duration_mean_s"] * 1.1,
            "duration_p50_s": 1.0,
            "file_bytes": 12_345_678,
            "ttft_p50_s": np.nan,
        }
        for one in specs
    ]
    return pd.DataFrame(rows)


def _pairs(specs, draw) -> pd.DataFrame:
    rows = []
    for one in specs:
        if one.quant != "fp16":
            difference = float(draw.normal(0, 0.03))
            rows.append(
                {
                    "kind": "quantization",
                    "arm_a": one.arm,
                    "arm_b": one.arm.replace(f"/{one.quant}@", "/fp16@"),
                    "n_articles": 24,
                    "mean_difference": difference,
                    "t": difference / 0.02,
                    "dof": 23,
                    "p_value": 0.2,
                    "p_holm": 0.00001,
                    "ci_low": difference - 0.04,
                    "ci_high": difference + 0.04,
                    "naive_t": 0.2,
                    "naive_p": 0.8,
                    "cohen_dz": 0.1,
                    "valid_difference": -0.02,
                    "rms_drift": abs(difference) + 0.02,
                    "variance_ratio": 1.2,
                    "latency_ratio": 0.5,
                    "note": "",
                }
            )
    return pd.DataFrame(rows)


def _drift(cells) -> pd.DataFrame:
    means = cells.set_index(["arm", "article_id"])["score_mean"]
    rows = [
        {
            "arm_a": row.arm,
            "arm_b": row.arm.replace(f"/{row.quant}@", "/fp16@"),
            "article_id": row.article_id,
            "difference": row.score_mean - means[row.arm.replace(f"/{row.quant}@", "/fp16@"), row.article_id],
        }
        for row in cells.itertuples()
        if row.quant != "fp16"
    ]
    return pd.DataFrame(rows)


def _agreement(specs, draw) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"arm_a": a.arm, "arm_b": b.arm, "agreement": float(draw.uniform(0.5, 1)), "n": 24}
            for index, a in enumerate(specs)
            for b in specs[index:]
        ]
    )


def _valid(specs, articles) -> list[dict[str, object]]:
    return [
        {
            "arm": one.arm,
            "article_id": article.id,
            "iteration": 0,
            "completion": {"text": "{}"},
            "verdict": {
                "outcome": "valid",
                "answer": {"reasoning": "=Sales rose", "sentiment": 0.5, "confidence": 0.9},
            },
        }
        for one in reversed(specs)
        for article in articles[:2]
    ]


def _anova(specs, draw) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "group": group,
                "n_articles": 24,
                "n_arms": 4,
                "naive_f": 0.4,
                "naive_p": 0.7,
                "f": 2.1,
                "dof1": 3,
            }
            | {"dof2": 69, "p_value": 0.1, "gg_epsilon": float(draw.uniform(0.5, 1)), "p_gg": 0.12}
            for group in sorted({one.group for one in specs})
        ]
    )


def _failures(cells) -> pd.DataFrame:
    rows = []
    for arm, of_arm in cells.groupby("arm", sort=False):
        n, valid = int(of_arm["n_samples"].sum()), int(of_arm["n_valid"].sum())
        counts = {"valid": valid, "not_json": n - valid}
        rows += [
            {"arm": arm, "outcome": outcome.value, "n": counts.get(outcome.value, 0)}
            | {"share": counts.get(outcome.value, 0) / n}
            for outcome in Outcome
        ]
    return pd.DataFrame(rows)


def _invalid(specs, articles) -> list[dict[str, object]]:
    return [
        {
            "arm": one.arm,
            "article_id": articles[index].id,
            "iteration": 0,
            "completion": {"text": f"=HYPERLINK(\"x\") Sure! Here is the answer:\n{{'sentiment': {index}}}"},
            "verdict": {"outcome": "not_json", "recoverable": False, "errors": ["not JSON: Expecting value"]},
        }
        for one in specs
        for index in range(min(len(articles), 22))
    ]
