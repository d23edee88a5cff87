"""A model file from the Hugging Face hub: `hf://owner/repo`, one file, one pinned commit.

In: a reference with its options. Out: the path of the downloaded file in the hub's own cache. A
branch or tag is refused, because it may be another model tomorrow. It checks no content: the digest
and the file's structure are looked at where every file's are.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import NamedTuple

from bench.errors import BackendError, ConfigError, MissingExtraError, ModelFileError

PREFIX = "hf://"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FILE = re.compile(r"(?:[A-Za-z0-9][\w.+-]*/)*[A-Za-z0-9][\w.+-]*\.gguf", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REMEDY = 'pip install "bench[hub]"'


class HubFile(NamedTuple):
    """One file of one commit of one repository."""

    repo: str
    file: str
    revision: str

    def __str__(self) -> str:
        """As shown in messages."""
        return f"{PREFIX}{self.repo}/{self.file}@{self.revision[:8]}"


def is_hub_reference(ref: str) -> bool:
    """Whether an arm's ref names a repository instead of a path."""
    return ref.startswith(PREFIX)


def hub_file(arm: str, ref: str, file: str | None, revision: str | None) -> HubFile:
    """The pinned file that ref and options name; ConfigError says what is missing."""
    repo = ref.removeprefix(PREFIX)
    if not _REPO.fullmatch(repo):
        raise ConfigError(f"arm {arm}: ref {ref!r} is not of the form {PREFIX}owner/repo")
    if file is None or not _FILE.fullmatch(file):
        raise ConfigError(f"arm {arm}: {ref} needs `options.file`, the name of one .gguf file in it")
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"arm {arm}: {ref} needs `options.revision`, the 40 hex digits of a commit (a branch or tag may "
            "be another model tomorrow); the repository's history page on the hub shows them"
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(f"arm {arm}: huggingface_hub is not installed; run: {_REMEDY}")
    return HubFile(repo, file, revision)


def cached(wanted: HubFile) -> Path | None:
    """The file where it was downloaded before; None where it has to be fetched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(wanted.repo, wanted.file, revision=wanted.revision)
    return Path(found) if isinstance(found, str) else None


def download(wanted: HubFile) -> Path:
    """Fetch the file unless it is cached. HF_ENDPOINT and HF_HOME are honoured."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(
            hf_hub_download(
                wanted.repo,
                wanted.file,
                revision=wanted.revision,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
            )
        )
    except errors.GatedRepoError as error:
        raise ModelFileError(
            f"{wanted}: its owner asks for consent; give it on the repository's page, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelFileError(
            f"{wanted}: no such repository; correct `ref` (or log in if it is private)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelFileError(f"{wanted}: no such commit; correct `options.revision`") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelFileError(f"{wanted}: no such file in that commit; correct `options.file`") from error
    except (
        errors.LocalEntryNotFoundError,
        errors.HfHubHTTPError,
        errors.FileMetadataError,
        OSError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackendError(f"{wanted}: the hub did not give it ({reason}); try again later") from error
