"""`bench models`: the files below a folder, exports, models in Ollama, whether two arms are one model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bench.cli import models_export, models_files
from bench.errors import EXIT_ARMS_DIFFER, EXIT_ARMS_QUANTIZED, UsageError

if TYPE_CHECKING:
    from bench.model_files.listing import Row
    from bench.parity import ArmParity

HOW_TO_GET_SOME = "`bench train --preset tiny` makes the embedded ones in models/tiny"
WIDTH = 160
"""Of the table where no terminal tells its own, such as in a pipe."""

RUNS = Path("sentiments")


class _ListByDefault(TyperGroup):
    """`bench models` and `bench models DIR` mean `bench models list DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the command that goes without saying."""
        is_said = args and (args[0] in self.commands or args[0] in {"--help", "--show-completion"})
        return super().parse_args(ctx, args if is_said else ["list", *args])


app = typer.Typer(
    cls=_ListByDefault, help="List, export, quantize, compare and publish models, also to Ollama and the hub."
)
app.command("export")(models_export.export)
app.command("quantize")(models_export.quantize)
app.command("config")(models_export.config)
app.command("show")(models_files.show)
app.command("rm")(models_files.rm)
app.command("push")(models_files.push)

Host = Annotated[
    str | None, typer.Option(help="Where Ollama listens, in any form of OLLAMA_HOST; else OLLAMA_HOST.")
]


@app.command("list")
def command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to look, with all folders in it.")
    ] = Path("models"),
    as_json: Annotated[bool, typer.Option("--json", help="The files as a JSON array on stdout.")] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Load each model, alone in a process, for its memory and seconds."),
    ] = False,
) -> None:
    """List GGUF files and transformers folders and what they take; a damaged one is a row with its error."""
    from bench.model_files.listing import rows

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name another one, or {HOW_TO_GET_SOME}")
    found = rows(folder, RUNS, measure=measure, told=_tell)
    if as_json:
        typer.echo(json.dumps([model.model_dump(mode="json") for model in found], indent=2))
        return
    if not found:
        typer.echo(f"no models below {folder}; {HOW_TO_GET_SOME}", err=True)
        return
    _print_table(found)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The tag it gets, e.g. `sentiment:q4_K_M`.")],
    gguf: Annotated[
        Path, typer.Argument(metavar="FILE.gguf", help="The file to make it of, or the folder of an export.")
    ],
    quant: Annotated[
        str | None, typer.Option(help="Which of the folder's quants, where it has several.")
    ] = None,
    host: Host = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the Modelfile on stdout instead; ask no server.")
    ] = False,
) -> None:
    """Make a model in Ollama of a GGUF, and check that its prompts are the file's own."""
    from bench.backends.ollama import making
    from bench.model_files.listing import chosen_file

    if not gguf.exists():
        raise UsageError(f"{gguf}: no such file; name a GGUF, or {HOW_TO_GET_SOME}")
    recipe = making.recipe(chosen_file(gguf, quant))
    if only_print:
        typer.echo(recipe.modelfile, nl=False)
        return
    making.create(name, recipe, _address(host), _tell)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="The tag, e.g. `llama3.2:3b-instruct-q8_0`.")], host: Host = None
) -> None:
    """Get a model into Ollama from the registry that it knows."""
    from bench.backends.ollama.library import Library

    Library(_address(host)).pull(name, _tell)


@app.command()
def served(
    host: Host = None,
    as_json: Annotated[bool, typer.Option("--json", help="The models as a JSON array on stdout.")] = False,
) -> None:
    """List what Ollama has, with the digests a run records."""
    from bench.backends.ollama.library import Library
    from bench.safe_text import inert

    tags = Library(_address(host)).tags()
    if as_json:
        typer.echo(json.dumps([tag._asdict() for tag in tags], indent=2))
        return
    for tag in tags:
        size = _scaled(tag.size_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))
        digest = (tag.digest or "").removeprefix("sha256:")[:12]
        typer.echo(inert(f"{tag.name}  {tag.quantization_level or '?'}  {size}  {digest}"))


def _address(host: str | None) -> str:
    from bench.backends.ollama.host import address_of, default_address

    return default_address() if host is None else address_of(host, "--host")


def _tell(step: str) -> None:
    typer.echo(step, err=True)


def _print_table(found: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bench.safe_text import inert

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold", min_width=12)
    for column in ("kind", "quant", "params", "size", "bits", "memory", "load", "context", "chat", "digest"):
        is_number = column not in {"kind", "quant", "chat", "digest"}
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for model in found:
        if model.error is None:
            table.add_row(*(Text(inert(cell)) for cell in _cells(model)))
        else:
            table.add_row(Text(inert(model.file)), Text("damaged", style="red"))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    for model in found:
        if model.error is not None:
            console.print(Text(inert(f"{model.file}: {model.error}")), soft_wrap=True)


def _cells(model: Row) -> tuple[str, ...]:
    return (
        model.file,
        model.architecture or "",
        model.quant or "?",
        _scaled(model.n_parameters, 1000, ("", "K", "M", "B", "T")),
        _scaled(model.file_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB")),
        "" if model.bits_per_weight is None else f"{model.bits_per_weight:.2f}",
        _scaled(model.peak_memory_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB")),
        "" if model.load_s is None else f"{model.load_s:.2f} s",
        "" if model.context_tokens is None else str(model.context_tokens),
        "yes" if model.has_chat_template else "no",
        (model.digest or "").removeprefix("sha256:")[:12],
    )


def _scaled(number: int | None, step: int, units: tuple[str, ...]) -> str:
    """A large number with one decimal and its unit."""
    if number is None:
        return ""
    value, place = float(number), 0
    while value >= step and place < len(units) - 1:
        value, place = value / step, place + 1
    return f"{value:.1f} {units[place]}".strip() if place else f"{number} {units[0]}".strip()


@app.command()
def parity(
    arm_a: Annotated[str, typer.Argument(help="An arm, in full or in a unique shorter form.")],
    arm_b: Annotated[str, typer.Argument(help="The arm that should be the same model.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The config file.")] = Path("config.yaml"),
    run: Annotated[str | None, typer.Option(help="Take arms and articles of this run instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
) -> None:
    """Tell a damaged export from a quantization: prompts, tokens, stop tokens, first probabilities."""
    from bench.parity import Verdict, parity_of_config, parity_of_run
    from bench.store import find_run

    if run is None:
        found = parity_of_config(config, arm_a, arm_b)
    else:
        found = parity_of_run(find_run(RUNS, run), arm_a, arm_b)
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        _print_parity(found)
    if found.verdict is not Verdict.SAME:
        raise typer.Exit(EXIT_ARMS_QUANTIZED if found.verdict is Verdict.QUANTIZATION else EXIT_ARMS_DIFFER)


def _print_parity(found: ArmParity) -> None:
    from bench.safe_text import inert

    typer.echo(inert(f"A  {found.arm_a}\nB  {found.arm_b}\n"))
    for check in found.checks:
        if check.n_compared == 0:
            said = "not told by both engines"
        elif check.n_equal is None:
            said = (
                f"{_nats(found.logprob_mean)} apart on average, at most {_nats(found.logprob_max)}; "
                f"same first choice on {found.top1_agreement or 0:.0%} of {check.n_compared} prompts"
            )
        else:
            said = "equal" if check.n_equal == check.n_compared else "DIFFER"
            said += "" if check.name == "stop" else f" on {check.n_equal} of {check.n_compared} prompts"
        more = f"; {check.difference}" if check.difference else ""
        typer.echo(inert(f"{check.name:10}{said}{more}"))
    for warning in found.warnings:
        typer.echo(inert(f"note      {warning}"))
    typer.echo(inert(f"\n{found.verdict}: {found.reason}"))


def _nats(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f} nats"
