"""Asks: many calls in flight, each written down before and after, tried again where that may help.

In: jobs of one labeller. Out: a journal with an end for every call that was sent. When `stop` is set, no
call is begun, waits end at once, and calls in flight are waited for. A labeller that fails again and
again is given up; what it leaves is asked in the next run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.backends.openai_api.calls import Caller, ServerError
from bench.datasets.labellers import Labeller, Labelling
from bench.labelling import paid, plan
from bench.labelling.journal import Journal
from bench.labelling.limits import Throttle
from bench.labelling.outlive import Stop
from bench.labelling.plan import Job
from bench.labelling.state import Standing, standing
from bench.records import AnswerSchema, Completion, Prompt
from bench.tasks import Task

_GIVEN_UP_AFTER = 10
_LOOK_S = 0.05
_CHARACTERS_PER_TOKEN = 3  # before the first answer nobody knows; a guess that is rather too many tokens


@dataclass
class Work:
    """What every way of asking needs."""

    task: Task
    section: Labelling
    seed: int
    journal: Journal
    stop: Stop
    told: Callable[[Job], None]
    """Called after each answer."""
    cost: float = 0.0
    """Of all answers so far, in the section's currency."""

    @property
    def schema(self) -> AnswerSchema:
        """What a valid answer is."""
        return self.task.answer

    @property
    def is_spent(self) -> bool:
        """Whether the budget is used up."""
        return self.section.budget is not None and self.cost >= self.section.budget

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be asked any more."""
        return bool(self.stop) or self.is_spent

    def standing(self, job: Job) -> Standing:
        """Where a job stands."""
        return standing(self.journal.of(job.key), self.schema, self.section.attempts)

    def waiting(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs that have something to be asked."""
        return [job for job in jobs if self.standing(job).next_attempt is not None]

    def prompt(self, job: Job) -> Prompt:
        """What is asked."""
        return plan.prompt(self.task, job.item, self.section.style)

    def call(self, job: Job, attempt: int, prompt: Prompt) -> str:
        """The id of the call."""
        return plan.call_id(self.seed, job, attempt, self.journal.of(job.key).n_failed, prompt)

    def answered(self, call: str, job: Job, attempt: int, completion: Completion) -> None:
        """Write an answer down, before anything else."""
        self.journal.answered(call, job.key, attempt, completion)
        if job.labeller.price is not None:
            self.cost += paid.cost(completion, job.labeller.price) or 0.0
        self.told(job)


class _StoppedError(Exception):
    """Nothing more is to be begun."""


class Asking:
    """One labeller with OpenAI's interface."""

    def __init__(self, labeller: Labeller, work: Work) -> None:
        self._work = work
        self._caller = Caller(labeller.spec, work.section.sampling, work.schema)
        self._throttle = Throttle(labeller.limits)
        self._calling: set[asyncio.Task[None]] = set()
        self._n_failed_in_a_row = 0
        self.given_up: str | None = None
        """The last failure, where the labeller was given up."""

    async def run(self, jobs: Iterable[Job]) -> None:
        """Ask all jobs that have something to be asked."""
        waiting = deque(self._work.waiting(jobs))
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._worker(waiting)) for _ in range(self._caller.in_flight)]
                watcher = group.create_task(self._watch(workers))
                await asyncio.wait(workers)
                watcher.cancel()
        finally:
            await self._caller.aclose()

    async def _watch(self, workers: list[asyncio.Task[None]]) -> None:
        """When all is over, wake whoever waits for a turn; calls in flight go on."""
        while not self._work.stop:
            await asyncio.sleep(_LOOK_S)
        for worker in workers:
            if worker not in self._calling:
                worker.cancel()

    async def _worker(self, waiting: deque[Job]) -> None:
        while waiting and self.given_up is None and not self._work.is_over:
            job = waiting.popleft()
            try:
                await self._do(job)
            except _StoppedError:
                return
            except ServerError as failure:
                self._count(failure)
            else:
                self._n_failed_in_a_row = 0

    def _count(self, failure: ServerError) -> None:
        self._n_failed_in_a_row += failure.kind != "overflow"
        is_hopeless = failure.status in {401, 403, 404}
        if is_hopeless or self._n_failed_in_a_row >= _GIVEN_UP_AFTER:
            self.given_up = self._caller.masked(str(failure))

    async def _do(self, job: Job) -> None:
        """Ask until there is a valid answer, or attempts are used up."""
        prompt = self._work.prompt(job)
        while (attempt := self._work.standing(job).next_attempt) is not None:
            number = attempt

            async def once(number: int = number) -> None:
                await self._once(job, number, prompt)

            await self._caller.patience.attempt(once)

    async def _once(self, job: Job, attempt: int, prompt: Prompt) -> None:
        """One call, from the journal to the journal."""
        work, me = self._work, asyncio.current_task()
        n_characters = sum(len(message.content) for message in prompt.messages)
        n_most = n_characters // _CHARACTERS_PER_TOKEN + work.section.sampling.max_tokens
        taken = await self._throttle.admit(n_most)
        if work.is_over:
            raise _StoppedError
        assert me is not None
        self._calling.add(me)
        try:
            call = work.call(job, attempt, prompt)
            work.journal.asked(call, job.key, attempt)
            completion = await self._caller.ask(prompt, plan.seed_of(work.seed, job, attempt), call)
            work.answered(call, job, attempt, completion)
        except ServerError as failure:
            reason = self._caller.masked(str(failure))
            work.journal.failed(call, job.key, attempt, reason, failure.status)
            if work.is_over:
                raise _StoppedError from None
            raise
        finally:
            self._calling.discard(me)
        counts = (completion.prompt_tokens, completion.completion_tokens)
        if None not in counts:
            taken.n_tokens = sum(n for n in counts if n is not None)
