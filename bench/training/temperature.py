"""How good a trained classifier is on its validation side, and the temperature that calibrates it.

In: a trainer that is done, and the rows of both sides. Out: by task, accuracy and temperature; None where
the validation side is empty or too small. It changes no model: `classifier` divides the logits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from bench.hf_folder.loading import quiet
from bench.training.classification import Outputs, Rows

Numbers = np.ndarray[Any, Any]
_TEMPERATURES = (0.2, 20.0)
_FEWEST_FOR_CALIBRATION = 30
"""Validation items; with fewer the temperature would be guessed."""


class Validated(NamedTuple):
    """By task, from its validation side; None where it is empty or too small."""

    accuracies: dict[str, float | None]
    temperatures: dict[str, float | None]


def validated(trainer: Any, train: Rows, validation: Rows, meaning: Outputs, *, calibrate: bool) -> Validated:
    accuracies: dict[str, float | None] = dict.fromkeys(meaning.labels)
    temperatures: dict[str, float | None] = dict.fromkeys(meaning.labels)
    if not validation.rows:
        return Validated(accuracies, temperatures)
    with quiet():
        found = trainer.predict(validation.rows).predictions
    logits = np.asarray(found[0] if isinstance(found, tuple) else found, dtype=np.float64)
    places = np.array([row["labels"] for row in validation.rows])
    taught = np.array([row["labels"] for row in train.rows])
    for task in meaning.labels:
        start, end = meaning.span(task)
        mine = (places >= start) & (places < end)
        if not mine.any():
            continue
        own, right = logits[mine, start:end], places[mine] - start
        accuracies[task] = float((own.argmax(axis=1) == right).mean())
        if calibrate and len(right) >= _FEWEST_FOR_CALIBRATION:
            weights = as_taught(right, taught - start, end - start)
            temperatures[task] = best_temperature(own, right, weights)
    return Validated(accuracies, temperatures)


def as_taught(right: Numbers, taught: Numbers, n_labels: int) -> Numbers:
    """(items,) weights with which the labels are as frequent among the items as in training.

    A set may be balanced for training and not for validation; calibrated for other shares, the
    probabilities would be wrong for those that were taught.
    """
    own = taught[(taught >= 0) & (taught < n_labels)]
    shares, there = (np.bincount(places, minlength=n_labels) for places in (own, right))
    weights = shares[right] / there[right]
    found: Numbers = weights / weights.mean() if weights.any() else np.ones(len(right))
    return found


def best_temperature(logits: Numbers, right: Numbers, weights: Numbers | None = None) -> float:
    """What (items, labels) logits are divided by for the least negative log-likelihood, within limits.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", temperature scaling; with the targets
    of Platt 1999, (n + 1) / (n + 2) for the right label, so that n items that are all right do not make sure.
    """
    n_items, n_labels = logits.shape
    targets = np.full((n_items, n_labels), 1 / (n_items + 2) / (n_labels - 1))
    targets[np.arange(n_items), right] = (n_items + 1) / (n_items + 2)

    def loss(log_temperature: float) -> float:
        shares = log_softmax(logits / math.exp(log_temperature), axis=1)
        return -float(np.average((targets * shares).sum(axis=1), weights=weights))

    low, high = (math.log(limit) for limit in _TEMPERATURES)
    return math.exp(float(minimize_scalar(loss, bounds=(low, high), method="bounded").x))
