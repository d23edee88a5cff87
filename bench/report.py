"""From a run on disk to its tables, workbook and heatmaps: `bench report [RUN]`.

    sentiments/<run_id>/ --read--> frames --analysis--> tables --reports--> files

In: a run folder and what the present config says about comparisons, baseline and margins (never what
the manifest says: margins may change after a run). Out: the tables and the paths of the files. No
model, no network. It computes no statistic and formats no number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench import store
from bench.analysis.comparisons import baseline_notes
from bench.analysis.frames import ARM_COLUMNS, SAMPLE_COLUMNS
from bench.analysis.sentences import AGREEMENT_ONLY, group_sentences, silent_arms
from bench.analysis.tables import build_tables
from bench.config import Config, GateConfig
from bench.errors import StorageError, UsageError
from bench.identity import match_arm
from bench.records import AnswerSchema, Article, Manifest, Outcome
from bench.reports import ReportInput

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "xlsx", "png")
MOST_INVALID = 40
"""Invalid answers of one arm that a workbook shows."""


@dataclass(frozen=True)
class ReportResult:
    """What a report found and wrote."""

    run_id: str
    tables: dict[str, pd.DataFrame]
    """By name, as in `tables/<name>.csv`."""
    arms: pd.DataFrame
    """The arms as `bench.analysis.frames` describes them."""
    baseline: str | None
    """The configured quant or arm that groups are compared with."""
    paths: tuple[Path, ...]
    """Every file written."""
    sentences: tuple[str, ...]
    """What was found, in words, one per group and further comparison."""
    notes: tuple[str, ...]
    """What a reader must know: missing samples, missing baselines, what the numbers do not say."""


def make_report(
    run_dir: Path,
    out_root: Path,
    heatmap_root: Path,
    only: Sequence[str] | None = None,
    compare: Sequence[tuple[str, str]] = (),
    config: Config | None = None,
) -> ReportResult:
    """Analyse the run in `run_dir`; write `out_root/<run_id>/` and `heatmap_root/<run_id>/`.

    `only` is a choice of csv, xlsx and png (all); `compare` adds pairs (A, B) of arms, short forms
    allowed. UsageError for an unknown format or arm and for a run without any sample.
    """
    wanted = _formats(only)
    run = store.open_run(run_dir)
    manifest, articles = run.manifest, run.articles()
    schema = answer_schema(manifest)
    arms = arm_frame(manifest)
    samples, invalid = read_samples(run, schema)
    if samples.empty:
        raise UsageError(f"run {manifest.run_id} has no samples; bench run --resume {manifest.run_id}")
    known = list(arms["arm"])
    configured = (*(config.comparisons if config else ()), *compare)
    baseline = _baseline(config, arms)
    limits = score_limits(schema)
    tables = build_tables(
        samples,
        arms,
        [(resolve_arm(a, known), resolve_arm(b, known)) for a, b in configured if _distinct(a, b, known)],
        baseline,
        schema.label_thresholds,
        margin=mean_margin(config.gate if config else GateConfig(), limits),
        limits=limits,
        truth=_truth(articles),
        articles=manifest.article_ids,
    )
    data = ReportInput(tables, manifest, articles, invalid)
    paths = _write(data, out_root / manifest.run_id, heatmap_root / manifest.run_id, wanted)
    return ReportResult(
        run_id=manifest.run_id,
        tables=tables,
        arms=arms,
        baseline=baseline,
        paths=tuple(paths),
        sentences=tuple(group_sentences(tables["pairs"], arms, baseline)),
        notes=tuple(_notes(manifest, tables, arms, baseline)),
    )


# ---------------------------------------------------------------- reading


def answer_schema(manifest: Manifest) -> AnswerSchema:
    """The task's answer schema as the run recorded it."""
    try:
        return AnswerSchema.model_validate(manifest.task.get("answer"))
    except ValidationError as error:
        raise StorageError(f"run {manifest.run_id}: its manifest has no readable answer schema") from error


def arm_frame(manifest: Manifest) -> pd.DataFrame:
    """The arms in manifest order, with the columns of `bench.analysis.frames.ARM_COLUMNS`."""
    import pandas as pd

    rows = []
    for record in manifest.arms:
        spec, loaded = record.spec, record.loaded
        fields = {name: getattr(spec, name) for name in ARM_COLUMNS if hasattr(spec, name)}
        rows.append(
            {
                **fields,
                "source_name": record.source_name or spec.ref,
                "file_bytes": loaded.file_bytes if loaded else None,
                "peak_memory_bytes": loaded.peak_memory_bytes if loaded else None,
            }
        )
    frame = pd.DataFrame(rows, columns=list(ARM_COLUMNS))
    return frame.astype({"file_bytes": float, "peak_memory_bytes": float})


Row = Mapping[str, Any]


def read_samples(run: store.Run, schema: AnswerSchema) -> tuple[pd.DataFrame, list[Row]]:
    """Every sample of the run's articles as one frame, and some invalid answers of each arm."""
    import pandas as pd

    wanted = set(run.manifest.article_ids)
    frames: list[pd.DataFrame] = []
    invalid: list[Row] = []
    for record in run.manifest.arms:
        columns: dict[str, list[Any]] = {name: [] for name in SAMPLE_COLUMNS if name != "arm"}
        shown: Counter[tuple[str, str]] = Counter()
        for row in run.samples(record.arm):
            if row["article_id"] not in wanted:
                continue
            _append(columns, row, schema)
            if row["verdict"]["outcome"] != Outcome.VALID and shown.total() < MOST_INVALID:
                kind = (row["article_id"], row["verdict"]["outcome"])
                # two alike are enough: an arm that fails always should not show one article only
                if shown[kind] < 2:
                    shown[kind] += 1
                    invalid.append(row)
        frames.append(_typed(columns, run.manifest).assign(arm=record.arm))
    return pd.concat(frames, ignore_index=True), invalid


def _append(columns: dict[str, list[Any]], row: Row, schema: AnswerSchema) -> None:
    """One sample's values, in place: a million of these are read."""
    completion, verdict = row["completion"], row["verdict"]
    valid = verdict["outcome"] == Outcome.VALID
    answer = verdict["answer"] if valid else {}
    alone = completion["batch_size"] == 1  # seconds of an answer that shared the engine say nothing
    columns["article_id"].append(row["article_id"])
    columns["iteration"].append(row["iteration"])
    columns["outcome"].append(verdict["outcome"])
    columns["valid"].append(valid)
    columns["score"].append(answer.get(schema.score))
    columns["confidence"].append(answer.get(schema.confidence))
    columns["duration_s"].append(completion["duration_s"] if alone else None)
    columns["ttft_s"].append(completion["ttft_s"] if alone else None)
    for name in ("completion_tokens", "prompt_tokens", "batch_size"):
        columns[name].append(completion[name])


def _typed(columns: dict[str, list[Any]], manifest: Manifest) -> pd.DataFrame:
    """The columns as arrays; None becomes NaN. Categories are the same for every arm."""
    import pandas as pd

    kinds: dict[str, Any] = defaultdict(lambda: float)
    kinds["article_id"] = pd.CategoricalDtype(list(manifest.article_ids))
    kinds["outcome"] = pd.CategoricalDtype([outcome.value for outcome in Outcome])
    kinds.update(iteration="int64", valid=bool)
    return pd.DataFrame({name: pd.Series(values, dtype=kinds[name]) for name, values in columns.items()})


def _truth(articles: Iterable[Article]) -> pd.DataFrame:
    import pandas as pd

    columns = ["article_id", "label", "reference_score"]
    rows = [(article.id, article.label, article.reference_score) for article in articles]
    return pd.DataFrame(rows, columns=columns).astype({"label": object, "reference_score": float})


# ---------------------------------------------------------------- what to compare


def resolve_arm(text: str, known: Sequence[str]) -> str:
    """The arm that `text` names, in full or in a short form that is unique; else UsageError."""
    found = match_arm(text, known)
    if len(found) == 1:
        return found[0]
    problem = "fits several arms; say which:" if found else "is no arm of this run; there are:"
    raise UsageError(f"{text!r} {problem} {', '.join(found or known)}")


def _distinct(a: str, b: str, known: Sequence[str]) -> bool:
    if resolve_arm(a, known) == resolve_arm(b, known):
        raise UsageError(f"comparison {a!r} with {b!r}: both are the arm {resolve_arm(a, known)}")
    return True


def _baseline(config: Config | None, arms: pd.DataFrame) -> str | None:
    """The configured baseline: a quant as it is, an arm's short form in full."""
    text = config.baseline if config else None
    if text is None or text in set(arms["quant"]):
        return text
    found = match_arm(text, list(arms["arm"]))
    return found[0] if len(found) == 1 else text


def score_limits(schema: AnswerSchema) -> tuple[float, float] | None:
    """Smallest and largest score the task allows; None where either is open."""
    if schema.score is None:
        return None
    field = schema.field(schema.score)
    if field.minimum is None or field.maximum is None:
        return None
    return field.minimum, field.maximum


def mean_margin(gate: GateConfig, limits: tuple[float, float] | None) -> float:
    """The shift of the mean that does not matter, in units of the score (a fraction of half its range)."""
    return gate.mean * ((limits[1] - limits[0]) / 2 if limits else 1.0)


# ---------------------------------------------------------------- writing


def _formats(only: Sequence[str] | None) -> tuple[str, ...]:
    unknown = [name for name in only or () if name not in FORMATS]
    if unknown:
        raise UsageError(f"--only {unknown[0]}: unknown; choose from {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if only is None or name in only)


def _write(data: ReportInput, folder: Path, heatmaps: Path, wanted: Sequence[str]) -> list[Path]:
    """Each wanted output; a room's module is imported only where it is needed."""
    writers: dict[str, Callable[[], list[Path]]] = {
        "csv": lambda: _write_tables(data, folder / "tables"),
        "xlsx": lambda: _write_workbook(data, folder / "report.xlsx"),
        "png": lambda: _write_heatmaps(data, heatmaps),
    }
    return [path for name in wanted for path in writers[name]()]


def _write_tables(data: ReportInput, folder: Path) -> list[Path]:
    from bench.reports.csv import write_tables

    return list(write_tables(folder, data.tables))


def _write_workbook(data: ReportInput, path: Path) -> list[Path]:
    from bench.reports.excel import write_workbook

    write_workbook(path, data)
    return [path]


def _write_heatmaps(data: ReportInput, folder: Path) -> list[Path]:
    from bench.reports.heatmap import write_heatmaps

    return list(write_heatmaps(folder, data))


def _notes(
    manifest: Manifest, tables: Mapping[str, pd.DataFrame], arms: pd.DataFrame, baseline: str | None
) -> Iterable[str]:
    found = int(tables["arms"]["n_samples"].sum())
    expected = len(manifest.arms) * len(manifest.article_ids) * manifest.iterations
    if found < expected:
        missing = f"{found} of {expected} samples"
        yield f"the run is not complete: {missing}; go on with: bench run --resume {manifest.run_id}"
    yield from baseline_notes(arms, baseline)
    failed = int(tables["arms"]["n_failed_measurements"].sum())
    if failed:
        yield f"{failed} measurements failed and are in no rate; see failures.csv"
    for arm in silent_arms(tables["arms"]):
        yield f"{arm}: no valid answer, so its scores are undefined"
    if tables["arms"]["duration_mean_s"].isna().all():
        yield "no answer was timed alone, so seconds and tokens per second are undefined"
    if "accuracy" not in tables:
        yield AGREEMENT_ONLY
