"""A file of a data set on the hub, at a pinned commit.

    - reader: hub
      path: owner/name
      revision: 0123...   # the 40 hex digits of a commit
      file: data/train.jsonl
      columns: {text: text, label: label}

In: a repository, a commit, the name of a .csv, .tsv or .jsonl file in it, and the columns. Out: its rows
as the reader `table` gives them. A branch or tag is refused: it may be another set tomorrow. The file is
kept in the hub client's own cache; HF_ENDPOINT, HF_HOME and HF_TOKEN are honoured.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from bench.datasets._hub import endpoint, hub_errors
from bench.datasets.readers import Counts
from bench.datasets.readers.table import TableOptions, table_rows
from bench.datasets.row import Row
from bench.errors import MissingExtraError
from bench.records import Text

LICENCE = None
CREDIT = None


class Options(TableOptions):
    """The repository (`path`), the commit and the file."""

    path: Text = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")
    """`owner/name`."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """The commit, 40 hex digits; the repository's history page shows them."""
    file: Text
    """A file in it: .csv, .tsv or .jsonl."""


def inputs(options: Options, root: Path) -> list[Path]:
    """The file, fetched unless it is there."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError('huggingface_hub is not installed; run: pip install "bench[hub]"')
    from huggingface_hub import hf_hub_download

    with hub_errors(f"{options.path} {options.file} at {options.revision[:12]}"):
        found = hf_hub_download(
            options.path,
            options.file,
            repo_type="dataset",
            revision=options.revision,
            endpoint=endpoint(),
        )
    return [Path(found)]


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """The file's rows."""
    for path in inputs(options, root):
        yield from table_rows(path, options, counts)
