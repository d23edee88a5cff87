"""Turning tensors, and folder against config; whole files are tested in test_write.py."""

import torch

from bench.training.gguf.layout import permuted, transposed


def test_the_two_halves_of_each_head_are_interleaved():
    rows = torch.arange(8)[:, None] * torch.ones((1, 2))
    assert permuted(2)(rows)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_permutation_loses_no_row():
    rows = torch.randn((64, 3), generator=torch.Generator().manual_seed(0))
    assert sorted(permuted(4)(rows).tolist()) == sorted(rows.tolist())


def test_a_bias_is_permuted_as_its_matrix():
    rows = torch.arange(16.0)
    assert permuted(2)(rows).tolist() == permuted(2)(rows[:, None]).flatten().tolist()


def test_a_conv1d_becomes_a_projection():
    assert transposed(torch.zeros((3, 5))).shape == (5, 3)
