"""A loaded model's tokens: text to tokens, tokens to bytes, and which tokens mean something special.

In: a native model. Out: token ids and bytes. It renders no template and decides no stop text.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.backends.llama_cpp.native import library, metadata

_PIECE_BYTES = 256
_STATED_ENDS = tuple(f"tokenizer.ggml.{kind}_token_id" for kind in ("eos", "eot", "eom"))


class Vocabulary:
    """The vocabulary of one native model; usable as long as the model is."""

    def __init__(self, model: Any) -> None:
        self._lib = library()
        self._model = model
        self._vocab = self._lib.llama_model_get_vocab(model)
        self.n_tokens: int = self._lib.llama_vocab_n_tokens(self._vocab)
        self._pieces: dict[int, bytes] = {}
        self._end_mask: npt.NDArray[np.bool_] | None = None

    @property
    def native(self) -> Any:
        """The engine's own pointer."""
        return self._vocab

    def text_of(self, token: int) -> str:
        """A token's own text in the vocabulary, "" where there is no such token (-1)."""
        if not 0 <= token < self.n_tokens:
            return ""
        text: bytes | None = self._lib.llama_vocab_get_text(self._vocab, token)
        return (text or b"").decode("utf-8", "replace")

    @property
    def bos(self) -> int:
        """The token that begins a text, -1 where there is none."""
        return int(self._lib.llama_vocab_bos(self._vocab))

    @property
    def eos(self) -> int:
        """The token that ends a text, -1 where there is none."""
        return int(self._lib.llama_vocab_eos(self._vocab))

    def control_texts(self) -> list[str]:
        """The texts that the tokenizer reads as control tokens instead of as text.

        Tokens that a model maker merely added (user-defined) are ordinary text and not among them.
        """
        mask = self._lib.LLAMA_TOKEN_ATTR_CONTROL | self._lib.LLAMA_TOKEN_ATTR_UNKNOWN
        attr = self._lib.llama_vocab_get_attr
        return [self.text_of(i) for i in range(self.n_tokens) if attr(self._vocab, i) & mask]

    def tokenize(self, text: str) -> list[int]:
        """The tokens of a rendered conversation, with BOS once where the model wants one."""
        tokens = self._tokenize(text.encode("utf-8", "replace"))
        bos = self.bos
        # the template may have written it already; the engine would add a second one
        if self._lib.llama_vocab_get_add_bos(self._vocab) and bos >= 0 and tokens[:1] != [bos]:
            return [bos, *tokens]
        return tokens

    def tokenize_plain(self, text: str) -> list[int]:
        """The tokens of a text that continues another: no token in front."""
        return self._tokenize(text.encode("utf-8", "replace"), special=False)

    def _tokenize(self, raw: bytes, *, special: bool = True) -> list[int]:
        size = len(raw) + 16
        while True:
            buffer = (ctypes.c_int32 * size)()
            n = self._lib.llama_tokenize(self._vocab, raw, len(raw), buffer, size, False, special)
            if n >= 0:
                return list(buffer[:n])
            size = -n  # what it would have needed

    def end_mask(self) -> npt.NDArray[np.bool_]:
        """For every token whether it ends an answer; not to be written to."""
        if self._end_mask is None:
            is_eog = self._lib.llama_vocab_is_eog
            ends = (is_eog(self._vocab, token) for token in range(self.n_tokens))
            self._end_mask = np.fromiter(ends, np.bool_, self.n_tokens)
        return self._end_mask

    def ends_by_name(self) -> frozenset[int]:
        """The ends that the file does not state: the engine takes some texts for ends in every vocabulary."""
        stated = {metadata(self._model, key) for key in _STATED_ENDS}
        ends: list[int] = np.flatnonzero(self.end_mask()).tolist()
        return frozenset(token for token in ends if str(token) not in stated)

    def piece(self, token: int) -> bytes:
        """The bytes of one token of an answer; a control token is shown by its name, not hidden."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._piece(token)
        return found

    def bytes_of(self, tokens: npt.NDArray[np.int32]) -> bytes:
        """The bytes of a whole answer."""
        return b"".join(map(self.piece, tokens.tolist()))

    def _piece(self, token: int) -> bytes:
        size = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            n = self._lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, True)
            if n >= 0:
                return buffer.raw[:n]
            size = -n

    def ends_answer(self, token: int) -> bool:
        """Whether the model says by this token that its turn is over."""
        return bool(self.end_mask()[token])
