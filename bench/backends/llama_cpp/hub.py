"""A model file from the Hugging Face hub: `hf://owner/repo`, one file, one pinned commit.

In: a reference with its options. Out: the path of the downloaded file in the hub's own cache. It checks
no content: the digest and the file's structure are looked at where every file's are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from bench.backends import _hub
from bench.backends._hub import PREFIX, is_hub_reference
from bench.errors import ConfigError

__all__ = ["PREFIX", "HubFile", "cached", "download", "hub_file", "is_hub_reference"]

_FILE = re.compile(r"(?:[A-Za-z0-9][\w.+-]*/)*[A-Za-z0-9][\w.+-]*\.gguf", re.ASCII)


class HubFile(NamedTuple):
    """One file of one commit of one repository."""

    repo: str
    file: str
    revision: str

    def __str__(self) -> str:
        """As shown in messages."""
        return f"{PREFIX}{self.repo}/{self.file}@{self.revision[:8]}"


def hub_file(arm: str, ref: str, file: str | None, revision: str | None) -> HubFile:
    """The pinned file that ref and options name; ConfigError says what is missing."""
    repo = _hub.repository(arm, ref)
    if file is None or not _FILE.fullmatch(file):
        raise ConfigError(f"arm {arm}: {ref} needs `options.file`, the name of one .gguf file in it")
    return HubFile(repo, file, _hub.commit(arm, ref, revision))


def cached(wanted: HubFile) -> Path | None:
    """The file where it was downloaded before; None where it has to be fetched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(wanted.repo, wanted.file, revision=wanted.revision)
    return Path(found) if isinstance(found, str) else None


def download(wanted: HubFile) -> Path:
    """Fetch the file unless it is cached. HF_ENDPOINT and HF_HOME are honoured."""
    from huggingface_hub import hf_hub_download

    with _hub.hub_errors(str(wanted)):
        return Path(
            hf_hub_download(wanted.repo, wanted.file, revision=wanted.revision, endpoint=_hub.endpoint())
        )
