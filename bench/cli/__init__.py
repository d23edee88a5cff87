"""The `bench` command: one file per subcommand, and the one place where errors become exit codes.

In: the command line. Out: data on stdout, progress and errors on stderr, an exit code from
`bench.errors`. No logic lives here, and a command imports what is heavy only when it runs, so that
`bench --help` stays instant.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bench import __version__
from bench.cli import ask, demo, doctor, init, models, report, run, train, validate
from bench.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, BenchError

app = typer.Typer(
    name="bench",
    help="Which quantization of which model may I ship for this structured-output task?",
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
    """Compare models and quantizations on a structured-output task."""


for _module in (init, run, report, train, models, validate, doctor, demo, ask):
    app.command(_module.__name__.rpartition(".")[2])(_module.command)


def main() -> None:
    """Run the command line and exit with a documented code."""
    try:
        app(standalone_mode=True)
    except BenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the one place that turns a crash of ours into exit code 70
        sys.excepthook(*sys.exc_info())
        typer.echo("this is a fault in bench, not in your input; please report it", err=True)
        sys.exit(EXIT_INTERNAL)
