"""Documents kept between calls, one file each, by address.

In: documents. Out: the same ones, with their age left to the reader. A file is a line of JSON (address,
time, validators, length and digest of the body) and the body; a file that is torn or changed is no file. What
is kept was decompressed and within the size limit. It decides nothing about freshness.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs

from bench import store
from bench.articles.fetch.outcome import Fetched
from bench.errors import disk_errors

_FIELDS = ("url", "final_url", "content_type", "etag", "last_modified")


class Cache:
    """A folder of documents; safe to share, since files are replaced whole."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder or platformdirs.user_cache_path("bench") / "http"

    def get(self, url: str) -> Fetched | None:
        """The document last kept for an address."""
        try:
            head, _, body = self._path(url).read_bytes().partition(b"\n")
            record: dict[str, Any] = json.loads(head)
            if record["url"] != url or record["sha256"] != hashlib.sha256(body).hexdigest():
                return None
            fields = {name: record[name] for name in _FIELDS}
            at = datetime.fromisoformat(record["fetched_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Fetched(content=body, fetched_at=at, from_cache=True, **fields)

    def put(self, page: Fetched) -> None:
        """Keep a document, in the place of an earlier one; StorageError."""
        record: dict[str, Any] = {name: getattr(page, name) for name in _FIELDS}
        record["fetched_at"] = page.fetched_at.isoformat()
        record["sha256"] = hashlib.sha256(page.content).hexdigest()
        path = self._path(page.url)
        with disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        store.write_whole(path, json.dumps(record).encode("utf-8") + b"\n" + page.content)

    def _path(self, url: str) -> Path:
        name = hashlib.sha256(url.encode("utf-8", "backslashreplace")).hexdigest()
        return self.folder / name[:2] / f"{name[2:34]}.page"
