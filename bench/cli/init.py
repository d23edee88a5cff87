"""`bench init`: write a commented `config.yaml` and the JSON schema that editors check it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UsageError, disk_errors

TEMPLATE = """\
# yaml-language-server: $schema=./config.schema.json
# What `bench run` measures and `bench report` compares. Paths are relative to the folder you start
# bench in. `bench run --dry-run` says what a change of this file would cost.

task: financial_news        # a shipped task, or the path of your own task file
articles:
  source: sample            # the bundled articles, a .jsonl file, or a set that you froze, by its name
  # limit: 20               # only the first so many
  # To fetch: `bench articles fetch` tries, `bench articles freeze NAME` keeps; then `source: NAME`.
  # source: yahoo           # or rss with feeds: [...], urls with urls: [...], files with path: ...
  # tickers: [AAPL, MSFT]
  # company: {name: Apple, aliases: [Apple Inc.], ticker: AAPL}
  # relevant_only: false    # true keeps only the paragraphs that speak of the company
  # max_age_days: 7
  # max_items: 20           # of each feed or ticker

iterations: 15              # answers of each arm to each article

width: 16                   # answers decoded together, one number for all arms; auto chooses it once

sampling:                   # the same for every arm; a backend that cannot honour one refuses
  temperature: 0.2          # 0 is greedy: one answer per article, unless allow_greedy_repeats
  top_p: 1.0                # 1.0 is off
  top_k: 0                  # 0 is off
  min_p: 0.0                # 0 is off
  repeat_penalty: 1.0       # 1.0 is off
  presence_penalty: 0.0     # 0 is off
  frequency_penalty: 0.0    # 0 is off
  max_tokens: 160           # longest answer
  context_tokens: 4096      # prompt and answer together; longer ones are counted as context_overflow
  seed: 0                   # every sample's own seed follows from this one
  stop: []
  stop_on_json: false       # true ends an answer at its first whole object, and hides what would follow

stop_after_failures: 10     # so many failed measurements in a row stop the run (it can be resumed)

models:                     # every quant is an arm: family/variant/quant@backend
  - family: tiny
    variant: base
    quants: [q4_K_M, q5_K_M, q8_0, fp16]
    backend: llama_cpp
    ref: models/tiny/{variant}-{quant}.gguf     # made by `bench train --preset tiny`
    prompt_style: few_shot  # an untuned model sees the task's examples
  - family: tiny
    variant: fine-tuned
    quants: [q4_K_M, q5_K_M, q8_0, fp16]
    backend: llama_cpp
    ref: models/tiny/{variant}-{quant}.gguf
    prompt_style: zero_shot # a model tuned to the task needs no examples

  # - repeat_of: tiny/base/fp16                 # the same arm once more, other seeds: what chance alone does

# baseline: fp16            # what each group is compared with; without it fp16, else bf16, else fp32
comparisons: []             # further pairs, A minus B: [[tiny/base/q4_K_M, tiny/base/q8_0]]

gate:                       # what `bench gate` holds an arm to; score margins are fractions of half the range
  valid_drop: 0.05          # drop of the valid rate against the baseline
  valid_floor: 0.95         # valid rate of any arm
  mean: 0.05                # shift of the mean score
  rms: 0.10                 # root-mean-square drift over articles
  variance_ratio: 2.0       # of the variance between iterations
  variance_abs: 0.02        # a smaller standard deviation never matters
  labels: 0.05              # excess disagreement of labels
"""


def command(
    folder: Annotated[Path, typer.Argument(help="Where to write config.yaml.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a commented config.yaml and its JSON schema."""
    from bench.config import json_schema

    files = {
        folder / "config.yaml": TEMPLATE,
        folder / "config.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }
    for path in files:
        if path.exists() and not force:
            raise UsageError(f"{path} is already there; --force overwrites it")
    for path, text in files.items():
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        typer.echo(str(path))
