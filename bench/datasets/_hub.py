"""What the hub's client raises, as ours; and which hub is meant.

In: a block that talks to the hub. Out: BenchErrors that say what and what to do, without the token.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import BackendError, ConfigError, one_line


def endpoint() -> str | None:
    """Another hub than the public one, where HF_ENDPOINT names it."""
    return os.environ.get("HF_ENDPOINT") or None


def token() -> str | None:
    """The token, from the environment and from nowhere else in a recipe or config."""
    return os.environ.get("HF_TOKEN") or None


@contextmanager
def hub_errors(shown: str) -> Iterator[None]:
    """Failures of the block as ours about `shown`."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigError(f"{shown}: its owner asks for consent; give it on the repository's page") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"{shown}: no such repository; correct the name, or set HF_TOKEN if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"{shown}: no such commit; correct `revision`") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ConfigError(f"{shown}: no such file in that commit; correct `file`") from error
    except (
        errors.LocalEntryNotFoundError,
        errors.HfHubHTTPError,
        errors.FileMetadataError,
        OSError,
        ValueError,  # a reply that is not the hub's
    ) as error:
        reason = one_line(error)
        secret = token()
        reason = reason.replace(secret, "***") if secret else reason
        raise BackendError(f"{shown}: the hub did not take or give it ({reason}); try again later") from error
