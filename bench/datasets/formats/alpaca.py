"""Alpaca: `{"instruction": ..., "input": ..., "output": ...}`, and `history` where the prompt has examples.

The instruction is the system message, the input the last question; a task without a system message has
its question as the instruction. In: an Example. Out: a line.
"""

from __future__ import annotations

import json

from bench.datasets.formats import Example

SUFFIX = ".jsonl"
NEEDS_TASK = True


def line(example: Example) -> str:
    """Instruction, input and output."""
    system = "\n\n".join(turn.content for turn in example.turns if turn.role == "system")
    said = [turn.content for turn in example.turns if turn.role != "system"]
    question, earlier = said[-1], said[:-1]
    found: dict[str, object] = {
        "instruction": system or question,
        "input": question if system else "",
        "output": example.answer,
    }
    if earlier:
        found["history"] = [list(pair) for pair in zip(earlier[::2], earlier[1::2], strict=True)]
    return json.dumps(found, ensure_ascii=False)
