"""A model's README.md in the hub's form: what it is, where it came from, that it is the same model.

In: facts. Out: Markdown with the front matter that the hub reads: base model, licence, tags and the results
of the evaluation. What nobody said is left out, never guessed. It measures nothing.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

Rows = Sequence[Mapping[str, str]]
_MATRIX = "importance matrix"
RESULTS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "matthews": "Matthews correlation",
}
"""Columns of an evaluation that the hub shows beside a model."""
SHOWN = (
    "task", "arm", "role", "variant", "n_items", "valid_rate", "accuracy", "accuracy_bounded_low",
    "accuracy_bounded_high", "macro_f1", "macro_f1_ci_low", "macro_f1_ci_high", "garbage_rate", "ece",
    "brier", "error_absolute",
)  # fmt: skip
"""Columns of an evaluation that a card shows, where it has them; `evaluation.csv` has some fifty."""


class FormFacts(NamedTuple):
    """One file or folder."""

    name: str
    quant: str
    n_bytes: int
    bits_per_weight: float
    tensor_types: Mapping[str, int]
    parity: str
    """What the comparison with the model found."""
    digest: str
    imatrix: str | None = None
    """Where an importance matrix came from."""


class CardFacts(NamedTuple):
    """All that a card says."""

    title: str
    library: str
    """`transformers` or `gguf`."""
    pipeline: str
    """The hub's name for what it does, e.g. `text-generation`."""
    base_model: str | None
    licence: str | None
    n_parameters: int
    forms: tuple[FormFacts, ...]
    evaluation: Rows = ()
    own_rows: Rows = ()
    """Those rows of the evaluation that are about this model."""
    task: str | None = None
    training: Mapping[str, Any] | None = None
    """What the training noted about itself."""
    entry: str = ""
    """What a config.yaml says to measure it."""
    versions: Mapping[str, str] | None = None


def page(facts: CardFacts) -> str:
    """The whole README.md."""
    parts = [_front_matter(facts), f"# {_plain(facts.title)}", _summary(facts), _forms(facts)]
    parts += [_evaluation(facts), _training(facts), _use(facts)]
    if facts.versions:
        made = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
        parts.append(f"Made by `bench models export` with {made}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: CardFacts) -> str:
    said: dict[str, Any] = {
        "base_model": facts.base_model,
        "license": facts.licence,
        "library_name": facts.library,
        "pipeline_tag": facts.pipeline,
        "tags": ["bench", *(["gguf"] if facts.library == "gguf" else [])],
    }
    index = _model_index(facts)
    if index:
        said["model-index"] = index
    kept = {key: value for key, value in said.items() if value is not None}
    return "---\n" + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True) + "---"


def _model_index(facts: CardFacts) -> list[dict[str, Any]]:
    """The results as the hub's `model-index` has them; numbers only."""
    results = []
    for row in facts.own_rows:
        metrics = [
            {"type": column, "name": name, "value": value}
            for column, name in RESULTS.items()
            if (value := _number(row.get(column))) is not None
        ]
        if metrics:
            task = row.get("task") or facts.task or "task"
            results.append(
                {
                    "task": {"type": facts.pipeline, "name": task},
                    "dataset": {"type": task, "name": f"{task}, held-out items"},
                    "metrics": metrics,
                }
            )
    return [{"name": facts.title, "results": results}] if results else []


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _summary(facts: CardFacts) -> str:
    lines = [f"{facts.n_parameters:,} parameters."]
    if facts.base_model:
        lines.append(f"Made from {_plain(facts.base_model)}.")
    lines.append("Licence: " + (_plain(facts.licence) if facts.licence else "nobody said one") + ".")
    return " ".join(lines)


def _forms(facts: CardFacts) -> str:
    head: tuple[str, ...] = (
        "file",
        "quant",
        "bytes",
        "bits per weight",
        "tensors",
        "importance matrix",
        "digest",
    )
    rows = [
        (
            form.name,
            form.quant,
            f"{form.n_bytes:,}",
            f"{form.bits_per_weight:.2f}",
            ", ".join(f"{n} {kind}" for kind, n in form.tensor_types.items()),
            form.imatrix or "",
            form.digest,
        )
        for form in facts.forms
    ]
    if not any(form.imatrix for form in facts.forms):
        head, rows = _without(head, rows, _MATRIX)
    proofs = [f"- {_plain(form.name)}: {_plain(form.parity)}" for form in facts.forms]
    said = "Compared with the model it was made of, after it was written:"
    return "\n".join(["## Files", "", _table(head, rows), "", said, "", *proofs])


def _without(head: tuple[str, ...], rows: list[Any], name: str) -> tuple[tuple[str, ...], list[Any]]:
    at = head.index(name)
    return (*head[:at], *head[at + 1 :]), [(*row[:at], *row[at + 1 :]) for row in rows]


def _evaluation(facts: CardFacts) -> str:
    if not facts.evaluation:
        return ""
    columns = [name for name in SHOWN if any(row.get(name) for row in facts.evaluation)]
    rows = [tuple(_shown(row.get(name)) for name in columns) for row in facts.evaluation]
    said = "On held-out items; other arms stand beside it to compare."
    return "\n".join(["## Evaluation", "", said, "", _table(tuple(columns), rows)])


def _shown(cell: str | None) -> str:
    value = _number(cell)
    return (cell or "") if value is None or value.is_integer() else f"{value:.4g}"


def _training(facts: CardFacts) -> str:
    plain = {k: v for k, v in (facts.training or {}).items() if isinstance(v, (str, int, float))}
    if not plain:
        return ""
    return "\n".join(["## Training", "", _table(("what", "value"), [(k, str(v)) for k, v in plain.items()])])


def _use(facts: CardFacts) -> str:
    if not facts.entry:
        return ""
    return "\n".join(["## Use", "", "In `config.yaml` of bench:", "", "```yaml", facts.entry.rstrip(), "```"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text that can be neither a cell's end, nor a line's, nor markup that runs."""
    return html.escape(" ".join(str(text).split()), quote=False).replace("|", "\\|")
