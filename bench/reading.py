"""A run's samples as frames: the one pass over its files that every report begins with.

In: a run on disk. Out: the frames of `bench.analysis.frames`, and a few answers as they came. Arms are
read in several processes when there is much to read. It computes no statistic; of a text it keeps
only its length and how much of it repeats.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from bench import store
from bench.analysis.forgetting import DOCUMENT_COLUMNS
from bench.analysis.frames import ARM_COLUMNS, LABEL, MEASURED_OF_ARM, SAMPLE_COLUMNS
from bench.errors import StorageError
from bench.identity import match_arm
from bench.records import AnswerSchema, ArmRecord, Article, Manifest, Outcome

if TYPE_CHECKING:
    import pandas as pd

MOST_INVALID = 40
"""Invalid answers of one arm that a workbook shows."""
ARTICLES_SHOWN = 8
"""Articles, the same for all arms, of which a workbook shows one valid answer per arm."""
PARALLEL_FROM_BYTES = 64_000_000
"""A smaller run is read sooner than a second process has started."""
MOST_WORKERS = 4

Row = Mapping[str, Any]


class ReadSamples(NamedTuple):
    """What one pass over a run's samples gives."""

    samples: pd.DataFrame
    """Every sample of the run, without its text."""
    invalid: list[Row]
    """Some invalid answers of each arm, whole."""
    valid: list[Row]
    """One valid answer of each arm to some articles, the same for all arms, whole."""
    timings: pd.DataFrame | None
    """The run's latency samples, in the same columns; None where it has none."""


def answer_schema(manifest: Manifest) -> AnswerSchema:
    """The task's answer schema as the run recorded it."""
    try:
        return AnswerSchema.model_validate(manifest.task.get("answer"))
    except ValidationError as error:
        raise StorageError(f"run {manifest.run_id}: its manifest has no readable answer schema") from error


def arm_frame(manifest: Manifest) -> pd.DataFrame:
    """The arms in manifest order, with the columns of `bench.analysis.frames.ARM_COLUMNS`."""
    import pandas as pd

    known = [record.arm for record in manifest.arms]
    rows = []
    for record in manifest.arms:
        spec, loaded = record.spec, record.loaded
        fields = {name: getattr(spec, name) for name in ARM_COLUMNS if hasattr(spec, name)}
        speed = loaded.speed if loaded else None
        rows.append(
            {
                **fields,
                "source_name": record.source_name or spec.ref,
                "file_bytes": loaded.file_bytes if loaded else None,
                "peak_memory_bytes": loaded.peak_memory_bytes if loaded else None,
                "load_s": loaded.load_s if loaded else None,
                "prefill_tokens_per_s": speed.prefill_tokens_per_s if speed else None,
                "decode_tokens_per_s": speed.decode_tokens_per_s if speed else None,
                "answers_per_s": _throughput(record),
                "repeat_of": _repeated(record, known),
            }
        )
    frame = pd.DataFrame(rows, columns=list(ARM_COLUMNS))
    return frame.astype(dict.fromkeys(MEASURED_OF_ARM, float))


def _throughput(record: ArmRecord) -> float | None:
    return record.n_decoded / record.decode_s if record.n_decoded and record.decode_s > 0 else None


def _repeated(record: ArmRecord, known: Sequence[str]) -> str:
    """The arm that an A/A arm repeats; empty for every other arm."""
    found = match_arm(getattr(record.spec, "repeat_of", None) or "", known)
    others = [arm for arm in found if arm != record.arm]
    return others[0] if len(others) == 1 else ""


def truth_frame(articles: Iterable[Article]) -> pd.DataFrame:
    """What is known to be right: article_id, label (None where unknown), reference_score (NaN)."""
    import pandas as pd

    columns = ["article_id", "label", "reference_score"]
    rows = [(article.id, article.label, article.reference_score) for article in articles]
    return pd.DataFrame(rows, columns=columns).astype({"label": object, "reference_score": float})


def attribute_frame(articles: Iterable[Article]) -> pd.DataFrame:
    """What articles can be told apart by: article_id, source, company, label, n_chars (NaN without a text),
    then their groups by name. A group that is called like one of these is `NAME (group)`."""
    import pandas as pd

    rows = []
    for article in articles:
        entity = article.entity
        row: dict[str, Any] = {
            "article_id": article.id,
            "source": article.source,
            "company": entity.name if entity else None,
            "label": article.label,
            "n_chars": float(len(article.text)) if article.text else None,
        }
        own = set(row)
        rows.append(row | {f"{n} (group)" if n in own else n: text for n, text in article.groups.items()})
    return pd.DataFrame(rows).astype({"n_chars": float})


def read_samples(run: store.Run, schema: AnswerSchema, n_workers: int | None = None) -> ReadSamples:
    """Every sample of the run as one frame, and some answers of each arm as they came.

    `n_workers` processes read one arm each at a time; without it, several only where that is faster.
    """
    import pandas as pd

    reader = ArmReader(run, schema)
    arms = [record.arm for record in run.manifest.arms]
    parts = list(_mapped(reader, arms, n_workers or _workers(run, arms)))
    timings = [part.timings for part in parts if part.timings is not None]
    return ReadSamples(
        pd.concat([part.samples for part in parts], ignore_index=True),
        [row for part in parts for row in part.invalid],
        [row for part in parts for row in part.valid],
        pd.concat(timings, ignore_index=True) if timings else None,
    )


def read_forgetting(run: store.Run) -> pd.DataFrame | None:
    """How well the run's tuned models and their bases foretold text, a row a document; None without a file.

    StorageError for one that is something else.
    """
    import pandas as pd

    path = run.folder / store.FORGETTING
    if not path.is_file():
        return None
    try:
        found = pd.read_csv(path, dtype={"text": str, "arm": str, "document": str})
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: cannot be read as a table; `bench evaluate` writes it anew") from error
    numbers = [name for name in DOCUMENT_COLUMNS if name not in {"text", "arm", "document"}]
    if list(found.columns) != list(DOCUMENT_COLUMNS) or found[numbers].select_dtypes("number").shape[1] < 5:
        raise StorageError(f"{path}: other columns than it should have; `bench evaluate` writes it anew")
    return found


def _workers(run: store.Run, arms: Sequence[str]) -> int:
    paths = [run.samples_path(arm) for arm in arms]
    n_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS) if n_bytes >= PARALLEL_FROM_BYTES else 1


def _mapped(reader: ArmReader, arms: Sequence[str], n_workers: int) -> Iterable[ReadSamples]:
    if n_workers == 1:
        return map(reader, arms)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # spawned, because a fork copies locks that other threads may hold
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(reader, arms))


@dataclass(frozen=True)
class ArmReader:
    """Reads one arm; the same in this process and in another."""

    run: store.Run
    schema: AnswerSchema

    def __call__(self, arm: str) -> ReadSamples:
        """One arm's part of `ReadSamples`."""
        wanting = set(spread(self.run.manifest.article_ids, ARTICLES_SHOWN))
        columns = _empty_columns()
        shown: Counter[tuple[str, str]] = Counter()
        invalid: list[Row] = []
        valid: list[Row] = []
        for row in self.run.samples(arm):
            _append(columns, row, self.schema)
            if row["verdict"]["outcome"] == Outcome.VALID:
                if row["article_id"] in wanting:
                    wanting.remove(row["article_id"])
                    valid.append(row)
            elif shown.total() < MOST_INVALID:
                kind = (row["article_id"], row["verdict"]["outcome"])
                # two alike are enough: an arm that fails always should not show one article only
                if shown[kind] < 2:
                    shown[kind] += 1
                    invalid.append(row)
        samples = _typed(columns, self.run.manifest, self.schema).assign(arm=arm)
        return ReadSamples(samples, invalid, valid, self._timings(arm))

    def _timings(self, arm: str) -> pd.DataFrame | None:
        columns = _empty_columns()
        for row in self.run.latency_samples(arm):
            _append(columns, row, self.schema)
        return (
            _typed(columns, self.run.manifest, self.schema).assign(arm=arm) if columns["article_id"] else None
        )


def spread(items: Sequence[str], n: int) -> list[str]:
    """At most `n` of the items, evenly spread over their order."""
    return list(dict.fromkeys(items[i * len(items) // n] for i in range(n))) if items else []


def _empty_columns() -> dict[str, list[Any]]:
    return {name: [] for name in (*SAMPLE_COLUMNS, LABEL) if name != "arm"}


def _append(columns: dict[str, list[Any]], row: Row, schema: AnswerSchema) -> None:
    """One sample's values, in place: a million of these are read."""
    completion, verdict = row["completion"], row["verdict"]
    valid = verdict["outcome"] == Outcome.VALID
    answer = verdict["answer"] if valid else {}
    alone = completion["batch_size"] == 1  # seconds of an answer that shared the engine say nothing
    text = completion["text"] or " ".join(value for value in answer.values() if isinstance(value, str))
    columns["article_id"].append(row["article_id"])
    columns["iteration"].append(row["iteration"])
    columns["outcome"].append(verdict["outcome"])
    columns["valid"].append(valid)
    columns["score"].append(answer.get(schema.score))
    columns[LABEL].append(schema.label_of(answer) if valid else None)
    # older runs have no such key; an answer's own word goes before what stands beside it
    stated = answer.get(schema.confidence) if schema.confidence else completion.get("confidence")
    columns["confidence"].append(stated if valid else None)
    columns["duration_s"].append(completion["duration_s"] if alone else None)
    columns["ttft_s"].append(completion["ttft_s"] if alone else None)
    for name in ("completion_tokens", "prompt_tokens", "batch_size"):
        columns[name].append(completion[name])
    columns["answer_chars"].append(len(text) or None)
    columns["repeated_share"].append(repeated_share(text))


def repeated_share(text: str) -> float | None:
    """Share of the word triples that stood in the text before; None below three words."""
    words = text.split()
    n = len(words) - 2
    return 1 - len(set(zip(words, words[1:], words[2:], strict=False))) / n if n > 0 else None


def _typed(columns: dict[str, list[Any]], manifest: Manifest, schema: AnswerSchema) -> pd.DataFrame:
    """The columns as arrays; None becomes NaN. Categories are the same for every arm."""
    import pandas as pd

    kinds: dict[str, Any] = defaultdict(lambda: float)
    kinds["article_id"] = pd.CategoricalDtype(list(manifest.article_ids))
    kinds["outcome"] = pd.CategoricalDtype([outcome.value for outcome in Outcome])
    kinds[LABEL] = pd.CategoricalDtype(list(schema.label_names))
    kinds.update(iteration="int64", valid=bool)
    return pd.DataFrame({name: pd.Series(values, dtype=kinds[name]) for name, values in columns.items()})
