"""The GGUF writer's own arithmetic; whole files are tested in tests/test_train.py."""

import numpy as np

from bench.training.gguf_export import permuted


def test_the_two_halves_of_each_head_are_interleaved():
    rows = np.arange(8)[:, None] * np.ones((1, 2))
    assert permuted(rows, n_heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_permutation_loses_no_row():
    rows = np.random.default_rng(0).normal(size=(64, 3))
    assert sorted(map(tuple, permuted(rows, 4))) == sorted(map(tuple, rows))
