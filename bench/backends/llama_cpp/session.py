"""One opened arm: requests in, completions out, each with its own seed, times and counts.

In: rendered prompts and seeds. Out: one Answer per seed. A failure of the engine is a Completion with
`error`; a prompt that does not fit `sampling.context_tokens` is one with `context_overflow`, decided
before any token. Sequential: the first answer to a prompt pays for its prefill (`cached_tokens` 0),
the others say what they found there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bench.backends import Answer, Request
from bench.backends.llama_cpp.answer_text import AnswerText
from bench.backends.llama_cpp.engine import Engine, EngineError
from bench.backends.llama_cpp.memory import PeakMemory
from bench.backends.llama_cpp.template import ChatTemplate, TemplateError
from bench.errors import BackendError, NoArticlesError
from bench.records import Completion, LoadedModel, Prompt, Sampling, StopReason


class _Open(NamedTuple):
    """What a session works with until it is closed."""

    engine: Engine
    template: ChatTemplate


class LlamaCppSession:
    """One model in memory. Used by one thread, closed once."""

    def __init__(
        self,
        engine: Engine,
        template: ChatTemplate,
        sampling: Sampling,
        loaded: LoadedModel,
        memory: PeakMemory,
        grammar: str | None,
    ) -> None:
        self.loaded = loaded
        """What was loaded; its peak memory is final once the session is closed."""
        self._open: _Open | None = _Open(engine, template)
        self._sampling = sampling
        self._memory = memory
        self._grammar = grammar

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One Answer per seed, in the order asked."""
        for request in requests:
            for seed_index, completion in enumerate(self._answers(request)):
                yield Answer(request.prompt.id, seed_index, completion)

    def _answers(self, request: Request) -> Iterator[Completion]:
        engine = self._opened().engine
        admitted = time.perf_counter()
        try:
            prompt = self._prompt_tokens(request.prompt)
        except TemplateError as error:
            for _ in request.seeds:
                yield Completion(error=f"the chat template failed: {error}")
            return
        if self._overflows(prompt):
            for _ in request.seeds:
                yield Completion(stop_reason="context_overflow", prompt_tokens=len(prompt))
            return
        is_prefilled = False
        for seed in request.seeds:
            try:
                if is_prefilled:
                    admitted = time.perf_counter()
                    n_cached = len(prompt) - 1 if engine.rewind() else 0
                else:
                    engine.prefill(prompt)
                    is_prefilled, n_cached = True, 0
                yield self._answer(engine, seed, admitted, len(prompt), n_cached)
            except EngineError as error:
                is_prefilled = False  # what is in memory now is anybody's guess
                yield Completion(prompt_tokens=len(prompt), error=str(error))

    def _answer(self, engine: Engine, seed: int, admitted: float, n_prompt: int, n_cached: int) -> Completion:
        answer, vocabulary = AnswerText(self._sampling.stop), engine.vocabulary
        stop_reason: StopReason = "length"
        n_tokens, ttft_s = 0, None
        for token in engine.tokens(self._sampling, seed, self._grammar):
            if ttft_s is None:
                ttft_s = time.perf_counter() - admitted
            if vocabulary.ends_answer(token):
                stop_reason = "stop"
                break
            n_tokens += 1
            answer.add(vocabulary.piece(token))
            if answer.stopped:
                stop_reason = "stop"
                break
        return Completion(
            text=answer.text(),
            stop_reason=stop_reason,
            prompt_tokens=n_prompt,
            cached_tokens=n_cached,
            completion_tokens=n_tokens,
            ttft_s=ttft_s,
            duration_s=time.perf_counter() - admitted,
            batch_size=1,
        )

    def stream(self, request: Request) -> Iterator[str]:
        """The text of the first seed's answer as it comes; character by character whole."""
        engine = self._opened().engine
        answer, vocabulary = AnswerText(self._sampling.stop), engine.vocabulary
        try:
            prompt = self._prompt_tokens(request.prompt)
            self._refuse_overflow(prompt)
            engine.prefill(prompt)
            for token in engine.tokens(self._sampling, request.seeds[0], self._grammar):
                if vocabulary.ends_answer(token):
                    break
                answer.add(vocabulary.piece(token))
                if text := answer.news():
                    yield text
                if answer.stopped:
                    break
        except (EngineError, TemplateError) as error:
            raise BackendError(f"the answer could not be made: {error}") from error
        if text := answer.rest():
            yield text

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""
        opened, self._open = self._open, None
        if opened is None:
            return
        self.loaded = self.loaded.model_copy(update={"peak_memory_bytes": self._memory.read_bytes()})
        opened.engine.close()

    def _opened(self) -> _Open:
        if self._open is None:
            raise BackendError("this session is closed; open the arm again")
        return self._open

    def _prompt_tokens(self, prompt: Prompt) -> list[int]:
        engine, template = self._opened()
        turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
        tokens = engine.vocabulary.tokenize(template.render(turns))
        if not tokens:
            raise TemplateError("it writes nothing")
        return tokens

    def _overflows(self, prompt: list[int]) -> bool:
        return len(prompt) + self._sampling.max_tokens > self._sampling.context_tokens

    def _refuse_overflow(self, prompt: list[int]) -> None:
        if self._overflows(prompt):
            sampling = self._sampling
            raise NoArticlesError(
                f"the prompt has {len(prompt)} tokens; with max_tokens {sampling.max_tokens} it does not fit "
                f"context_tokens {sampling.context_tokens}; shorten the text or raise sampling.context_tokens"
            )
