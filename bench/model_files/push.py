"""Writes a model's folder to the hub as one commit.

    bench models push exports/mine/gguf OWNER/NAME [--public] [--dry-run]

In: a folder of an export (or an adapter's) with its card, and `owner/name`. Out: the commit's address. The
token comes from HF_TOKEN and stands in no message; HF_ENDPOINT names another hub. Large files go first, one
after the other, and the hub keeps each: after a stop the same command sends only what is missing. Nothing
becomes public without a licence, and no export that is not the model is sent at all.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench.datasets._hub import endpoint, hub_errors, token
from bench.errors import (
    BackendError,
    ConfigError,
    MissingExtraError,
    ModelFileError,
    UsageError,
)
from bench.evaluation.folder import ARM
from bench.model_files import export_folder
from bench.model_files.export_folder import PAGE, REJECTED

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_KINDS = frozenset({".safetensors", ".gguf", ".json", ".jinja", ".model", ".txt", ".md", ".yaml"})
"""What a model's folder is made of; anything else was not made by an export."""
_LARGE = frozenset({".safetensors", ".gguf"})
_CHANGED = "somebody else changed the repository at the same time; run the same command again"
_REFUSALS = {
    401: "the hub does not know the token in HF_TOKEN; put a valid one into it",
    403: "the token in HF_TOKEN may not write there; use one with write access, or another owner",
    409: _CHANGED,
    412: _CHANGED,
    413: "the hub takes no file of that size; export with a smaller --shard-size",
}
_PASSING = frozenset({409, 412})
Told = Callable[[str], None]


class Pushed(NamedTuple):
    """What was, or would be, written."""

    repo: str
    files: dict[str, int]
    """Bytes of each file."""
    commit: str | None
    """The commit's id; None where it was a dry run."""
    url: str | None
    """The commit's address."""


def push(
    folder: Path,
    repo: str,
    *,
    public: bool = False,
    dry_run: bool = False,
    told: Told = lambda step: None,
) -> Pushed:
    """Write the folder to `repo`; BenchErrors say what is missing or what the hub refused."""
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo!a} is not of the form owner/name")
    files = _files(folder)
    _refuse_other_content(folder)
    head = _front_matter(folder / PAGE)
    if public and not head.get("license"):
        raise UsageError(
            f"{folder / PAGE}: names no license; export with --license, or push without --public"
        )
    sizes = {name: path.stat().st_size for name, path in files.items()}
    if dry_run:
        return Pushed(repo, sizes, None, None)
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError('huggingface_hub is not installed; run: pip install "bench[hub]"')
    if token() is None:
        raise ConfigError("HF_TOKEN is not set; put a token with write access into it")
    return _pushed(files, sizes, repo, private=not public, told=told)


def _files(folder: Path) -> dict[str, Path]:
    """The files of a model's folder, by name; refuses links, and kinds that no model is made of."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name one of an export, such as OUT/gguf or OUT/fp16")
    if (folder / export_folder.FACTS).is_file():
        forms = ", ".join(
            sorted(str(path) for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
        )
        raise UsageError(f"{folder}: a whole export; name one of its folders: {forms}")
    if (folder / ARM).is_file():
        adapter = folder / "adapter"
        own = f", or push its adapter alone ({adapter})" if adapter.is_dir() else ""
        raise UsageError(
            f"{folder}: a training; export it (`bench models export {folder} --to fp16 --out OUT`) and push "
            f"a folder of the export{own}"
        )
    if REJECTED in folder.resolve().parts:
        raise ModelFileError(f"{folder}: was found not to be the model it was exported from; it is not sent")
    found = {path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
    odd = [
        name
        for name, path in found.items()
        if path.is_symlink() or not path.is_file() or path.suffix not in _KINDS
    ]
    if odd:
        raise UsageError(
            f"{folder / odd[0]}: a link, a folder, or of a kind that no model is made of; name a folder that "
            "holds a model's files alone, such as OUT/gguf or OUT/fp16"
        )
    if not any(path.suffix in _LARGE for path in found.values()):
        raise UsageError(f"{folder}: holds no weights; name a folder such as OUT/gguf or OUT/fp16")
    if PAGE not in found:
        raise ConfigError(f"{folder}: holds no {PAGE}; `bench models export` writes one")
    return found


def _refuse_other_content(folder: Path) -> None:
    """ModelFileError where a form is no longer what was exported and compared."""
    out = folder.resolve().parent
    for one in export_folder.read_facts(out).get("forms", {}).values():
        path = folder / one["file"] if one["kind"] == "gguf" else out / one["file"]
        mine = path.parent == folder if one["kind"] == "gguf" else path == folder.resolve()
        if mine and one["published"] and path.exists() and export_folder.digest_of(path) != one["digest"]:
            raise ModelFileError(f"{path}: is not what was exported and compared; export it again")


def _front_matter(page: Path) -> dict[str, Any]:
    text = page.read_bytes()[: 1 << 16].decode("utf-8", "replace")
    try:
        found = yaml.safe_load(text.split("---\n", 2)[1]) if text.startswith("---\n") else {}
    except (yaml.YAMLError, RecursionError, IndexError) as error:
        raise ConfigError(f"{page}: its front matter is not YAML; export again") from error
    return found if isinstance(found, dict) else {}


def _pushed(files: dict[str, Path], sizes: dict[str, int], repo: str, *, private: bool, told: Told) -> Pushed:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    api = HfApi(endpoint=endpoint(), token=token())
    operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    with hub_errors(repo), _refusals(repo):
        api.create_repo(repo, private=private, exist_ok=True)
        for operation in operations:
            name = operation.path_in_repo
            if files[name].suffix in _LARGE:
                told(f"sending {name} ({sizes[name]:,} bytes)")
                api.preupload_lfs_files(repo, [operation], free_memory=False)
        n_bytes = sum(sizes.values())
        told(f"committing {len(files)} files ({n_bytes:,} bytes)")
        made = api.create_commit(repo, operations, commit_message=f"Upload {len(files)} files")
    return Pushed(repo, sizes, str(made.oid), str(made.commit_url))


@contextmanager
def _refusals(repo: str) -> Iterator[None]:
    """What the hub refuses, with what to do; the rest is `hub_errors`'s."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HfHubHTTPError as error:
        status = None if error.response is None else error.response.status_code
        if status not in _REFUSALS:
            raise
        kind = BackendError if status in _PASSING else ConfigError
        raise kind(f"{repo}: {_REFUSALS[status]}") from error
    except RuntimeError as error:  # how its client tells that a large file did not arrive
        raise BackendError(
            f"{repo}: {' '.join(str(error).split())[:200]} What arrived stays; run the same command again"
        ) from error
