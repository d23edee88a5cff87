"""The text of an answer as it comes, up to its first JSON object where it ends there.

In: pieces of text. Out: the pieces that belong to the answer. It decides nothing about their worth.
"""

from __future__ import annotations

from bench.backends._json_end import JsonEnd


class GrowingText:
    """The text of an answer, up to its first object where it ends there."""

    def __init__(self, *, until_json: bool) -> None:
        self._pieces: list[str] = []
        self._end = JsonEnd() if until_json else None
        self._n_bytes = 0
        self.is_whole = False
        """Whether its first object is complete, so that nothing more belongs to it."""
        self.n_dropped = 0
        """Pieces that came after that."""

    @property
    def text(self) -> str:
        """What came so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """Take in the next piece; the part of it that belongs to the answer."""
        if not piece or self.is_whole:
            self.n_dropped += bool(piece)
            return ""
        if self._end is not None:
            raw = piece.encode("utf-8", "surrogatepass")
            place = self._end.add(raw)
            if place is not None:
                self.is_whole = True
                kept = raw[: place - self._n_bytes]
                self.n_dropped += len(kept) < len(raw)
                piece = kept.decode("utf-8", "surrogatepass")
            self._n_bytes += len(raw)
        self._pieces.append(piece)
        return piece
