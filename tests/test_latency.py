"""Latency samples: alone, in turns, beside the samples, never twice."""

from pathlib import Path

import pytest

from bench import store, sweep
from bench.backends import fake
from bench.latency import measure_latency
from tests.test_sweep import ARTICLES, plan

RUNS = Path("sentiments")


class Order(sweep.Silent):
    """Notes which arm answered about which article, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def sample(self, sample) -> None:
        self.seen.append((sample.article_id, sample.arm))


def timed(run_id="r", n=3, **fields):
    order = Order()
    with sweep.created(plan(options={"delay_s": 0.001}, **fields), RUNS, run_id) as (writer, whole):
        n_new = measure_latency(whole, writer, order, n)
    assert n_new == len(order.seen)
    return order.seen


def rows(run_id="r"):
    run = store.open_run(RUNS / run_id)
    return [row for record in run.manifest.arms for row in run.latency_samples(record.arm)]


def test_every_arm_answers_each_chosen_article_once():
    seen = timed()
    assert len(seen) == len(set(seen)) == 2 * 3
    assert {(row["article_id"], row["arm"]) for row in rows()} == set(seen)
    assert all(row["completion"]["duration_s"] > 0 for row in rows())


def test_all_arms_answer_one_article_before_the_next():
    seen = [article for article, _ in timed()]
    assert seen == [article for article in dict.fromkeys(seen) for _ in range(2)]


def test_the_order_follows_from_the_seed():
    orders = [timed("a", 4), timed("b", 4), timed("c", 4, sampling={"seed": 5})]
    assert orders[0] == orders[1] != orders[2]
    # not every article begins with the same arm
    assert len({arm for _, arm in timed("d", 4)[::2]}) == 2


def test_more_samples_than_articles_are_all_articles():
    assert len(timed(n=100)) == 2 * len(ARTICLES)


def test_what_was_timed_is_not_timed_again():
    timed(n=2)
    order = Order()
    again = plan(options={"delay_s": 0.001})
    with sweep.continued(again, RUNS / "r", None) as (writer, whole):
        measure_latency(whole, writer, order, 4)
    assert len(order.seen) == 2 * 2
    assert len(rows()) == 2 * 4


def test_every_arm_warms_up_before_it_counts(monkeypatch):
    asked = []
    generate = fake.FakeSession.generate

    def noted(self, requests, *, reuse=True):
        found = list(requests)
        asked.append((found[0].seeds, reuse))
        return generate(self, found, reuse=reuse)

    monkeypatch.setattr(fake.FakeSession, "generate", noted)
    seen = timed()
    assert len(asked) == len(seen) + 2
    assert asked[0][0] == (0,)
    assert not any(reuse for _, reuse in asked)


def test_a_run_that_was_only_timed_can_be_measured():
    timed()
    assert store.open_run(RUNS / "r").manifest.status == "interrupted"
    manifest = sweep.resume(plan(options={"delay_s": 0.001}), RUNS / "r")
    assert manifest.status == "finished"
    assert len(rows()) == 6


def test_a_torn_latency_line_is_cut():
    timed(n=2)
    path = next((RUNS / "r" / "latency").glob("*.jsonl"))
    path.write_bytes(path.read_bytes()[:-5])
    with sweep.continued(plan(options={"delay_s": 0.001}), RUNS / "r", None) as (writer, whole):
        assert measure_latency(whole, writer, Order(), 2) == 1
    assert len(rows()) == 4


@pytest.mark.parametrize("arms", [1])
def test_sessions_are_closed_where_memory_is_short(monkeypatch, arms):
    closed: list[fake.FakeSession] = []

    def close(self) -> None:
        closed.append(self)

    monkeypatch.setattr(fake.FakeSession, "close", close)
    monkeypatch.setattr("bench.latency._Loaded._is_full", lambda self: len(self._sessions) >= arms)
    seen = timed()
    assert len(seen) == 6
    assert len(closed) >= 3
