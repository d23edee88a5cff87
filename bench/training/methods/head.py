"""A classification head on a base model: an encoder's (DistilBERT), or on a causal model's last token.

    method: {kind: head, freeze: base}
    method: {kind: head, adapter: lora, quant: int8, r: 16}

In: labelled examples and a base in transformers' form. Out: an arm of `hf` with option
`head: classification`. The base is trained with the head, kept as it is, or adapted by LoRA (merged in the
end; over int8 weights kept beside them). Causal bases without a padding token pad with their end-of-text
token: padding is never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from bench.classifiers import HEAD_NAMES
from bench.errors import ModelFileError
from bench.hf_folder.loading import quiet
from bench.records import Text
from bench.training.classifier_options import ClassifierOptions
from bench.training.methods import Job, Trained

if TYPE_CHECKING:
    from bench.training.classifier import Whole
    from bench.training.head_base import Base

NEEDS_BASE = True
_LORA = ("r", "alpha", "lora_dropout", "targets")
_HEAD = rf".*({'|'.join(HEAD_NAMES)})(\..*)?"
"""What peft trains and keeps whole beside a LoRA, by the ends of its names: `pre_classifier` is of it too."""


class Options(ClassifierOptions):
    """What of the base is trained, and how."""

    freeze: Literal["none", "base"] = "none"
    """`base`: only the new head is trained."""
    adapter: Literal["none", "lora"] = "none"
    """`lora`: the base is kept, and a LoRA is trained beside the head."""
    quant: Literal["none", "int8"] = "none"
    """`int8`: the base's weights in 8 bits (LLM.int8), norms and head in fp32; with `adapter: lora`."""
    r: int = Field(8, ge=1, le=1024)
    """LoRA's rank."""
    alpha: float = Field(16, gt=0)
    """LoRA's scale is alpha / r."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Of what goes into the LoRA."""
    targets: Literal["all-linear"] | tuple[Text, ...] = "all-linear"
    """Layers that get a LoRA, by the ends of their names."""
    dropout: float | None = Field(None, ge=0, lt=1)
    """All dropouts of the base's own config; None leaves them as they are."""

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        given = [name for name in _LORA if name in self.model_fields_set]
        if given and self.adapter == "none":
            raise ValueError(f"{given[0]} belongs to adapter: lora; add that, or remove it")
        if self.adapter == "lora" and self.freeze == "base":
            raise ValueError("adapter: lora keeps the base's weights already; remove freeze")
        if self.quant == "int8" and self.adapter == "none":
            raise ValueError("int8 weights cannot be trained; add adapter: lora")
        return self


def train(job: Job) -> Trained:
    """Put the head on the base and train."""
    from bench.training import classification, classifier, head_base
    from bench.training.model_folder import without_casting_notes

    options = job.options
    assert isinstance(options, Options)
    assert job.base is not None
    meaning = classification.outputs(job.data)
    before = classification.instructions(options, job.data)
    tokenizer = head_base.load_tokenizer(job.base)
    base = head_base.Base(
        job.base, tokenizer.pad_token_id, classifier.label_names(meaning), options.dropout, job.seed
    )
    with quiet():
        loaded = head_base.load(base, int8=options.quant == "int8")
        if loaded.is_head_old:
            job.progress.note(f"{job.base}: it has a head of as many labels, which is trained further")
        classifier.last_linear(loaded.model)  # what cannot be saved is not trained
        model = _prepared(loaded.model, options)
    most_tokens = min(job.trainer.max_tokens, head_base.longest(loaded.model.config, tokenizer))
    start = classifier.Untrained(model, tokenizer, meaning, before, most_tokens)
    with without_casting_notes():
        return classifier.fit(job, start, options, lambda trained: _whole(trained, base, options))


def _prepared(model: Any, options: Options) -> Any:
    """The model with what is trained of it marked, or with its LoRA."""
    if options.freeze == "base":
        model.base_model.requires_grad_(False)
    if options.adapter == "none":
        return model
    import peft

    if options.quant == "int8":
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    targets = options.targets if isinstance(options.targets, str) else list(options.targets)
    config = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=options.r,
        lora_alpha=options.alpha,
        lora_dropout=options.lora_dropout,
        target_modules=targets,
        exclude_modules=_HEAD,
    )
    try:
        return peft.get_peft_model(model, config)
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"no LoRA fits this base: {' '.join(str(error).split())[:200]}; name its layers in method.targets"
        ) from error


def _whole(trained: Any, base: Base, options: Options) -> Whole:
    """What is saved: the model with the LoRA merged into it, or beside a base of full precision."""
    from bench.training import head_base
    from bench.training.classifier import Whole

    if options.adapter == "none":
        return Whole(trained, None, "fp32")
    with quiet():
        if options.quant == "none":
            return Whole(trained.merge_and_unload(), None, "fp32")
        whole, save_adapter = head_base.split_adapter(trained, base)
    return Whole(whole, save_adapter, "int8")
