"""A model or adapter from the Hugging Face hub: `hf://owner/repo` at one pinned commit.

In: a reference with its revision. Out: the folder in the hub's own cache. Only what `model_folder` reads
is fetched: configs, tokenizers and safetensors, never pickles or code.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bench.backends import _hub
from bench.backends.hf.model_folder import ADAPTER_CONFIG, TEXT_FILES
from bench.errors import ModelFileError

PATTERNS = (*TEXT_FILES, ADAPTER_CONFIG, "*.safetensors")
is_hub_reference = _hub.is_hub_reference


class HubFolder(NamedTuple):
    """One commit of one repository."""

    repo: str
    revision: str

    def __str__(self) -> str:
        """As shown in messages."""
        return f"{_hub.PREFIX}{self.repo}@{self.revision[:8]}"


def hub_folder(arm: str, ref: str, revision: str | None, option: str = "revision") -> HubFolder:
    """The pinned repository that ref and options name; ConfigError says what is missing."""
    return HubFolder(_hub.repository(arm, ref), _hub.commit(arm, ref, revision, option))


def cached(wanted: HubFolder) -> Path | None:
    """The folder where any of it was fetched before; None where the cache knows that a file is missing."""
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(
            snapshot_download(
                wanted.repo, revision=wanted.revision, allow_patterns=list(PATTERNS), local_files_only=True
            )
        )
    except (errors.LocalEntryNotFoundError, OSError):
        return None


def is_known_whole(folder: Path) -> bool:
    """Whether the cache knows the commit's files, so that `cached` has missed none of them.

    Fetching a whole commit leaves that list; a program that fetches single files leaves none.
    """
    return (folder.parent.parent / "trees" / f"{folder.name}.json").is_file()


def download(wanted: HubFolder) -> Path:
    """Fetch what is not cached yet. HF_ENDPOINT and HF_HOME are honoured."""
    from huggingface_hub import snapshot_download

    with _hub.hub_errors(str(wanted)):
        folder = Path(
            snapshot_download(
                wanted.repo,
                revision=wanted.revision,
                allow_patterns=list(PATTERNS),
                endpoint=_hub.endpoint(),
            )
        )
    if not any(folder.iterdir()):
        raise ModelFileError(f"{wanted}: holds neither a config nor safetensors; correct `ref`")
    return folder
