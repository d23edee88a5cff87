"""How well a model foretells raw text: the surprise of its tokens in nats, read in windows.

In: a loaded model; texts without a conversation around them. Out: a TextSurprise a text. No chat template is
needed and nothing is sampled. Sums are made where the model is, so that no logits of a whole text are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from bench.backends import TextSurprise
from bench.backends.hf import rope
from bench.backends.hf.loading import learned_positions
from bench.backends.hf.rows import Reader
from bench.backends.hf.schedule import ENGINE_ERRORS
from bench.errors import BackendError, UsageError, one_line

POSITIONS_AT_ONCE = 256


class HfTextReader:
    """One model in memory that is only read with. Used by one thread, closed once."""

    def __init__(
        self, model: Any, tokenizer: Any, before: Sequence[int], release: Callable[[], None]
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._before = tuple(before)
        """Tokens of a learned prompt: they stand before every text, and nothing foretells them."""
        self._release = release

    def text_surprise(self, texts: Sequence[str], window: int, stride: int) -> Iterator[TextSurprise]:
        """How well the model foretells each text; a learned prompt stands in its first window alone."""
        if self._model is None:
            raise BackendError("this reader is closed; open the arm again")
        limit = learned_positions(self._model)
        if limit is not None and window > limit:
            raise UsageError(f"the model has learned {limit} positions; read no wider windows")
        rope.refuse_growing("the model", self._model.config.to_dict(), window, "the window")
        rope.fix_frequencies(self._model, window)
        reader = Reader(self._model, self._model.device)
        for text in texts:
            tokens, n_bytes = text_tokens(self._tokenizer, text)
            first = len(self._before) + 1
            try:
                nats = surprise(reader, (*self._before, *tokens), window, stride, first)
            except ENGINE_ERRORS as error:
                raise BackendError(one_line(error)) from error
            yield TextSurprise(nats, max(len(tokens) - 1, 0), n_bytes)

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""
        if self._model is None:
            return
        self._model = None
        self._release()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def text_tokens(tokenizer: Any, text: str) -> tuple[tuple[int, ...], int]:
    """A text with the token that begins one, and the UTF-8 bytes of what follows the first token.

    That token is the tokenizer's own first one, else the one that ends a text (GPT-2 is trained with it
    between documents); where there is neither, the text's first token stands for it. Names of control tokens
    are text, and a lone surrogate is shown as what it is.
    """
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    # verbose warns of texts that are longer than the model reads, which are read in windows
    found = tokenizer(clean, add_special_tokens=False, split_special_tokens=True, verbose=False)
    tokens = tuple(found["input_ids"])
    start = tokenizer.bos_token_id
    start = tokenizer.eos_token_id if start is None else start
    n_bytes = len(clean.encode("utf-8"))
    if start is not None:
        return (int(start), *tokens), n_bytes
    first = tokenizer.decode(list(tokens[:1]), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return tokens, n_bytes - len(first.encode("utf-8"))


# ---------------------------------------------------------------- windows


class Window(NamedTuple):
    """What is read at once of a long text, by place of its tokens."""

    begin: int
    end: int
    """Past the last."""
    first: int
    """The first that is foretold here; those before it are context."""


def windows(n_tokens: int, window: int, stride: int, first: int = 1) -> Iterator[Window]:
    """Windows of at most `window` tokens that foretell every token from `first` (at least 1) on once.

    They begin `stride` tokens after one another, so that a token of a later window has at least
    window - stride tokens before it. ValueError unless 1 <= stride < window,
    or where what goes before `first` fills a window.
    """
    if not 1 <= stride < window:
        raise ValueError(f"a stride of {stride} in windows of {window}; at least 1, less than a window")
    if first >= window:
        raise ValueError(f"{first} tokens stand before the text, which leaves no room in windows of {window}")
    begin, done = 0, first
    while done < n_tokens:
        end = min(begin + window, n_tokens)
        yield Window(begin, end, done)
        begin, done = begin + stride, end


def surprise(reader: Reader, tokens: Sequence[int], window: int, stride: int, first: int = 1) -> float:
    """Negative log-likelihood, in nats, of every token from `first` on."""
    return sum(_window_surprise(reader, tokens, part) for part in windows(len(tokens), window, stride, first))


def _window_surprise(reader: Reader, tokens: Sequence[int], part: Window) -> float:
    kept, total = None, 0.0
    # the logits after a token foretell the next one; what is context alone needs none
    if part.first - 1 > part.begin:
        kept, _ = reader.read(tokens[part.begin : part.first - 1])
    for start in range(part.first - 1, part.end - 1, POSITIONS_AT_ONCE):
        stop = min(start + POSITIONS_AT_ONCE, part.end - 1)
        kept, logits = reader.read_all(tokens[start:stop], kept)
        following = torch.tensor(list(tokens[start + 1 : stop + 1]), device=logits.device)
        losses = torch.nn.functional.cross_entropy(logits, following, reduction="none")
        total += float(losses.double().sum())
    return total
