"""The journal, the limits, the plan and the prices by themselves."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.datasets.labellers import Labelling, Limits, Price
from bench.datasets.row import Row
from bench.errors import StorageError
from bench.labelling import paid, plan
from bench.labelling.journal import NAME, Batch, Journal
from bench.labelling.limits import WINDOW_S, Throttle
from bench.records import Completion

JOB = ("item", "one")


def test_a_journal_remembers_what_was_asked_answered_and_failed(tmp_path):
    with Journal(tmp_path) as journal:
        journal.asked("a", JOB, 1)
        journal.failed("a", JOB, 1, "busy", 429)
        journal.asked("b", JOB, 1)
        journal.answered("b", JOB, 1, Completion(text="yes", prompt_tokens=3))
        journal.asked("c", JOB, 2)
    with Journal(tmp_path) as again:
        past = again.of(JOB)
    assert (past.n_failed, past.answers[1].text, past.open) == (1, "yes", {2: "c"})


def test_a_call_that_nobody_knows_the_end_of_is_counted_when_it_is_sent_again(tmp_path):
    for n_interrupted in (0, 1, 2):
        with Journal(tmp_path) as journal:
            journal.asked("a", JOB, 1)
            assert journal.of(JOB).n_interrupted == n_interrupted


def test_an_answer_that_comes_twice_is_kept_once(tmp_path):
    with Journal(tmp_path) as journal:
        journal.answered("a", JOB, 1, Completion(text="first"))
        journal.answered("a", JOB, 1, Completion(text="second"))
    with Journal(tmp_path) as again:
        assert again.of(JOB).answers[1].text == "first"


def test_a_torn_last_line_is_cut(tmp_path):
    with Journal(tmp_path) as journal:
        journal.asked("a", JOB, 1)
    with Path(tmp_path, NAME).open("ab") as file:
        file.write(b'{"answered": "a", "it')
    with Journal(tmp_path) as again:
        assert again.of(JOB).open == {1: "a"}
    assert Path(tmp_path, NAME).read_bytes().endswith(b"}\n")


def test_a_journal_that_was_changed_is_told_with_its_line(tmp_path):
    Path(tmp_path, NAME).write_text('{"asked": "a", "item": "i", "labeller": "l", "attempt": 1}\nnonsense\n')
    with pytest.raises(StorageError, match=r"journal\.jsonl:2"):
        Journal(tmp_path)


def test_a_batch_keeps_its_id(tmp_path):
    for identity in (None, "batch-7"):
        batch = Batch("key", "one", (("c", "item", 1),), identity)
        with Journal(tmp_path) as journal:
            journal.batch(batch)
        with Journal(tmp_path) as again:
            assert again.batches["key"] == batch


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


def admitted(limits, calls):
    """When each call of so many tokens may be sent."""
    clock = Clock()
    throttle = Throttle(limits, clock, clock.sleep)

    async def run():
        return [(await throttle.admit(n)).at for n in calls]

    return asyncio.run(run())


def test_no_60_seconds_hold_more_requests_than_allowed():
    times = admitted(Limits(requests_per_min=3), [1] * 10)
    assert times[2] == 0
    assert all(b - a >= WINDOW_S for a, b in zip(times, times[3:], strict=False))


def test_no_60_seconds_hold_more_tokens_than_allowed():
    assert admitted(Limits(tokens_per_min=100), [60, 40, 50, 60]) == [0, 0, 60, 120]


def test_a_call_larger_than_a_minutes_tokens_goes_alone():
    assert admitted(Limits(tokens_per_min=100), [500, 10]) == [0, 60]


def test_without_limits_nothing_waits():
    assert admitted(Limits(), [10**9] * 5) == [0] * 5


def section(**fields):
    two: list[dict[str, object]] = [{"name": name, "model": "m", "options": {}} for name in ("one", "two")]
    return Labelling.model_validate({"labellers": two} | fields)


def test_items_go_to_labellers_in_turns_and_some_to_all():
    items, n_again = plan.items([Row(f"text {n}") for n in range(10)] + [Row("text 3")])
    assert (len(items), n_again) == (10, 1)
    names = [job.labeller.name for job in plan.jobs(items, section(), 0)]
    assert names == ["one", "two"] * 5
    jobs = plan.jobs(items, section(shared=0.3), 0)
    assert len(jobs) == 13
    assert jobs == plan.jobs(items, section(shared=0.3), 0)


def test_tokens_that_a_server_knew_have_their_own_price():
    price = Price(prompt=10, completion=30, cached=1)
    told = Completion(text="x", prompt_tokens=1000, cached_tokens=400, completion_tokens=100)
    assert paid.cost(told, price) == pytest.approx((600 * 10 + 400 * 1 + 100 * 30) / 1e6)
    assert paid.cost(Completion(text="x"), price) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"per_item": 3}, "there are 2 labellers"),
        ({"budget": 5.0}, "every labeller needs a `price`"),
        ({"labellers": [{"name": "a", "model": "m"}] * 2}, "a name is there twice"),
        ({"labellers": [{"name": "a", "model": "m", "backend": "hf", "batch": True}]}, "take batches"),
    ],
)
def test_a_section_that_cannot_be_honoured_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        section(**fields)
