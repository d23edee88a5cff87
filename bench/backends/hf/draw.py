"""The noise that draws a token: Gumbel numbers which follow from seed, place and token alone.

In: each row's seed and how many tokens it has drawn. Out: one number per row and token of the
vocabulary. The token with the largest sum of log-probability and noise is a draw from the distribution
(Gumbel-max). Nothing is carried from one draw to the next and no generator is shared, so neither the
width of a batch nor the neighbours in it change an answer. Integers only until the last step, so the
processor and a GPU make the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def mixed(values: Tensor) -> Tensor:
    """32 well-mixed bits of each number below 2**32 (int64): the finalizer of MurmurHash3, one to one."""
    # a product may wrap in 64 bits; its low 32 bits are right all the same
    values = (((values ^ (values >> 16)) & _MASK) * 0x85EBCA6B) & _MASK
    values = ((values ^ (values >> 13)) * 0xC2B2AE35) & _MASK
    return values ^ (values >> 16)


def gumbel(seeds: Tensor, places: Tensor, n_vocabulary: int) -> Tensor:
    """Shape (rows, n_vocabulary), float64. `seeds` and `places`: (rows,) int64, each below 2**32."""
    token = torch.arange(n_vocabulary, dtype=torch.int64, device=seeds.device)
    first = mixed((seeds + 0x9E3779B9) & _MASK)
    second = mixed(mixed((places + 0x7F4A7C15) & _MASK) ^ first)
    bits = mixed((mixed(token ^ 0x2545F491)[None, :] + first[:, None]) & _MASK)
    bits = mixed((bits ^ second[:, None]) & _MASK)
    # the middle of 2**32 equal steps: never 0 and never 1
    uniform = (bits.to(torch.float64) + 0.5) * 2.0**-32
    return -torch.log(-torch.log(uniform))
