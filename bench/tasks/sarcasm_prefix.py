"""The task `sarcasm` with a letter as its answer, after the beginning "The correct option is".

In: the task `sarcasm`. Out: a task with the same items, parts and examples. The assistant's turn begins
with the prefix, so only backends that go on from a given beginning can run it.
"""

from bench.records import AnswerField, AnswerSchema
from bench.tasks import Task, load


def task() -> Task:
    """`sarcasm`, answered by the letter that completes a sentence."""
    plain = load("sarcasm")
    answer = AnswerSchema(
        form="letter",
        fields=(AnswerField(name="label", type="text", choices=plain.labels),),
        label="label",
        tolerates=("space", "period", "brackets"),
        prefix="The correct option is",
    )
    changed = {
        "name": "sarcasm_prefix",
        "description": "The task sarcasm, answered by a letter that completes a given sentence.",
        "system": plain.system.replace(
            "Answer with one word and nothing else: sarcastic or sincere.",
            "Answer with the letter of the correct option and nothing else.",
        ),
        "user": f"{plain.user}\n\nOptions:\n{{options}}",
        "answer": answer,
    }
    return Task.model_validate({**{name: getattr(plain, name) for name in Task.model_fields}, **changed})
