"""Headers in words with their unit, and number formats that fit the column."""

import pytest

from bench.reports.columns import COUNT, MEGABYTES, P_VALUE, SHARE, column


@pytest.mark.parametrize(
    ("name", "title", "number_format"),
    [
        ("valid_rate", "Valid rate", SHARE),
        ("duration_p95_s", "Duration p95 (s)", "0.00"),
        ("peak_memory_bytes", "Peak memory (MB)", MEGABYTES),
        ("tokens_per_s", "Tokens per second (1/s)", "0.0"),
        ("p_gg", "p GG", P_VALUE),
        ("wilcoxon_p", "Wilcoxon p", P_VALUE),
        ("n_articles", "Articles", COUNT),
        ("naive_t", "NAIVE t (do not use)", "0.00"),
        ("a_column_of_tomorrow", "A column of tomorrow", "0.0000"),
    ],
)
def test_a_column_is_named_in_words_with_its_unit(name, title, number_format):
    assert column(name) == (title, number_format)
