"""Options honoured or refused, progress, early stopping, and a training that was stopped and goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from safetensors.torch import load_file
from transformers import TrainerState

from bench.errors import ConfigError, MissingExtraError, UsageError
from bench.training import checkpoints, hf_trainer, trainer_arguments
from bench.training.methods import load
from bench.training.order import EpochOrder
from bench.training.tuning_recipe import TrainerOptions
from tests.training import tuning

LONG = {"epochs": 3, "save_steps": 2, "group_by_length": True}


def trained(folder, base, progress=None, learnt=None, kind="lora", **more):
    """A training with dropout, so that random states matter."""
    more = {"r": 4, "dropout": 0.2} | more if kind == "lora" else more
    return load(kind).train(tuning.job(folder, kind, base, learnt, progress, **more))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tuning.base(tmp_path_factory.mktemp("tuning") / "base", hidden=32)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "fp16"}, "trainer.precision: fp16 needs an NVIDIA GPU"),
        ({"optimizer": "paged_adamw_8bit"}, "trainer.optimizer: paged_adamw_8bit needs an NVIDIA GPU"),
        ({"unsloth": True}, "trainer.unsloth: true needs an NVIDIA GPU"),
    ],
)
def test_what_needs_a_gpu_is_refused_without_one(options, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=said):
        trainer_arguments.refuse(TrainerOptions(**options))


def test_a_reporter_that_is_not_installed_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="trackio is not installed; pip install trackio"):
        trainer_arguments.refuse(TrainerOptions(report_to=("trackio",)))


def test_curves_stand_beside_the_model_and_not_with_the_checkpoints(tmp_path, base, monkeypatch):
    monkeypatch.setattr(hf_trainer, "TensorBoardCallback", SimpleNamespace)
    monkeypatch.setattr(trainer_arguments, "refuse", lambda options: None)
    job = tuning.job(tmp_path, "full", base, trainer={"report_to": ("tensorboard", "trackio")})
    assert hf_trainer.arguments(job)["report_to"] == ["trackio"]
    assert hf_trainer.callbacks(job)[1].logging_dir == str(tmp_path / "out" / "curves")


def test_patience_without_held_out_data_is_refused(tmp_path, base):
    job = tuning.job(tmp_path, "full", base, tuning.data(n_validation=0), trainer={"patience": 1})
    with pytest.raises(ConfigError, match="patience: nothing is held out"):
        hf_trainer.arguments(job)


def test_grouping_by_length_against_a_kept_order_is_refused(tmp_path, base):
    learnt = tuning.data(keep_order=True)
    job = tuning.job(tmp_path, "full", base, learnt, trainer={"group_by_length": True})
    with pytest.raises(ConfigError, match="contradicts `introduce: gradually`"):
        hf_trainer.arguments(job)


def test_an_order_is_of_like_lengths_whole_and_another_in_each_epoch():
    lengths = [n % 10 + 1 for n in range(64)]
    order = EpochOrder(lengths, 5, group=8)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(64))
    assert first != second
    spread = [max(step) - min(step) for step in _steps([lengths[i] for i in first], 8)]
    shuffled = list(EpochOrder(lengths, 5, group=None))
    assert sum(spread) < sum(max(s) - min(s) for s in _steps([lengths[i] for i in shuffled], 8)) * 0.7
    order.set_epoch(0)
    assert list(order) == first


def _steps(values, n):
    return [values[i : i + n] for i in range(0, len(values), n)]


def test_the_same_job_gives_the_same_losses_twice_and_says_what_it_does(tmp_path, base):
    watched = tuning.Noted()
    first = trained(tmp_path / "a", base, watched).facts
    second = trained(tmp_path / "b", base).facts
    assert first["losses"] == second["losses"]
    assert first["losses"][-1] < first["losses"][0]
    assert first["steps"] == len(first["losses"]) == 8
    assert [step for step, _, _ in watched.steps] == list(range(1, 9))
    assert sum(tokens for _, _, tokens in watched.steps) == first["tokens"] > 0
    assert first["tokens_per_s"] > 0
    assert first["peak_memory_bytes"] > 0
    table = [row for row in first["table"] if "q_proj.lora_A" in row["name"]]
    assert table[0]["shape"] == (4, 32)
    assert table[0]["n_tensors"] == 2
    assert any("parameters are trained" in note for note in watched.notes)
    assert sum("loss on held-out data" in note for note in watched.notes) == 2


def test_the_best_weights_are_kept_and_the_training_stops_early(tmp_path, base):
    rate = {"rate": 1.0, "epochs": 8, "patience": 2, "schedule": "constant", "warmup": 0}
    facts = trained(tmp_path, base, trainer=rate).facts
    held_out = dict(facts["validation"])
    assert facts["stopped_early"]
    assert facts["best_step"] == min(held_out, key=held_out.__getitem__)
    assert facts["steps"] == facts["best_step"] + 2 * 4
    kept = load_file(str(tmp_path / "out" / "adapter" / "adapter_model.safetensors"))
    best = load_file(
        str(tmp_path / "work" / f"checkpoint-{facts['best_step']}" / "adapter_model.safetensors")
    )
    assert all(torch.equal(kept[name], best[name]) for name in best)


def test_a_training_that_diverges_ends_with_one_line(tmp_path, base):
    job = tuning.job(tmp_path, "full", base)
    state = TrainerState(global_step=7)
    with pytest.raises(UsageError, match=r"nan at step 7: the training diverged; lower trainer\.rate"):
        hf_trainer.Watch(job).on_log(None, state, None, logs={"loss": float("nan")})


def test_a_checkpoint_that_is_not_whole_is_not_gone_on_with(tmp_path, base):
    trained(tmp_path, base, trainer=LONG)
    work = tmp_path / "work"
    whole = checkpoints.newest_whole(work)
    assert whole is not None
    assert whole.is_finished
    assert whole.steps == 12
    (whole.folder / "optimizer.pt").write_bytes(b"torn")
    (work / "checkpoint-99").mkdir()
    earlier = checkpoints.newest_whole(work)
    assert earlier is not None
    assert earlier.steps < 12
    assert not (work / "checkpoint-99").exists()
    assert not whole.folder.exists()


def test_a_training_that_had_ended_is_taken_up_as_it_is(tmp_path, base):
    first = trained(tmp_path, base, trainer=LONG).facts
    again = trained(tmp_path, base, trainer=LONG).facts
    assert again["losses"] == first["losses"]
    assert again["resumed_at"] == 12
    assert again["tokens_per_s"] is None


CHILD = """
import sys
from pathlib import Path
from tests.training import tuning
from tests.training.test_hf_trainer import LONG, trained

trained(Path(sys.argv[1]), Path(sys.argv[2]), trainer=LONG)
"""


def test_a_training_that_was_killed_ends_as_an_unbroken_one(tmp_path, base):
    unbroken = trained(tmp_path / "unbroken", base, trainer=LONG)
    folder = tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(base)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    # in the middle of the second epoch: neither its order nor its random states begin with the epoch
    mark = folder / "work" / "checkpoint-6" / checkpoints.MARK
    deadline = time.monotonic() + 120
    while not mark.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    _, said = child.communicate()
    assert mark.exists(), said.decode()
    for later in (7, 8, 9, 10, 11, 12):  # wherever the kill fell, go on from there
        shutil.rmtree(folder / "work" / f"checkpoint-{later}", ignore_errors=True)
    resumed = trained(folder, base, trainer=LONG)
    assert resumed.facts["resumed_at"] == 6
    assert resumed.facts["losses"] == unbroken.facts["losses"]
    assert resumed.facts["validation"] == unbroken.facts["validation"]
    ours, theirs = (
        load_file(str(made.adapter / "adapter_model.safetensors")) for made in (resumed, unbroken)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_facts_can_be_written_down(tmp_path, base):
    assert json.dumps(trained(tmp_path, base, trainer={"epochs": 1}).facts)
