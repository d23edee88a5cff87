"""Where the first JSON object of a growing text ends, found byte by byte without parsing it.

In: pieces of an answer. Out: the place after the brace that closes the first object. A brace inside a
string does not count; whether the object is any good is for the validator to say.
"""

from __future__ import annotations

_QUOTE, _BACKSLASH, _OPEN, _CLOSE = b'"\\{}'


class JsonEnd:
    """Follows one text."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._n_seen = 0

    def add(self, piece: bytes) -> int | None:
        """Take in the next piece; the place in the whole text where the object ended, if it did here."""
        for i, byte in enumerate(piece):
            if self._depth and self._ends(byte):
                return self._n_seen + i + 1
            if not self._depth and byte == _OPEN:
                self._depth = 1
        self._n_seen += len(piece)
        return None

    def _ends(self, byte: int) -> bool:
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif byte == _BACKSLASH:
                self._escaped = True
            elif byte == _QUOTE:
                self._in_string = False
        elif byte == _QUOTE:
            self._in_string = True
        elif byte == _OPEN:
            self._depth += 1
        elif byte == _CLOSE:
            self._depth -= 1
            return self._depth == 0
        return False
