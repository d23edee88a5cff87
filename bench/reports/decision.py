"""What a person decides from, one row per arm: the gate's verdict on it, with its questions.

In: a ReportInput. Out: rows for the sheet Decision and for the page. What the gate does not judge (A/A arms,
bare tables) still has estimates and intervals, but no verdict: "not significant" is no pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.records import GateAnswer, GateArm, GateResult
from bench.reports import ReportInput
from bench.reports.scale import arms_in_order

OWN = "accuracy"
"""Not a question of the gate: the arm's own share of right answers, or its error, with a 95 % interval."""
QUESTIONS = {
    OWN: "Right answers",
    "quality": "Drop of right answers",
    "fine_tuning": "Drop against its base model",
    "valid": "Valid answers",
    "mean": "Mean score",
    "rms": "Drift of single articles",
    "variance": "Variance between repeats",
    "labels": "Labels",
}
"""What is shown of an arm: the gate's questions, and what they are about. The first three only where items
have labels or reference scores, the third only where a fine-tuned arm has its base in the run."""
OF_SCORES = {
    OWN: "Error of the score",
    "quality": "Rise of the score's error",
    "fine_tuning": "Rise against its base model",
}
"""Their titles where only reference scores are known."""
VALID_DROP = "Drop of valid answers"
"""What the gate asks about valid answers; without it an arm's own rate is shown."""
NOT_READ = "The gate did not judge this run: these are estimates and intervals without a verdict."
VERDICTS = {
    "pass": "✓ pass",
    "fail": "✗ fail",
    "not_enough_data": "? not enough data",
    "not_testable": "– not testable",
    "measurement_invalid": "! measurement invalid",
    "baseline": "= baseline",
}
"""Every verdict as a sign and words, so that no colour is needed to read it."""


class Shown(NamedTuple):
    """One question about one arm."""

    estimate: float | None
    lower: float | None
    upper: float | None
    margin: float | None
    unit: str
    """`rate`, `score`, `ratio`, `score squared`, or empty."""
    verdict: str
    """A key of VERDICTS; empty where the gate does not judge."""
    reason: str
    limit: str = "margin"
    """What `margin` is: of an arm that is compared with none, the floor of its own figure."""


class Decision(NamedTuple):
    """One arm."""

    arm: str
    verdict: str
    """A key of VERDICTS; empty where the gate does not judge."""
    baseline: str | None
    questions: dict[str, Shown]
    figures: Mapping[str, Any]
    """The arm's row of `arms`."""
    rank: int | None
    reasons: tuple[str, ...]


NOTHING = Shown(None, None, None, None, "", "", "")


def decisions(data: ReportInput) -> list[Decision]:
    """One row per arm, in the order of all reports."""
    figures = {str(row["arm"]): row for row in _records(data, "arms") if "arm" in row}
    names = figures or dict.fromkeys(record.arm for record in data.manifest.arms)
    judged = {arm.arm: arm for arm in _gate_arms(data)}
    pairs = _pairs(data)
    own = {str(row["arm"]): _own(row) for row in _records(data, "quality")}
    made = []
    for place in arms_in_order(data.manifest, names):
        row = figures.get(place.arm) or {}
        gate = judged.get(place.arm)
        one = _judged(gate, row) if gate else _estimated(place.arm, row, pairs.get(place.arm), data)
        if place.arm in own:
            one = one._replace(questions={OWN: own[place.arm], **one.questions})
        made.append(one)
    return made


def _own(row: Mapping[str, Any]) -> Shown:
    """How often an arm is right; where only scores are known, how far off it is."""
    if "accuracy" in row:
        return _shown(row, "rate", "accuracy", "accuracy_bounded_low", "accuracy_bounded_high")
    return _shown(row, "score", "error_absolute", "error_absolute_ci_low", "error_absolute_ci_high")


def question_titles(data: ReportInput) -> dict[str, str]:
    """What the columns of the questions are called."""
    titles = {**QUESTIONS, **({"valid": VALID_DROP} if data.gate else {})}
    quality = data.table("quality")
    tuned = [arm.questions["fine_tuning"] for arm in _gate_arms(data) if "fine_tuning" in arm.questions]
    if not any(answer.applies for answer in tuned):
        titles.pop("fine_tuning")
    if quality.empty:
        return {name: title for name, title in titles.items() if name not in OF_SCORES}
    if "accuracy" in quality.columns:
        return titles
    return {name: OF_SCORES.get(name, title) for name, title in titles.items()}


def _gate_arms(data: ReportInput) -> tuple[GateArm, ...]:
    return data.gate.arms if data.gate else ()


def looked(gate: GateResult) -> list[str]:
    """A warning where the gate was read before data were added, in no line or one.

    Readings on the same data are not told: the same run gives the same report.
    """
    n = gate.looks_at_less_data
    times = "once" if n == 1 else f"{n} times"
    said = "adding data until the verdict pleases makes a wrong pass likelier than 5 %"
    return [f"The gate was read {times} on fewer samples of this run: {said}."] if n else []


def defined(value: Any) -> float | None:
    """A number, or None where it is undefined."""
    return None if value is None or not math.isfinite(value) else float(value)


def in_words(shown: Shown) -> str:
    """A question as one line: estimate, interval, margin."""
    if shown.estimate is None:
        return "–"
    number = percent if shown.unit == "rate" else decimal
    span = ""
    if shown.lower is not None and shown.upper is not None:
        span = f" ({number(shown.lower)} to {number(shown.upper)})"
    elif shown.upper is not None:
        span = f" (at most {number(shown.upper)})"
    elif shown.lower is not None:
        span = f" (at least {number(shown.lower)})"
    margin = f"; {shown.limit} {number(shown.margin)}" if shown.margin is not None else ""
    return f"{number(shown.estimate)}{span}{margin}"


def percent(value: float) -> str:
    """A share in per cent, with a true minus sign and a space that no line breaks at."""
    return f"{100 * value:z.1f}\N{NO-BREAK SPACE}%".replace("-", "−")


def decimal(value: float) -> str:
    """A score or ratio, with a true minus sign: a line never breaks after it."""
    text = f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else ""
    return (text or f"{value:.2g}").replace("-", "−")


def _judged(gate: GateArm, figures: Mapping[str, Any]) -> Decision:
    # most arms have no base model: that is nothing to report of them
    asked = {name: a for name, a in gate.questions.items() if a.applies or name != "fine_tuning"}
    questions = {name: _from_gate(answer) for name, answer in asked.items()}
    if gate.baseline is None:  # what can be asked of it alone is its own figure, but for its base model
        floors = {
            name: one._replace(limit="floor") for name, one in questions.items() if name != "fine_tuning"
        }
        questions |= floors
    return Decision(gate.arm, gate.verdict, gate.baseline, questions, figures, gate.rank, tuple(gate.reasons))


def _from_gate(answer: GateAnswer) -> Shown:
    estimate, lower, upper, margin = map(
        defined, (answer.estimate, answer.lower, answer.upper, answer.margin)
    )
    return Shown(estimate, lower, upper, margin, answer.unit, answer.verdict, answer.reason)


def _estimated(
    arm: str, figures: Mapping[str, Any], pair: Mapping[str, Any] | None, data: ReportInput
) -> Decision:
    rate = _shown(figures, "rate", "valid_rate", "valid_clustered_low", "valid_clustered_high")
    questions = {"valid": rate, **_pair_questions(arm, pair or {})}
    reasons = () if pair else (_without_pair(arm, data),)
    return Decision(arm, "", data.baselines.get(arm), questions, figures, None, reasons)


def _without_pair(arm: str, data: ReportInput) -> str:
    repeated = {spec.arm: spec.repeat_of for spec in data.manifest.specs}.get(arm)
    if repeated is not None:
        return f"{repeated} measured again, to show what chance does; no candidate."
    if arm in data.baselines.values():
        return "The baseline of its group."
    return "No comparison with a baseline: its group has none, or they have no article in common."


def _pair_questions(arm: str, pair: Mapping[str, Any]) -> dict[str, Shown]:
    """The comparison with the baseline as this arm minus the baseline, whichever way it was made."""
    mean = _shown(pair, "score", "mean_difference", "ci90_low", "ci90_high")
    ratio = _shown(pair, "ratio", "variance_ratio", "variance_ratio_ci_low", "variance_ratio_ci_high")
    if pair and pair.get("arm_a") != arm:
        mean = mean._replace(
            estimate=_minus(mean.estimate), lower=_minus(mean.upper), upper=_minus(mean.lower)
        )
        ratio = ratio._replace(
            estimate=_inverse(ratio.estimate), lower=_inverse(ratio.upper), upper=_inverse(ratio.lower)
        )
    return {
        "mean": mean,
        "rms": _shown(pair, "score", "rms_drift", "rms_drift_lower", "rms_drift_upper"),
        "variance": ratio,
        "labels": _shown(pair, "rate", "excess_disagreement", "", "excess_upper"),
    }


def _shown(row: Mapping[str, Any], unit: str, *columns: str) -> Shown:
    estimate, lower, upper = (defined(row.get(column)) for column in columns)
    return Shown(estimate, lower, upper, None, unit, "", "")


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _inverse(value: float | None) -> float | None:
    return None if not value else 1 / value


def _pairs(data: ReportInput) -> dict[str, dict[str, Any]]:
    """Each arm's comparison with its baseline."""
    found = {}
    for row in _records(data, "pairs"):
        for arm, other in ((row.get("arm_a"), row.get("arm_b")), (row.get("arm_b"), row.get("arm_a"))):
            if arm is not None and data.baselines.get(str(arm)) == other:
                found[str(arm)] = row
    return found


def _records(data: ReportInput, name: str) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in data.table(name).to_dict("records")]
