"""`bench data`: build, show, divide, count, label and push data sets. Data on stdout, progress on stderr."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.datasets.build import Progress
    from bench.datasets.card import Card

app = typer.Typer(
    help="Build data sets from public files and articles, label them by models, look at them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_OUT = Path("datasets")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the data sets.")]
Root = Annotated[Path, typer.Option("--root", help="Folder in which the recipe's paths begin.")]
Name = Annotated[str, typer.Argument(help="A data set's name or folder.", show_default=False)]


@app.command()
def build(
    recipe: Annotated[Path, typer.Argument(help="A recipe; recipes/data/ has examples.", show_default=False)],
    root: Root = Path(),
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Build a data set: read, clean, divide, write in every format, with its card."""
    from bench.data import build as build_set

    with _progress() as progress:
        card = build_set(recipe, root, out, progress)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
    else:
        _print_card(card)
        typer.echo(f"{out / card.name}/card.md says the whole")


@app.command()
def show(
    name: Name,
    side: Annotated[str, typer.Option("--side", help="train, validation or test.")] = "train",
    n: Annotated[int, typer.Option("-n", min=1, help="Rows to show.")] = 5,
    form: Annotated[str, typer.Option("--format", help="A format that was written.")] = "rows",
    out: Out = _OUT,
) -> None:
    """Show the first rows of a side, in one of its formats."""
    from bench.datasets import folder
    from bench.safe_text import inert

    found = folder.find(out, name)
    sides = folder.read_card(found).sides
    if side not in sides:
        raise UsageError(f"--side {side}: there are {', '.join(sides)}")
    file = sides[side].files.get(form)
    if file is None:
        written = ", ".join(sides[side].files) or "none; the side has no rows"
        raise UsageError(f"--format {form}: written for {side} are {written}")
    with (found / file.name).open(encoding="utf-8", newline="\n") as lines:
        for line in itertools.islice(lines, n):
            typer.echo(inert(line.rstrip("\n")))


@app.command()
def stats(name: Name, out: Out = _OUT, as_json: AsJson = False) -> None:
    """Count a data set's rows by side, label and source, and say whether its files are as they were made."""
    from bench.datasets import folder

    found = folder.find(out, name)
    card = folder.read_card(found)
    changed = folder.changed_files(found)
    if as_json:
        counted = {side: _lengths(found, side) for side in card.sides}
        typer.echo(
            json.dumps({**card.model_dump(mode="json"), "words": counted, "changed_files": changed}, indent=2)
        )
        return
    _print_card(card)
    for side in card.sides:
        lengths = _lengths(found, side)
        if lengths:
            typer.echo(f"{side:<12}words a text: " + ", ".join(f"{k} {v}" for k, v in lengths.items()))
    for file in changed:
        typer.echo(f"changed since it was built: {file}", err=True)


@app.command()
def split(
    name: Name,
    as_name: Annotated[str, typer.Option("--as", help="Name of the new data set.", show_default=False)],
    train: Annotated[float, typer.Option(help="Share of the rows.")] = 0.8,
    validation: Annotated[float, typer.Option(help="Share of the rows.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the rows.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Another seed divides otherwise.")] = 0,
    similar: Annotated[float, typer.Option(help="Texts as similar as this stay on one side.")] = 0.55,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Divide a built data set anew, whole groups to one side, under another name."""
    from pydantic import ValidationError

    from bench.data import resplit
    from bench.datasets import folder
    from bench.datasets.split import Options

    try:
        options = Options(train=train, validation=validation, test=test, similar=similar)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"--{part} " for part in first["loc"])
        raise UsageError(f"{where}{first['msg'].removeprefix('Value error, ')}") from error
    card = resplit(folder.find(out, name), as_name, options, seed, out)
    typer.echo(card.model_dump_json(indent=2) if as_json else "", nl=as_json)
    if not as_json:
        _print_card(card)


@app.command()
def label(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a `labelling` section.", show_default=False)],
    root: Root = Path(),
    out: Out = _OUT,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Label so many rows only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have models label rows; stopped or killed, the same command goes on, and no call is paid twice."""
    from bench.labelling.outlive import outlive_parent

    stop = outlive_parent()  # from here on in a process that ends in order when this one is killed
    from bench.labelling.run import label as label_rows

    with _labelling_progress() as (progress, waiting):
        card = label_rows(recipe, root, out, limit=limit, stop=stop, progress=progress, waiting=waiting)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
        return
    _print_card(card)
    _print_labelling(card.labelling or {})
    typer.echo(f"{out / card.name}/card.md says the whole")


@app.command()
def push(
    name: Name,
    repo: Annotated[str, typer.Argument(help="owner/name on the hub.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written.")] = False,
    out: Out = _OUT,
    as_json: AsJson = False,
) -> None:
    """Write a data set to the hub as one commit; the token comes from HF_TOKEN."""
    from bench.datasets import folder
    from bench.datasets.push import push as push_set

    pushed = push_set(folder.find(out, name), repo, public=public, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(pushed._asdict(), indent=2))
        return
    for file in pushed.files:
        typer.echo(file)
    typer.echo(f"nothing written to {repo}" if pushed.commit is None else f"{pushed.url} {pushed.commit}")


# ---------------------------------------------------------------- what is printed


def _print_card(card: Card) -> None:
    from bench.safe_text import inert

    for source in card.sources:
        licence = source.licence or "licence not stated"
        typer.echo(inert(f"{source.name:<24}{source.n_rows:>10,} rows  {licence}"))
    for step in card.steps:
        done = ", ".join(f"{what}: {n:,}" for what, n in step.counts.items() if n)
        typer.echo(inert(f"{step.step:<24}{step.n_rows_out:>10,} rows  {done}".rstrip()))
    for side, held in card.sides.items():
        labels = ", ".join(f"{label}: {n:,}" for label, n in held.labels.items())
        typer.echo(inert(f"{side:<24}{held.n_rows:>10,} rows  {labels}".rstrip()))


def _print_labelling(told: dict[str, Any]) -> None:
    for name, counts in told["labellers"].items():
        cost = "" if counts["cost"] is None else f", {counts['cost']:.4g} {told['currency']}"
        tokens = f"{counts['prompt_tokens']:,} + {counts['completion_tokens']:,} tokens"
        calls = f"{counts['calls']:,} calls ({counts['failed_calls']:,} failed)"
        typer.echo(f"{name}: {counts['labelled']:,} of {counts['items']:,} labelled, {calls}, {tokens}{cost}")
    for name in ("label_alpha", "score_alpha"):
        found = told["agreement"].get(name)
        if found:
            interval = f"{found['ci_low']:.2f} to {found['ci_high']:.2f}"
            shown = f"{found['value']:.2f} ({interval}), {found['n_items']} items"
            typer.echo(f"agreement, {name.replace('_', ' ')}: {shown}")


@contextmanager
def _labelling_progress() -> Iterator[tuple[Callable[[int, int, float], None], Callable[[], None]]]:
    """A bar in a terminal, a line for every tenth part elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    told = -1

    def line(done: int, total: int, cost: float) -> None:
        nonlocal told
        if total and 10 * done // total != told:
            told = 10 * done // total
            console.print(f"{done} of {total} labelled", highlight=False)

    def waiting() -> None:
        console.print("waiting for answers that an earlier run still writes down", highlight=False)

    if not console.is_terminal:
        yield line, waiting
        return
    with console.status("reading") as status:
        yield lambda done, total, cost: status.update(f"{done:,} of {total:,} labelled"), waiting


def _lengths(found: Path, side: str) -> dict[str, int]:
    """Least, median, 95th percentile and most words of a side's texts."""
    from bench.datasets import folder

    counts = Counter(len(row.text.split()) for row in folder.rows(found, side))
    if not counts:
        return {}
    total = counts.total()
    return {
        name: _quantile(counts, place * (total - 1))
        for name, place in (("least", 0.0), ("median", 0.5), ("p95", 0.95), ("most", 1.0))
    }


def _quantile(counts: Counter[int], place: float) -> int:
    passed = 0
    for value in sorted(counts):
        passed += counts[value]
        if passed > place:
            return value
    return max(counts)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Rows so far on stderr, in a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, n: None
        return
    with console.status("reading") as status:
        yield lambda what, n: status.update(f"{n:,} {what}")
