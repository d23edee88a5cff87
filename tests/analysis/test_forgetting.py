"""General text before and after a training: held to scipy, and to what an interval may be said to show."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.forgetting import DOCUMENT_COLUMNS, forgetting_sentences, forgetting_table


def documents(arm="tiny/lora/fp32@hf", n=15, shift=0.2, noise=0.1, seed=0, **columns):
    """`n` documents whose surprise per token grows by `shift`."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(20, 200, n)
    base = rng.normal(3.0, 0.4, n)
    made = pd.DataFrame(
        {
            "text": "general",
            "arm": arm,
            "document": [f"d{i}" for i in range(n)],
            "n_bytes": tokens * 4 + rng.integers(0, 9, n),
            "n_tokens_base": tokens,
            "nats_base": base * tokens,
            "n_tokens": tokens,
            "nats": (base + shift + rng.normal(0, noise, n)) * tokens,
        }
    )
    return made.assign(**columns)[list(DOCUMENT_COLUMNS)]


def test_the_difference_is_the_paired_t_test_over_documents():
    found = documents()
    row = forgetting_table(found).iloc[0]
    for unit, size in (("token", found["n_tokens"]), ("byte", found["n_bytes"])):
        after, before = found["nats"] / size, found["nats_base"] / size
        test = stats.ttest_rel(after, before)
        interval = test.confidence_interval(0.95)
        assert row[f"t_per_{unit}"] == pytest.approx(test.statistic)
        assert row[f"p_value_per_{unit}"] == pytest.approx(test.pvalue)
        assert row[f"nats_per_{unit}_ci_low"] == pytest.approx(interval.low)
        assert row[f"nats_per_{unit}_ci_high"] == pytest.approx(interval.high)
        assert row[f"nats_per_{unit}_difference"] == pytest.approx((after - before).mean())
        assert row[f"nats_per_{unit}"] == pytest.approx(after.mean())


def test_perplexity_is_exp_of_the_mean_surprise_of_documents_and_of_tokens():
    found = documents()
    row = forgetting_table(found).iloc[0]
    per_document = found["nats"] / found["n_tokens"]
    assert row["perplexity"] == pytest.approx(math.exp(per_document.mean()))
    assert row["perplexity_ratio"] == pytest.approx(row["perplexity"] / row["perplexity_base"])
    assert row["corpus_perplexity"] == pytest.approx(math.exp(found["nats"].sum() / found["n_tokens"].sum()))
    assert row["perplexity"] != pytest.approx(row["corpus_perplexity"])


def test_a_long_document_weighs_no_more_than_a_short_one():
    short, long = documents(n=10), documents(n=10)
    long.loc[0, ["n_bytes", "n_tokens_base", "nats_base", "n_tokens", "nats"]] *= 1000
    names = ["nats_per_token_difference", "nats_per_byte_difference", "perplexity"]
    a, b = (forgetting_table(found).iloc[0][names].astype(float) for found in (short, long))
    assert a.tolist() == pytest.approx(b.tolist())


def test_p_values_are_corrected_over_the_arms():
    parts = [documents(arm=f"tiny/{i}/fp32@hf", shift=0.05 * i, seed=i) for i in range(3)]
    table = forgetting_table(pd.concat(parts))
    p = table["p_value_per_token"].to_numpy()
    order = np.argsort(p)
    expected = np.minimum(1, np.maximum.accumulate(p[order] * [3, 2, 1]))
    assert table["p_holm_per_token"].to_numpy()[order] == pytest.approx(expected)


def test_tokens_of_another_tokenizer_are_compared_by_bytes_alone():
    found = documents()
    found["n_tokens"] += 1
    row = forgetting_table(found).iloc[0]
    assert math.isnan(row["nats_per_token_difference"])
    assert row["nats_per_byte_difference"] > 0
    assert "compare nats per byte" in row["note"]
    assert "nats per byte" in forgetting_sentences(forgetting_table(found))[0]


def test_a_document_without_a_token_is_no_unit():
    found = documents(n=6)
    found.loc[2, ["n_tokens", "n_tokens_base", "nats", "nats_base", "n_bytes"]] = 0
    row = forgetting_table(found).iloc[0]
    assert row["n_documents"] == 5
    assert row["nats_per_token_difference"] == pytest.approx(
        forgetting_table(found.drop(index=2)).iloc[0]["nats_per_token_difference"]
    )


def test_a_model_made_from_nothing_has_its_own_figures_alone():
    found = documents(n_tokens_base=math.nan, nats_base=math.nan)
    table = forgetting_table(found)
    row = table.iloc[0]
    assert row["perplexity"] == pytest.approx(math.exp((found["nats"] / found["n_tokens"]).mean()))
    assert row["n_documents"] == 15
    assert math.isnan(row["nats_per_token_difference"])
    assert math.isnan(row["perplexity_base"])
    assert forgetting_sentences(table)[0].endswith("; made from nothing: there is no model before.")


def test_one_document_has_no_interval_and_says_why():
    row = forgetting_table(documents(n=1)).iloc[0]
    assert math.isnan(row["nats_per_token_ci_low"])
    assert row["note"] == "not testable: one document only"


def test_a_model_that_did_not_change_has_no_test():
    row = forgetting_table(documents(shift=0, noise=0)).iloc[0]
    assert row["nats_per_token_difference"] == 0
    assert math.isnan(row["p_value_per_token"])
    assert "all document differences are equal" in row["note"]


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (0.3, "foretold less well than before the training."),
        (-0.3, "foretold better than before the training."),
        (0.0, "not decided, the interval holds zero: neither a change nor its absence is shown."),
    ],
)
def test_a_sentence_says_no_more_than_the_interval_shows(shift, said):
    (sentence,) = forgetting_sentences(forgetting_table(documents(shift=shift, noise=0.2)))
    assert sentence.endswith(said)


def test_what_does_not_hold_after_the_correction_says_so():
    parts = [documents(arm=f"a{i}", shift=0.0, noise=0.2, seed=i) for i in range(2, 8)]
    just = documents(arm="just", shift=0.15, noise=0.2, seed=1)
    table = forgetting_table(pd.concat([just, *parts]))
    row = table.iloc[0]
    assert row["p_value_per_token"] < 0.05 < row["p_holm_per_token"]
    assert "does not hold after Holm's correction" in forgetting_sentences(table)[0]


def test_texts_are_told_apart_and_corrected_apart():
    own = documents(seed=1, text="held-out", shift=-0.2)
    table = forgetting_table(pd.concat([documents(), own]))
    assert table["text"].tolist() == ["general", "held-out"]
    assert table["p_holm_per_token"].tolist() == table["p_value_per_token"].tolist()
    assert "held-out text (15 documents): -0.2" in forgetting_sentences(table)[1]


def test_no_documents_make_an_empty_table():
    assert forgetting_table(pd.DataFrame(columns=list(DOCUMENT_COLUMNS))).empty
