"""What a training was worth: `bench evaluate models/NAME`, and the end of every `bench train`.

    models/<name>/ --arms--> Config --sweep--> sentiments/<run_id>/ --report--> tables --> evaluation.md, .csv
                   `-general text--> surprise before and after --> forgetting.csv

In: what a training left (`recipe.json`, `<training>/arm.json`, `test*.jsonl`). Out: one run and one report a
task, and in the folder evaluation.md, evaluation.csv, evaluation_pairs.csv, forgetting.csv and
forgetting_documents.csv. What was measured of the same models on the same items is not measured again: a run
is gone on with, and arms that are new are added to it. A look at the first items alone is written beside the
whole evaluation (evaluation-limit-3.md, ...) and never in its place. It trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import conditions, items, store, sweep
from bench.analysis.evaluation import comparison_table, evaluation_table
from bench.analysis.forgetting import forgetting_sentences, forgetting_table
from bench.errors import ResumeRefusedError
from bench.evaluation import shown
from bench.evaluation.arms import Planned, Settings, planned
from bench.evaluation.folder import TrainedFolder, read_folder
from bench.evaluation.forgetting import Text, general_text, learnt_text, measure
from bench.identity import content_id, slug
from bench.report import make_report
from bench.reports.csv import csv_bytes

if TYPE_CHECKING:
    import pandas as pd

EVALUATION, FORGETTING = "evaluation", "forgetting"
"""What the files of the folder are called."""
RUNS, REPORTS, HEATMAPS = Path("sentiments"), Path("reports"), Path("heatmaps")
Watch = Callable[[sweep.Plan], AbstractContextManager[sweep.Progress]]
Say = Callable[[str], None]


class TaskEvaluation(NamedTuple):
    """One task's run and what it shows."""

    task: str
    run_id: str
    is_trained: bool
    """False for the task that was only asked before and after."""
    arms: pd.DataFrame
    """Its rows of `evaluation.csv`."""
    pairs: pd.DataFrame
    """Its rows of `evaluation_pairs.csv`; empty where nothing is known to be right."""
    asked: str
    """Temperature and answers to each item, in words."""
    tables: dict[str, pd.DataFrame]
    """All of the report's."""
    limited: str
    """How few of its items were asked, in words; empty where all were."""
    notes: tuple[str, ...]


class Forgetting(NamedTuple):
    """How well text is foretold: general text, and held-out text where text is what is learnt."""

    documents: pd.DataFrame
    """`forgetting_documents.csv`."""
    table: pd.DataFrame
    """`forgetting.csv`."""
    sentences: tuple[str, ...]
    source: str
    """Where each text is from."""
    notes: tuple[str, ...]


class Evaluation(NamedTuple):
    """What was found of all trainings of a recipe."""

    name: str
    folder: Path
    tasks: tuple[TaskEvaluation, ...]
    limit: int | None
    """The first so many items of a task were asked and not all; None where all were."""
    forgetting: Forgetting | None
    """None where it was not asked for or no trained model writes."""
    notes: tuple[str, ...]
    paths: tuple[Path, ...]
    """Every file written."""


def evaluate(
    folder: Path,
    settings: Settings | None = None,
    root: Path = Path(),
    *,
    forgetting: bool = True,
    only: Sequence[str] | None = None,
    watch: Watch | None = None,
    say: Say = lambda text: None,
) -> Evaluation:
    """Measure what `bench train` left in `folder`, and write what it shows.

    `root` is where the recipe's general text lies; `only` chooses the report's outputs as `make_report`.
    UsageError where nothing in the folder is finished, and every error of a sweep.
    """
    made, asked = read_folder(folder), settings or Settings()
    # everything is looked at before anything is measured
    texts = _texts(made, root) if forgetting and made.causal else ()
    plans = [(one, planned(made, one, asked)) for one in made.tests]
    if made.other_task is not None and made.causal:
        plans.append((made.other_task, planned(made, made.other_task, asked, heads=False)))
    watch = watch or (lambda plan: nullcontext(sweep.Silent()))
    runs = [_run(made, plan, watch, is_trained=test in made.tests) for test, plan in plans]
    lost = _forgotten(made, texts, say) if texts else None
    parts, paths = [], list[Path]()
    for run in runs:
        if lost is not None and len(lost.documents) and run.is_trained:
            store.write_whole(run.folder / store.FORGETTING, csv_bytes(lost.documents))
        part, written = _reported(run, only)
        parts.append(part)
        paths += written
    limit = asked.limit if any(part.limited for part in parts) else None
    notes = list(made.notes)
    if not parts and lost is None:
        notes.append("nothing is measured: no held-out items, and no text that is read")
    if not forgetting and (folder / f"{FORGETTING}.csv").is_file():
        notes.append(f"no text was read (--no-forgetting): {FORGETTING}.csv is of an earlier evaluation")
    result = Evaluation(made.recipe.name, folder, tuple(parts), limit, lost, tuple(notes), ())
    return result._replace(paths=(*paths, *_write(result, forgetting=forgetting)))


# ---------------------------------------------------------------- text


def _texts(made: TrainedFolder, root: Path) -> tuple[Text, ...]:
    own = learnt_text(made)
    return (*((own,) if own is not None else ()), general_text(made, root))


def _forgotten(made: TrainedFolder, texts: Sequence[Text], say: Say) -> Forgetting:
    import pandas as pd

    found = [measure(made, text, say) for text in texts]
    documents = pd.concat([one.documents for one in found], ignore_index=True)
    table = forgetting_table(documents)
    windows = f"read in windows of {found[0].window} tokens, {found[0].stride} apart"
    notes = [note for one in found for note in one.notes] + ([windows] if len(table) else [])
    sources = "; ".join(f"{text.kind} text: {text.source}" for text in texts)
    return Forgetting(documents, table, tuple(forgetting_sentences(table)), sources, tuple(notes))


# ---------------------------------------------------------------- a task


class _Run(NamedTuple):
    """A task's run, measured."""

    folder: Path
    plan: sweep.Plan
    asked: Planned
    is_trained: bool


def _run(made: TrainedFolder, asked: Planned, watch: Watch, *, is_trained: bool) -> _Run:
    plan = sweep.plan(asked.config)
    folder = _measured(plan, slug(f"{made.recipe.name}-{plan.task.name}", 50), watch)
    return _Run(folder, plan, asked, is_trained)


def _reported(run: _Run, only: Sequence[str] | None) -> tuple[TaskEvaluation, tuple[Path, ...]]:
    plan, asked = run.plan, run.asked
    report = make_report(run.folder, REPORTS, HEATMAPS, only=only, config=asked.config)
    arms = evaluation_table(report.tables, asked.roles)
    digests = {record.arm: record.spec.digest for record in store.open_run(run.folder).manifest.arms}
    arms["digest"] = arms["arm"].map(digests)  # whose row it is once the models were trained anew
    pairs = report.tables.get("quality_pairs")
    part = TaskEvaluation(
        task=plan.task.name,
        run_id=report.run_id,
        is_trained=run.is_trained,
        arms=arms,
        pairs=arms.iloc[:0] if pairs is None else comparison_table(pairs, asked.pairs, asked.roles),
        asked=f"temperature {plan.config.sampling.temperature:g}, {plan.iterations} to each held-out item",
        tables=report.tables,
        limited=_limited(plan),
        notes=(*asked.notes, *report.notes),
    )
    return part, report.paths


def _limited(plan: sweep.Plan) -> str:
    """What a limit left of the held-out items; empty where that is all of them."""
    if plan.config.articles.limit is None:
        return ""
    whole = items.load(plan.task, plan.config.articles.model_copy(update={"limit": None}))
    n_asked = len(plan.articles)
    return f"limited to {n_asked} of {len(whole)} items" if n_asked < len(whole) else ""


def _measured(plan: sweep.Plan, stem: str, watch: Watch) -> Path:
    """The folder of a finished run of this plan.

    Its name says what is asked: task, items, settings. A run of that name is gone on with, and arms that it
    lacks are added; where it measured other weights under an arm's name, or something else was held to be
    right of an item, a further run is made.
    """
    conditions_of_it = [
        plan.task.digest,
        plan.config.sampling.model_dump(mode="json"),
        plan.iterations,
        plan.width,
        [article.id for article in plan.articles],
    ]
    name = f"{stem}-{content_id(conditions_of_it, 8)}"
    for n in count(1):
        folder = RUNS / (name if n == 1 else f"{name}-{n}")
        if not (folder / store.MANIFEST).is_file():
            with watch(plan) as progress:
                sweep.start(plan, RUNS, folder.name, progress)
            return folder
        try:
            if not _is_complete(plan, folder):
                with watch(plan) as progress:
                    sweep.resume(plan, folder, progress, extend=True)
        except ResumeRefusedError:
            continue  # models trained anew or items corrected since: what was measured stays as it is
        return folder
    raise AssertionError("a count has no end")


def _is_complete(plan: sweep.Plan, folder: Path) -> bool:
    """Whether the run holds all that the plan asks; ResumeRefusedError where it measured something else."""
    run = store.open_run(folder)
    old, new = run.manifest, sweep.new_manifest(plan, run.manifest.run_id)
    conditions.extended(old, new, was=run.articles(), now=plan.articles)
    return old.status == "finished" and not conditions.additions(old, new)


# ---------------------------------------------------------------- writing


def _write(result: Evaluation, *, forgetting: bool) -> Iterator[Path]:
    """The files of the folder; what an earlier evaluation left and this one does not make is removed.

    Text that was not asked for (not `forgetting`) is left as it is.
    """
    import pandas as pd

    # tables of a few items never stand where those of all are looked for
    limited = "" if result.limit is None else f"-limit-{result.limit}"
    tables = {
        f"{EVALUATION}{limited}": [_placed(part, part.arms) for part in result.tasks],
        f"{EVALUATION}_pairs{limited}": [
            _placed(part, part.pairs) for part in result.tasks if len(part.pairs)
        ],
    }
    if forgetting:
        lost = result.forgetting
        tables |= {
            FORGETTING: [lost.table] if lost else [],
            f"{FORGETTING}_documents": [lost.documents] if lost else [],
        }
    for name, parts in tables.items():
        path = result.folder / f"{name}.csv"
        if any(len(part) for part in parts):
            store.write_whole(path, csv_bytes(pd.concat(parts, ignore_index=True)))
            yield path
        else:
            path.unlink(missing_ok=True)
    path = result.folder / f"{EVALUATION}{limited}.md"
    store.write_whole(path, as_markdown(result).encode("utf-8"))
    yield path


def _placed(part: TaskEvaluation, table: pd.DataFrame) -> pd.DataFrame:
    table = table.copy()
    table.insert(0, "task", part.task)
    table.insert(1, "run_id", part.run_id)
    table.insert(2, "is_trained", part.is_trained)
    return table


def as_markdown(result: Evaluation) -> str:
    """`evaluation.md`: what the model card and `make recipes` show."""
    limited = "" if result.limit is None else f", limited to the first {result.limit} items"
    lines = [f"# Evaluation of {result.name}{limited}", "", shown.LEGEND, ""]
    for part in result.tasks:
        about = f", {part.limited}" if part.limited else ""
        about += "" if part.is_trained else ", which is not trained: before and after"
        lines += [f"## {part.task}{about}", "", f"Run {part.run_id}; answers at {part.asked}.", ""]
        lines += [shown.as_markdown(table) for table in task_tables(part, whole=True)]
        lines += [*(f"- {shown.cell(note)}" for note in part.notes), ""]
    if result.forgetting is not None:
        lines += ["## Text before and after", "", f"Read: {shown.cell(result.forgetting.source)}.", ""]
        if len(result.forgetting.table):
            lines += [shown.as_markdown(shown.forgetting_shown(result.forgetting.table))]
        said = (*result.forgetting.sentences, *result.forgetting.notes)
        lines += [*(f"- {shown.cell(text)}" for text in said), ""]
    lines += [f"- {shown.cell(note)}" for note in result.notes]
    return "\n".join(lines).rstrip() + "\n"


def task_tables(part: TaskEvaluation, *, whole: bool) -> Iterator[shown.Shown]:
    """What is shown of one task: arms and comparisons; `whole` adds the report by label and the matrices."""
    yield shown.arm_table(part.arms)
    if len(part.pairs):
        yield shown.pair_table(part.pairs)
    if whole and "quality_labels" in part.tables:
        yield shown.label_table(part.tables["quality_labels"])
        yield from shown.confusion_tables(part.tables["confusion"])
