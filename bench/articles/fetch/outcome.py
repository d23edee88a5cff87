"""What becomes of one request: a page, or the reason why there is none.

In: nothing. Out: the two records that everything which fetches speaks of. It does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Reason = Literal[
    "address", "scheme", "robots", "status", "redirects", "timeout", "too_large", "content_type", "encoding",
    "network", "retry_after", "not_cached",
]  # fmt: skip


@dataclass(frozen=True)
class Fetched:
    """A document as it came, decompressed."""

    url: str
    """The address that was asked for."""
    final_url: str
    """The address after redirects."""
    content: bytes
    content_type: str | None
    fetched_at: datetime
    etag: str | None = None
    last_modified: str | None = None
    from_cache: bool = False


class FetchError(Exception):
    """Why a document could not be fetched; `str(error)` is one line for the user."""

    def __init__(
        self, reason: Reason, text: str, *, is_passing: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.is_passing = is_passing
        """Whether another attempt may succeed."""
        self.retry_after_s = retry_after_s
        """How long the server asks to wait."""
