"""A classification head behind the interface of every backend: a labelled answer with its probability.

In: the article of a prompt, without a conversation around it, after the instruction that the model was
trained with where it was. Out: the answer that the task's schema asks
for, written from the head's probabilities, so that the validator judges it like any other text: a bare label
or letter where that is the answer's form, else the JSON object with

    score        the expected value: the sum of each label's score times its probability
    confidence   the likeliest label's probability
    label        in a text field with choices, the likeliest label
    text         any other text field says that a classifier answered, with all probabilities

A bare label states no confidence; the completion carries the likeliest label's probability beside it.
Nothing is drawn, so sampling does not apply and every iteration would be the same: one is asked for. A
schema with any other field cannot be served and is refused. An article that the model cannot read whole
is `context_overflow`; it is never cut.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

from bench import choices
from bench.backends import Answer, Request
from bench.backends.hf.labels import Labels
from bench.backends.hf.rows import without_gradients
from bench.classifiers.reading import token_ids
from bench.errors import BackendError, NoArticlesError, one_line
from bench.memory import PeakMemory
from bench.records import AnswerSchema, Completion, LoadedModel, Prompt, Sampling

_ENGINE_ERRORS = (RuntimeError, IndexError, ValueError)
_DIGITS = 6


class OpenedClassifier(NamedTuple):
    """What a session works with until it is closed."""

    model: Any
    tokenizer: Any
    labels: Labels
    instruction: str | None
    """What is read before every article."""
    release: Callable[[], None]
    """Undo what opening changed for the whole process."""


class ClassifierSession:
    """One classifier in memory. Used by one thread, closed once."""

    def __init__(
        self, opened: OpenedClassifier, sampling: Sampling, loaded: LoadedModel, memory: PeakMemory
    ) -> None:
        self.loaded = loaded
        """What was loaded; its peak memory is final once the session is closed."""
        self._open: OpenedClassifier | None = opened
        self._sampling = sampling
        self._memory = memory
        self._most_tokens = longest_input(opened.model.config, opened.tokenizer)

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed; the seeds of a request have the same answer."""
        for prompt, seeds in requests:
            found: Completion | None = None
            for seed_index in range(len(seeds)):
                if found is None or not reuse:
                    found = self._answer(prompt)
                yield Answer(prompt.id, seed_index, found)

    def stream(self, request: Request) -> Iterator[str]:
        """The answer, which comes whole."""
        found = self._answer(request.prompt)
        if found.error is not None:
            raise BackendError(f"the answer could not be made: {found.error}")
        if found.stop_reason == "context_overflow":
            raise NoArticlesError(
                f"the article has {found.prompt_tokens} tokens, the classifier reads at most "
                f"{self._most_tokens}; shorten the text"
            )
        yield found.text

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""
        opened, self._open = self._open, None
        if opened is None:
            return
        self.loaded = self.loaded.model_copy(update={"peak_memory_bytes": self._memory.read_bytes()})
        opened.release()

    def _answer(self, prompt: Prompt) -> Completion:
        if self._open is None:
            raise BackendError("this session is closed; open the arm again")
        admitted = time.perf_counter()
        text = prompt.text if prompt.text is not None else prompt.messages[-1].content
        ids = token_ids(self._open.tokenizer, text, self._open.instruction)
        sampling = self._sampling
        fits_run = len(ids) + sampling.max_tokens <= sampling.context_tokens
        if not fits_run or len(ids) > self._most_tokens:
            return Completion(stop_reason="context_overflow", prompt_tokens=len(ids))
        try:
            probabilities = self._probabilities(self._open.model, ids)
        except _ENGINE_ERRORS as error:
            return Completion(prompt_tokens=len(ids), error=one_line(error))
        return Completion(
            text=answer_text(self._open.labels, probabilities),
            confidence=round(max(probabilities), _DIGITS),
            stop_reason="stop",
            prompt_tokens=len(ids),
            cached_tokens=0,
            duration_s=time.perf_counter() - admitted,
            batch_size=1,
        )

    @without_gradients
    def _probabilities(self, model: Any, ids: list[int]) -> list[float]:
        logits = model(input_ids=torch.tensor([ids], dtype=torch.int64, device=model.device)).logits[0]
        found: list[float] = logits.to(torch.float64).softmax(dim=0).tolist()
        return found


def answer_text(labels: Labels, probabilities: list[float]) -> str:
    """The task's JSON object for these probabilities, in the order of the schema's fields."""
    by_label = dict(zip(labels.names, probabilities, strict=True))
    best = max(by_label, key=by_label.__getitem__)
    if labels.schema.form != "json":
        return _bare(best, labels.schema)
    answer: dict[str, Any] = {}
    for field in labels.schema.fields:
        if field.name == labels.schema.score:
            answer[field.name] = _expected(by_label, labels.scores)
        elif field.name == labels.schema.confidence:
            answer[field.name] = round(by_label[best], _DIGITS)
        elif field.choices is not None:
            answer[field.name] = best
        else:
            shares = ", ".join(f"{name} {p:.3f}" for name, p in by_label.items())
            answer[field.name] = f"A classifier answered, without reasoning: {shares}."
    return json.dumps(answer, ensure_ascii=False)


def _bare(label: str, schema: AnswerSchema) -> str:
    """A bare answer: the label or its letter, after the prefix that a model would be told to write."""
    text = next(text for text, meant in choices.texts(schema).items() if meant == label)
    return f"{schema.prefix} {text}" if schema.prefix and schema.prefix_as == "instruction" else text


def _expected(by_label: Mapping[str, float], scores: Mapping[str, float]) -> float:
    low, high = min(scores.values()), max(scores.values())
    value = sum(scores[name] * p for name, p in by_label.items())
    return round(min(high, max(low, value)), _DIGITS)


def longest_input(config: Any, tokenizer: Any) -> int:
    """Tokens that the model can read at once: its tokenizer says so, or its positions end there."""
    positions = getattr(config, "max_position_embeddings", None)
    return int(min(tokenizer.model_max_length, positions or tokenizer.model_max_length))
