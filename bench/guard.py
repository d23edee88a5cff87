"""When to stop an arm: measurements that fail one after the other, or prompts that never fit.

In: the samples of one arm as they come. Out: a BenchError when going on would only waste time. The
samples themselves are stored all the same: a failed measurement is a row, never dropped.
"""

from __future__ import annotations

from bench.config import Config
from bench.errors import BackendError, NoArticlesError
from bench.records import Outcome, Sample


class FailureGuard:
    """Counts one arm's failed measurements."""

    def __init__(self, arm: str, config: Config) -> None:
        self._arm = arm
        self._config = config
        self._errors_in_a_row = 0
        self._anything_measured = False
        self._anything_overflowed = False
        self._shortest_tokens: int | None = None

    def count(self, sample: Sample) -> None:
        """Take one sample into account; BackendError at the K-th failure in a row."""
        outcome = sample.verdict.outcome
        if outcome is Outcome.BACKEND_ERROR:
            self._errors_in_a_row += 1
            if self._errors_in_a_row >= self._config.stop_after_failures:
                raise BackendError(
                    f"arm {self._arm}: {self._errors_in_a_row} measurements failed in a row, the last with: "
                    f"{sample.completion.error}. Mend the backend, then `bench run --resume {sample.run_id}`"
                )
        elif outcome is Outcome.CONTEXT_OVERFLOW:
            self._anything_overflowed = True
            known = (self._shortest_tokens, sample.completion.prompt_tokens)
            self._shortest_tokens = min((n for n in known if n is not None), default=None)
        else:
            self._errors_in_a_row = 0
            self._anything_measured = True

    def refuse_if_nothing_fitted(self) -> None:
        """NoArticlesError when every measurement of the arm was a context overflow."""
        if not self._anything_overflowed or self._anything_measured or self._errors_in_a_row:
            return
        sampling = self._config.sampling
        n_tokens = self._shortest_tokens
        shortest = "" if n_tokens is None else f": the shortest has {n_tokens} tokens"
        raise NoArticlesError(
            f"arm {self._arm}: no article's prompt fits{shortest}, and max_tokens {sampling.max_tokens} of "
            f"context_tokens {sampling.context_tokens} are kept for the answer; raise "
            "sampling.context_tokens, or lower sampling.max_tokens"
        )
