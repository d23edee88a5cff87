"""Drawing the next token of all rows at once, in numpy, where only a temperature shapes the choice.

In: logits of several rows, each row's own seed and how many numbers it has drawn. Out: one token per
row. A row's numbers depend on its seed and its place alone, so neither the width nor the neighbours
change them. Inversion: a uniform number picks the token at which the summed probability passes it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Seeds = npt.NDArray[np.uint64]
_BLOCK = 256  # tokens that are summed before the running sum is taken
_COLDEST = 1e-6  # below, only the likeliest token has any weight left in 32 bits
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def mixed(values: Seeds) -> Seeds:
    """64 well-mixed bits of each number: the finalizer of SplitMix64."""
    values = (values ^ (values >> _S30)) * _M1
    values = (values ^ (values >> _S27)) * _M2
    return values ^ (values >> _S31)


def uniforms(keys: Seeds, places: Seeds) -> npt.NDArray[np.float64]:
    """A number from 0 up to 1 for each key and place: a SplitMix64 stream per key, read at any place."""
    bits = mixed(keys + (places + np.uint64(1)) * _GOLDEN)
    return (bits >> _S11).astype(np.float64) * 2.0**-53


class Drawer:
    """Draws with one temperature; 0 takes the likeliest token. Its scratch memory is used again."""

    def __init__(self, temperature: float, n_vocabulary: int) -> None:
        self._temperature = temperature
        self._n_vocabulary = n_vocabulary
        self._n_blocks = -(-n_vocabulary // _BLOCK)
        self._scratch = np.zeros((0, self._n_blocks * _BLOCK), np.float32)

    def draw(self, logits: Logits, u: npt.NDArray[np.float64]) -> Places:
        """One token per row of `logits` (rows x vocabulary); `u` has a uniform number per row."""
        if self._temperature < _COLDEST:
            likeliest: Places = logits.argmax(axis=1)
            return likeliest
        n = len(logits)
        if len(self._scratch) < n:
            self._scratch = np.zeros((n, self._n_blocks * _BLOCK), np.float32)
        weights = self._scratch[:n]
        inner = weights[:, : self._n_vocabulary]
        np.subtract(logits, logits.max(axis=1, keepdims=True), out=inner)
        inner *= np.float32(1 / self._temperature)
        np.exp(inner, out=inner)
        return self._invert(weights.reshape(n, self._n_blocks, _BLOCK), u)

    def _invert(self, weights: npt.NDArray[np.float32], u: npt.NDArray[np.float64]) -> Places:
        """The place where the running sum of each row passes its share `u` of the whole."""
        rows = np.arange(len(weights))
        sums = weights.sum(axis=2).cumsum(axis=1, dtype=np.float64)
        targets = u * sums[:, -1]
        block = (sums <= targets[:, None]).sum(axis=1)
        block = np.minimum(block, self._n_blocks - 1)
        before = np.where(block > 0, sums[rows, block - 1], 0.0)
        chosen = weights[rows, block]
        running = chosen.cumsum(axis=1, dtype=np.float64)
        # the two sums round differently: never beyond the block's own end, never onto a token of weight 0
        rest = np.minimum(targets - before, np.nextafter(running[:, -1], 0))
        found: Places = block * _BLOCK + (running <= rest[:, None]).sum(axis=1)
        return found
