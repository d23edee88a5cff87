"""Progress of a sweep on stderr: bars in a terminal, one line an arm elsewhere.

In: the events of `bench.sweep.Progress`. Out: text on stderr only. Nothing a model wrote is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.records import FAILED_MEASUREMENTS, LoadedModel, Outcome, Sample
from bench.safe_text import inert

if TYPE_CHECKING:
    from bench.sweep import Plan


class _Counts:
    """Valid answers and failed measurements of the arm so far, in this process."""

    def __init__(self) -> None:
        self.n = self.n_valid = self.n_failed = 0

    def add(self, sample: Sample) -> None:
        self.n += 1
        self.n_valid += sample.verdict.outcome is Outcome.VALID
        self.n_failed += sample.verdict.outcome in FAILED_MEASUREMENTS

    def text(self) -> str:
        judged = self.n - self.n_failed
        rate = f"{100 * self.n_valid / judged:.0f} % valid" if judged else "no answer yet"
        return rate + (f", {self.n_failed} failed measurements" if self.n_failed else "")


class _Lines:
    """One line when an arm starts and one when it ends, for logs."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._counts = _Counts()
        self._console.print(f"{plan.n_samples} samples of {len(plan.arms)} arms", highlight=False)

    def arm_started(self, arm: str, n_done: int, n_total: int) -> None:
        self._counts = _Counts()
        done = f", {n_done} there already" if n_done else ""
        self._console.print(f"{arm}: {n_total} samples{done}", markup=False, highlight=False, soft_wrap=True)

    def sample(self, sample: Sample) -> None:
        self._counts.add(sample)

    def arm_finished(self, arm: str, loaded: LoadedModel | None) -> None:
        text = self._counts.text() if loaded else "nothing left to do"
        self._console.print(f"{arm}: {text}", markup=False, highlight=False, soft_wrap=True)
        _print_notes(self._console, loaded)


def _print_notes(console: Console, loaded: LoadedModel | None) -> None:
    """What happened that a reader has to know, one line each."""
    for note in loaded.notes if loaded else ():
        console.print(f"  note: {inert(note)}", markup=False, highlight=False, soft_wrap=True)


class _Bars:
    """A bar for the arm and one for the whole run, with the valid rate so far and the time left."""

    def __init__(self, bars: Progress, plan: Plan) -> None:
        self._bars = bars
        self._counts = _Counts()
        self._all = bars.add_task("all arms", total=plan.n_samples, note="")
        self._arm = bars.add_task("", total=None, note="", visible=False)

    def arm_started(self, arm: str, n_done: int, n_total: int) -> None:
        self._counts = _Counts()
        self._bars.reset(
            self._arm, description=escape(arm), total=n_total, completed=n_done, note="loading", visible=True
        )
        self._bars.advance(self._all, n_done)

    def sample(self, sample: Sample) -> None:
        self._counts.add(sample)
        self._bars.update(self._arm, advance=1, note=self._counts.text())
        self._bars.advance(self._all)

    def arm_finished(self, arm: str, loaded: LoadedModel | None) -> None:
        note = self._counts.text() if loaded else "nothing left to do"
        self._bars.console.print(f"{arm}: {note}", markup=False, highlight=False)
        _print_notes(self._bars.console, loaded)


class _Timed:
    """Counts latency samples, a line for every tenth part of them."""

    def __init__(self, console: Console, n_expected: int) -> None:
        self._console = console
        self._n_expected = n_expected
        self._n = 0

    def sample(self, sample: Sample) -> None:
        self._n += 1
        if self._n % max(1, self._n_expected // 10) == 0:
            self._console.print(f"{self._n} of {self._n_expected} answers timed", highlight=False)


@contextmanager
def latency_progress(n_expected: int) -> Iterator[_Timed]:
    """What `bench.latency` tells its samples to."""
    yield _Timed(Console(stderr=True), n_expected)


@contextmanager
def sweep_progress(plan: Plan) -> Iterator[_Lines | _Bars]:
    """A Progress for `bench.sweep`, drawn for as long as the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console, plan)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=5) as bars:
        yield _Bars(bars, plan)
