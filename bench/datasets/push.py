"""A built data set to the hub, as one commit.

In: a built folder whose files are as its card says, and `owner/name`. Out: the commit's address and id. The
token comes from HF_TOKEN and stands in no message; HF_ENDPOINT names another hub. A repository that is made
for it is private unless asked otherwise, and a set with a source whose licence nobody said is never made
public.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

from bench.datasets import folder
from bench.datasets._hub import endpoint, hub_errors, token
from bench.datasets.card import Card
from bench.errors import ConfigError, MissingExtraError, StorageError, UsageError

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_PAGE = "README.md"


class Pushed(NamedTuple):
    """What was, or would be, written."""

    repo: str
    files: tuple[str, ...]
    commit: str | None
    """The commit's id; None where it was a dry run."""
    url: str | None
    """The commit's address."""


def push(where: Path, repo: str, *, public: bool = False, dry_run: bool = False) -> Pushed:
    """Write the set to `repo`; ConfigError, UsageError or BackendError say what is missing."""
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo!a} is not of the form owner/name")
    card = folder.read_card(where)
    _check(where, card, public)
    names = [file.name for side in card.sides.values() for file in side.files.values()]
    files = (folder.CARD, _PAGE, *names)
    if dry_run:
        return Pushed(repo, files, None, None)
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError('huggingface_hub is not installed; run: pip install "bench[hub]"')
    if token() is None:
        raise ConfigError("HF_TOKEN is not set; put a token with write access into it")
    return _pushed(where, card, repo, files, names, private=not public)


def _check(where: Path, card: Card, public: bool) -> None:
    changed = folder.changed_files(where)
    if changed:
        raise StorageError(f"{where}: {changed[0]} is not what the card says; build it again")
    if public and card.unlicensed:
        raise UsageError(
            f"{card.name}: nobody said the licence of {', '.join(card.unlicensed)}; say `licence` in the "
            "recipe and build again, or push without --public"
        )


def _pushed(
    where: Path, card: Card, repo: str, files: tuple[str, ...], names: list[str], *, private: bool
) -> Pushed:
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [CommitOperationAdd(name, str(where / name)) for name in (folder.CARD, *names)]
    operations.append(CommitOperationAdd(_PAGE, hub_page(where, card).encode("utf-8")))
    api = HfApi(endpoint=endpoint(), token=token())
    with hub_errors(repo):
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        made = api.create_commit(
            repo, operations, commit_message=f"{card.name}: {card.n_rows} rows", repo_type="dataset"
        )
    return Pushed(repo, files, str(made.oid), str(made.commit_url))


def hub_page(where: Path, card: Card) -> str:
    """The card's page with the head by which the hub finds the files of each side."""
    lines = ["---", "configs:"]
    formats = dict.fromkeys(name for side in card.sides.values() for name in side.files)
    for name in formats:
        lines += [f"- config_name: {name}", "  data_files:"]
        for side, held in card.sides.items():
            if name in held.files:
                lines += [f"  - split: {side}", f"    path: {held.files[name].name}"]
    return "\n".join([*lines, "---", "", (where / folder.PAGE).read_text(encoding="utf-8")])
