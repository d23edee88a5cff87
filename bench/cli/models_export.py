"""`bench models export` and `quantize`: a model in the forms it is deployed in. Steps go to stderr."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import ModelFileError, UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SMALLEST_SHARD = 1000


def export(
    model: Annotated[str, typer.Argument(help="A transformers folder, or models/NAME/TRAINING.")],
    to: Annotated[
        str,
        typer.Option(
            help="Forms, comma-separated: fp32, fp16, bf16, nf4, int8 (transformers), gguf-fp16, q8_0, "
            "q4_K_M, ... (GGUF)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the forms.")],
    adapter: Annotated[
        Path | None, typer.Option(help="A PEFT adapter, merged in fp32.", show_default=False)
    ] = None,
    shard_size: Annotated[str, typer.Option(help="Largest part of safetensors.")] = "5GB",
    family: Annotated[
        str | None, typer.Option(help="Family of the arms; else the training's or the folder's name.")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Variant of the arms.", show_default=False)] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="For the card; else what the base's card says.")
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="The base's name on the hub; else what the adapter calls it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was made as JSON on stdout.")] = False,
) -> None:
    """Write a model in other forms, each proven to be the same model; what is not is set aside (exit 5)."""
    from bench.model_files.export import export as export_model
    from bench.training.export.forms import parse

    exported = export_model(
        model,
        parse(to),
        out,
        adapter=adapter,
        shard_bytes=_bytes(shard_size),
        family=family,
        variant=variant,
        licence=licence,
        base_model=base_model,
        told=lambda step: typer.echo(step, err=True),
    )
    if as_json:
        made = [one.facts() | {"path": str(one.path)} for one in exported.made]
        typer.echo(json.dumps({"out": str(out), "made": made}, indent=1))
    else:
        typer.echo(exported.entries, nl=False)
    for one in exported.made:
        if one.is_published:
            typer.echo(f"{one.path}  {one.n_bytes:,} bytes  {one.check.sentence()}", err=True)
    if exported.refusal:
        raise ModelFileError(exported.refusal)


def quantize(
    file: Annotated[Path, typer.Argument(metavar="FILE.gguf", help="A GGUF file in fp16, bf16 or fp32.")],
    to: Annotated[str, typer.Option(help="Quants, comma-separated: any that the engine knows.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the quants; else beside the file.", show_default=False)
    ] = None,
    imatrix: Annotated[
        str | None,
        typer.Option(
            help="An importance matrix of a run's articles, of a set or file of articles, or a file."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task that asks about the articles; else the run's own.")
    ] = None,
    style: Annotated[str, typer.Option(help="The prompts' style.")] = "zero_shot",
    prove: Annotated[
        bool,
        typer.Option(help="Tell the KL on a held-out quarter of the articles, with and without."),
    ] = True,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Let matrices that do not fit have another type.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was made as JSON on stdout.")] = False,
) -> None:
    """Make other quants of a GGUF file, where asked with an importance matrix of a run's articles."""
    from bench.model_files.quantize import matrix_sentence
    from bench.model_files.quantize import quantize as quantize_file

    names = [name.strip() for name in to.split(",") if name.strip()]
    if not names:
        raise UsageError("--to names no quant, such as q4_K_M,q8_0")
    result = quantize_file(
        file,
        names,
        out=out,
        imatrix=imatrix,
        task=task,
        style=style,
        prove=prove,
        allow_fallback=allow_fallback,
        told=lambda step: typer.echo(step, err=True),
    )
    if as_json:
        typer.echo(json.dumps([one._asdict() | {"path": str(one.path)} for one in result.made], indent=1))
    for one in () if as_json else result.made:
        typer.echo(f"{one.path}  {one.n_bytes:,} bytes  {one.bits_per_weight:.2f} bits per weight")
        for line in (*one.fallen_back, *([matrix_sentence(one)] if one.importance else [])):
            typer.echo(f"  {line}")
    if result.refused:
        raise ModelFileError("; ".join(result.refused))


def config(
    outs: Annotated[list[Path], typer.Argument(metavar="OUT...", help="Folders of exports.")],
    task: Annotated[str, typer.Option(help="A task's name or file.")] = "financial_news",
    articles: Annotated[
        str | None,
        typer.Option(help="A frozen set or a .jsonl, such as models/NAME/test.jsonl; else the task's own."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Answers of every arm to each article.")] = 15,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 1024,
    context_tokens: Annotated[int, typer.Option(min=16, help="Prompt and answer together.")] = 8192,
) -> None:
    """Print a config.yaml whose arms are everything that these exports published."""
    from bench.model_files.export_folder import config_text

    typer.echo(config_text(outs, task, articles, iterations, max_tokens, context_tokens), nl=False)


def _bytes(text: str) -> int:
    """A size such as `2GB`, decimal as on the hub."""
    match = _SIZE.fullmatch(text.strip())
    n_bytes = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if n_bytes < _SMALLEST_SHARD:
        raise UsageError(f"--shard-size {text!a}: write a size such as 500MB or 2GB")
    return n_bytes
