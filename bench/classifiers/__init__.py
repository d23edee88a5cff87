"""What training a classifier and asking one have to agree on.

    reading   the text and the tokens that a classifier is shown of an item
    lstm      a recurrent classifier, as transformers loads and saves models

In: nothing of a room's. Out: the same bytes for `training`, which makes classifiers, and for the backend
`hf`, which asks them. It trains nothing and answers nothing.
"""

from __future__ import annotations

MODEL_TYPES = ("bench_lstm",)
"""The kinds of model that are defined here, by `model_type` of their config.json; all are classifiers."""
HEAD_NAMES = ("classifier", "score")
"""How transformers calls the module of a head that gives a text's label; never quantized."""
