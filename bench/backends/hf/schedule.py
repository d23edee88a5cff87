"""What is decoded when: the common prefix once, each prompt's rest once, the answers together.

    prefix --read--> prompt's rest --place--> row, row, row, ...   every step has `width` rows

In: prompts as tokens, each with its seeds. Out: finished answers as tokens, in the order they end. A row
that becomes free goes to the next seed at once. Prompts are read one at a time, so that an answer's first
token never depends on its neighbours. What is decoded together follows from the work and from what was
drawn, never from time. A step that fails is not the end of its rows: each is decoded again alone, and
only those that fail again are failures.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from bench.backends.hf.rows import Kept, Reader, Rows
from bench.backends.hf.sampler import Sampler
from bench.backends.hf.tokens import GrowingText
from bench.errors import one_line
from bench.records import StopReason

ENGINE_ERRORS = (RuntimeError, IndexError, ValueError)
"""What torch and a model's own code raise over one batch: no memory, a position that is not there."""


class Work(NamedTuple):
    """One prompt and the seeds to answer it with."""

    name: int
    prompt: tuple[int, ...]
    seeds: tuple[int, ...]
    first_index: int = 0
    """Place of the first seed among those of the caller's own request."""
    is_second_try: bool = False


class Finished(NamedTuple):
    """One answer, or why there is none."""

    name: int
    seed_index: int
    n_prompt: int
    tokens: list[int]
    text: GrowingText | None = None
    """The text, where it was watched; its tokens may go beyond it."""
    stop_reason: StopReason | None = None
    cached_tokens: int | None = None
    ttft_s: float | None = None
    duration_s: float | None = None
    error: str | None = None


@dataclass
class Speed:
    """Tokens and seconds so far, prefill and decode apart."""

    prefill_tokens: int = 0
    prefill_s: float = 0.0
    decode_tokens: int = 0
    """Tokens of answers; dummies are not counted."""
    decode_s: float = 0.0
    n_steps: int = 0


@dataclass(eq=False)
class _Answer:
    """One answer in a row."""

    work: Work
    place: int
    admitted: float
    n_computed: int
    """Prompt tokens that were computed for this answer alone or first."""
    text: GrowingText | None
    tokens: list[int] = field(default_factory=list)
    ttft_s: float | None = None


class _Read(NamedTuple):
    """A prompt that was read, while answers to it have not begun."""

    kept: Kept
    logits: Tensor


@dataclass
class Scheduler:
    """Keeps `width` rows busy. Made for one list of work."""

    reader: Reader
    new_rows: Callable[[int], Rows]
    """Rows of a width, empty."""
    sampler: Sampler
    width: int
    max_tokens: int
    ends: frozenset[int]
    """Tokens that end an answer."""
    watch: Callable[[], GrowingText] | None = None
    """Makes what looks at the text of an answer while it grows; None looks at end tokens only."""
    share: bool = True
    """Whether anything computed for one answer may serve another."""
    speed: Speed = field(default_factory=Speed)

    def __post_init__(self) -> None:
        self._queue: deque[tuple[Work, int]] = deque()
        self._alone: deque[tuple[Work, int]] = deque()
        self._done: list[Finished] = []
        self._n_prefix = 0
        self._prefix: Kept | None = None
        self._read: dict[int, _Read] = {}
        self._rows = self.new_rows(self.width)
        self._answers: list[_Answer | None] = [None] * self.width
        self._last = [0] * self.width

    def run(self, works: Sequence[Work]) -> Iterator[Finished]:
        """Answer all of it."""
        self.begin(works)
        while self.busy:
            yield from self.advance()

    def begin(self, works: Sequence[Work]) -> None:
        """Take the work on."""
        works = [work for work in works if work.seeds]
        self._queue.extend((work, place) for work in works for place in range(len(work.seeds)))
        if self.share and works:
            self._n_prefix = n_common([work.prompt for work in works])

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._queue or self._alone or self._done or self._live)

    @property
    def _live(self) -> list[int]:
        return [row for row, answer in enumerate(self._answers) if answer is not None]

    def growing(self, row: int) -> GrowingText | None:
        """The watched text of a row's answer."""
        answer = self._answers[row]
        return answer.text if answer else None

    def advance(self) -> list[Finished]:
        """Fill free rows, decode one token of each row; what ended thereby."""
        while self._admit():
            pass
        if self._live:
            self._step()
        done, self._done = self._done, []
        return done

    # ------------------------------------------------------------ filling rows

    def _admit(self) -> bool:
        """Begin as many answers as there are free rows; whether it may be worth another try."""
        free = [row for row, answer in enumerate(self._answers) if answer is None]
        if self._alone:
            entering = [] if len(free) < self.width else [self._alone.popleft()]
        else:
            entering = [self._queue.popleft() for _ in range(min(len(free), len(self._queue)))]
        if not entering:
            return False
        admitted, logits, rows = time.perf_counter(), [], []
        for row, (work, place) in zip(free, entering, strict=False):
            try:
                found, n_computed = self._prompt(work)
                self._rows.place(row, found.kept)
            except ENGINE_ERRORS as error:
                self._fail(work, place, error)
                continue
            text = self.watch() if self.watch else None
            self._answers[row] = _Answer(work, place, admitted, n_computed, text)
            self.sampler.enter(row, work.seeds[place], work.prompt)
            logits.append(found.logits)
            rows.append(row)
            self._forget_prompt(work)
        if rows:
            self._take(rows, self.sampler.draw(torch.stack(logits), rows))
        return True

    def _prompt(self, work: Work) -> tuple[_Read, int]:
        """The prompt as it was read, and how many of its tokens had to be computed now."""
        known = self._read.get(work.name)
        if known is not None and self.share:
            return known, 0
        began, n_computed = time.perf_counter(), len(work.prompt) - self._n_prefix
        if self._n_prefix and self._prefix is None:
            self._prefix = self.reader.read(work.prompt[: self._n_prefix])[0]
            n_computed = len(work.prompt)
        found = _Read(*self.reader.read(work.prompt[self._n_prefix :], self._prefix))
        if self.share:
            self._read[work.name] = found
        self.speed.prefill_tokens += n_computed
        self.speed.prefill_s += time.perf_counter() - began
        return found, n_computed

    def _forget_prompt(self, work: Work) -> None:
        """Free a prompt's own memory once none of its answers has still to begin."""
        if not self._queue or self._queue[0][0].name != work.name:
            self._read.pop(work.name, None)

    # ------------------------------------------------------------ decoding rows

    def _step(self) -> None:
        """One token more for every live row."""
        began, live = time.perf_counter(), self._live
        try:
            logits = self._rows.step(self._last, live)
        except ENGINE_ERRORS as error:
            self._failed_step(live, error)
            return
        self._take(live, self.sampler.draw(logits, live))
        self.speed.decode_tokens += len(live)
        self.speed.decode_s += time.perf_counter() - began
        self.speed.n_steps += 1

    def _take(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Note one token for each of `rows`; answers that are over thereby leave."""
        now = time.perf_counter()
        for row, token in zip(rows, tokens, strict=True):
            answer = self._answers[row]
            assert answer is not None, "a row that was drawn for has an answer"
            self._last[row] = token
            if answer.ttft_s is None:
                answer.ttft_s = now - answer.admitted
            if token in self.ends:
                self._finish(row, "stop")
                continue
            answer.tokens.append(token)
            if answer.text is not None:
                answer.text.add(token)
            if answer.text is not None and answer.text.stopped:
                self._finish(row, "stop")
            elif len(answer.tokens) >= self.max_tokens:
                self._finish(row, "length")

    def _finish(self, row: int, stop_reason: StopReason) -> None:
        answer = self._leave(row)
        work = answer.work
        self._done.append(
            Finished(
                work.name,
                work.first_index + answer.place,
                len(work.prompt),
                answer.tokens,
                answer.text,
                stop_reason,
                cached_tokens=len(work.prompt) - answer.n_computed,
                ttft_s=answer.ttft_s,
                duration_s=time.perf_counter() - answer.admitted,
            )
        )

    def _leave(self, row: int) -> _Answer:
        answer = self._answers[row]
        assert answer is not None, "a row that is over has an answer"
        self._answers[row] = None
        self._last[row] = 0
        self._rows.clear(row)
        self.sampler.leave(row)
        return answer

    # ------------------------------------------------------------ failures

    def _failed_step(self, live: Sequence[int], error: Exception) -> None:
        """Begin anew with empty rows, each of these answers alone."""
        answers = [self._leave(row) for row in live]
        self._rows = self.new_rows(self.width)
        for answer in answers:
            self._fail(answer.work, answer.place, error)

    def _fail(self, work: Work, place: int, error: Exception) -> None:
        """The first time another try alone; the second time an answer that says why there is none."""
        index = work.first_index + place
        if work.is_second_try:
            reason = one_line(error)
            self._done.append(Finished(work.name, index, len(work.prompt), [], error=reason))
        else:
            self._alone.append((Work(work.name, work.prompt, (work.seeds[place],), index, True), 0))


def n_common(prompts: Sequence[tuple[int, ...]]) -> int:
    """Tokens that all prompts begin with; never a whole prompt: each has to foretell its first token."""
    least, most = min(prompts), max(prompts)
    n = min(len(prompt) for prompt in prompts) - 1
    for i in range(n):
        if least[i] != most[i]:
            return i
    return n
