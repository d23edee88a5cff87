"""Small records for tests, with every field that does not matter already filled in."""

from datetime import UTC, datetime

from bench.records import (
    AnswerField,
    AnswerSchema,
    ArmRecord,
    Article,
    Completion,
    Entity,
    Manifest,
    ModelSpec,
    Outcome,
    Sample,
    Verdict,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

SCHEMA = AnswerSchema(
    fields=(
        AnswerField(name="reasoning", type="text"),
        AnswerField(name="sentiment", type="number", minimum=-1, maximum=1),
        AnswerField(name="confidence", type="number", minimum=0, maximum=1),
    ),
    score="sentiment",
    confidence="confidence",
    label_thresholds=(-0.05, 0.05),
)

BARE = AnswerSchema(
    form="label", fields=(AnswerField(name="label", type="text", choices=("bad", "good")),), label="label"
)
"""An answer that is a label and nothing else."""
LETTER = BARE.model_copy(update={"form": "letter", "prefix": "The correct option is"})
"""An answer that is an option's letter, after a beginning that stands in the assistant's turn."""


def spec(quant="fp16", **fields) -> ModelSpec:
    """An arm of the fake backend."""
    given = {"family": "tiny", "variant": "base", "backend": "fake", "ref": f"x-{quant}", **fields}
    return ModelSpec.model_validate({"quant": quant, **given})


def article(text="Profits rose at Examplecorp.", name="Examplecorp", **fields) -> Article:
    """An article about one company."""
    entity = Entity(name=name)
    return Article(id=Article.make_id(text, entity), text=text, source="test", entity=entity, **fields)


def sample(arm="tiny/base/fp16@fake", prompt_id="p0", iteration=0, text="{}", **fields) -> Sample:
    """A stored answer."""
    given = {
        "run_id": "r",
        "article_id": f"a-{prompt_id}",
        "seed": 1,
        "completion": Completion(text=text, stop_reason="stop"),
        "verdict": Verdict(outcome=Outcome.NOT_JSON),
        **fields,
    }
    return Sample.model_validate({"arm": arm, "prompt_id": prompt_id, "iteration": iteration, **given})


def manifest(specs=None, articles=(), run_id="r", **fields) -> Manifest:
    """The manifest of a run that has just been made."""
    specs = [spec()] if specs is None else specs
    given = {
        "bench_version": "0",
        "config": {"sampling": {"temperature": 0.2}},
        "task": {"name": "t", "version": "1", "digest": "d"},
        "provenance": {},
        "article_ids": tuple(a.id for a in articles),
        "iterations": 2,
        "started_at": NOW,
        **fields,
    }
    arms = tuple(ArmRecord(arm=s.arm, spec=s) for s in specs)
    return Manifest.model_validate({"run_id": run_id, "arms": arms, **given})
