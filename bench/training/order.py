"""In which order a training sees its examples: a function of the seed and the epoch alone.

In: the length of each example, how many make a step, a seed. Out: a sampler for a DataLoader. transformers
draws its order from the global random numbers, which a resumed training has not used as often as an
unbroken one; here epoch 3 is the same whoever comes to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

_PRIME = 1_000_003


class EpochOrder(torch.utils.data.Sampler):  # type: ignore[misc]  # torch is not followed by mypy
    """Places of examples, in the order of one epoch."""

    def __init__(self, lengths: Sequence[int], seed: int, *, group: int | None, keep: bool = False) -> None:
        self._lengths = list(lengths)
        self._seed = seed
        self._group = group
        """Examples of a step, of like lengths; None: lengths are not looked at."""
        self._keep = keep
        """Whether the order of the data stands."""
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        if self._keep:
            return iter(range(len(self._lengths)))
        generator = torch.Generator()
        generator.manual_seed(self._seed * _PRIME + self._epoch)
        if self._group is None:
            return iter(torch.randperm(len(self._lengths), generator=generator).tolist())
        grouped = get_length_grouped_indices(self._lengths, self._group, generator=generator)
        steps = [grouped[i : i + self._group] for i in range(0, len(grouped), self._group)]
        whole = [step for step in steps if len(step) == self._group]
        # as they come, long ones stand before short ones; a loss curve and a schedule would show it
        shuffled = [whole[i] for i in torch.randperm(len(whole), generator=generator).tolist()]
        rest = [step for step in steps if len(step) < self._group]
        return iter([place for step in (*shuffled, *rest) for place in step])
