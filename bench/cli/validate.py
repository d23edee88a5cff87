"""`bench validate`: judge one text, or a stream of texts, by the rules that a run is judged by.

In: a file (or `-` for standard input) with one answer, or with `--jsonl` one object a line that has
`text` and perhaps `stop_reason`. Out: the verdict on stdout. It judges nothing itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import EXIT_TEXT_NOT_VALID, UsageError

if TYPE_CHECKING:
    from bench.records import AnswerSchema, Verdict

_STOP_REASONS = ("stop", "length", "context_overflow")


def command(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The text to judge; - is standard input.")],
    task: Annotated[str, typer.Option(help="Task whose answers are expected: a name, or its file.")] = (
        "financial_news"
    ),
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One object with `text` (and `stop_reason`) a line.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as one line of JSON.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 13 if a text is not valid.")] = False,
) -> None:
    """Judge answers that are already there."""
    from bench import tasks
    from bench.validation import judge_text

    schema = tasks.load(task).answer
    with _opened(file) as stream:
        if jsonl:
            all_valid = _judge_lines(stream, file, schema)
        else:
            # a byte that is not UTF-8 becomes half a surrogate pair, which no valid answer holds
            verdict = judge_text(stream.read().decode("utf-8", "surrogateescape"), schema)
            typer.echo(_json_line(verdict) if as_json else _plain(verdict))
            all_valid = verdict.outcome == "valid"
    if check and not all_valid:
        raise typer.Exit(EXIT_TEXT_NOT_VALID)


def _judge_lines(stream: IO[bytes], name: str, schema: AnswerSchema) -> bool:
    """Print a verdict for every good line; UsageError in the end if there was a bad one."""
    from bench.validation import judge_text

    all_valid = True
    bad: list[str] = []
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            request = _request(line)
        except UsageError as error:
            bad.append(f"line {number}: {error}")
            typer.echo(f"{name}: {bad[-1]}", err=True)
            continue
        verdict = judge_text(request["text"], schema, request.get("stop_reason"))
        typer.echo(_json_line(verdict))
        all_valid = all_valid and verdict.outcome == "valid"
    if bad:
        raise UsageError(f"{name}: {len(bad)} lines were not judged, the first is {bad[0]}")
    return all_valid


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise UsageError("not a line of JSON") from error
    if not isinstance(request, dict) or not isinstance(request.get("text"), str):
        raise UsageError('expected an object with a text under "text"')
    if request.get("stop_reason") not in (None, *_STOP_REASONS):
        raise UsageError(f"stop_reason must be one of {', '.join(_STOP_REASONS)}")
    return request


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}; give a text file or -") from error


def _json_line(verdict: Verdict) -> str:
    # ASCII only: no control or direction character of a model's text reaches the terminal
    return json.dumps(verdict.model_dump(mode="json"), ensure_ascii=True)


def _plain(verdict: Verdict) -> str:
    from bench.safe_text import inert

    lines = [verdict.outcome.value, *(f"  - {error}" for error in verdict.errors)]
    if verdict.outcome != "valid":
        lines.append(f"recoverable: {'yes' if verdict.recoverable else 'no'}")
    if verdict.unknown_keys:
        lines.append(f"unknown keys: {json.dumps(verdict.unknown_keys, ensure_ascii=False)}")
    if verdict.answer is not None:
        lines.append(json.dumps(verdict.answer, ensure_ascii=False, indent=2))
    return inert("\n".join(lines))
