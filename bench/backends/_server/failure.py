"""Everything that can go wrong between here and a server, as one line.

In: what httpx2 raised or a server said. Out: a ServerError. A secret given to `masked` does not leave.
"""

from __future__ import annotations

import re
from typing import Literal

_LONGEST = 300
_LEAST_SECRET_CHARS = 8
_NO_SUCH_ROUTE = {404, 405, 501}

Kind = Literal["connection", "busy", "broken", "refused", "garbled", "overflow"]


class ServerError(Exception):
    """One request came to nothing; the message is one line. It may quote the server: see `Wire.masked`.

    connection: no whole answer came          busy: it asks to come back later (429, 503)
    broken: it failed by itself (5xx)         refused: it will not take this request (4xx, redirects)
    garbled: what came is not what it speaks  overflow: the prompt is too long for it
    """

    def __init__(
        self,
        kind: Kind,
        text: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        prompt_tokens: int | None = None,
    ) -> None:
        super().__init__(one_line(text))
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s
        self.prompt_tokens = prompt_tokens

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed in a moment."""
        return self.kind in {"connection", "busy", "broken"}

    @property
    def is_unknown_route(self) -> bool:
        """Whether the server has nothing at this address."""
        return self.status in _NO_SUCH_ROUTE


def one_line(text: str) -> str:
    """`text` in one line of printable characters, cut where it is long."""
    flat = " ".join(re.sub(r"[^\x20-\x7e\u00a1-\ud7ff\ue000-\ufffd]", " ", text).split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST] + " ..."


def masked(text: str, secret: str | None) -> str:
    """`text` with every occurrence of the secret struck out, its first half where a text was cut included."""
    if not secret:
        return text
    text, n_shown = text.replace(secret, "***"), max(_LEAST_SECRET_CHARS, len(secret) // 2)
    if len(secret) <= n_shown:
        return text
    return re.sub(re.escape(secret[:n_shown]) + r"\S*", "***", text)
