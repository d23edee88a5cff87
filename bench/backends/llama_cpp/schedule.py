"""What is decoded when: the constant prefix once, each prompt's rest once, the answers together.

    prefix --fork--> prompt's rest --fork--> row, row, row, ...   every decode has `width` rows

In: prompts as tokens, each with its seeds. Out: finished answers as tokens, in the order they end.
Prompts in the order given; a row that becomes free goes to the next seed at once, and prompts that
several free rows need are prefilled together. Where fewer answers are left than rows, the others decode a
dummy token, so that the arithmetic of a step never depends on how many are left.

What is decoded together follows from the work and from what was drawn, never from time: the same work
gives the same batches. A batch that fails is not the end of its rows: each is decoded again alone, from
its beginning, and only those that fail again are failures.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends._answer_text import AnswerText
from bench.backends.llama_cpp.batch import TokenBatch, Tokens
from bench.backends.llama_cpp.engine import MOST_SEQUENCES, Engine, EngineError, Logits
from bench.backends.llama_cpp.sampler import RowSampler
from bench.records import StopReason

PREFIX, PROMPT, FIRST_ROW = 0, 1, 2
"""Sequences: the constant prefix; the last prompt, while answers to it have not begun; then the rows."""
WIDEST = MOST_SEQUENCES - FIRST_ROW


class Work(NamedTuple):
    """One prompt and the seeds to answer it with."""

    name: int
    prompt: Tokens
    seeds: tuple[int, ...]
    first_index: int = 0
    """Place of the first seed among those of the caller's own request."""


class Finished(NamedTuple):
    """One answer, or why there is none."""

    name: int
    seed_index: int
    n_prompt: int
    tokens: Tokens
    text: AnswerText | None
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


@dataclass(eq=False)
class _Prompt:
    """A prompt in memory, or on its way there."""

    work: Work
    n_begun: int = 0
    n_live: int = 0
    logits: Logits | None = None
    """Of the prompt's last token: every answer's first token is drawn from them."""
    is_second_try: bool = False

    @property
    def n_waiting(self) -> int:
        return len(self.work.seeds) - self.n_begun


class _Entry(NamedTuple):
    """An answer that begins: the row it gets, and the place of its seed in the prompt's work."""

    prompt: _Prompt
    row: int
    place: int


@dataclass(eq=False)
class _Answer:
    """One answer in a row."""

    prompt: _Prompt
    place: int
    admitted: float
    n_computed: int
    """Prompt tokens that were computed for this answer alone or first."""
    text: AnswerText | None
    ttft_s: float | None = None


@dataclass
class Scheduler:
    """Keeps `width` rows busy. Made for one list of work; the engine is its own while it runs."""

    engine: Engine
    sampler: RowSampler
    width: int
    max_tokens: int
    watch: Callable[[], AnswerText] | None = None
    """Makes what looks at the text of an answer while it grows; None looks at end tokens only."""
    share: bool = True
    """Whether anything computed for one answer may serve another."""
    speed: Speed = field(default_factory=Speed)

    def __post_init__(self) -> None:
        self._queue: deque[_Prompt] = deque()
        self._alone: deque[_Prompt] = deque()
        self._done: list[Finished] = []
        self._prefix: Tokens = np.zeros(0, np.int32)
        self._has_prefix = False
        self._n_free = 0  # cells kept for prompts that no prompt has now
        self._answers: list[_Answer | None] = [None] * self.width
        self._live = np.zeros(self.width, np.bool_)
        self._n_tokens = np.zeros(self.width, np.int64)
        self._tokens = np.zeros((self.width, self.max_tokens), np.int32)
        self._ends = self.engine.vocabulary.end_mask()
        self._rows = TokenBatch(self.width)
        self._rows.sequences[:] = np.arange(self.width) + FIRST_ROW

    # ------------------------------------------------------------ from outside

    def run(self, works: Sequence[Work]) -> Iterator[Finished]:
        """Answer all of it."""
        self.begin(works)
        while True:
            finished = self.advance()
            yield from finished
            if not finished and not self.busy:
                return

    def begin(self, works: Sequence[Work]) -> None:
        """Take the work on and make room for it; ModelFileError where there is too little memory."""
        if not self.share:
            works = [Work(w.name, w.prompt, (s,), i) for w in works for i, s in enumerate(w.seeds)]
        self._queue.extend(_Prompt(work) for work in works if work.seeds)
        if not self._queue:
            return
        prompts = [item.work.prompt for item in self._queue]
        if self.share:
            self._prefix = common_prefix(prompts)
        n_prefix = len(self._prefix)
        sizes = [(len(item.work.prompt) - n_prefix, len(item.work.seeds)) for item in self._queue]
        self._n_free = cells_for_prompts(sizes, self.width)
        self.engine.make_room(len(self._prefix) + self._n_free + self.width * self.max_tokens)

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._queue or self._alone or self._done or self._live.any())

    def growing(self, row: int) -> AnswerText | None:
        """The watched text of a row's answer."""
        answer = self._answers[row]
        return answer.text if answer else None

    def advance(self) -> list[Finished]:
        """Fill free rows, decode one token of each row; what ended thereby, in the order of rows."""
        while self._admit():
            pass
        if self._live.any():
            self._step()
        done, self._done = self._done, []
        return done

    # ------------------------------------------------------------ filling rows

    def _admit(self) -> bool:
        """Begin as many answers as there are free rows; whether it may be worth another try."""
        entering = self._choose()
        if not entering:
            return False
        admitted = time.perf_counter()
        held = [entry for entry in entering if entry.prompt.logits is not None]
        for entry in held:
            self.engine.fork(PROMPT, FIRST_ROW + entry.row)
        if held and not held[0].prompt.n_waiting:
            self.engine.forget(PROMPT)
        first_rows: dict[_Prompt, int] = {}
        for entry in entering:
            if entry.prompt.logits is None:
                first_rows.setdefault(entry.prompt, entry.row)
        try:
            computed = self._prefill(first_rows)
        except EngineError as error:
            self._failed_prefill([entry for entry in entering if entry.prompt in first_rows], error)
            entering, computed = held, {}
        for entry in entering:
            first_row = first_rows.get(entry.prompt, entry.row)
            if first_row != entry.row:
                self.engine.fork(FIRST_ROW + first_row, FIRST_ROW + entry.row)
            self._enter(entry, admitted, computed.get(entry.prompt, 0) if first_row == entry.row else 0)
        self._first_tokens(entering)
        return True

    def _choose(self) -> list[_Entry]:
        """The answers that begin now."""
        free = np.flatnonzero(~self._live).tolist()
        if self._alone:
            if self._live.any():
                return []
            self._take_room(self._alone[0])
            return [_begun(self._alone.popleft(), free[0])]
        chosen = []
        while free and self._queue:
            prompt = self._queue[0]
            if prompt.n_begun == 0 and not self._take_room(prompt):
                break
            chosen.append(_begun(prompt, free.pop(0)))
            if not prompt.n_waiting:
                self._queue.popleft()
        return chosen

    def _take_room(self, prompt: _Prompt) -> bool:
        """Whether the prompt's own tokens find room now; then it is theirs until its last answer ends."""
        n_own = len(prompt.work.prompt) - len(self._prefix)
        if n_own > self._n_free:
            return False
        self._n_free -= n_own
        return True

    def _prefill(self, first_rows: dict[_Prompt, int]) -> dict[_Prompt, int]:
        """Take new prompts in together, each into its first row; how many tokens each had to pay for."""
        if not first_rows:
            return {}
        began, n_prefix, paid_before = time.perf_counter(), len(self._prefix), 0
        if not self.share:
            self.engine.clear()  # every answer finds the memory as the first one did
        if n_prefix and not self._has_prefix:
            self.engine.prefill([(self._prefix, 0, PREFIX)])
            self._has_prefix, paid_before = True, n_prefix
        for row in first_rows.values():
            if n_prefix:
                self.engine.fork(PREFIX, FIRST_ROW + row)
        parts = [(p.work.prompt[n_prefix:], n_prefix, FIRST_ROW + row) for p, row in first_rows.items()]
        logits = self.engine.prefill(parts)
        computed = {}
        for i, (prompt, row) in enumerate(first_rows.items()):
            prompt.logits = logits[i]
            computed[prompt] = len(parts[i][0]) + (paid_before if i == 0 else 0)
            if prompt.n_waiting:
                self.engine.fork(FIRST_ROW + row, PROMPT)
        self.speed.prefill_tokens += sum(computed.values())
        self.speed.prefill_s += time.perf_counter() - began
        return computed

    def _enter(self, entry: _Entry, admitted: float, n_computed: int) -> None:
        work, row = entry.prompt.work, entry.row
        self._answers[row] = _Answer(
            entry.prompt, entry.place, admitted, n_computed, self.watch() if self.watch else None
        )
        self._live[row] = True
        self._n_tokens[row] = 0
        self._rows.positions[row] = len(work.prompt)
        self.sampler.enter(row, work.seeds[entry.place], work.prompt)

    def _first_tokens(self, entering: list[_Entry]) -> None:
        """Draw from what the prompts' last tokens foretell."""
        if not entering:
            return
        rows = np.array([entry.row for entry in entering])
        logits = np.stack([entry.prompt.logits for entry in entering if entry.prompt.logits is not None])
        tokens = self.sampler.draw(logits, rows)
        now = time.perf_counter()
        for row in rows.tolist():
            answer = self._answers[row]
            if answer is not None:
                answer.ttft_s = now - answer.admitted
        self._take(rows, tokens)

    # ------------------------------------------------------------ decoding rows

    def _step(self) -> None:
        """One token more for every live row."""
        began = time.perf_counter()
        try:
            self.engine.decode(self._rows)
        except EngineError as error:
            self._failed_step(error)
            return
        logits = self.engine.logits(self.width)
        live = np.flatnonzero(self._live)
        if len(live) < self.width:
            for row in np.flatnonzero(~self._live).tolist():
                self.engine.forget(FIRST_ROW + row)
            logits = logits[live]
        tokens = self.sampler.draw(logits, live)
        self._rows.positions[live] += 1
        self._take(live, tokens)
        self.speed.decode_tokens += len(live)
        self.speed.decode_s += time.perf_counter() - began

    def _take(self, rows: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]) -> None:
        """Note one token for each of `rows`; answers that are over thereby leave."""
        n_before = self._n_tokens[rows]
        self._tokens[rows, n_before] = tokens
        self._rows.tokens[rows] = tokens
        ends = self._ends[tokens]
        self._n_tokens[rows] = n_before + ~ends
        over = ends | (n_before + 1 >= self.max_tokens)
        if self.watch is not None:
            ends = ends | self._watched(rows, tokens, ends)
            over = over | ends
        for i in np.flatnonzero(over).tolist():
            self._finish(int(rows[i]), "stop" if ends[i] else "length")

    def _watched(
        self, rows: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64], ends: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which answers their text says are over."""
        stopped = np.zeros(len(rows), np.bool_)
        piece = self.engine.vocabulary.piece
        for i, (row, token) in enumerate(zip(rows.tolist(), tokens.tolist(), strict=True)):
            answer = self._answers[row]
            if answer is not None and answer.text is not None and not ends[i]:
                answer.text.add(piece(token))
                stopped[i] = answer.text.stopped
        return stopped

    def _finish(self, row: int, stop_reason: StopReason) -> None:
        answer = self._leave(row)
        work = answer.prompt.work
        self._done.append(
            Finished(
                work.name,
                work.first_index + answer.place,
                len(work.prompt),
                self._tokens[row, : self._n_tokens[row]].copy(),
                answer.text,
                stop_reason,
                cached_tokens=len(work.prompt) - answer.n_computed,
                ttft_s=answer.ttft_s,
                duration_s=time.perf_counter() - answer.admitted,
            )
        )
        self.engine.forget(FIRST_ROW + row)

    def _leave(self, row: int) -> _Answer:
        """Free a row; the memory is the caller's to see to."""
        answer = self._answers[row]
        assert answer is not None, "a row that is over has an answer"
        self._answers[row] = None
        self._live[row] = False
        self._rows.tokens[row] = self._rows.positions[row] = 0
        self.sampler.leave(row)
        self._let_go(answer.prompt)
        return answer

    def _let_go(self, prompt: _Prompt) -> None:
        """One answer less; the last one gives the room of the prompt's own tokens back."""
        prompt.n_live -= 1
        if not prompt.n_live and not prompt.n_waiting:
            self._n_free += len(prompt.work.prompt) - len(self._prefix)
            prompt.logits = None

    # ------------------------------------------------------------ failures

    def _failed_step(self, error: EngineError) -> None:
        """What is in memory now is anybody's guess: begin anew, each of these rows alone."""
        for row in np.flatnonzero(self._live).tolist():
            answer = self._leave(row)
            self._again_or_error(answer.prompt, answer.place, error)
        self.engine.clear()
        self._has_prefix = False
        for prompt in self._queue:
            prompt.logits = None

    def _failed_prefill(self, entering: list[_Entry], error: EngineError) -> None:
        for entry in entering:
            self._let_go(entry.prompt)
            self._again_or_error(entry.prompt, entry.place, error)
            self.engine.forget(FIRST_ROW + entry.row)
        if not self._has_prefix:
            self.engine.forget(PREFIX)

    def _again_or_error(self, prompt: _Prompt, place: int, error: EngineError) -> None:
        work = prompt.work
        if prompt.is_second_try:
            nothing = np.zeros(0, np.int32)
            index = work.first_index + place
            self._done.append(Finished(work.name, index, len(work.prompt), nothing, None, error=str(error)))
            return
        alone = Work(work.name, work.prompt, (work.seeds[place],), work.first_index + place)
        self._alone.append(_Prompt(alone, is_second_try=True))


def _begun(prompt: _Prompt, row: int) -> _Entry:
    prompt.n_begun += 1
    prompt.n_live += 1
    return _Entry(prompt, row, prompt.n_begun - 1)


def common_prefix(prompts: Sequence[Tokens]) -> Tokens:
    """What all prompts begin with; never a whole prompt, because each has to foretell its first token."""
    first = prompts[0]
    n = min(len(prompt) for prompt in prompts) - 1
    for prompt in prompts:
        different = np.flatnonzero(first[:n] != prompt[:n])
        if len(different):
            n = int(different[0])
    return first[:n]


def cells_for_prompts(sizes: Sequence[tuple[int, int]], width: int) -> int:
    """Memory cells kept for the prompts' own tokens, given (own tokens, seeds) of each.

    So many prompts can be in memory at once that all rows are busy and two more are on their way in
    or out. More would only make every step look at more cells.
    """
    n_at_once = -(-width // min((n_seeds for _, n_seeds in sizes), default=1)) + 2
    return sum(sorted((n_own for n_own, _ in sizes), reverse=True)[:n_at_once])
