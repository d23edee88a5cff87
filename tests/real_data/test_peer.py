"""The peer's real results, imported: its own published table, and every reference value once more."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from bench import store
from bench.reading import answer_schema, read_samples
from bench.report import make_report
from bench.seed.export import export_seed
from bench.seed.layout import import_seed
from tests.analysis import test_reference as checks
from tests.analysis.builders import reference

REFERENCE = reference()
SEED_MAP = {
    f"llama3_8b-instruct{tuned}-{quant}": {
        "family": "llama3_8b-instruct",
        "variant": "fine-tuned" if tuned else "base",
        "quant": quant,
    }
    for tuned in ("", "-sentiment_analysis")
    for quant in ("fp16", "q8_0", "q5_K_M", "q4_K_M")
}
"""What the peer's `sentiment_analysis` models are: a fine-tune of the same family."""
GROUPS = {
    "llama3-instruct": "llama3_8b-instruct/base@imported",
    "llama3-sentiment_analysis": "llama3_8b-instruct/fine-tuned@imported",
    "mistral-instruct": "mistral_7b-instruct/base@imported",
    "phi3-mini-instruct": "phi3_3.8b-mini-instruct-4k/base@imported",
}
TIES = {
    ("llama3_8b-instruct-fp16", "abc67ae2", 0),
    ("llama3_8b-instruct-q4_K_M", "abc67ae2", 3),
    ("llama3_8b-instruct-q4_K_M", "f76ab0da", 4),
    ("llama3_8b-instruct-q5_K_M", "6048aefc", 3),
    ("llama3_8b-instruct-q5_K_M", "abc67ae2", 0),
    ("llama3_8b-instruct-q8_0", "a9faff6c", 4),
    ("mistral_7b-instruct-fp16", "a9faff6c", 4),
    ("mistral_7b-instruct-q4_K_M", "e17b754c", 4),
    ("phi3_3.8b-mini-instruct-4k-fp16", "8c4697c2", 3),
}
"""Cells of the peer's table whose exact mean ends in half a hundredth: (model, article, column). Which way
they were rounded depends on the order in which floating point summed them."""
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def peer(real_data, tmp_path_factory) -> tuple[Path, Tables]:
    """The imported run and its tables."""
    root = tmp_path_factory.mktemp("peer")
    (root / "seed-map.yaml").write_text(yaml.safe_dump(SEED_MAP), encoding="utf-8")
    made = import_seed(real_data / "peer-results", root / "sentiments", "peer", root / "seed-map.yaml")
    assert (made.n_samples, len(made.comparisons), len(made.left_out)) == (3724, 8, 12)
    result = make_report(made.folder, root / "reports", root / "heatmaps", only=["csv"])
    return made.folder, result.tables


@pytest.fixture
def row_of(peer) -> Callable[..., Any]:
    """Rows of the imported tables by the names that the reference uses."""
    tables = peer[1]
    arms = dict(zip(tables["arms"]["source_name"], tables["arms"]["arm"], strict=True))

    def found(table: str, keys: list[str], *names: str) -> Any:
        chosen = tables[table]
        for key, name in zip(keys, names, strict=True):
            chosen = chosen[chosen[key] == (GROUPS[name] if key == "group" else arms[name])]
        assert len(chosen) == 1
        return chosen.iloc[0]

    return found


REFERENCE_CHECKS = [
    (check, name)
    for check, names in (
        (checks.test_every_value_of_a_pair_is_the_reference_value, REFERENCE["pairs"]),
        (
            checks.test_noise_floor_and_lower_drift_bound_follow_the_reference_decomposition,
            REFERENCE["pairs"],
        ),
        (checks.test_seconds_of_an_arm_are_the_reference_values, REFERENCE["pairs"]),
        (checks.test_repeated_measures_of_a_family_are_the_reference_values, REFERENCE["families"]),
        (checks.test_variance_components_of_a_family_are_those_of_lme4, REFERENCE["families"]),
        (checks.test_every_value_of_an_arm_is_the_reference_value, REFERENCE["models"]),
    )
    for name in names
]


@pytest.mark.parametrize(("check", "name"), REFERENCE_CHECKS)
def test_the_import_gives_every_reference_value(check, name, row_of, monkeypatch):
    monkeypatch.setattr(checks, "row_of", row_of)
    check(name)


def test_the_map_yields_fine_tuning_pairs_and_an_interaction(peer):
    tables = peer[1]
    tuned = tables["pairs"][tables["pairs"]["kind"] == "fine_tuning"]
    # the peer's config asks for base minus tuned, and the configured orientation wins
    assert len(tuned) == 4
    assert tuned["arm_a"].str.contains("/base/").all()
    assert (tables["pairs"]["kind"] == "custom").sum() == 4
    (row,) = tables["interaction"].to_dict("records")
    assert row["interaction_f"] == pytest.approx(1.247884851723401, rel=1e-9)  # R, interaction.R
    assert row["interaction_p_gg"] == pytest.approx(0.300295221352236, rel=1e-9)


def test_agreement_of_two_arms_is_the_reference_value(peer, row_of):
    table = peer[1]["agreement"].set_index(["arm_a", "arm_b"])["agreement"]
    for expected in REFERENCE["pairs"].values():
        a, b = (row_of("arms", ["arm"], expected[side])["arm"] for side in "AB")
        assert table[a, b] == table[b, a] == pytest.approx(expected["labels"]["cross_agreement"], rel=1e-9)


def test_the_peers_own_table_comes_out(peer, real_data):
    folder, tables = peer
    names = dict(zip(tables["arms"]["arm"], tables["arms"]["source_name"], strict=True))
    run = store.open_run(folder)
    samples = read_samples(run, answer_schema(run.manifest)).samples
    valid = samples[samples["valid"]]
    seconds = valid.groupby(["arm", "article_id"], observed=True)["duration_s"].mean()
    ours: dict[tuple[str, str], list[float]] = {}
    for row in tables["cells"].to_dict("records"):
        n = row["n_valid"]
        variance = row["score_variance"] * (n - 1) / n if n >= 2 else 0.0
        time = seconds.get((row["arm"], row["article_id"]), math.nan)
        ours[names[row["arm"]], row["article_id"]] = [
            time, row["valid_rate"], variance, row["score_mean"], row["confidence_mean"],
        ]  # fmt: skip
    with (real_data / "peer-results/reports/model_metrics.csv").open(encoding="utf-8", newline="") as file:
        published = {(row[0], row[1]): [float(v) for v in row[2:]] for row in list(csv.reader(file))[1:]}
    assert set(published) == set(ours)
    differing = {}
    for key, theirs in published.items():
        # without a valid answer the peer writes 0 where nothing is known
        mine = [0.0 if math.isnan(value) else value for value in ours[key]]
        for column, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if np.round(a, 2) != pytest.approx(b, abs=1e-9):
                differing[*key, column] = (a, b)
    assert set(differing) == TIES
    for a, b in differing.values():
        assert abs(a - b) == pytest.approx(0.005, abs=1e-9)


def test_an_import_of_the_export_gives_the_same_tables(peer, tmp_path):
    folder, tables = peer
    export_seed(folder, tmp_path / "out")
    again = import_seed(tmp_path / "out", tmp_path / "sentiments", "peer")
    result = make_report(again.folder, tmp_path / "reports", tmp_path / "heatmaps", only=["csv"])
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, result.tables[name])


def test_the_contaminated_average_is_not_trusted(peer):
    tables = peer[1]
    weighted = tables["iterations"]["weighted_score_mean"]
    assert weighted.abs().max() < 1  # the files say up to 1.42
    assert np.isfinite(weighted).all()
