"""ShareGPT: `{"conversations": [{"from": "system" | "human" | "gpt", "value": ...}]}`.

What FastChat, LLaMA-Factory and axolotl read. In: an Example. Out: a line.
"""

from __future__ import annotations

import json

from bench.datasets.formats import Example

SUFFIX = ".jsonl"
NEEDS_TASK = True
_NAMES = {"system": "system", "user": "human", "assistant": "gpt"}


def line(example: Example) -> str:
    """The conversation with its answer."""
    turns = [{"from": _NAMES[turn.role], "value": turn.content} for turn in example.turns]
    turns.append({"from": "gpt", "value": example.answer})
    return json.dumps({"conversations": turns}, ensure_ascii=False)
