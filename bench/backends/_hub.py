"""What every backend that takes models from the Hugging Face hub has to ask and to say.

In: a reference `hf://owner/repo` and a revision. Out: the repository's name, or a ConfigError; the hub's
failures as ours. A branch or tag is refused, because it may be another model tomorrow.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import BackendError, ConfigError, MissingExtraError, ModelFileError, one_line

PREFIX = "hf://"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REMEDY = 'pip install "bench[hub]"'


def is_hub_reference(ref: str) -> bool:
    """Whether a reference names a repository instead of a path."""
    return ref.startswith(PREFIX)


def repository(arm: str, ref: str) -> str:
    """`owner/repo` of a reference; ConfigError where it is none."""
    repo = ref.removeprefix(PREFIX)
    if not _REPO.fullmatch(repo):
        raise ConfigError(f"arm {arm}: ref {ref!r} is not of the form {PREFIX}owner/repo")
    return repo


def commit(arm: str, ref: str, revision: str | None, option: str = "revision") -> str:
    """The pinned commit; ConfigError where there is none, MissingExtraError without the hub's client."""
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"arm {arm}: {ref} needs `options.{option}`, the 40 hex digits of a commit (a branch or tag may "
            "be another model tomorrow); the repository's history page on the hub shows them"
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(f"arm {arm}: huggingface_hub is not installed; run: {_REMEDY}")
    return revision


def endpoint() -> str | None:
    """Another hub than the public one, where HF_ENDPOINT names it."""
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def hub_errors(shown: str) -> Iterator[None]:
    """What the hub's client raises in the block, as ours about `shown`."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelFileError(
            f"{shown}: its owner asks for consent; give it on the repository's page, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelFileError(
            f"{shown}: no such repository; correct `ref` (or log in if it is private)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelFileError(f"{shown}: no such commit; correct `options.revision`") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelFileError(f"{shown}: no such file in that commit; correct `options.file`") from error
    except (
        errors.LocalEntryNotFoundError,
        errors.HfHubHTTPError,
        errors.FileMetadataError,
        OSError,
    ) as error:
        reason = one_line(error)
        raise BackendError(f"{shown}: the hub did not give it ({reason}); try again later") from error
