"""One opened arm: requests in, completions out, each with its own seed, times and counts.

In: prompts and seeds. Out: one Answer per seed, in the order they end. A failure of the engine is a
Completion with `error`; a prompt that does not fit `sampling.context_tokens` is one with
`context_overflow`, decided before any token. The first answer to a prompt pays for reading it, and the
very first for the beginning that all prompts share; `cached_tokens` says what an answer found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch

from bench.backends import Answer, Request, StopTokens, TokenProbability
from bench.backends._answer_text import AnswerText
from bench.backends.hf.rows import Reader, Rows
from bench.backends.hf.sampler import Sampler
from bench.backends.hf.schedule import ENGINE_ERRORS, Finished, Scheduler, Speed, Work
from bench.backends.hf.scoring import Scored, scored
from bench.backends.hf.tokens import GrowingText, Tokens
from bench.chat_template import TemplateError
from bench.errors import BackendError, ModelFileError, NoArticlesError, one_line
from bench.memory import PeakMemory
from bench.records import Completion, LoadedModel, Prompt, Sampling

WARM_UP_TOKENS = 8


class Opened(NamedTuple):
    """What a session works with until it is closed."""

    model: Any
    tokens: Tokens
    ends: frozenset[int]
    device: torch.device
    release: Callable[[], None]
    """Undo what opening changed for the whole process."""


class HfSession:
    """One model in memory. Used by one thread, closed once."""

    def __init__(
        self, opened: Opened, sampling: Sampling, loaded: LoadedModel, memory: PeakMemory, width: int
    ) -> None:
        self.loaded = loaded
        """What was loaded; its peak memory and speed are final once the session is closed."""
        self._open: Opened | None = opened
        self._sampling = sampling
        self._memory = memory
        self._width = width
        self._speed = Speed()

    def warm_up(self) -> None:
        """Decode once, so that the first answer does not pay for page faults; ModelFileError if it fails."""
        opened = self._opened()
        token = min(opened.ends, default=0)
        try:
            kept, _ = Reader(opened.model, opened.device).read([token] * WARM_UP_TOKENS)
            rows = Rows(opened.model, opened.device, self._width)
            rows.place(0, kept)
            rows.step([token] * self._width, [0])
        except (*ENGINE_ERRORS, AttributeError, TypeError) as error:
            reason = one_line(error)
            raise ModelFileError(f"the model loads but cannot decode with kept keys: {reason}") from error

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed. All requests are read first: what they share is found on all of them."""
        works: list[Work] = []
        prompt_ids: list[str] = []
        for request in requests:
            prompt_ids.append(request.prompt.id)
            found = self._prompt_or_refusal(request.prompt)
            if isinstance(found, Completion):
                for seed_index in range(len(request.seeds)):
                    yield Answer(request.prompt.id, seed_index, found)
            else:
                works.append(Work(len(prompt_ids) - 1, found, request.seeds))
        scheduler = self._scheduler(reuse=reuse)
        for finished in scheduler.run(works):
            completion = self._completion(finished, scheduler.width)
            yield Answer(prompt_ids[finished.name], finished.seed_index, completion)

    def _prompt_or_refusal(self, prompt: Prompt) -> tuple[int, ...] | Completion:
        try:
            tokens = self._opened().tokens.of_prompt(prompt)
        except TemplateError as error:
            return Completion(error=f"the chat template failed: {error}")
        if self._overflows(tokens):
            return Completion(stop_reason="context_overflow", prompt_tokens=len(tokens))
        return tokens

    def _scheduler(self, *, reuse: bool, watched: bool = False) -> Scheduler:
        """Rows for answers; without reuse there is one."""
        opened, sampling = self._opened(), self._sampling
        width = self._width if reuse else 1
        watches = watched or sampling.stop or sampling.stop_on_json
        return Scheduler(
            Reader(opened.model, opened.device),
            lambda n: Rows(opened.model, opened.device, n),
            Sampler(sampling),
            width,
            sampling.max_tokens,
            opened.ends,
            watch=self._new_text if watches else None,
            share=reuse,
            speed=self._speed,
        )

    def _new_text(self) -> GrowingText:
        sampling = self._sampling
        return GrowingText(self._opened().tokens, AnswerText(sampling.stop, until_json=sampling.stop_on_json))

    def _completion(self, finished: Finished, width: int) -> Completion:
        if finished.error is not None:
            return Completion(prompt_tokens=finished.n_prompt, error=finished.error)
        if finished.text is None:
            text = self._opened().tokens.text(finished.tokens)
        else:
            finished.text.finish()
            text = finished.text.text()
        return Completion(
            text=text,
            stop_reason=finished.stop_reason,
            prompt_tokens=finished.n_prompt,
            cached_tokens=finished.cached_tokens,
            completion_tokens=len(finished.tokens),
            ttft_s=finished.ttft_s,
            duration_s=finished.duration_s,
            batch_size=width,
        )

    def stream(self, request: Request) -> Iterator[str]:
        """The text of the first seed's answer as it comes; character by character whole."""
        found = self._prompt_or_refusal(request.prompt)
        if isinstance(found, Completion):
            raise self._refusal(found)
        scheduler = self._scheduler(reuse=False, watched=True)
        scheduler.begin([Work(0, found, request.seeds[:1])])
        while scheduler.busy:
            for finished in scheduler.advance():
                if finished.error is not None or finished.text is None:
                    raise BackendError(f"the answer could not be made: {finished.error}")
                finished.text.finish()
                if text := finished.text.rest():
                    yield text
            growing = scheduler.growing(0)
            if growing is not None and (text := growing.news()):
                yield text

    def _refusal(self, found: Completion) -> BackendError | NoArticlesError:
        if found.error is not None:
            return BackendError(f"the answer could not be made: {found.error}")
        sampling = self._sampling
        return NoArticlesError(
            f"the prompt has {found.prompt_tokens} tokens; with max_tokens {sampling.max_tokens} it does not "
            f"fit context_tokens {sampling.context_tokens}; shorten the text or raise sampling.context_tokens"
        )

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> Iterator[Scored]:
        """What the model expects at every position of each prompt's own part and the answer given."""
        opened = self._opened()
        tokens = [(opened.tokens.of_prompt(p), opened.tokens.of_answer(answer)) for p, answer in texts]
        try:
            yield from scored(Reader(opened.model, opened.device), tokens)
        except ENGINE_ERRORS as error:
            raise BackendError(one_line(error)) from error

    def rendered(self, prompt: Prompt) -> str:
        """The conversation as the text the model reads, without the token that begins it."""
        template = self._opened().tokens.template
        return template.without_bos(template.render_prompt(prompt))

    def token_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """That text as tokens."""
        return self._opened().tokens.of_prompt(prompt)

    def stop_tokens(self) -> StopTokens:
        """The tokens that end an answer."""
        opened = self._opened()
        return StopTokens({token: opened.tokens.name(token) for token in sorted(opened.ends)})

    def first_logprobs(self, prompt: Prompt, k: int) -> tuple[TokenProbability, ...]:
        """The k likeliest first tokens of an answer, likeliest first."""
        opened, read = self._opened(), self.token_ids(prompt)
        _, logits = Reader(opened.model, opened.device).read(read)
        likeliest = logits.log_softmax(dim=0).topk(min(k, len(logits)))
        pairs = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
        after = opened.tokens.text_after
        return tuple(TokenProbability(token, after(read[-1], token), value) for token, value in pairs)

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""
        opened, self._open = self._open, None
        if opened is None:
            return
        details = {**self.loaded.details, "speed": asdict(self._speed)}
        if opened.device.type == "cuda":
            details["peak_gpu_bytes"] = torch.cuda.max_memory_allocated(opened.device)
        update = {"peak_memory_bytes": self._memory.read_bytes(), "details": details}
        self.loaded = self.loaded.model_copy(update=update)
        opened.release()
        del opened
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _opened(self) -> Opened:
        if self._open is None:
            raise BackendError("this session is closed; open the arm again")
        return self._open

    def _overflows(self, prompt: Sequence[int]) -> bool:
        return len(prompt) + self._sampling.max_tokens > self._sampling.context_tokens
