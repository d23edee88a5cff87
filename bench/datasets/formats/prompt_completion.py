"""Prompt and completion: `{"prompt": [messages], "completion": [messages]}`.

trl's conversational form, in which the loss is on the completion alone and the model's own chat template
is applied. In: an Example. Out: a line.
"""

from __future__ import annotations

import json

from bench.datasets.formats import Example

SUFFIX = ".jsonl"
NEEDS_TASK = True


def line(example: Example) -> str:
    """The prompt's messages, and the answer's."""
    prompt = [{"role": turn.role, "content": turn.content} for turn in example.turns]
    completion = [{"role": "assistant", "content": example.answer}]
    return json.dumps({"prompt": prompt, "completion": completion}, ensure_ascii=False)
