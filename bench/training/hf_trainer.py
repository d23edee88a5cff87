"""What every training on transformers' Trainer (trl's SFTTrainer is one) shares.

    arguments(job, **more)   TrainerOptions as fields of TrainingArguments, or a refusal
    callbacks(job)           progress, checkpoints, early stopping
    run(trainer, job)        trains, or goes on where a kill left it; the facts for the card

In: a Job and a trainer that a method has put together. Out: a trained model inside the trainer, and
TrainFacts. The same job gives the same losses twice, and on a processor a training that was killed and
resumed gives those of an unbroken one: weights, optimizer, schedule and random states come from the last
whole checkpoint, and the order of the data depends on seed and epoch alone. No model is loaded here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainerState
from transformers.integrations import TensorBoardCallback

from bench.errors import UsageError
from bench.hf_folder.loading import only_errors
from bench.training.checkpoints import Checkpoint, mark_whole, newest_whole
from bench.training.machine import PeakOfTraining, deterministic, has_gpu, wait_for_everyone
from bench.training.methods import Job
from bench.training.order import EpochOrder
from bench.training.parameters import ParameterRow, lines, n_parameters, parameter_table
from bench.training.trainer_arguments import arguments, evaluates, refuse

__all__ = [
    "TrainFacts",
    "Watch",
    "arguments",
    "callbacks",
    "epoch_of",
    "evaluates",
    "refuse",
    "run",
    "wait_for_everyone",
]

_STEP_TOLERANCE = 1e-9


class TrainFacts(NamedTuple):
    """What happened in a training."""

    steps: int
    """Optimizer steps done."""
    epochs: float
    """Times the data were seen."""
    losses: tuple[float, ...]
    """Mean loss of each step."""
    validation: tuple[tuple[int, float], ...]
    """Step and loss of each evaluation on held-out data."""
    best_step: int | None
    """Step whose weights were kept, where the best ones were asked for."""
    stopped_early: bool
    trainable_parameters: int
    parameters: int
    table: tuple[ParameterRow, ...]
    """The trained parameters."""
    tokens: int
    """Tokens read, padding left out."""
    tokens_per_s: float | None
    """Of this session; None where nothing was left to do."""
    seconds: float
    """Of all sessions."""
    peak_memory_bytes: int | None
    """Of this session: the GPU's where there is one, else the process's."""
    device: str
    resumed_at: int | None
    """Step of the checkpoint that was gone on with."""

    def as_data(self) -> dict[str, Any]:
        """For a card."""
        return {**self._asdict(), "table": [row._asdict() for row in self.table]}


# ---------------------------------------------------------------- what watches it


def callbacks(job: Job) -> list[TrainerCallback]:
    """What watches the training."""
    found: list[TrainerCallback] = [Watch(job)]
    if "tensorboard" in job.trainer.report_to:
        curves = TensorBoardCallback()
        curves.logging_dir = str(job.out / "curves")  # its own place goes with the checkpoints
        found.append(curves)
    if job.trainer.patience is not None:
        found.append(EarlyStoppingCallback(early_stopping_patience=job.trainer.patience))
    return found


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Tells the progress, asks for checkpoints between epochs, and marks those that are whole."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._n_tokens = 0
        self._began = time.perf_counter()
        self._seconds_before = 0.0
        self.order: EpochOrder | None = None

    def begin(self, order: EpochOrder, checkpoint: Checkpoint | None) -> None:
        """The training starts, or goes on at a checkpoint."""
        self.order = order
        self._seconds_before = checkpoint.seconds if checkpoint else 0.0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of all sessions so far."""
        return self._seconds_before + time.perf_counter() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A new bar, at the step where it goes on."""
        self._n_tokens = int(state.num_input_tokens_seen)
        if state.is_world_process_zero:
            self._job.progress.stage(self._job.out.name, state.max_steps, state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Tell the order which epoch this is."""
        if self.order is not None:
            self.order.set_epoch(epoch_of(state))

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Ask for a checkpoint, but not where the end of an epoch brings one after its evaluation."""
        every = self._job.trainer.save_steps
        is_end = abs(state.epoch - round(state.epoch)) < _STEP_TOLERANCE
        if every and state.global_step % every == 0 and not is_end and state.global_step < state.max_steps:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        """Loss and tokens of a step, or the loss on held-out data. A loss that is no number ends it."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise UsageError(
                f"the loss is {loss} at step {state.global_step}: the training diverged; lower trainer.rate"
            )
        if not state.is_world_process_zero or logs is None:
            return
        if loss is not None:
            n_tokens = int(state.num_input_tokens_seen)
            self._job.progress.step(state.global_step, loss, n_tokens - self._n_tokens)
            self._n_tokens = n_tokens
        if "eval_loss" in logs:
            epoch = f"epoch {state.epoch:.3g}: " if state.epoch is not None else ""
            self._job.progress.note(f"{epoch}loss on held-out data {logs['eval_loss']:.4f}")

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Mark the checkpoint once every process has written its part."""
        wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(self._job.work / f"checkpoint-{state.global_step}", self.seconds)


def epoch_of(state: Any) -> int:
    """The epoch that begins or goes on, from 0."""
    return math.floor((state.epoch or 0.0) + _STEP_TOLERANCE)


# ---------------------------------------------------------------- training


def run(trainer: Any, job: Job) -> TrainFacts:
    """Train, or go on at the newest whole checkpoint of `job.work`.

    The trainer must have been made with `arguments` and `callbacks`. UsageError where memory does not do
    or the loss stops being a number.
    """
    trainer.remove_callback(PrinterCallback)  # it prints every log on stdout
    order = _order(trainer, job)
    trainer._get_train_sampler = lambda train_dataset=None: order
    watch = next(found for found in trainer.callback_handler.callbacks if isinstance(found, Watch))
    wait_for_everyone()  # before anything is looked for: one process may still clear what is torn
    checkpoint = newest_whole(job.work)
    table = parameter_table(trainer.model)
    if trainer.is_world_process_zero():
        for line in lines(table, n_parameters(trainer.model)):
            job.progress.note(f"{job.out.name}: {line}")
    memory = PeakOfTraining()
    watch.begin(order, checkpoint)
    session_began, tokens_before = time.perf_counter(), 0
    with deterministic(), only_errors():
        try:
            if checkpoint is not None and checkpoint.is_finished:
                _take_over(trainer, checkpoint)
                tokens_before = int(trainer.state.num_input_tokens_seen)
            else:
                trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
                tokens_before = int(trainer._initial_num_input_tokens_seen)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                "the training does not fit into the GPU's memory; lower trainer.batch_size (and raise "
                "accumulation), switch gradient_checkpointing on, or take qlora"
            ) from error
    session_s = time.perf_counter() - session_began
    return _facts(trainer, job, table, watch.seconds, session_s, tokens_before, memory, checkpoint)


def _take_over(trainer: Any, checkpoint: Checkpoint) -> None:
    """Load the weights of a training that had ended before what came after it was written."""
    trainer._load_from_checkpoint(str(checkpoint.folder))
    trainer.state = TrainerState.load_from_json(str(checkpoint.folder / "trainer_state.json"))
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
        trainer._load_best_model()


def _order(trainer: Any, job: Job) -> EpochOrder:
    lengths = _lengths(trainer.train_dataset)
    keep = job.data.keep_order
    groups = job.trainer.group_by_length and not keep
    per_step = trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps
    return EpochOrder(lengths, job.seed, group=per_step if groups else None, keep=keep)


def _lengths(dataset: Any) -> list[int]:
    """Tokens of each example."""
    columns = getattr(dataset, "column_names", None)
    if columns is not None and "input_ids" in columns:
        return [len(ids) for ids in dataset["input_ids"]]
    return [len(dataset[place]["input_ids"]) for place in range(len(dataset))]


def _facts(
    trainer: Any,
    job: Job,
    table: Sequence[ParameterRow],
    seconds: float,
    session_s: float,
    tokens_before: int,
    memory: PeakOfTraining,
    checkpoint: Checkpoint | None,
) -> TrainFacts:
    state = trainer.state
    n_tokens = int(state.num_input_tokens_seen)
    new_tokens = n_tokens - tokens_before
    best = state.best_global_step if trainer.args.load_best_model_at_end else None
    return TrainFacts(
        steps=state.global_step,
        epochs=float(state.epoch or 0.0),
        losses=tuple(entry["loss"] for entry in state.log_history if "loss" in entry),
        validation=tuple((e["step"], e["eval_loss"]) for e in state.log_history if "eval_loss" in e),
        best_step=best,
        stopped_early=state.global_step < state.max_steps,
        trainable_parameters=sum(row.n_parameters for row in table),
        parameters=n_parameters(trainer.model),
        table=tuple(table),
        tokens=n_tokens,
        tokens_per_s=new_tokens / session_s if new_tokens else None,
        seconds=seconds,
        peak_memory_bytes=memory.read_bytes(),
        device=torch.cuda.get_device_name() if has_gpu() else "cpu",
        resumed_at=checkpoint.steps if checkpoint else None,
    )
