"""The `bench` command: one file per subcommand, and the one place where errors become exit codes.

In: the command line. Out: data on stdout, progress and errors on stderr, an exit code from
`bench.errors`. No logic lives here. This file imports nothing, because importing typer alone takes
six times as long as starting Python: `bench --help` and `bench --version` are answered from here,
everything else by `bench.cli.app`.
"""

import sys

HELP = "Which quantization of which model may I ship for this structured-output task?"

SUMMARIES = {
    "init": "Write a commented config.yaml and its JSON schema.",
    "run": "Measure every arm on the same articles, N times.",
    "report": "Turn a run into tables, a workbook, a page and heatmaps.",
    "gate": "Say which arms may be deployed, by margins and their uncertainty.",
    "approve": "Sign off an arm, bound to the run, report and verdict reviewed.",
    "compare": "Compare the same arms in two runs that asked the same questions.",
    "plan": "Say how much more data would settle what a run left open.",
    "train": "Train the models of a recipe, and measure them on what was held out.",
    "evaluate": "Measure what a training was worth: untuned, tuned and baselines on the held-out items.",
    "models": "List, export, quantize, compare and publish models, also to Ollama and the hub.",
    "import": "Make a run from results that are already there.",
    "export": "Write a run's results in another project's layout.",
    "tasks": "List tasks, show their prompts, check a task file.",
    "articles": "Fetch, read and freeze the articles that every arm is asked about.",
    "data": "Build data sets from public files and articles, label them by models, look at them.",
    "validate": "Judge answers that are already there.",
    "doctor": "Say what is installed, what the config needs, and how to mend it.",
    "demo": "Train two small models, sweep eight arms, time them, report.",
    "ask": "Ask one arm about one text; the answer streams.",
}
"""What `bench --help` says of each command, in the order of use; a test holds it against the commands."""

_OPTIONS = {
    "--version": "Print the version.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy or customize it.",
    "--help": "Show this message and exit.",
}


def help_text() -> str:
    """What `bench --help` prints."""
    sections = (("Options", _OPTIONS), ("Commands", SUMMARIES))
    lines = ["Usage: bench [OPTIONS] COMMAND [ARGS]...", "", f"  {HELP}"]
    for title, rows in sections:
        lines += ["", f"{title}:"] + [f"  {name:22}{text}" for name, text in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line and exit with a documented code."""
    try:
        code = _quick() if sys.argv[1:] in ([], ["--help"], ["--version"]) else _run()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _quick() -> int:
    from bench import __version__

    wants_version = sys.argv[1:] == ["--version"]
    sys.stdout.write(f"bench {__version__}\n" if wants_version else help_text())
    return 0 if sys.argv[1:] else 2


def _run() -> int:
    from bench.cli.app import app
    from bench.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, BenchError

    try:
        app()
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - the one place that turns a crash of ours into exit code 70
        sys.excepthook(*sys.exc_info())
        sys.stderr.write("this is a fault in bench, not in your input; please report it\n")
        return EXIT_INTERNAL
    return 0
