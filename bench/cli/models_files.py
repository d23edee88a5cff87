"""`bench models show`, `rm` and `push`: one model looked at, removed or published."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UsageError

RUNS = Path("sentiments")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def show(
    path: Annotated[Path, typer.Argument(help="A GGUF file or a transformers folder.")],
    as_json: AsJson = False,
) -> None:
    """Show what a model's files say, its tensors' types, how it compared with its source, and its card."""
    from bench.model_files.show import show as show_model
    from bench.safe_text import inert

    shown = show_model(path)
    if as_json:
        typer.echo(json.dumps(shown._asdict(), indent=1, ensure_ascii=False))
        return
    for name, value in shown.facts.items():
        typer.echo(inert(f"{name:<24}{value}"))
    types = ", ".join(f"{n} {kind}" for kind, n in shown.tensor_types.items())
    typer.echo(f"{'tensor types':<24}{types}")
    typer.echo(inert(f"{'compared':<24}{shown.parity or 'nobody noted a comparison'}"))
    if shown.card:
        typer.echo(inert(f"\n{shown.card.rstrip()}"))


def rm(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders below the folder of models.")],
    root: Annotated[Path, typer.Option(help="The folder that they have to lie in.")] = Path("models"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what a run or a training refers to.")] = False,
) -> None:
    """Remove models; what a run or a training still refers to stays unless --force."""
    from bench.model_files.remove import plan, remove
    from bench.safe_text import inert

    removals = [plan(path, root, RUNS, paths) for path in paths]
    for removal in removals:
        users = (*removal.runs, *removal.trainings)
        used = f", used by {', '.join(users)}" if users else ""
        typer.echo(inert(f"{removal.path}  {removal.n_bytes:,} bytes{used}"), err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was removed: there is nobody to ask; add --yes")
        if not typer.confirm("remove?"):
            raise typer.Exit
    for removal in removals:
        remove(removal, force=force)
        typer.echo(inert(f"removed {removal.path}"))


def push(
    folder: Annotated[Path, typer.Argument(help="A folder of an export, such as OUT/gguf or OUT/fp16.")],
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; needs a license.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; ask nobody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a model's folder to the hub as one commit; the token comes from HF_TOKEN."""
    from bench.model_files.push import push as push_model

    pushed = push_model(
        folder, repo, public=public, dry_run=dry_run, told=lambda step: typer.echo(step, err=True)
    )
    if as_json:
        typer.echo(json.dumps(pushed._asdict(), indent=1))
        return
    for name, n_bytes in pushed.files.items():
        typer.echo(f"{name}  {n_bytes:,} bytes")
    typer.echo(f"nothing written to {repo}" if pushed.commit is None else f"{pushed.url} {pushed.commit}")
