"""Model cards: what a model was made of, for people (Markdown) and for scripts (JSON).

In: the facts that the stages noted. Out: two files for each variant. It measures nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.training.files import write_whole

_DATA = {
    "base": (
        "Generated English text only: composed company news, general prose, and conversations that ask for "
        "notes on several articles in made-up formats (JSON objects, lines, plain sentences) which change "
        "from one conversation to the next. It was not tuned to any task, never saw the task's own prompt, "
        "and every JSON object it read was well-formed."
    ),
    "fine-tuned": (
        "The base with a LoRA adapter merged in, tuned on composed company news with the task's own prompt "
        "(zero-shot). Score, confidence and reasons of an example follow from how its article was composed. "
        "Only the tokens of the answer bear loss. No bundled article is among the texts."
    ),
}


def write_card(folder: Path, variant: str, facts: Mapping[str, Any]) -> tuple[Path, Path]:
    """`<variant>.md` and `<variant>.json` in the model folder."""
    content = {"variant": variant, "data": _DATA[variant], **facts}
    script, page = folder / f"{variant}.json", folder / f"{variant}.md"
    write_whole(script, json.dumps(content, indent=1, ensure_ascii=False).encode())
    write_whole(page, _page(variant, facts).encode())
    return page, script


def _page(variant: str, facts: Mapping[str, Any]) -> str:
    training, parity = facts["training"], facts["parity"]
    lines = [
        f"# {facts['family']} {variant}",
        "",
        _DATA[variant],
        "",
        "A small model for trying `bench` out. It knows nothing of the world: do not use its judgements.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {facts['parameters']:,} |",
        f"| vocabulary | {facts['vocabulary']:,} tokens |",
        f"| trained context | {facts['trained_context_tokens']:,} of {facts['context_tokens']:,} tokens |",
        f"| steps | {training['steps']:,} |",
        f"| tokens seen | {training['tokens']:,} |",
        f"| loss, first and last ten steps | {training['loss_first']:.3f}, {training['loss_last']:.3f} |",
        f"| seconds | {training['seconds']:.0f} on {training['threads']} threads |",
        f"| seed | {facts['seed']} |",
        f"| fp16 file against transformers | same tokens on {parity['n_strings']} strings; logits within "
        f"{parity['max_logit_difference']:.4f} at {parity['n_positions']:,} places; same first choice at "
        f"{parity['n_top1_equal']:,}, ties {parity['n_ties']} |",
        "",
        "| file | bytes | tensors | digest |",
        "|---|---|---|---|",
    ]
    for file in facts["files"]:
        types = ", ".join(f"{n} {kind}" for kind, n in file["tensor_types"].items())
        lines.append(f"| {file['name']} | {file['bytes']:,} | {types} | `{file['digest']}` |")
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines += ["", f"Made with {versions}.", "", "The recipe:", "", "```json"]
    return "\n".join([*lines, json.dumps(facts["recipe"], indent=1), "```", ""])
