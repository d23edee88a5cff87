"""What is decoded together: the same logits as alone, the same batches every time, failures apart."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from bench.backends.llama_cpp.engine import Engine, EngineError, EngineSettings
from bench.backends.llama_cpp.sampler import row_sampler
from bench.backends.llama_cpp.schedule import FIRST_ROW, Scheduler, Work, cells_for_prompts, common_prefix
from tests.backends.asking import sampling
from tests.fixtures.sliding_gguf import make_sliding_gguf
from tests.fixtures.tiny_gguf import make_tiny_gguf

WIDTH, MAX_TOKENS = 4, 12
TOLERANCE = 0.005


@pytest.fixture(scope="module")
def fp32_model(tmp_path_factory):
    """A model whose arithmetic is as exact as it gets."""
    pytest.importorskip("llama_cpp")
    return make_tiny_gguf(tmp_path_factory.mktemp("fp32") / "tiny-fp32.gguf", quant="fp32")


@pytest.fixture(scope="module")
def sliding_model(tmp_path_factory):
    """A model with a window of 32 tokens, shorter than the prompts here."""
    pytest.importorskip("llama_cpp")
    return make_sliding_gguf(tmp_path_factory.mktemp("sliding") / "sliding-fp32.gguf")


@contextmanager
def engine_of(path, width=WIDTH) -> Iterator[Engine]:
    settings = EngineSettings(512, width + FIRST_ROW, 1, 1, 64, 0, (), False)
    engine = Engine(path, "model", settings)
    try:
        yield engine
    finally:
        engine.close()


def works(n_prompts=5, n_seeds=3, n_prefix=70, seed=0) -> list[Work]:
    """Prompts of several lengths with a common beginning."""
    rng = np.random.default_rng(seed)
    prefix = rng.integers(0, 256, n_prefix)
    return [
        Work(
            i,
            np.concatenate([prefix, rng.integers(0, 256, 11 + 17 * i)]).astype(np.int32),
            tuple(100 * i + j for j in range(n_seeds)),
        )
        for i in range(n_prompts)
    ]


class Forced:
    """Says which tokens come, by seed, and notes the logits they would have been drawn from."""

    def __init__(self, n_vocabulary: int) -> None:
        self.n_vocabulary = n_vocabulary
        self.seeds: dict[int, int] = {}
        self.tokens: dict[int, list[int]] = {}
        self.logits: dict[int, list[np.ndarray]] = {}

    def enter(self, row, seed, prompt) -> None:
        self.seeds[row] = seed
        # each answer ends at another place, so that rows come and go
        n = MAX_TOKENS - seed % 7
        self.tokens[seed] = np.random.default_rng(seed).integers(0, 256, n).tolist()
        self.logits[seed] = []

    def draw(self, logits, rows) -> np.ndarray:
        found = []
        for row, line in zip(rows.tolist(), logits, strict=True):
            seed = self.seeds[row]
            n = len(self.logits[seed])
            self.logits[seed].append(line.copy())
            end = self.n_vocabulary - 1
            found.append(self.tokens[seed][n] if n < len(self.tokens[seed]) else end)
        return np.array(found)

    def leave(self, row) -> None:
        pass


def forced_logits(engine, given) -> tuple[dict[int, list[int]], dict[int, np.ndarray]]:
    """Tokens and logits of every answer, decoded together."""
    forced = Forced(engine.vocabulary.n_tokens)
    list(Scheduler(engine, forced, WIDTH, MAX_TOKENS).run(given))
    return forced.tokens, {seed: np.stack(lines) for seed, lines in forced.logits.items()}


def logits_alone(engine, prompt, tokens) -> np.ndarray:
    """The same positions, in one sequence that shares nothing, token by token."""
    engine.clear()
    found = [engine.prefill([(prompt, 0, 0)])]
    for i, token in enumerate(tokens):
        found.append(engine.prefill([(np.array([token], np.int32), len(prompt) + i, 0)]))
    return np.concatenate(found)


def largest_difference(path, given) -> float:
    """Over all positions of all answers: together against alone."""
    with engine_of(path) as engine:
        tokens, together = forced_logits(engine, given)
        worst = 0.0
        engine.make_room(512)
        for work in given:
            for seed in work.seeds:
                n = len(together[seed])
                alone = logits_alone(engine, work.prompt, tokens[seed])[:n]
                worst = max(worst, float(np.abs(alone - together[seed]).max()))
    return worst


@pytest.mark.parametrize("model", ["fp32_model", "sliding_model"])
def test_answers_decoded_together_see_what_they_would_see_alone(model, request):
    assert largest_difference(request.getfixturevalue(model), works()) < TOLERANCE


@pytest.mark.parametrize("model", ["fp32_model", "sliding_model"])
def test_a_row_forked_from_another_prompt_is_seen(model, request, monkeypatch):
    given = works()
    # of equal length, so that positions fit and only what is behind them is wrong
    given = [work._replace(prompt=work.prompt[:80]) for work in given]
    wrong = [given[0], *(work._replace(prompt=given[0].prompt) for work in given[1:])]
    with engine_of(request.getfixturevalue(model)) as engine:
        tokens, together = forced_logits(engine, wrong)
        engine.make_room(512)
        alone = logits_alone(engine, given[1].prompt, tokens[100])[: len(together[100])]
    assert np.abs(alone - together[100]).max() > 100 * TOLERANCE


def answers(engine, given, width=WIDTH, **settings) -> dict[tuple[int, int], tuple[int, ...]]:
    sampler = row_sampler(sampling(**settings), engine.vocabulary, width, None)
    finished = list(Scheduler(engine, sampler, width, MAX_TOKENS).run(given))
    assert [f.error for f in finished] == [None] * len(finished)
    return {(f.name, f.seed_index): tuple(f.tokens.tolist()) for f in finished}


@pytest.mark.parametrize("settings", [{}, {"top_k": 40}], ids=["numpy", "chain"])
def test_the_same_work_gives_the_same_answers(fp32_model, settings):
    with engine_of(fp32_model) as engine:
        first = answers(engine, works(), **settings)
        answers(engine, works(seed=9), **settings)
        again = answers(engine, works(), **settings)
    with engine_of(fp32_model) as engine:
        fresh = answers(engine, works(), **settings)
    assert first == again == fresh
    assert len(set(first.values())) == 15


def test_every_batch_of_answers_has_the_full_width(fp32_model, monkeypatch):
    sizes = []
    decode = Engine.decode

    def noted(self, batch):
        sizes.append((len(batch.tokens), batch.native.n_tokens))
        decode(self, batch)

    monkeypatch.setattr(Engine, "decode", noted)
    with engine_of(fp32_model) as engine:
        sizes.clear()
        answers(engine, works())
    assert {n for size, n in sizes if size == WIDTH} == {WIDTH}


def test_the_prefix_and_each_prompt_are_computed_once(fp32_model):
    given = works()
    with engine_of(fp32_model) as engine:
        sampler = row_sampler(sampling(), engine.vocabulary, WIDTH, None)
        scheduler = Scheduler(engine, sampler, WIDTH, MAX_TOKENS)
        finished = list(scheduler.run(given))
    n_own = sum(len(work.prompt) - 70 for work in given)
    assert scheduler.speed.prefill_tokens == 70 + n_own
    paid = Counter({f.name: 0 for f in finished})
    for f in finished:
        assert f.cached_tokens is not None
        paid[f.name] += f.n_prompt - f.cached_tokens
    assert sum(paid.values()) == 70 + n_own
    assert paid[3] == len(given[3].prompt) - 70


def test_greedy_answers_are_equal_at_every_width(fp32_model):
    found = []
    for width in (1, 3, 8):
        with engine_of(fp32_model, width) as engine:
            found.append(answers(engine, works(), width, temperature=0))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("failing", [0, 1, 2, 3, 4, 6, 9])
def test_one_failed_batch_costs_no_answer(fp32_model, monkeypatch, failing):
    with engine_of(fp32_model) as engine:
        expected = answers(engine, works())
    n, decode = [0], Engine.decode

    def fails_once(self, batch):
        n[0] += 1
        if n[0] == failing + 1:
            raise EngineError("llama_decode failed with code -3")
        decode(self, batch)

    with engine_of(fp32_model) as engine:
        monkeypatch.setattr(Engine, "decode", fails_once)
        found = answers(engine, works())
    assert found.keys() == expected.keys()
    # what was decoded again was decoded in other company: the same but for near-ties
    assert sum(found[key] == expected[key] for key in expected) >= 12


def test_a_prompt_that_always_fails_takes_nobody_with_it(fp32_model, monkeypatch):
    prefill, broken = Engine.prefill, 257  # a token of no other prompt

    def fails_on_it(self, parts):
        if any((tokens == broken).any() for tokens, _, _ in parts):
            raise EngineError("llama_decode failed with code -3")
        return prefill(self, parts)

    given = works()
    given.insert(2, Work(5, np.append(given[0].prompt[:75], broken).astype(np.int32), (1, 2)))
    with engine_of(fp32_model) as engine:
        monkeypatch.setattr(Engine, "prefill", fails_on_it)
        sampler = row_sampler(sampling(), engine.vocabulary, WIDTH, None)
        finished = list(Scheduler(engine, sampler, WIDTH, MAX_TOKENS).run(given))
    assert sorted((f.name, f.seed_index) for f in finished if f.error) == [(5, 0), (5, 1)]
    assert len(finished) == 17


def test_the_common_prefix_is_never_a_whole_prompt():
    one = np.array([1, 2, 3], np.int32)
    assert common_prefix([one]).tolist() == [1, 2]
    assert common_prefix([one, np.array([1, 2, 3, 4], np.int32)]).tolist() == [1, 2]
    assert common_prefix([one, np.array([1, 9, 3], np.int32)]).tolist() == [1]
    assert common_prefix([one, np.array([9], np.int32)]).tolist() == []


def test_room_is_kept_for_prompts_that_are_answered_at_once():
    assert cells_for_prompts([(10, 15)] * 100, 16) == 40
    assert cells_for_prompts([(10, 1), (30, 1), (20, 1)], 2) == 60
