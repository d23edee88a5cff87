"""A model from a checked folder into memory: at its quantization, with its adapter, on its device.

In: files that `model_folder` has looked at, and what the arm asks for. Out: a model that is ready to
compute, or a ModelFileError. transformers fills weights that a file lacks with random numbers and only
warns; here that is a refusal. No code of a model's own is ever run, and no kernel is fetched.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from functools import cache
from typing import Any, NamedTuple

import torch
import transformers
from safetensors.torch import load_file

from bench.backends.hf import learned_prompt
from bench.backends.hf.model_folder import AdapterFiles, ModelFiles
from bench.classifiers import HEAD_NAMES, MODEL_TYPES
from bench.errors import ModelFileError, UsageError, classless_errors, one_line
from bench.hf_folder.loading import LOAD_ERRORS, quiet, refuse_unfit

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
COMPUTE = {**DTYPES, "nf4": torch.bfloat16, "int8": torch.float16}
"""What each quant computes in: LLM.int8() is defined in fp16, nf4 is used with bf16."""


class Request(NamedTuple):
    """What an arm asks for."""

    quant: str
    device: torch.device
    attention: str
    int8_threshold: float
    merge_adapter: bool
    head: str


class LoadedFolder(NamedTuple):
    """What came of it."""

    model: Any
    tokenizer: Any
    dtype: torch.dtype
    n_bytes: int
    """Memory that weights and buffers take."""
    adapter: str | None
    """`applied` or `merged in fp32`; None without one."""
    prompt_tokens: tuple[int, ...] = ()
    """What a prompt-learning adapter puts before every prompt."""


def resolve_device(wanted: str) -> torch.device:
    """`auto` is the GPU where there is one; UsageError for one that is not there."""
    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise UsageError("option device: cuda, but torch finds no GPU; write device: cpu or auto")
    return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")


def load(files: ModelFiles, adapter: AdapterFiles | None, wanted: Request) -> LoadedFolder:
    """Model and tokenizer. ModelFileError says which file does not fit."""
    with quiet():
        if files.config.get("model_type") in MODEL_TYPES:
            import bench.classifiers.lstm  # noqa: F401 - makes transformers know it
        tokenizer = load_tokenizer(files)
        # merging adds the adapter to the weights, so it is done before they are rounded
        merges = adapter is not None and wanted.merge_adapter
        try:
            model = _load_model(files, wanted, torch.float32 if merges else COMPUTE[wanted.quant])
            prompt_tokens: tuple[int, ...] = ()
            if adapter is not None:
                model, prompt_tokens = _with_adapter(model, adapter, merge=merges, shown=str(files.folder))
            if merges:
                model = model.to(COMPUTE[wanted.quant])
        except torch.OutOfMemoryError as error:
            raise ModelFileError(
                f"{files.folder}: too large for the memory of {wanted.device}; take a smaller model or quant"
            ) from error
        model = model.eval().requires_grad_(False)
    return LoadedFolder(
        model,
        tokenizer,
        COMPUTE[wanted.quant],
        int(model.get_memory_footprint()),
        None if adapter is None else "merged in fp32" if merges else "applied",
        prompt_tokens,
    )


def load_tokenizer(files: ModelFiles) -> Any:
    """The folder's tokenizer."""
    try:
        with classless_errors(f"{files.folder}: its tokenizer cannot be loaded"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(files.folder), trust_remote_code=False, local_files_only=True
            )
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{files.folder}: its tokenizer cannot be loaded: {one_line(error)}") from error
    if files.template is not None:
        tokenizer.chat_template = files.template
    return tokenizer


def _load_model(files: ModelFiles, wanted: Request, dtype: torch.dtype) -> Any:
    kind = (
        transformers.AutoModelForSequenceClassification
        if wanted.head == "classification"
        else transformers.AutoModelForCausalLM
    )
    try:
        model, info = kind.from_pretrained(
            str(files.folder),
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
            attn_implementation=wanted.attention,
            device_map={"": wanted.device},
            output_loading_info=True,
            **_quantization(files, wanted),
        )
    except torch.OutOfMemoryError:
        raise
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{files.folder}: cannot be loaded: {one_line(error)}") from error
    refuse_unfit(files.folder, info)
    return model


def _quantization(files: ModelFiles, wanted: Request) -> dict[str, Any]:
    """What makes transformers quantize while it loads; nothing where the folder says how it was done."""
    if wanted.quant in DTYPES:
        return {}
    load_bitsandbytes()
    return {} if "quantization_config" in files.config else {"quantization_config": _settings(wanted)}


def _settings(wanted: Request) -> transformers.BitsAndBytesConfig:
    # by itself transformers leaves out a head without bias alone
    kept = list(HEAD_NAMES) if wanted.head == "classification" else None
    if wanted.quant == "int8":
        return transformers.BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=wanted.int8_threshold, llm_int8_skip_modules=kept
        )
    return transformers.BitsAndBytesConfig(
        llm_int8_skip_modules=kept,
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


@cache
def load_bitsandbytes() -> Any:
    """Import bitsandbytes, which fetches a compiled kernel from the hub where `kernels` is installed.

    Code that a hub gives out is not run here, so that package is hidden during the import.
    """
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    level, kernels = log.level, sys.modules.get("kernels")
    log.setLevel(logging.ERROR)  # it says that the kernel is missing
    sys.modules["kernels"] = None  # type: ignore[assignment]
    try:
        import bitsandbytes

        return bitsandbytes
    finally:
        log.setLevel(level)
        del sys.modules["kernels"]
        if kernels is not None:
            sys.modules["kernels"] = kernels


def _with_adapter(
    model: Any, adapter: AdapterFiles, *, merge: bool, shown: str
) -> tuple[Any, tuple[int, ...]]:
    """The model with the adapter in its layers or its weights, and what the adapter puts before prompts."""
    if importlib.util.find_spec("bitsandbytes") is not None:
        load_bitsandbytes()  # peft imports it too
    import peft

    wrong = f"{adapter.folder}: does not fit {shown}"
    try:
        config = peft.PeftConfig.from_pretrained(str(adapter.folder))
        config.inference_mode = True
        is_prompt = bool(config.is_prompt_learning)
        if is_prompt and (config.peft_type not in learned_prompt.TYPES or merge):
            wanted = "it cannot be merged; leave merge_adapter out" if merge else "hf cannot apply it"
            raise ModelFileError(
                f"{adapter.folder}: a {config.peft_type} adapter changes no weights: {wanted}"
            )
        adapted = peft.get_peft_model(model, config)
        result = peft.set_peft_model_state_dict(adapted, load_file(str(adapter.weights)))
        lost = sorted(str(key) for key in result.unexpected_keys)
        named = {name for name, _ in adapted.named_parameters() if ".default." in name}
        absent = sorted(named & {str(key) for key in result.missing_keys})
        if is_prompt:
            # peft puts its one tensor where it belongs without naming it, and refuses another shape
            lost, absent = [], sorted({"prompt_embeddings"} - set(adapter.tensors))
        if lost or absent:
            raise ModelFileError(
                f"{wrong}: {(lost or absent)[0]} has no counterpart; name its own base model"
            )
        if is_prompt:
            return learned_prompt.as_tokens(adapted)
        return (adapted.merge_and_unload() if merge else adapted.get_base_model()), ()
    except torch.OutOfMemoryError:
        raise
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{wrong}: {one_line(error)}; name the base model it was made for") from error


def learned_positions(model: Any) -> int | None:
    """Places that a model has an embedding for; None where positions are computed."""
    config = model.config.get_text_config()
    n = getattr(config, "max_position_embeddings", None)
    tables = {"wpe", "embed_positions", "position_embeddings"}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in tables and isinstance(module, torch.nn.Embedding):
            return int(min(module.num_embeddings, n or module.num_embeddings))
    return None
