"""Whether two arms that should be the same model are: an HF folder, its fp16 GGUF, its Ollama import.

    bench models parity ARM_A ARM_B [--run RUN] [--json]

In: two arms of a config or a run, and the run's prompts. Out: what each engine makes of the same prompts,
side by side: the rendered text, its tokens, the tokens that end an answer, the log-probabilities of an
answer's first token. Where a prompt, its tokens or the end differ, the export is damaged; where only
probabilities differ, no further than the quantization explains, it is the quantization. An engine that does
not tell something leaves that comparison out, and the result says so. One model is loaded at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from bench import backends, items, store, tasks
from bench.backends import Inspectable, StopTokens, TokenProbability
from bench.config import Config, find_arm, load_config
from bench.errors import NotEnoughDataError, UsageError
from bench.records import Article, ModelSpec, Prompt, Record
from bench.tasks import Task

N_PROMPTS = 8
"""Prompts that are compared, the first of the run's articles."""
TOP_K = 20
"""Likeliest first tokens that are compared."""
FULL_PRECISION_NATS = {"fp32": 0.02, "fp16": 0.02, "bf16": 0.15}
"""How far apart log-probabilities may lie, on average over the likeliest tokens, by rounding alone."""
QUANTIZED_NATS = {
    "q8_0": 0.15, "int8": 0.25, "q6_K": 0.3, "q5_K_M": 0.5, "q5_K_S": 0.5, "q5_0": 0.5, "q5_1": 0.5,
    "q4_K_M": 1.0, "q4_K_S": 1.0, "q4_0": 1.0, "q4_1": 1.0, "nf4": 1.0, "q3_K_L": 1.5, "q3_K_M": 1.5,
    "q3_K_S": 2.0, "q2_K": 3.0,
}  # fmt: skip
"""The same by quantization; generous, for what lies beyond has another cause."""
_SHOWN_CHARS = 40
_NO_CHARACTER = "\ufffd"


class Verdict(StrEnum):
    """What two arms are to each other."""

    SAME = "same"
    QUANTIZATION = "quantization"
    EXPORT = "export"
    UNEXPLAINED = "unexplained"


class Check(Record):
    """One thing that was compared."""

    name: str
    """`prompt`, `tokens`, `stop` or `logprobs`."""
    n_compared: int
    """Prompts (of `stop`: token sets) that both engines told."""
    n_equal: int | None = None
    """How many of them are equal; None for probabilities."""
    difference: str | None = None
    """Where the first difference is; None where there is none or nothing was compared. Of `stop` also what
    differs and does not count."""


class ArmParity(Record):
    """How two arms read the same prompts."""

    arm_a: str
    """The first arm."""
    arm_b: str
    """The second arm."""
    n_prompts: int
    """Prompts both were shown."""
    checks: tuple[Check, ...]
    """Prompt, tokens, stop, logprobs, in this order."""
    logprob_mean: float | None = None
    """Mean absolute difference of the log-probabilities of likely first tokens, in nats."""
    logprob_max: float | None = None
    """The largest one."""
    top1_agreement: float | None = None
    """Share of prompts on which both find the same first token likeliest."""
    allowed: float | None = None
    """The mean difference that the two quantizations explain, in nats."""
    verdict: Verdict
    """`same`, `quantization`, `export` or `unexplained`."""
    reason: str
    """Why, in words."""
    warnings: tuple[str, ...] = ()
    """What the backends said of each arm as they loaded it; it may be why."""


class Reading(NamedTuple):
    """What one engine told about the prompts; None for what it does not tell."""

    rendered: list[str | None]
    tokens: list[tuple[int, ...] | None]
    stop: StopTokens | None
    first: list[tuple[TokenProbability, ...] | None]
    warnings: tuple[str, ...] = ()


def parity_of_config(path: Path, arm_a: str, arm_b: str) -> ArmParity:
    """Two arms of a config, on its articles."""
    config = load_config(path)
    specs = config.arms()
    chosen = find_arm(arm_a, specs), find_arm(arm_b, specs)
    return _compared(config, *chosen)


def _compared(config: Config, a: ModelSpec, b: ModelSpec) -> ArmParity:
    task = tasks.load(config.task)
    return compare_arms(config, task, items.load(task, config.articles), a, b)


def parity_of_run(folder: Path, arm_a: str, arm_b: str) -> ArmParity:
    """Two arms of a run, on its articles; its models have to be where they were."""
    run = store.open_run(folder)
    specs = tuple(record.spec for record in run.manifest.arms)
    chosen = find_arm(arm_a, specs), find_arm(arm_b, specs)
    try:
        config = Config.model_validate(run.manifest.config)
    except ValidationError as error:
        raise UsageError(
            f"run {run.manifest.run_id}: it was imported, so no model of it can be asked"
        ) from error
    return compare_arms(config, tasks.load(config.task), run.articles(), *chosen)


def compare_arms(
    config: Config, task: Task, asked: Sequence[Article], a: ModelSpec, b: ModelSpec
) -> ArmParity:
    """Show both arms the same prompts. UsageError where they are asked differently by intent."""
    if a.arm == b.arm:
        raise UsageError(f"{a.arm}: an arm is always the same as itself; name another one")
    if a.prompt_style != b.prompt_style:
        raise UsageError(
            f"{a.arm} and {b.arm} are asked in different prompt styles ({a.prompt_style}, {b.prompt_style}); "
            "compare arms of one style"
        )
    for spec in (a, b):
        backends.get(spec.backend).check(spec, config.sampling)
        backends.check_schema(spec, task.answer)
    prompts = [task.render(article, a.prompt_style) for article in asked[:N_PROMPTS]]
    readings = [read(spec, config, task, prompts) for spec in (a, b)]
    return judged(a, b, *readings, n_prompts=len(prompts))


def read(spec: ModelSpec, config: Config, task: Task, prompts: Sequence[Prompt]) -> Reading:
    """What one arm's engine tells about the prompts; UsageError where it tells nothing at all."""
    session = backends.get(spec.backend).open(spec, config.sampling, task.answer, 1)
    try:
        if not isinstance(session, Inspectable):
            raise UsageError(
                f"{spec.arm}: the backend {spec.backend} does not show how it reads a prompt with this arm; "
                "name arms of models that write"
            )
        return Reading(
            [session.rendered(prompt) for prompt in prompts],
            [session.token_ids(prompt) for prompt in prompts],
            session.stop_tokens(),
            [session.first_logprobs(prompt, TOP_K) for prompt in prompts],
            tuple(session.loaded.details.get("warnings", ())),
        )
    finally:
        session.close()


# ---------------------------------------------------------------- side by side


def judged(a: ModelSpec, b: ModelSpec, of_a: Reading, of_b: Reading, *, n_prompts: int) -> ArmParity:
    """Both readings side by side. NotEnoughDataError where no two things could be compared."""
    checks = [
        _texts(of_a.rendered, of_b.rendered),
        _tokens(of_a.tokens, of_b.tokens),
        _stops(of_a.stop, of_b.stop, [text for text in (*of_a.rendered, *of_b.rendered) if text]),
    ]
    differences, n_top1, n_both = _probabilities(of_a, of_b)
    checks.append(Check(name="logprobs", n_compared=n_both))
    if not any(check.n_compared for check in checks):
        raise NotEnoughDataError(f"{a.arm} and {b.arm}: their engines tell nothing that could be compared")
    mean = sum(differences) / len(differences) if differences else None
    allowed = _allowed(a.quant, b.quant)
    verdict, reason = _verdict(checks, mean, allowed, a, b)
    return ArmParity(
        arm_a=a.arm,
        arm_b=b.arm,
        n_prompts=n_prompts,
        checks=tuple(checks),
        logprob_mean=mean,
        logprob_max=max(differences, default=None),
        top1_agreement=n_top1 / n_both if n_both else None,
        allowed=allowed,
        verdict=verdict,
        reason=reason,
        warnings=tuple(
            f"{spec.arm}: {said}" for spec, read in ((a, of_a), (b, of_b)) for said in read.warnings
        ),
    )


def _texts(a: Sequence[str | None], b: Sequence[str | None]) -> Check:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    different = next(((x, y) for x, y in pairs if x != y), None)
    return Check(
        name="prompt",
        n_compared=len(pairs),
        n_equal=sum(x == y for x, y in pairs),
        difference=None if different is None else _first_difference(*different),
    )


def _first_difference(a: str, b: str) -> str:
    at = _place(a, b)
    return f"at character {at}: {a[at : at + _SHOWN_CHARS]!r} and {b[at : at + _SHOWN_CHARS]!r}"


def _place(a: Sequence[object], b: Sequence[object]) -> int:
    """Where the first difference is."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _tokens(a: Sequence[tuple[int, ...] | None], b: Sequence[tuple[int, ...] | None]) -> Check:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    different = next(((x, y) for x, y in pairs if x != y), None)
    said = None
    if different is not None:
        x, y = different
        if x[1:] == y or y[1:] == x:
            longer = x if len(x) > len(y) else y
            said = f"one begins with token {longer[0]}, which the other lacks; the rest is equal"
        else:
            at = _place(x, y)
            said = (
                f"at token {at} of {len(x)} and {len(y)}: {list(x[at : at + 3])} and {list(y[at : at + 3])}"
            )
    return Check(name="tokens", n_compared=len(pairs), n_equal=sum(x == y for x, y in pairs), difference=said)


def _stops(a: StopTokens | None, b: StopTokens | None, prompts: Sequence[str]) -> Check:
    """Ends that an engine knows by name alone are told, and count only where the prompts use them.

    What no conversation ever holds, no model was taught to say: `</s>` in Phi-3's vocabulary.
    """
    if a is None or b is None:
        return Check(name="stop", n_compared=0, n_equal=0)
    counted, told = [], []
    for name, own, other in (("A", a, b), ("B", b, a)):
        only = sorted(own.texts.keys() - other.texts.keys()) if other.is_whole else ()
        idle = [i for i in only if i in own.by_name and prompts and not _is_in(own.texts[i], prompts)]
        if used := [i for i in only if i not in idle]:
            counted.append(f"only {name} ends at {_named(own, used)}")
        if idle:
            told.append(f"{name} also ends at {_named(own, idle)}, by name; no prompt holds it")
    said = "; ".join((*counted, *told)) or None
    return Check(name="stop", n_compared=1, n_equal=int(not counted), difference=said)


def _is_in(text: str, prompts: Sequence[str]) -> bool:
    return any(text in prompt for prompt in prompts)


def _named(stop: StopTokens, tokens: Sequence[int]) -> str:
    return ", ".join(f"{stop.texts[token]!r} ({token})" for token in tokens)


def _probabilities(a: Reading, b: Reading) -> tuple[list[float], int, int]:
    """Differences of tokens that both find likely, prompts with the same likeliest token, prompts told."""
    differences: list[float] = []
    n_top1, n_both = 0, 0
    for x, y in zip(a.first, b.first, strict=True):
        if not x or not y:
            continue
        by_id = all(p.token is not None for p in (*x, *y))
        ours, theirs = (
            {str(p.token): p.logprob for p in told} if by_id else _by_text(told, own.stop)
            for told, own in ((x, a), (y, b))
        )
        if not ours or not theirs:
            continue
        # a token that only one lists lies at least as far down as the other's last
        least = min(*ours.values(), *theirs.values())
        for token in ours.keys() | theirs.keys():
            p, q = ours.get(token, least), theirs.get(token, least)
            if max(p, q) > math.log(1e-3):  # of rarer tokens a quantization moves the logarithm far
                differences.append(abs(p - q))
        n_top1 += max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)
        n_both += 1
    return differences, n_top1, n_both


def _by_text(told: Sequence[TokenProbability], stop: StopTokens | None) -> dict[str, float]:
    """Probabilities of what tokens write; of those that write nothing or no whole character, none.

    Tokens that end an answer are left out: servers that tell texts only write them as nothing.
    """
    found: dict[str, float] = {}
    for token, text, logprob in told:
        if text and _NO_CHARACTER not in text and not (stop is not None and token in stop.texts):
            before = found.get(text)
            found[text] = logprob if before is None else _log_sum(before, logprob)
    return found


def _log_sum(a: float, b: float) -> float:
    """The logarithm of the sum of two probabilities that are given by theirs."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _allowed(*quants: str) -> float | None:
    """The mean difference that these quantizations explain together; None for names nobody here knows."""
    known = {**FULL_PRECISION_NATS, **QUANTIZED_NATS}
    if any(quant not in known for quant in quants):
        return None
    return sum(known[quant] for quant in quants)


def _verdict(
    checks: Sequence[Check], mean: float | None, allowed: float | None, a: ModelSpec, b: ModelSpec
) -> tuple[Verdict, str]:
    broken = [check for check in checks if check.n_equal is not None and check.n_equal < check.n_compared]
    if broken:
        names = " and ".join(check.name for check in broken)
        return Verdict.EXPORT, f"{names} differ: what is asked is not the same, whatever the quantization"
    if mean is None:
        return Verdict.SAME, "what the engines tell is equal; they tell no probabilities"
    said = f"probabilities lie {mean:.3f} nats apart"
    quantized = [spec.quant for spec in (a, b) if spec.quant not in FULL_PRECISION_NATS]
    rounding = sum(FULL_PRECISION_NATS.get(spec.quant, 0.0) for spec in (a, b))
    if mean <= rounding:
        return Verdict.SAME, f"{said}, which is rounding"
    if not quantized:
        return Verdict.EXPORT, (
            f"{said}, though no arm is quantized ({rounding:g} is rounding): weights or architecture differ"
        )
    named = " and ".join(quantized)
    if allowed is not None and mean <= allowed:
        return (
            Verdict.QUANTIZATION,
            f"nothing else differs, but {said}, which {named} explains (up to {allowed:g})",
        )
    known = "is not known here" if allowed is None else f"is up to {allowed:g}"
    return Verdict.UNEXPLAINED, f"{said}; what {named} explains {known}"
