"""Text that somebody else wrote, made inert for a terminal.

In: any text. Out: the same text with control characters, escapes and surrogates written out, so that
it can move no cursor, set no colour and open no link. What CSV and workbooks need besides is done in
`bench.reports`.
"""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # controls, bidirectional marks, surrogates, private use


def inert(text: str) -> str:
    """`text` with every invisible or controlling character but newline and tab as `\\xNN` or `\\uNNNN`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
