"""Asks in batches: a batch is written down before it is made, and found again after a kill.

In: jobs of one labeller with `batch: true`. Out: the journal. When `stop` is set the batch goes on at its
server, which is paid for it once; the next run collects it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bench.backends._server.patience import Patience
from bench.backends.openai_api.batch import Batches, Failed, Result
from bench.backends.openai_api.calls import ServerError
from bench.datasets.labellers import Labeller
from bench.identity import content_id
from bench.labelling import plan
from bench.labelling.flow import Work
from bench.labelling.journal import Batch
from bench.labelling.plan import Job

_LARGEST = 10_000
_LOOK_S = 0.1
_ROUNDS_FOR_NOTHING = 3


class Batching:
    """One labeller."""

    def __init__(self, labeller: Labeller, work: Work) -> None:
        self._labeller, self._work = labeller, work
        self._batches = Batches(labeller.spec, work.section.sampling, work.schema)
        self._patience = Patience(retries=5, longest_wait_s=60)
        self.given_up: str | None = None
        """The last failure, where the labeller was given up."""

    async def run(self, jobs: Iterable[Job]) -> None:
        """Collect what is under way, then ask what is left, batch by batch."""
        by_key = {job.key: job for job in jobs}
        try:
            for batch in list(self._work.journal.batches.values()):
                if batch.labeller == self._labeller.name:
                    await self._finish(batch, by_key)
            n_for_nothing = 0
            while not self._work.is_over and (waiting := self._work.waiting(by_key.values())):
                n_before = len(waiting)
                await self._finish(self._begun(waiting[:_LARGEST]), by_key)
                answered = len(self._work.waiting(by_key.values())) < n_before
                n_for_nothing = 0 if answered else n_for_nothing + 1
                if n_for_nothing == _ROUNDS_FOR_NOTHING:
                    self.given_up = "three batches in a row gave no valid answer"
                    return
        except ServerError as failure:
            self.given_up = self._batches.masked(str(failure))
        finally:
            await self._batches.aclose()

    def _begun(self, jobs: list[Job]) -> Batch:
        """A batch of the jobs' next calls, written down."""
        work, calls = self._work, []
        for job in jobs:
            attempt = work.standing(job).next_attempt or 1
            call = work.call(job, attempt, work.prompt(job))
            calls.append((call, job.item.id, attempt))
            work.journal.asked(call, job.key, attempt)
        batch = Batch(content_id(calls, 32), self._labeller.name, tuple(calls))
        work.journal.batch(batch)
        return batch

    async def _finish(self, batch: Batch, jobs: dict[tuple[str, str], Job]) -> None:
        """Make the batch unless it was made, wait for it, and write down what became of its calls."""
        journal, name = self._work.journal, self._labeller.name
        calls = [call for call in batch.calls if journal.of((call[1], name)).open.get(call[2]) == call[0]]
        if not calls:
            return
        if batch.id is None:
            made = await self._patience.attempt(lambda: self._batches.made(batch.key))
            batch.id = made or await self._batches.make(batch.key, self._lines(batch, jobs))
            journal.batch(batch)
        identity = batch.id
        while not self._work.stop:
            results = await self._patience.attempt(lambda: self._batches.results(identity))
            if results is not None:
                self._write_down(calls, results, jobs)
                return
            await self._wait()

    def _lines(self, batch: Batch, jobs: dict[tuple[str, str], Job]) -> list[str]:
        work, lines = self._work, []
        for call, item, attempt in batch.calls:
            job = jobs.get((item, self._labeller.name))
            if job is not None:
                lines.append(
                    self._batches.line(call, work.prompt(job), plan.seed_of(work.seed, job, attempt))
                )
        return lines

    def _write_down(
        self, calls: list[tuple[str, str, int]], results: dict[str, Result], jobs: dict[tuple[str, str], Job]
    ) -> None:
        work = self._work
        for call, item, attempt in calls:
            key = (item, self._labeller.name)
            result = results.get(call, Failed("the batch ended without it", None))
            if isinstance(result, Failed):
                work.journal.failed(call, key, attempt, result.reason, result.status)
            elif key in jobs:
                work.answered(call, jobs[key], attempt, result)
            else:  # an item that is not wanted any more; its answer was paid
                work.journal.answered(call, key, attempt, result)

    async def _wait(self) -> None:
        left_s = self._work.section.poll_s
        while left_s > 0 and not self._work.stop:
            await asyncio.sleep(min(left_s, _LOOK_S))
            left_s -= _LOOK_S
