"""Progress of a training on stderr: a bar with loss and speed in a terminal, plain lines elsewhere.

In: what the pipeline reports. Out: text on stderr only.
"""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 15.0


class TrainingProgress(Protocol):
    """What the pipeline tells whoever watches."""

    def stage(self, name: str, n_steps: int, n_done: int = 0) -> None:
        """A stage begins (or goes on at step `n_done`)."""

    def step(self, n_done: int, loss: float, tokens: int) -> None:
        """A step of the stage is done; it took in `tokens` tokens."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def close(self) -> None:
        """Nothing more comes."""


class Silent:
    """Shows nothing."""

    def stage(self, name: str, n_steps: int, n_done: int = 0) -> None:
        """Shows nothing."""

    def step(self, n_done: int, loss: float, tokens: int) -> None:
        """Shows nothing."""

    def note(self, text: str) -> None:
        """Shows nothing."""

    def close(self) -> None:
        """Shows nothing."""


class Display:
    """Bars on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._name, self._n_steps = "", 0
        self._began = self._said = time.monotonic()
        self._n_tokens = self._n_done = 0
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*columns, console=self._console)
            self._bars.start()

    def stage(self, name: str, n_steps: int, n_done: int = 0) -> None:
        """A new bar, or a line."""
        self._name, self._n_steps, self._n_done, self._n_tokens = name, n_steps, n_done, 0
        self._began = self._said = time.monotonic()
        if self._bars:
            self._task = self._bars.add_task(name, total=n_steps, completed=n_done, state="")
        else:
            self._print(f"{name}: {n_steps} steps" + (f", going on after {n_done}" if n_done else ""))

    def step(self, n_done: int, loss: float, tokens: int) -> None:
        """Loss, speed and what is left."""
        self._n_tokens += tokens
        now = time.monotonic()
        speed = self._n_tokens / max(now - self._began, 1e-6)
        state = f"loss {loss:.3f}  {speed:,.0f} tokens/s"
        if self._bars and self._task is not None:
            self._bars.update(self._task, completed=n_done, state=state)
        elif now - self._said >= _LINE_EVERY_S or n_done == self._n_steps:
            self._said = now
            left = (now - self._began) / max(1, n_done - self._n_done) * (self._n_steps - n_done)
            self._print(f"{self._name}: step {n_done} of {self._n_steps}  {state}  {left:.0f} s left")

    def note(self, text: str) -> None:
        """One line."""
        self._print(text)

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._bars:
            self._bars.stop()

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
