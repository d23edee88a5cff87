"""From a run on disk to its tables, workbook and heatmaps: `bench report [RUN]`.

    sentiments/<run_id>/ --read--> frames --analysis--> tables --reports--> files

In: a run folder and what the present config says about comparisons, baseline and margins (never what
the manifest says: margins may change after a run). Out: the tables and the paths of the files. No
model, no network. It computes no statistic and formats no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import store
from bench.analysis.comparisons import baseline_arms, baseline_notes
from bench.analysis.forgetting import forgetting_sentences, forgetting_table
from bench.analysis.quality_sentences import quality_sentences
from bench.analysis.sentences import AGREEMENT_ONLY, group_sentences, silent_arms
from bench.analysis.slice_sentences import slice_sentences
from bench.analysis.tables import build_tables
from bench.arm_names import resolve_arm
from bench.config import Config, GateConfig
from bench.errors import UsageError, disk_errors
from bench.gate import judge
from bench.gate_evidence import from_frames
from bench.gate_reading import readings
from bench.identity import match_arm
from bench.reading import (
    answer_schema,
    arm_frame,
    attribute_frame,
    read_forgetting,
    read_samples,
    truth_frame,
)
from bench.records import Fidelity, GateResult, Manifest
from bench.reports import ReportInput
from bench.seed.comparisons import stored_comparisons

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "xlsx", "png", "html")


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
    gate: GateResult
    """The verdict on every arm; not counted as a reading of the gate."""
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

    `only` is a choice of csv, xlsx, png and html (all); `compare` adds pairs (A, B) of arms, short forms
    allowed. The verdicts are those of the gate on this run with the margins of `config`, judged afresh.
    UsageError for an unknown format or arm and for a run without any sample.
    """
    wanted = _formats(only)
    run = store.open_run(run_dir)
    manifest, articles = run.manifest, run.articles()
    schema = answer_schema(manifest)
    arms = arm_frame(manifest)
    samples, invalid, valid, timings = read_samples(run, schema)
    if samples.empty:
        raise UsageError(f"run {manifest.run_id} has no samples; bench run --resume {manifest.run_id}")
    known = list(arms["arm"])
    pairs, left_out = _comparisons(run_dir, config, compare, known)
    baseline = _baseline(config, arms)
    margins, limits = config.gate if config else GateConfig(), schema.score_limits
    tables = build_tables(
        samples,
        arms,
        pairs,
        baseline,
        schema.label_thresholds,
        margin=margins.mean_margin(limits),
        limits=limits,
        timings=timings,
        truth=truth_frame(articles),
        articles=manifest.article_ids,
        labels=schema.label_names,
        attributes=attribute_frame(articles),
    )
    gate = judge(
        from_frames(manifest, articles, schema, arms, samples, timings),
        margins,
        config.baseline if config else None,
    )
    gate = gate.model_copy(update=readings(run_dir, out_root / manifest.run_id))
    add_fidelity(tables, {arm: one for arm in known if (one := run.fidelity(arm)) is not None})
    documents = read_forgetting(run)
    if documents is not None:
        tables["forgetting"] = forgetting_table(documents)
    data = ReportInput(
        tables,
        manifest,
        articles,
        invalid,
        valid=valid,
        baselines=_baselines(arms, baseline),
        samples=run.samples,
        gate=gate,
    )
    paths = _write(data, out_root / manifest.run_id, heatmap_root / manifest.run_id, wanted)
    return ReportResult(
        run_id=manifest.run_id,
        tables=tables,
        arms=arms,
        baseline=baseline,
        gate=gate,
        paths=tuple(paths),
        sentences=(
            *quality_sentences(data.table("quality"), data.table("quality_pairs"), manifest.specs),
            *forgetting_sentences(data.table("forgetting")),
            *slice_sentences(data.table("slices")),
            *(group_sentences(tables["pairs"], arms, baseline) if schema.score is not None else ()),
        ),
        notes=(*left_out, *_notes(manifest, tables, arms, baseline)),
    )


def add_fidelity(tables: dict[str, pd.DataFrame], found: Mapping[str, Fidelity]) -> None:
    """Put what was measured of the arms' probabilities into `arms` and `cells`; NaN where it was not."""
    if not found:
        return
    arms, cells = tables["arms"], tables["cells"]
    measured = [found.get(str(arm)) for arm in arms["arm"]]
    columns = ("kl_mean", "kl_p99", "top1_agreement", "perplexity_of_baseline")
    values = {name: [getattr(one, name) if one else math.nan for one in measured] for name in columns}
    of_cell = [
        one.kl_by_article.get(str(article), math.nan) if (one := found.get(str(arm))) else math.nan
        for arm, article in zip(cells["arm"], cells["article_id"], strict=True)
    ]
    tables["arms"] = arms.assign(**values)
    tables["cells"] = cells.assign(kl_mean=of_cell)


# ---------------------------------------------------------------- what to compare


def _comparisons(
    run_dir: Path, config: Config | None, compare: Sequence[tuple[str, str]], known: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs to compare beyond the automatic ones, and what is said of pairs that were left out.

    They come from the import of the run, the present config and the command line, in this order. One
    config serves several runs, so its pairs without an arm in this run are named and left out;
    an arm on the command line that is not there is an error.
    """
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    notes = []
    for a, b in (*stored_comparisons(run_dir), *(config.comparisons if config else ())):
        absent = [name for name in (a, b) if not match_arm(name, known)]
        if absent:
            notes.append(f"comparison {a} with {b} is left out: this run has no arm {absent[0]}")
        elif _distinct(a, b, known):
            pair = resolve_arm(a, known), resolve_arm(b, known)
            pairs[frozenset(pair)] = pair
    for a, b in compare:
        if _distinct(a, b, known):
            pair = resolve_arm(a, known), resolve_arm(b, known)
            pairs[frozenset(pair)] = pair
    return list(pairs.values()), notes


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


def _baselines(arms: pd.DataFrame, baseline: str | None) -> dict[str, str]:
    """The arm that each arm is compared with; a baseline has none."""
    of_group = baseline_arms(arms, baseline)
    pairs = zip(arms["arm"], arms["group"].map(of_group), strict=True)
    return {arm: other for arm, other in pairs if isinstance(other, str) and other != arm}


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
        "html": lambda: _write_page(data, folder / "report.html"),
    }
    return [path for name in wanted for path in writers[name]()]


def _write_tables(data: ReportInput, folder: Path) -> list[Path]:
    from bench.reports.csv import write_tables

    return _only_these(folder, "*.csv", list(write_tables(folder, data.tables)))


def _write_workbook(data: ReportInput, path: Path) -> list[Path]:
    from bench.reports.excel import write_workbook

    write_workbook(path, data)
    return [path]


def _write_heatmaps(data: ReportInput, folder: Path) -> list[Path]:
    from bench.reports.heatmap import write_heatmaps

    return _only_these(folder, "*.png", list(write_heatmaps(folder, data)))


def _only_these(folder: Path, pattern: str, written: list[Path]) -> list[Path]:
    """Remove what an earlier report left in its own folder and this one no longer defines."""
    with disk_errors(folder):
        for path in sorted(set(folder.glob(pattern)) - set(written)):
            path.unlink()
    return written


def _write_page(data: ReportInput, path: Path) -> list[Path]:
    from bench.reports.page import write_page

    write_page(path, data)
    return [path]


def _notes(
    manifest: Manifest, tables: Mapping[str, pd.DataFrame], arms: pd.DataFrame, baseline: str | None
) -> Iterable[str]:
    found = int(tables["arms"]["n_samples"].sum())
    expected = manifest.n_expected_samples
    if found < expected:
        missing = f"{found} of {expected} samples"
        yield f"the run is not complete: {missing}; go on with: bench run --resume {manifest.run_id}"
    if "imported" in manifest.config:
        yield "imported answers that are not valid came without text or reason, so they count as `empty`"
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
