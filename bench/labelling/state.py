"""Where a job stands: done, to be asked again, or given up; as the journal and the task's schema say.

In: what the journal knows of a job. Out: its first valid answer, or the attempt that is next.
"""

from __future__ import annotations

from typing import NamedTuple

from bench import validation
from bench.labelling.journal import Past
from bench.records import AnswerSchema, Completion, Outcome, Verdict


class Standing(NamedTuple):
    """Where a job stands."""

    verdict: Verdict | None
    """The first valid answer's; None while there is none."""
    next_attempt: int | None
    """The attempt to be asked for; None where it is done, or where all attempts were not valid."""


def standing(past: Past, schema: AnswerSchema, attempts: int) -> Standing:
    """Where a job stands after what is known of it."""
    for attempt in range(1, attempts + 1):
        completion = past.answers.get(attempt)
        if completion is None:
            return Standing(None, attempt)
        verdict = validation.judge(completion, schema)
        if verdict.outcome is Outcome.VALID:
            return Standing(verdict, None)
    return Standing(None, None)


def answers(past: Past) -> list[Completion]:
    """Every answer that came, valid or not: each was paid."""
    return [past.answers[attempt] for attempt in sorted(past.answers)]
