"""`bench ask ARM FILE|-`: one streamed answer of one arm about one text, with its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import NoArticlesError, UsageError

if TYPE_CHECKING:
    from bench.records import Article


def command(
    arm: Annotated[str, typer.Argument(help="An arm of the config, in full or a unique shorter form.")],
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The config file.")] = Path("config.yaml"),
    entity: Annotated[str | None, typer.Option(help="The company to ask about.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of this answer.")] = 0,
) -> None:
    """Ask one arm about one text; the answer streams."""
    from bench import backends, tasks
    from bench.backends import Request
    from bench.config import find_arm, load_config
    from bench.safe_text import inert
    from bench.validation import judge_text

    settings = load_config(config)
    spec = find_arm(arm, settings.arms())
    task = tasks.load(settings.task)
    prompt = task.render(_article(file, entity), spec.prompt_style)
    backend = backends.get(spec.backend)
    backend.check(spec, settings.sampling)
    backends.check_schema(spec, task.answer)
    session = backend.open(spec, settings.sampling, task.answer, 1)
    pieces = []
    try:
        for piece in session.stream(Request(prompt, (seed,))):
            pieces.append(piece)
            sys.stdout.write(inert(piece))
            sys.stdout.flush()
    finally:
        session.close()
    sys.stdout.write("\n")
    verdict = judge_text("".join(pieces), task.answer)
    typer.echo(f"{spec.arm}: {verdict.outcome}" + "".join(f"; {inert(e)}" for e in verdict.errors), err=True)


def _article(file: str, entity: str | None) -> Article:
    from bench.records import Article, Entity

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{file}: cannot be read: {reason}") from error
    if not text.strip():
        raise NoArticlesError(f"{file}: there is no text in it")
    company = Entity(name=entity) if entity else None
    return Article(id=Article.make_id(text, company), text=text, source="ask", entity=company)
