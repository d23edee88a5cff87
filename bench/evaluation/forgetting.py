"""How well each tuned model foretells text, and how well its base did.

In: a TrainedFolder and where the general text lies; of a recipe that learns text, its held-out texts too.
Out: a frame of documents as `bench.analysis.forgetting` takes it, and notes. What was measured of the same
weights and documents is kept in `models/<name>/evaluation/` and not measured again. No statistic is computed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import backends
from bench.analysis.forgetting import DOCUMENT_COLUMNS, GENERAL, HELD_OUT
from bench.articles import read_jsonl
from bench.errors import BackendError, BenchError, MissingExtraError, disk_errors
from bench.evaluation.arms import base_spec, sampling_of, tuned_spec
from bench.evaluation.folder import TrainedFolder
from bench.identity import content_id, file_stem
from bench.reading import spread
from bench.records import ModelSpec
from bench.store import write_whole
from bench.training.general_text import read_documents
from bench.training.tuning_recipe import GeneralText

if TYPE_CHECKING:
    import pandas as pd

KEPT = "evaluation"
"""The folder in `models/<name>/` in which texts and scores are kept."""
MOST_WINDOW_TOKENS = 1024
"""Tokens that are read at once, where the model reads so many."""
Say = Callable[[str], None]


class Text(NamedTuple):
    """Text that no training has read."""

    kind: str
    """`general`, or `held-out` of what is learnt."""
    documents: tuple[str, ...]
    source: str
    notes: tuple[str, ...]


class Measured(NamedTuple):
    """What the models made of it."""

    documents: pd.DataFrame
    """A row per tuned arm and document; empty where no tuned model writes."""
    window: int
    stride: int
    notes: tuple[str, ...]


def learnt_text(folder: TrainedFolder) -> Text | None:
    """The held-out texts of a recipe that learns text and no task; None of any other."""
    if folder.test_texts is None:
        return None
    texts = tuple(article.text for article in read_jsonl(folder.test_texts))
    chosen = tuple(spread(texts, folder.recipe.evaluation.forgetting_documents))
    return Text(HELD_OUT, chosen, folder.test_texts.name, ())


def general_text(folder: TrainedFolder, root: Path) -> Text:
    """The recipe's text for this (or the bundled sample), without what its trainings have read.

    At most `forgetting_documents`, evenly taken. They are kept in the folder, and taken from there where the
    recipe's files are not below `root` any more. ConfigError for files that cannot be read.
    """
    options, general = folder.recipe.evaluation, folder.recipe.general_text
    wanted = options.forgetting or GeneralText()
    path = folder.folder / KEPT / "general_text.json"
    parts = [None if part is None else part.model_dump(mode="json") for part in (wanted, general)]
    identity = [*parts, options.forgetting_documents]
    if any(not (root / name).is_file() for name in wanted.files) and (kept := _kept_text(path, identity)):
        return kept
    found = read_documents(wanted, root)
    trained = set() if general is None else set(read_documents(general, root).train)
    # what no recipe trains on is the same for all recipes; the rest is taken where it is too little
    others = () if len(found.held_out) >= options.forgetting_documents else found.train
    free = tuple(text for text in (*found.held_out, *others) if text not in trained)
    chosen = tuple(spread(free, options.forgetting_documents))
    if not found.note:
        _write(path, {"identity": identity, "source": found.source, "documents": chosen})
    return Text(GENERAL, chosen, found.source, (found.note,) if found.note else ())


def _kept_text(path: Path, identity: list[Any]) -> Text | None:
    """The documents of an earlier evaluation by the same recipe; None where there was none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["identity"] != identity:
            return None
        return Text(GENERAL, tuple(map(str, found["documents"])), str(found["source"]), ())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, content: dict[str, Any]) -> None:
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content).encode("utf-8"))


def measure(folder: TrainedFolder, text: Text, say: Say) -> Measured:
    """Every causal arm and its base at the same quantization, on the same documents."""
    import pandas as pd

    sampling = sampling_of(folder)
    window = min(sampling.context_tokens, MOST_WINDOW_TOKENS)
    asked = _Asked(folder.folder / KEPT, text.kind, text.documents, window, window // 2)
    frames, notes = [], list(text.notes)
    if len(text.documents) < 2:
        notes.append(f"{text.kind} text is not measured: {len(text.documents)} documents of {text.source}")
        return Measured(pd.DataFrame(columns=list(DOCUMENT_COLUMNS)), window, window // 2, tuple(notes))
    for one in folder.causal:
        base, tuned = base_spec(folder, one.arm.quant), tuned_spec(one.arm)
        try:
            before = None if base is None or not one.needs_base else _scores(base, asked, say)
            after = _scores(tuned, asked, say)
        except MissingExtraError:
            raise
        except BenchError as error:
            notes.append(f"{tuned.arm}: {text.kind} text could not be measured: {error}")
            continue
        frames.append(_frame(text, tuned.arm, before, after))
    columns = list(DOCUMENT_COLUMNS)
    whole = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return Measured(whole, asked.window, asked.stride, tuple(notes))


class _Asked(NamedTuple):
    """What is measured, of any model."""

    folder: Path
    kind: str
    documents: tuple[str, ...]
    window: int
    stride: int


Score = tuple[float, int, int]
"""Nats, tokens, bytes of one document."""


def _scores(spec: ModelSpec, asked: _Asked, say: Say) -> list[Score]:
    """One model's scores, from its file where these weights have read these documents."""
    backend = backends.get(spec.backend)
    identity = {
        "model": backend.digest(spec),
        "spec": spec.model_dump(mode="json", exclude={"ref", "adapter", "family", "variant"}),
        "documents": content_id(list(asked.documents)),
        "window": asked.window,
        "stride": asked.stride,
    }
    path = asked.folder / f"{file_stem(spec.arm)}-{asked.kind}.json"
    kept = _read(path, identity)
    if kept is not None and identity["model"] is not None:
        return kept
    say(f"{spec.arm}: reading {len(asked.documents)} documents of {asked.kind} text")
    made = _measured(spec, asked)
    _write(path, {"identity": identity, "scores": made})
    return made


def _measured(spec: ModelSpec, asked: _Asked) -> list[Score]:
    backend = backends.get(spec.backend)
    if not isinstance(backend, backends.ReadsText):
        raise BackendError(f"the backend {spec.backend} scores no raw text")
    reader = backend.open_reader(spec)
    try:
        found = reader.text_surprise(asked.documents, asked.window, asked.stride)
        return [(one.nats, one.n_tokens, one.n_bytes) for one in found]
    finally:
        reader.close()


def _read(path: Path, identity: dict[str, Any]) -> list[Score] | None:
    """What is kept, if it is of the same; a file that is none is measured anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["identity"] != identity:
            return None
        return [(float(nats), int(n_tokens), int(n_bytes)) for nats, n_tokens, n_bytes in found["scores"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _frame(text: Text, arm: str, before: Sequence[Score] | None, after: Sequence[Score]) -> pd.DataFrame:
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    for place, (document, (nats, n_tokens, n_bytes)) in enumerate(zip(text.documents, after, strict=True)):
        nats_base, n_tokens_base, n_bytes_base = (
            (math.nan, math.nan, n_bytes) if before is None else before[place]
        )
        # where a tokenizer has no token that begins a text, its first token is foretold by neither
        shared = min(n_bytes, n_bytes_base)
        rows.append((text.kind, arm, content_id(document), shared, n_tokens_base, nats_base, n_tokens, nats))
    return pd.DataFrame(rows, columns=list(DOCUMENT_COLUMNS))
