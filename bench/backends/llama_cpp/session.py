"""One opened arm: requests in, completions out, each with its own seed, times and counts.

In: rendered prompts and seeds. Out: one Answer per seed, in the order they end. A failure of the engine
is a Completion with `error`; a prompt that does not fit `sampling.context_tokens` is one with
`context_overflow`, decided before any token. The first answer to a prompt pays for its prefill, and the
very first for the prefix that all prompts share; `cached_tokens` says what an answer found there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench.backends import Answer, Request, StopTokens, TokenProbability
from bench.backends._answer_text import AnswerText
from bench.backends.llama_cpp.engine import Engine, EngineError
from bench.backends.llama_cpp.sampler import row_sampler
from bench.backends.llama_cpp.schedule import PROMPT, Finished, Scheduler, Speed, Work
from bench.backends.llama_cpp.scoring import Scored, scored
from bench.chat_template import ChatTemplate, TemplateError
from bench.errors import BackendError, NoArticlesError
from bench.memory import PeakMemory
from bench.records import Completion, LoadedModel, Prompt, Sampling, TokenSpeed


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
        width: int,
    ) -> None:
        self.loaded = loaded
        """What was loaded; its peak memory and speed are final once the session is closed."""
        self._open: _Open | None = _Open(engine, template)
        self._sampling = sampling
        self._memory = memory
        self._grammar = grammar
        self._width = width
        self._speed = Speed()

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed. All requests are read first: what they share is found on all of them."""
        engine = self._opened().engine
        works: list[Work] = []
        prompt_ids: list[str] = []
        for request in requests:
            prompt_ids.append(request.prompt.id)
            refused = self._prompt_or_refusal(request.prompt)
            if isinstance(refused, Completion):
                for seed_index in range(len(request.seeds)):
                    yield Answer(request.prompt.id, seed_index, refused)
            else:
                works.append(Work(len(prompt_ids) - 1, np.array(refused, np.int32), request.seeds))
        scheduler = self._scheduler(engine, reuse=reuse and engine.can_fork)
        for finished in scheduler.run(works):
            completion = self._completion(engine, finished, scheduler.width)
            yield Answer(prompt_ids[finished.name], finished.seed_index, completion)

    def _prompt_or_refusal(self, prompt: Prompt) -> list[int] | Completion:
        try:
            tokens = self._prompt_tokens(prompt)
        except TemplateError as error:
            return Completion(error=f"the chat template failed: {error}")
        if self._overflows(tokens):
            return Completion(stop_reason="context_overflow", prompt_tokens=len(tokens))
        return tokens

    def _scheduler(self, engine: Engine, *, reuse: bool, watched: bool = False) -> Scheduler:
        """Rows for answers; without reuse there is one."""
        width = self._width if reuse else 1
        stop, until_json = self._sampling.stop, self._sampling.stop_on_json
        watches = watched or stop or until_json
        return Scheduler(
            engine,
            row_sampler(self._sampling, engine.vocabulary, width, self._grammar),
            width,
            self._sampling.max_tokens,
            watch=(lambda: AnswerText(stop, until_json=until_json)) if watches else None,
            share=reuse,
            speed=self._speed,
        )

    def _completion(self, engine: Engine, finished: Finished, width: int) -> Completion:
        if finished.error is not None:
            return Completion(prompt_tokens=finished.n_prompt, error=finished.error)
        text = finished.text
        if text is None:
            text = AnswerText()
            text.add(engine.vocabulary.bytes_of(finished.tokens))
        return Completion(
            text=text.text(),
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
        engine = self._opened().engine
        try:
            prompt = self._prompt_tokens(request.prompt)
        except TemplateError as error:
            raise BackendError(f"the answer could not be made: {error}") from error
        self._refuse_overflow(prompt)
        scheduler = self._scheduler(engine, reuse=False, watched=True)
        scheduler.begin([Work(0, np.array(prompt, np.int32), request.seeds[:1])])
        while scheduler.busy:
            for finished in scheduler.advance():
                if finished.error is not None or finished.text is None:
                    raise BackendError(f"the answer could not be made: {finished.error}")
                if text := finished.text.rest():
                    yield text
            growing = scheduler.growing(0)
            if growing is not None and (text := growing.news()):
                yield text

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> Iterator[Scored]:
        """What the model expects at every position of each prompt's own part and the answer given."""
        engine = self._opened().engine
        tokens = [(self._prompt_tokens(p), engine.vocabulary.tokenize_plain(answer)) for p, answer in texts]
        try:
            yield from scored(engine, [(np.array(p, np.int32), np.array(a, np.int32)) for p, a in tokens])
        except EngineError as error:
            raise BackendError(str(error)) from error

    def rendered(self, prompt: Prompt) -> str:
        """The conversation as the text the model reads, without the token that begins it."""
        template = self._opened().template
        return template.without_bos(template.render_prompt(prompt))

    def token_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """That text as tokens, with what the engine puts before it."""
        return tuple(self._prompt_tokens(prompt))

    def stop_tokens(self) -> StopTokens:
        """The tokens that end an answer."""
        vocabulary = self._opened().engine.vocabulary
        ends = np.flatnonzero(vocabulary.end_mask()).tolist()
        texts = {token: vocabulary.text_of(token) for token in ends}
        return StopTokens(texts, by_name=vocabulary.ends_by_name())

    def first_logprobs(self, prompt: Prompt, k: int) -> tuple[TokenProbability, ...]:
        """The k likeliest first tokens of an answer, likeliest first."""
        engine, tokens = self._opened().engine, np.array(self._prompt_tokens(prompt), np.int32)
        engine.make_room(len(tokens))
        try:
            logits = engine.prefill([(tokens, 0, PROMPT)])[0].astype(np.float64)
        except EngineError as error:
            raise BackendError(str(error)) from error
        finally:
            engine.clear()
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        likeliest = np.argsort(-logits, kind="stable")[:k].tolist()
        piece = engine.vocabulary.piece
        return tuple(
            TokenProbability(token, piece(token).decode("utf-8", "replace"), float(logits[token]))
            for token in likeliest
        )

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""
        opened, self._open = self._open, None
        if opened is None:
            return
        speed = self._speed
        update = {
            "peak_memory_bytes": self._memory.read_bytes(),
            "speed": TokenSpeed(
                prefill_tokens=speed.prefill_tokens,
                prefill_s=speed.prefill_s,
                decode_tokens=speed.decode_tokens,
                decode_s=speed.decode_s,
            ),
        }
        self.loaded = self.loaded.model_copy(update=update)
        opened.engine.close()

    def _opened(self) -> _Open:
        if self._open is None:
            raise BackendError("this session is closed; open the arm again")
        return self._open

    def _prompt_tokens(self, prompt: Prompt) -> list[int]:
        engine, template = self._opened()
        tokens = engine.vocabulary.tokenize(template.render_prompt(prompt))
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
