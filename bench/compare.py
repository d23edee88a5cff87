"""The same arms in two runs: did an update of the engine, or of the fine-tune, change anything?

    bench compare RUN_A RUN_B

In: two run folders. Out: the tables of `bench.analysis` with one comparison per arm that both runs
have, run A minus run B, and what differs between the runs. Runs that asked otherwise (other articles,
prompts or sampling) are refused with the difference named: they would measure the question, not the arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import store
from bench.arm_names import fitting_arms
from bench.config import Config, GateConfig
from bench.errors import UsageError
from bench.identity import canonical_json, slug
from bench.reading import answer_schema, arm_frame, read_samples, truth_frame
from bench.records import ArmRecord, Article, Manifest

if TYPE_CHECKING:
    import pandas as pd

NOT_DRAWING = frozenset({"seed", "allow_greedy_repeats"})
"""Sampling settings that do not change how an answer is drawn."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Comparison:
    """What two runs say about the arms that both have."""

    run_a: str
    run_b: str
    arms: tuple[str, ...]
    """Arms in both runs, in run A's order."""
    tables: dict[str, pd.DataFrame]
    """As of a report; an arm is written `<arm> [<run>]`, and `pairs` holds run A minus run B."""
    differences: tuple[str, ...]
    """What is not the same in the two runs and may be why they differ."""
    notes: tuple[str, ...]
    """What a reader must know."""


def compare_runs(
    run_a: Path, run_b: Path, config: Config | None = None, patterns: Sequence[str] = ()
) -> Comparison:
    """Compare every arm that both runs have. UsageError where they asked otherwise or share no arm."""
    from bench.analysis.tables import build_tables

    a, b = store.open_run(run_a), store.open_run(run_b)
    if a.manifest.run_id == b.manifest.run_id:
        raise UsageError(f"{a.manifest.run_id}: both are the same run")
    refuse_other_questions(a, b)
    shared = _shared_arms(a.manifest, b.manifest, patterns)
    schema, margins = answer_schema(a.manifest), config.gate if config else GateConfig()
    limits = schema.score_limits
    frames = [_frames(run, shared) for run in (a, b)]
    names_a, names_b = ([_named(arm, run.manifest) for arm in shared] for run in (a, b))
    timings = [frame.timings for frame in frames]
    tables = build_tables(
        _stacked([frame.samples for frame in frames]),
        _stacked([frame.arms for frame in frames]),
        list(zip(names_a, names_b, strict=True)),
        None,
        schema.label_thresholds,
        margin=margins.mean_margin(limits),
        limits=limits,
        timings=_stacked(timings),
        truth=truth_frame(a.articles()),
        articles=a.manifest.article_ids,
    )
    return Comparison(
        run_a=a.manifest.run_id,
        run_b=b.manifest.run_id,
        arms=tuple(shared),
        tables=_only_between(tables),
        differences=tuple(_differences(a.manifest, b.manifest, shared)),
        notes=tuple(_notes(a.manifest, b.manifest)),
    )


def compare_folder(result: Comparison, reports: Path) -> Path:
    """Where the tables of a comparison belong."""
    return reports / f"{slug(result.run_a)}-against-{slug(result.run_b)}"


# ---------------------------------------------------------------- may they be compared


def refuse_other_questions(a: store.Run, b: store.Run) -> None:
    """UsageError that names what differs in articles, prompts or sampling; nothing where nothing does."""
    found = [*_task_differences(a.manifest, b.manifest), *_sampling_differences(a.manifest, b.manifest)]
    found += _article_differences(a.articles(), b.articles())
    if found:
        names = f"{a.manifest.run_id} and {b.manifest.run_id}"
        raise UsageError(f"{names} asked different questions, so they are not compared: {'; '.join(found)}")


def _task_differences(a: Manifest, b: Manifest) -> Iterator[str]:
    for name in ("name", "version", "digest"):
        if a.task.get(name) != b.task.get(name):
            yield f"prompt (task {name}): {a.task.get(name)} against {b.task.get(name)}"


def _sampling_differences(a: Manifest, b: Manifest) -> Iterator[str]:
    first, second = (m.config.get("sampling", {}) for m in (a, b))
    for name, one, other in _unequal(first, second):
        if name not in NOT_DRAWING:
            yield f"sampling {name}: {one} against {other}"


def _article_differences(a: Sequence[Article], b: Sequence[Article]) -> Iterator[str]:
    of_a, of_b = {article.id: article for article in a}, {article.id: article for article in b}
    for what, missing in (("first", sorted(of_a.keys() - of_b)), ("second", sorted(of_b.keys() - of_a))):
        if missing:
            more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
            yield f"articles only in the {what}: {', '.join(missing[:MOST_NAMED])}{more}"
    # the title is in the prompt but not in the id
    retitled = [i for i in of_a.keys() & of_b.keys() if of_a[i].title != of_b[i].title]
    if retitled:
        yield f"articles with another title: {', '.join(sorted(retitled)[:MOST_NAMED])}"


def _unequal(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(first.keys() | second.keys()):
        if canonical_json(first.get(name)) != canonical_json(second.get(name)):
            yield name, first.get(name), second.get(name)


def _shared_arms(a: Manifest, b: Manifest, patterns: Sequence[str]) -> list[str]:
    of_b = {record.arm for record in b.arms}
    shared = [record.arm for record in a.arms if record.arm in of_b]
    if not shared:
        known = "; ".join(f"{m.run_id}: {', '.join(r.arm for r in m.arms)}" for m in (a, b))
        raise UsageError(f"no arm is in both runs; {known}")
    wanted = {arm for pattern in patterns for arm in fitting_arms(pattern, shared)}
    return [arm for arm in shared if not patterns or arm in wanted]


# ---------------------------------------------------------------- side by side


@dataclass(frozen=True)
class _Frames:
    arms: pd.DataFrame
    samples: pd.DataFrame
    timings: pd.DataFrame


def _named(arm: str, manifest: Manifest) -> str:
    return f"{arm} [{manifest.run_id}]"


def _frames(run: store.Run, shared: Sequence[str]) -> _Frames:
    """One run's frames with the run in the names of arms and groups."""
    manifest = run.manifest
    found = read_samples(run, answer_schema(manifest))
    timed = found.samples if found.timings is None else found.timings

    def chosen(frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame[frame["arm"].isin(shared)]
        return kept.assign(arm=[_named(str(arm), manifest) for arm in kept["arm"]])

    arms = chosen(arm_frame(manifest))
    arms = arms.assign(group=[_named(str(group), manifest) for group in arms["group"]], repeat_of="")
    return _Frames(arms, chosen(found.samples), chosen(timed))


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    plain = [frame.astype({"article_id": object}) if "article_id" in frame else frame for frame in frames]
    return pd.concat(plain, ignore_index=True)


def _only_between(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Without the comparisons inside one run: its own report has these."""
    pairs = tables["pairs"]
    pairs = pairs[pairs["kind"] == "custom"].reset_index(drop=True)
    drift = tables["drift"].merge(pairs[["arm_a", "arm_b"]], on=["arm_a", "arm_b"], how="inner")
    return {**tables, "pairs": pairs, "drift": drift}


# ---------------------------------------------------------------- what else differs


def _differences(a: Manifest, b: Manifest, shared: Sequence[str]) -> Iterator[str]:
    """What may be why an arm answers otherwise: engine, weights, options, machine."""
    records_a, records_b = ({record.arm: record for record in m.arms} for m in (a, b))
    for arm in shared:
        for name, one, other in _unequal(_facts(records_a[arm]), _facts(records_b[arm])):
            yield f"{arm}: {name} {one} against {other}"
    for name in ("decode_width", "iterations", "bench_version"):
        if getattr(a, name) != getattr(b, name):
            yield f"{name.replace('_', ' ')}: {getattr(a, name)} against {getattr(b, name)}"
    for name in ("cpu", "python", "system"):
        if a.provenance.get(name) != b.provenance.get(name):
            yield f"{name}: {a.provenance.get(name)} against {b.provenance.get(name)}"
    for name, one, other in _unequal(*(m.provenance.get("packages") or {} for m in (a, b))):
        yield f"{name}: {one} against {other}"


def _facts(record: ArmRecord) -> dict[str, Any]:
    loaded = record.loaded
    digest = loaded.digest if loaded and loaded.digest else record.spec.digest
    return {
        "weights": digest[:19] if digest else None,
        "engine": loaded.engine if loaded else None,
        "adapter": record.spec.adapter,
        "options": dict(record.spec.options),
    }


def _notes(a: Manifest, b: Manifest) -> Iterator[str]:
    seeds = [m.config.get("sampling", {}).get("seed") for m in (a, b)]
    if seeds[0] == seeds[1]:
        yield (
            "both runs drew with the same seed: an unchanged arm may repeat its answers exactly, so small "
            "differences are not what independent draws would show"
        )
    for manifest in (a, b):
        if manifest.status != "finished":
            yield f"run {manifest.run_id} is {manifest.status}; go on: bench run --resume {manifest.run_id}"
