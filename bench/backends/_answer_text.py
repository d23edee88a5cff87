"""An answer's bytes as they come, up to the first stop text, as text that is right at every moment.

In: the bytes of one token after the other. Out: the text so far, and whether a stop text ended it.
A character or a stop text may be spread over several tokens. It knows nothing about tokens or engines.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from bench.backends._json_end import JsonEnd


class AnswerText:
    """The text of one answer while it grows."""

    def __init__(self, stop: Iterable[str] = (), *, until_json: bool = False) -> None:
        self._stop = tuple(text.encode("utf-8") for text in stop)
        self._held_bytes = max((len(text) for text in self._stop), default=1) - 1
        self._raw = bytearray()
        self._json_end = JsonEnd() if until_json else None
        self._n_shown = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.stopped = False
        """Whether a stop text has come, or the object was whole; what follows is not part of the answer."""

    def add(self, piece: bytes) -> None:
        """Append one token's bytes."""
        searched = max(0, len(self._raw) - self._held_bytes)
        self._raw += piece
        found = [place for text in self._stop if (place := self._raw.find(text, searched)) >= 0]
        if found:
            del self._raw[min(found) :]
            self.stopped = True
        elif self._json_end is not None and (end := self._json_end.add(piece)) is not None:
            del self._raw[end:]
            self.stopped = True

    def news(self) -> str:
        """What can be shown that was not shown yet; what may be the beginning of a stop text waits."""
        until = len(self._raw) if self.stopped else len(self._raw) - self._held_bytes
        return self._show(until, final=False)

    def rest(self) -> str:
        """What was still held back, once nothing more comes."""
        return self._show(len(self._raw), final=True)

    def text(self) -> str:
        """The whole answer; bytes that are no UTF-8 become U+FFFD."""
        return self._raw.decode("utf-8", "replace")

    def _show(self, until: int, *, final: bool) -> str:
        fresh = bytes(self._raw[self._n_shown : max(until, self._n_shown)])
        self._n_shown += len(fresh)
        return self._decoder.decode(fresh, final)
