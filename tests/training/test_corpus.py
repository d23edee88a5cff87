"""The base's sequences: full, the same for the same seed, and with answers marked as such."""

import numpy as np

from bench.training.base import answer_mask, step_batches
from bench.training.corpus import sequences
from bench.training.recipe import BaseRecipe, Phase

NONE: frozenset[str] = frozenset()


def test_the_same_seed_gives_the_same_sequences(encoder):
    one, two = (sequences(3, "x", NONE, encoder, (6, 129), 0.5, 0.3) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, sequences(4, "x", NONE, encoder, (6, 129), 0.5, 0.3))


def test_a_long_sequence_holds_several_answers(encoder):
    ids = sequences(0, "long", NONE, encoder, (3, 2049), 1.0, 0.3)
    assert ((ids == encoder.roles["assistant"]).sum(axis=1) >= 4).all()


def test_without_conversations_there_are_only_documents(encoder):
    ids = sequences(0, "plain", NONE, encoder, (4, 257), 0.0, 0.3)
    assert not (ids == encoder.roles["assistant"]).any()
    assert (ids == encoder.end_of_text).any()


def test_an_answer_is_marked_from_its_first_token_to_its_end_of_turn(encoder):
    user, answer = encoder.turn("user", "Profit rose."), encoder.turn("assistant", "good")
    mask = answer_mask(np.array([user + answer + user]), encoder)[0]
    n = len(answer) - 1
    assert mask.tolist() == [0] * (len(user) + 1) + [1] * n + [0] * len(user)


def test_every_phase_gives_steps_of_its_own_length(encoder):
    phases = (
        Phase(sequence_tokens=64, sequences_per_step=2, tokens=256),
        Phase(sequence_tokens=128, sequences_per_step=1, tokens=256),
    )
    shapes = [batch.shape for batch in step_batches(BaseRecipe(phases=phases), 0, NONE, encoder)]
    assert shapes == [(2, 65), (2, 65), (1, 129), (1, 129)]
