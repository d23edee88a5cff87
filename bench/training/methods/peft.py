"""Any other kind of adapter that peft has: IA3, prompt tuning, P-tuning, LoHa, ...

    method: {kind: peft, type: prompt_tuning, num_virtual_tokens: 16}

In: a Job whose options are the fields of peft's own config of that type. Out: an adapter, and the arm of
base and adapter. Types that work on kept keys and values (prefix tuning) or inside layers of one family are
refused: no backend could run them as arms.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, model_validator

from bench.errors import ConfigError, one_line
from bench.records import Record
from bench.training.methods import Job, Trained
from bench.yaml_file import PlacedError

NEEDS_BASE = True
NEEDS_CHAT = True
PROMPT_TYPES = ("PROMPT_TUNING", "P_TUNING")
"""Those that put trained tokens before every prompt."""
_OWN = {"peft_type", "task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping"}
_OWN |= {"ensure_weight_tying"}  # follows from the base


class Options(Record):
    """A type of peft's, and its fields."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    type: str
    """The type, as peft calls it: `ia3`, `prompt_tuning`, ..."""

    @model_validator(mode="after")
    def _is_a_config(self) -> Options:
        self.config()
        return self

    def config(self) -> Any:
        """peft's config; PlacedError where it does not take these fields."""
        kind = config_class(self.type)
        fields = dict(self.model_extra or {})
        for name in fields:
            if name in _OWN or name not in kind.__dataclass_fields__:
                known = ", ".join(sorted(set(kind.__dataclass_fields__) - _OWN))
                raise PlacedError((name,), f"no field of peft's {kind.__name__}; it has {known}")
        try:
            return kind(**fields, task_type="CAUSAL_LM")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            reason = one_line(error)
            raise PlacedError((), f"peft's {kind.__name__} refuses it: {reason}") from error


def config_class(name: str) -> Any:
    """peft's config of a type; PlacedError where it has none, or one that no arm could run."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    by_name = {kind.value: made for kind, made in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    runs = {kind.lower(): made for kind, made in by_name.items() if _runs(kind, made)}
    found = runs.get(name.lower())
    if found is None:
        instead = "; kind: lora has it" if name.lower() == "lora" else ""
        known = ", ".join(sorted(runs))
        raise PlacedError(
            ("type",), f"no type of adapter {name!r} that an arm can run{instead}; known: {known}"
        )
    return found


def takes_list(options: dict[str, Any], name: str) -> bool:
    """Whether a field's value may be a list, so that a list there is no sweep."""
    kind = config_class(str(options.get("type")))
    field = kind.__dataclass_fields__.get(name)
    return field is not None and ("list" in str(field.type) or "tuple" in str(field.type).lower())


def train(job: Job) -> Trained:
    """Train the adapter on a base that stays as it is."""
    from bench.training.adapters import adapted, save, tied, whole_modules
    from bench.training.sft import DTYPES, fit

    options = job.options
    assert isinstance(options, Options)
    config, precision = options.config(), job.trainer.precision
    if config.is_prompt_learning:
        _refuse_prompt_learning(job)

    def adapt(model: Any) -> Any:
        if hasattr(config, "modules_to_save"):
            saved, is_tied = whole_modules(model, config.modules_to_save or (), job)
            if is_tied:
                if not hasattr(config, "ensure_weight_tying"):
                    raise ConfigError(
                        f"method: {job.base}: embeddings and head are one weight, and {options.type} cannot "
                        "train it whole, as modules_to_save or chat tokens that nobody has trained ask for; "
                        "take lora or full"
                    )
                config.ensure_weight_tying, saved = True, tied(model, saved)
            config.modules_to_save = list(saved) or None
        return adapted(model, config)

    return save(fit(job, DTYPES[precision], adapt), job, precision)


def _runs(kind: str, made: Any) -> bool:
    from peft import PromptLearningConfig

    is_prompt = issubclass(made, PromptLearningConfig) or kind == "ADAPTION_PROMPT"
    return kind != "LORA" and (kind in PROMPT_TYPES or not is_prompt)


def _refuse_prompt_learning(job: Job) -> None:
    from bench.training.chat_base import untrained_tokens

    assert job.base is not None
    if job.trainer.patience is not None:
        raise ConfigError(
            "trainer.patience: the best weights of a prompt-learning adapter cannot be taken up again; "
            "remove it and set epochs"
        )
    if untrained_tokens(job.base):
        raise ConfigError(
            f"method: {job.base} has chat tokens that nobody has trained, and this type of adapter trains no "
            "embeddings; take lora or full"
        )
