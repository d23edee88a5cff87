"""Labelling on loopback: each item once, every failure retried, nothing paid twice, no key anywhere."""

import json
import threading
from pathlib import Path

import pytest

from bench.datasets import folder
from bench.errors import BackendError, ConfigError, NotEnoughDataError, ResumeRefusedError, RunLockedError
from bench.labelling import run as running
from bench.labelling.outlive import Stop
from bench.labelling.run import label
from tests.datasets.building import unlike
from tests.labelling.server import KEY, LabelServer, label_of

TWO = """\
    - name: two
      model: contrary
      options: {{base_url: "{address}", api_key_env: MY_KEY}}
      price: {{prompt: 1, completion: 2}}
"""


def rows(name="lab"):
    return {row.text: row for row in folder.all_rows(Path("datasets", name))}


def labelled(path):
    """What the card says of a labelling."""
    found = label(path).labelling
    assert found is not None
    return found


def test_every_item_gets_the_models_answer_and_its_cost_is_counted(recipe):
    with LabelServer() as server:
        told = labelled(recipe(server, 20))
    assert {text: row.score for text, row in rows().items()} == {
        unlike(n): label_of(unlike(n))["sentiment"] for n in range(20)
    }
    one = told["labellers"]["one"]
    assert (one["calls"], one["labelled"], one["prompt_tokens"]) == (20, 20, 2000)
    assert told["cost"] == pytest.approx(20 * (100 * 1 + 20 * 2) / 1e6)
    assert folder.read_card(Path("datasets/lab")).steps[-2].step == "label"


def test_failed_calls_are_made_again_and_counted(recipe):
    with LabelServer(fail_every=10) as server:
        told = labelled(recipe(server, 50))
        assert server.n_calls == 50 + server.n_failed
    assert max(server.paid.values()) == 1
    assert told["labellers"]["one"]["failed_calls"] == server.n_failed > 0


def test_an_answer_that_is_not_valid_is_asked_for_again(recipe):
    with LabelServer() as server:
        server.invalid_first = True
        told = labelled(recipe(server, 6))
    assert set(server.paid.values()) == {2}
    assert told["labellers"]["one"]["labelled"] == 6
    assert told["labellers"]["one"]["answers"] == 12


def test_an_item_without_a_valid_answer_is_left_out_and_paid_no_more_than_agreed(recipe):
    with LabelServer() as server:
        server.invalid_first = True
        with pytest.raises(Exception, match="no row is left"):
            label(recipe(server, 3, ("  poll_s", "  attempts: 1\n  poll_s")))
    assert set(server.paid.values()) == {1}


def test_labelling_again_asks_nothing_again(recipe):
    with LabelServer() as server:
        path = recipe(server, 10)
        first = label(path)
        assert label(path) == first
        assert server.n_calls == 10


def test_more_items_cost_only_what_is_new(recipe):
    with LabelServer() as server:
        label(recipe(server, 10))
        label(recipe(server, 15))
        assert server.n_calls == 15


def test_labellers_take_turns_and_shared_items_are_asked_of_all(recipe):
    with LabelServer() as server:
        told = labelled(recipe(server, 40, ("  poll_s", "  shared: 0.5\n  poll_s"), more=TWO))
    assert sum(counts["items"] for counts in told["labellers"].values()) == 60
    assert told["agreement"]["items_with_several_answers"] == 20
    assert -1 < told["agreement"]["label_kappa"]["one and two"]["value"] < 1
    assert sum(server.paid.values()) == 60


def test_of_several_labellers_the_majority_decides_and_a_tie_leaves_out(recipe):
    three = TWO + TWO.replace("name: two", "name: three").replace("model: contrary", "model: tiny")
    with LabelServer() as server:
        label(recipe(server, 30, ("  poll_s", "  per_item: 3\n  poll_s"), more=three))
    assert {text: row.score for text, row in rows().items()} == {
        unlike(n): label_of(unlike(n))["sentiment"] for n in range(30)
    }


def test_a_budget_stops_before_it_is_passed_by_more_than_what_is_in_flight(recipe):
    with LabelServer() as server:
        path = recipe(server, 40, ("  poll_s", "  budget: 0.0014\n  poll_s"))  # ten answers
        with pytest.raises(NotEnoughDataError, match="the budget is spent"):
            label(path)
        assert 10 <= server.n_calls <= 18
        path.write_text(path.read_text().replace("0.0014", "1"))
        label(path)
        assert server.n_calls == 40


def test_a_server_that_is_gone_keeps_what_was_answered(recipe):
    with LabelServer(fail_every=1) as server:
        path = recipe(server, 5, ("longest_wait_s: 0.1", "retries: 0"))
        with pytest.raises(BackendError, match="calls came to nothing"):
            label(path)
        server.fail_every = 0
        label(path)
    assert max(server.paid.values()) == 1


def test_a_refused_key_ends_at_once_and_is_not_shown(recipe):
    with LabelServer() as server:
        path = recipe(server, 5, (f'"{server.address}"', f'"{server.root}/v2"'))
        with pytest.raises(BackendError) as error:
            label(path)
    assert KEY not in str(error.value)


def test_a_key_that_is_not_set_is_told_before_anything_is_asked(recipe, monkeypatch):
    with LabelServer() as server:
        path = recipe(server, 5)
        monkeypatch.delenv("MY_KEY")
        with pytest.raises(ConfigError, match="MY_KEY is not set"):
            label(path)
        assert not server.asked


def test_another_model_or_task_is_not_mixed_with_what_is_there(recipe):
    with LabelServer() as server:
        label(recipe(server, 5))
        with pytest.raises(ResumeRefusedError, match="labeller one changed"):
            label(recipe(server, 5, ("model: tiny", "model: other")))
        with pytest.raises(ResumeRefusedError, match="sampling"):
            label(recipe(server, 5, ("  poll_s", "  sampling: {temperature: 1.0}\n  poll_s")))


def test_stopping_finishes_what_is_in_flight_and_takes_no_more(recipe):
    with LabelServer() as server:
        server.delay_s = 0.05
        path, stop = recipe(server, 200), Stop()
        threading.Timer(0.4, stop.set).start()
        with pytest.raises(KeyboardInterrupt):
            label(path, stop=stop)
        n_calls = server.n_calls
        assert n_calls < 200
        journal = [
            json.loads(x) for x in Path("datasets/lab.labelling/journal.jsonl").read_text().splitlines()
        ]
        assert (
            sum("answered" in line for line in journal) == sum("asked" in line for line in journal) == n_calls
        )
        label(path)
        assert server.n_calls == 200


def test_two_labellings_of_one_name_wait_for_each_other(recipe, monkeypatch):
    monkeypatch.setattr(running, "_LONGEST_WAIT_S", 0)
    with LabelServer() as server:
        path = recipe(server, 2)
        Path("datasets/lab.labelling").mkdir(parents=True)
        told = []
        with (
            running._locked(Path("datasets/lab.labelling"), Stop(), lambda: None),
            pytest.raises(RunLockedError),
        ):
            label(path, waiting=lambda: told.append(1))


def test_an_arm_of_our_own_labels_too(recipe):
    with LabelServer() as server:
        path = recipe(server, 12)
        text = path.read_text()
        start = text.index("      options:")
        path.write_text(text[:start].replace("model: tiny", "model: x\n      backend: fake").rstrip() + "\n")
        told = labelled(path)
    assert told["labellers"]["one"]["labelled"] > 0


@pytest.mark.parametrize("fail_every", [0, 10])
def test_a_batch_is_made_once_and_its_failures_are_asked_again(recipe, fail_every):
    with LabelServer(fail_every=fail_every) as server:
        told = labelled(recipe(server, 30, ("      model: tiny", "      model: tiny\n      batch: true")))
        assert server.n_calls == 30 + server.n_failed
    assert max(server.paid.values()) == 1
    assert len(server.batches) == (2 if fail_every else 1)
    assert told["labellers"]["one"]["labelled"] == 30


def test_a_batch_under_way_is_collected_by_the_next_run(recipe):
    with LabelServer() as server:
        server.polls_left = 10**9
        path, stop = recipe(server, 8, ("      model: tiny", "      model: tiny\n      batch: true")), Stop()
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(KeyboardInterrupt):
            label(path, stop=stop)
        assert (len(server.batches), server.n_calls) == (1, 0)
        server.polls_left = 0
        label(path)
        assert (len(server.batches), server.n_calls) == (1, 8)


def test_a_batch_whose_id_was_never_told_is_found_by_its_key(recipe):
    with LabelServer() as server:
        server.polls_left = 10**9
        path, stop = recipe(server, 8, ("      model: tiny", "      model: tiny\n      batch: true")), Stop()
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(KeyboardInterrupt):
            label(path, stop=stop)
        journal = Path("datasets/lab.labelling/journal.jsonl")
        lines = journal.read_text().splitlines()
        assert json.loads(lines[-1])["id"] == "batch-0"
        journal.write_text("\n".join(lines[:-1]) + "\n")  # as a kill between the two lines leaves it
        server.polls_left = 0
        label(path)
        assert (len(server.batches), server.n_calls) == (1, 8)


def test_no_file_holds_the_key(recipe, tmp_path):
    with LabelServer(fail_every=3) as server:
        label(recipe(server, 20))
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "***" in Path("datasets/lab.labelling/journal.jsonl").read_text()
