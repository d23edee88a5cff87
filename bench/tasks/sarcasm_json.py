"""The task `sarcasm` with its answer as a JSON object that states a confidence.

In: the task `sarcasm`. Out: a task with the same items, parts and examples; other words in the system
message and another answer. The examples' confidence is this file's.
"""

from bench.records import AnswerField, AnswerSchema
from bench.tasks import Task, load

_ANSWER = (
    "Answer with one JSON object and nothing else, with these two keys in this order:\n"
    '- "label": "sarcastic" or "sincere".\n'
    '- "confidence": a number from 0 to 1, how sure you are.'
)
_SURE = 0.9


def task() -> Task:
    """`sarcasm`, answered in JSON."""
    plain = load("sarcasm")
    answer = AnswerSchema(
        fields=(
            AnswerField(name="label", type="text", choices=plain.labels),
            AnswerField(name="confidence", type="number", minimum=0, maximum=1),
        ),
        label="label",
        confidence="confidence",
    )
    changed = {
        "name": "sarcasm_json",
        "description": "The task sarcasm, answered as a JSON object with a confidence.",
        "system": plain.system.replace(
            "Answer with one word and nothing else: sarcastic or sincere.", _ANSWER
        ),
        "answer": answer,
        "examples": tuple(
            e.model_copy(update={"answer": {"label": e.answer, "confidence": _SURE}}) for e in plain.examples
        ),
    }
    return Task.model_validate({**{name: getattr(plain, name) for name in Task.model_fields}, **changed})
