"""Asks an arm of our own: a model file, Ollama, transformers, whatever backend there is.

In: jobs of one labeller that is not behind OpenAI's interface. Out: the journal, as `flow` writes it.
Answers are made in blocks; when `stop` is set the block under way is finished.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench import backends
from bench.backends import Request
from bench.datasets.labellers import Labeller
from bench.labelling import plan
from bench.labelling.flow import Work
from bench.labelling.plan import Job

_BLOCK = 8


def ask(labeller: Labeller, jobs: Iterable[Job], work: Work) -> None:
    """Ask all jobs that have something to be asked; in a thread of its own."""
    waiting = work.waiting(jobs)
    if not waiting or work.is_over:
        return
    session = backends.get(labeller.backend).open(labeller.spec, work.section.sampling, work.schema, _BLOCK)
    try:
        while waiting and not work.is_over:
            block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
            waiting += work.waiting(_answered(session, block, work))
    finally:
        session.close()


def _answered(session: backends.Session, block: list[Job], work: Work) -> list[Job]:
    """Ask a block; the jobs that got an answer, valid or not."""
    prompts = {(prompt := work.prompt(job)).id: (job, prompt) for job in block}
    attempts = {job.key: work.standing(job).next_attempt or 1 for job in block}
    calls, requests, done = {}, [], []
    for job, prompt in prompts.values():
        attempt = attempts[job.key]
        calls[job.key] = work.call(job, attempt, prompt)
        work.journal.asked(calls[job.key], job.key, attempt)
        requests.append(Request(prompt, (plan.seed_of(work.seed, job, attempt),)))
    for answer in session.generate(requests):
        job, _ = prompts[answer.prompt_id]
        call, attempt = calls[job.key], attempts[job.key]
        if answer.completion.error is None:
            work.answered(call, job, attempt, answer.completion)
            done.append(job)
        else:
            work.journal.failed(call, job.key, attempt, answer.completion.error, None)
    return done
