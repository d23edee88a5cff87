"""Chat messages: `{"messages": [{"role": "system", "content": ...}, ..., {"role": "assistant", ...}]}`.

What trl, axolotl, OpenAI's fine-tuning and most trainers read. In: an Example. Out: a line.
"""

from __future__ import annotations

import json

from bench.datasets.formats import Example

SUFFIX = ".jsonl"
NEEDS_TASK = True


def line(example: Example) -> str:
    """The conversation with its answer."""
    messages = [{"role": turn.role, "content": turn.content} for turn in example.turns]
    messages.append({"role": "assistant", "content": example.answer})
    return json.dumps({"messages": messages}, ensure_ascii=False)
