"""The exact test beside the t-test: could random signs have made this difference?

In: a comparison x article matrix of differences. Out: one p-value a comparison. It assumes only
that, without an effect, an article's difference is as likely to be positive as negative.
"""

from __future__ import annotations

import numpy as np

from bench.analysis import rows
from bench.analysis.frames import FloatArray

EXACT_UP_TO = 22
"""Most articles for which all 2^G sign assignments are tried."""
N_FLIPS = 99_999
SEED = 20_240_523
_TOLERANCE = 1e-9
_CHUNK = 4_096


def signflip_p(differences: FloatArray) -> FloatArray:
    """Share of sign assignments whose |sum| reaches the observed one (within 1e-9).

    Unit: the article. Exact over all 2^G assignments up to G = 22; above that 99,999 seeded random
    ones, (b + 1) / (m + 1). All differences 0 gives 1. Undefined without any article.
    Checked against `signflip_exact_p` of the reference values, 18 pairs.
    """
    n = rows.count(differences)
    result = np.full(len(differences), np.nan)
    for i in np.flatnonzero((n > 0) & (n <= EXACT_UP_TO)):
        row = differences[i]
        result[i] = _exact(row[~np.isnan(row)])
    many = np.flatnonzero(n > EXACT_UP_TO)
    if len(many):
        result[many] = _sampled(differences[many])
    return result


def _exact(differences: FloatArray) -> float:
    # the first sign can stay fixed: flipping all signs leaves |sum| as it is
    sums = differences[:1].copy()
    for value in differences[1:]:
        sums = np.concatenate([sums + value, sums - value])
    observed = abs(differences.sum()) - _TOLERANCE
    return float(np.mean(np.abs(sums) >= observed))


def _sampled(differences: FloatArray) -> FloatArray:
    """One stream of signs for all comparisons; a missing article counts 0 under either sign."""
    columns = np.nan_to_num(differences, nan=0.0).T
    observed = np.abs(columns.sum(axis=0)) - _TOLERANCE
    generator = np.random.default_rng(SEED)
    reached = np.zeros(len(differences), dtype=np.int64)
    for start in range(0, N_FLIPS, _CHUNK):
        size = min(_CHUNK, N_FLIPS - start)
        signs = generator.integers(0, 2, size=(size, len(columns)), dtype=np.int8) * 2.0 - 1.0
        reached += (np.abs(signs @ columns) >= observed).sum(axis=0)
    return (reached + 1) / (N_FLIPS + 1)
