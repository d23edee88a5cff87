"""The command line proper: every subcommand, one file each, gathered for typer.

In: the modules of this folder. Out: `app`. A command imports what is heavy only when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bench import __version__
from bench.cli import (
    HELP,
    approve,
    articles,
    ask,
    compare,
    data,
    demo,
    doctor,
    evaluate,
    export,
    gate,
    import_,
    init,
    models,
    plan,
    report,
    run,
    tasks,
    train,
    validate,
)

app = typer.Typer(
    name="bench",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_MODULES = (
    init,
    run,
    report,
    gate,
    approve,
    compare,
    plan,
    train,
    evaluate,
    import_,
    export,
    validate,
    doctor,
    demo,
    ask,
)
for _module in _MODULES:
    app.command(_module.__name__.rpartition(".")[2].rstrip("_"))(_module.command)
app.add_typer(models.app, name="models")
app.add_typer(tasks.app, name="tasks")
app.add_typer(articles.app, name="articles")
app.add_typer(data.app, name="data")
