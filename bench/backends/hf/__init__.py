"""transformers models, run in this process by torch: folders or pinned hub repositories.

In: an arm whose `ref` is a folder or `hf://owner/repo` (with option revision), its quant (fp32, fp16, bf16;
nf4 and int8 by bitsandbytes) and, where it has one, a PEFT adapter. Out: a session that answers prompts.

    model_folder   which files are loaded, checked without loading     hub        folders from the hub
    probe          whether its chat template works, tried in a child   tokens     messages -> tokens -> text
    loading        files -> a model at its quantization                labels     what a head's outputs mean
    rows           keys and values of rows that are decoded together   schedule   what is decoded when
    shaping, draw  settings and noise                                  sampler    logits -> tokens of rows
    session        requests -> completions                             scoring    logits of a given text
    learned_prompt adapters that stand before every prompt             rope       frequencies of long contexts
    classifier     a classification head behind the same interface     capacity   the width that memory allows
    text_reader    how well raw text is foretold

Weights are safetensors, code of a model's own is never run. The beginning that all prompts share is
read once, each prompt's rest once, and `width` answers are decoded together with padding at the left.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench import classifiers, provenance
from bench.backends import BackendState, Session, TextReader, parse_options
from bench.backends._threads import default_threads
from bench.backends.hf import hub, labels, model_folder, rope
from bench.backends.hf.model_folder import AdapterFiles, ModelFiles
from bench.errors import ConfigError, MissingExtraError, ModelFileError, UsageError
from bench.records import AnswerSchema, LoadedModel, ModelSpec, Prompt, Sampling, Text

if TYPE_CHECKING:
    from bench.backends.hf import loading
    from bench.backends.hf.loading import LoadedFolder
    from bench.backends.hf.tokens import Tokens

QUANTS = ("fp32", "fp16", "bf16", "nf4", "int8")
QUANTIZED = ("nf4", "int8")
WIDEST = 256
_REMEDY = 'pip install "bench[hf]"'
_PACKAGES = ("torch", "transformers", "safetensors", "jinja2")


class Options(BaseModel):
    """How transformers runs an arm, and which commit of the hub it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; `auto` takes the GPU where torch finds one. Recorded."""
    n_threads: int | None = Field(None, ge=1, le=1024)
    """Threads on the processor; None takes one for each physical core this process may use (an LSTM: one)."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """How attention is computed; the two round differently."""
    merge_adapter: bool = False
    """Add the adapter to the weights, in fp32, before they are cast; not for nf4 and int8."""
    int8_threshold: float = Field(6.0, ge=0, le=1000)
    """int8: columns with a larger activation are computed in fp16; 0 is none."""
    revision: str | None = None
    """For a hub reference: the commit, 40 hex digits."""
    adapter_revision: str | None = None
    """For an adapter on the hub: its commit, 40 hex digits."""
    ignore_own_code: bool = False
    """Load a folder that names code of its own by transformers' class; that code is never run."""
    template: Literal["own", "plain"] = "own"
    """`plain`: for a model without a chat template, what is said is written with empty lines between."""
    head: Literal["causal_lm", "classification"] = "causal_lm"
    """`classification`: a classifier of articles, which answers with its probabilities."""
    labels: tuple[str, ...] = ()
    """classification: the task's label for each of the head's outputs, in their order."""
    label_scores: dict[str, float] = Field(default_factory=dict)
    """classification: the score of each label, where the task's own thresholds do not give it."""
    instruction: Text | None = Field(None, pattern=r"\S")
    """classification: what the model was trained to read before every article, an empty line between."""


class Backend:
    """transformers, with bitsandbytes and PEFT where an arm asks for them."""

    Options: ClassVar[type[BaseModel]] = Options

    def state(self) -> BackendState:
        """Whether torch, transformers and what they need are installed; imports none of them."""
        version = provenance.package_version("transformers")
        if _absent(_PACKAGES):
            return BackendState(False, version, _REMEDY)
        return BackendState(True, version, None)

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse settings that cannot be honoured and folders that cannot be what the arm says."""
        options = parse_options(Options, spec)
        _refuse_settings(spec, sampling, options)
        _refuse_absent_packages(spec)
        folder, adapter = _present(spec, options)
        if folder is not None:
            files = _inspect(folder, options, spec.quant)
            _check_folder(spec, files, options)
            _refuse_growing(files, files.config, options, sampling)
        if adapter is not None:
            model_folder.inspect_adapter(adapter)

    def is_classifier(self, spec: ModelSpec) -> bool:
        """Whether the arm has a classification head."""
        return parse_options(Options, spec).head == "classification"

    def check_schema(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        """Refuse a classifier whose labels cannot be said in the task's answer."""
        options = parse_options(Options, spec)
        if options.head == "classification":
            labels.task_labels(spec.arm, options.labels, options.label_scores, schema)

    def digest(self, spec: ModelSpec) -> str | None:
        """SHA-256 over the digests of all files that are loaded, the adapter's included."""
        return model_folder.digest(*_files(spec, parse_options(Options, spec)))

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """The largest width whose keys and values fit into memory; None on a GPU or where unknown."""
        from bench.backends.hf import capacity

        options = parse_options(Options, spec)
        if options.head == "classification":
            return None
        files, _ = _files(spec, options)
        return capacity.widest(files, spec.quant, options.device, sampling, prompts)

    def prompt_tokens(self, ref: str, prompts: Sequence[Prompt]) -> list[int | None]:
        """Tokens of each prompt in the format of a folder's tokenizer; the folder is checked first."""
        from bench.backends.hf import capacity

        if absent := _absent(_PACKAGES):
            raise MissingExtraError(f"{absent[0]} is not installed; run: {_REMEDY}")
        return capacity.prompt_tokens(_checked_folder(ref), prompts)

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> Session:
        """Check the files again, load them and decode once to warm up."""
        from bench.backends.hf import loading
        from bench.memory import PeakMemory

        if not 1 <= width <= WIDEST:
            raise UsageError(
                f"a width of {width} is not possible; hf decodes 1 to {WIDEST} sequences together"
            )
        options = parse_options(Options, spec)
        _refuse_settings(spec, sampling, options)
        _refuse_absent_packages(spec)
        files, adapter = _files(spec, options)
        self.check_schema(spec, schema)
        _check_folder(spec, files, options)
        _refuse_growing(files, files.config, options, sampling)
        digest = model_folder.digest(files, adapter)
        wanted = _request(spec, options)
        memory, release = PeakMemory(), _use_threads(options.n_threads or _threads(files))
        try:
            began = time.perf_counter()
            loaded = loading.load(files, adapter, wanted)
            load_s = time.perf_counter() - began
            record = LoadedModel(
                digest=digest,
                file_bytes=files.n_bytes + (adapter.weights.stat().st_size if adapter else 0),
                load_s=load_s,
                peak_memory_bytes=memory.read_bytes(),
                engine=f"transformers {provenance.package_version('transformers')}",
                details=_details(files, adapter, spec, options, loaded, sampling),
            )
            if options.head == "classification":
                meaning = labels.task_labels(spec.arm, options.labels, options.label_scores, schema)
                return _classifier(loaded, meaning, options.instruction, sampling, record, memory, release)
            return _session(files, loaded, sampling, record, memory, width, release)
        except BaseException:
            release()
            raise

    def open_reader(self, spec: ModelSpec) -> TextReader:
        """Load the arm to read raw text with; one without a chat template can be read with, too."""
        from bench.backends.hf import loading
        from bench.backends.hf.text_reader import HfTextReader

        options = parse_options(Options, spec)
        _refuse_settings(spec, Sampling(), options)
        if options.head == "classification":
            raise ConfigError(f"arm {spec.arm}: a classifier foretells no text")
        _refuse_absent_packages(spec)
        files, adapter = _files(spec, options)
        release = _use_threads(options.n_threads or default_threads())
        try:
            loaded = loading.load(files, adapter, _request(spec, options))
            return HfTextReader(loaded.model, loaded.tokenizer, loaded.prompt_tokens, release)
        except BaseException:
            release()
            raise


def _request(spec: ModelSpec, options: Options) -> loading.Request:
    from bench.backends.hf import loading

    return loading.Request(
        spec.quant,
        loading.resolve_device(options.device),
        options.attention,
        options.int8_threshold,
        options.merge_adapter,
        options.head,
    )


def _classifier(
    loaded: LoadedFolder,
    meaning: labels.Labels,
    instruction: str | None,
    sampling: Sampling,
    record: LoadedModel,
    memory: Any,
    release: Any,
) -> Session:
    from bench.backends.hf.classifier import ClassifierSession, OpenedClassifier

    said = {
        "sampling": "not applicable: a classifier draws no tokens and answers once",
        "label_scores": meaning.scores,
    }
    record = record.model_copy(update={"details": record.details | said})
    opened = OpenedClassifier(loaded.model, loaded.tokenizer, meaning, instruction, release)
    return ClassifierSession(opened, sampling, record, memory)


def _session(
    files: ModelFiles,
    loaded: LoadedFolder,
    sampling: Sampling,
    record: LoadedModel,
    memory: Any,
    width: int,
    release: Any,
) -> Session:
    from bench.backends.hf.session import HfSession, Opened
    from bench.backends.hf.tokens import Tokens, end_tokens

    model = loaded.model
    tokens = Tokens(loaded.tokenizer, str(files.folder), loaded.prompt_tokens)
    ends = end_tokens(loaded.tokenizer, model.config, getattr(model, "generation_config", None))
    _refuse_positions(files, model, sampling)
    found = [*record.details["warnings"], *rope.fix_frequencies(model, sampling.context_tokens)]
    details = record.details | _token_details(tokens, ends) | {"warnings": found}
    record = record.model_copy(update={"details": details})
    opened = Opened(model, tokens, ends, model.device, release)
    session = HfSession(opened, sampling, record, memory, width)
    session.warm_up()
    return session


# ---------------------------------------------------------------- what is refused


def _absent(packages: Sequence[str]) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name) is None]


def _refuse_absent_packages(spec: ModelSpec) -> None:
    needed = [*_PACKAGES]
    needed += ["peft"] if spec.adapter is not None else []
    needed += ["bitsandbytes", "accelerate"] if spec.quant in QUANTIZED else []
    if absent := _absent(needed):
        raise MissingExtraError(f"arm {spec.arm}: {absent[0]} is not installed; run: {_REMEDY}")


def _refuse_settings(spec: ModelSpec, sampling: Sampling, options: Options) -> None:
    if spec.quant not in QUANTS:
        raise ConfigError(f"arm {spec.arm}: hf has no quant {spec.quant!r}; it has {', '.join(QUANTS)}")
    if spec.output != "free":
        raise ConfigError(
            f"arm {spec.arm}: hf cannot hold an answer to a schema; write output: free, or use llama_cpp"
        )
    if any(not text for text in sampling.stop):
        raise ConfigError("sampling.stop: an empty text would end every answer at once; remove it")
    if options.merge_adapter and spec.adapter is None:
        raise ConfigError(f"arm {spec.arm}: option merge_adapter, but the arm has no adapter; remove one")
    if options.merge_adapter and spec.quant in QUANTIZED:
        raise ConfigError(
            f"arm {spec.arm}: an adapter is not merged into {spec.quant} weights, which would round it away; "
            "leave merge_adapter out, or merge into fp32 first and name that folder"
        )
    _refuse_head(spec, options)
    _refuse_revisions(spec, options)
    if options.device == "cuda":
        from bench.backends.hf.loading import resolve_device

        _refuse_absent_packages(spec)
        resolve_device("cuda")


def _refuse_head(spec: ModelSpec, options: Options) -> None:
    is_classifier = options.head == "classification"
    if not is_classifier and (options.labels or options.label_scores or options.instruction is not None):
        raise ConfigError(
            f"arm {spec.arm}: options labels, label_scores and instruction need head: classification"
        )
    if is_classifier and spec.prompt_style != "zero_shot":
        raise ConfigError(
            f"arm {spec.arm}: a classifier reads the article alone, without examples; write "
            "prompt_style: zero_shot"
        )


def _refuse_revisions(spec: ModelSpec, options: Options) -> None:
    pairs = (
        (spec.ref, options.revision, "revision"),
        (spec.adapter, options.adapter_revision, "adapter_revision"),
    )
    for ref, revision, name in pairs:
        if ref is not None and hub.is_hub_reference(ref):
            hub.hub_folder(spec.arm, ref, revision, name)
        elif revision is not None:
            raise ConfigError(
                f"arm {spec.arm}: option {name} belongs to a hub reference (hf://owner/repo); remove it"
            )


def _checked_folder(ref: str) -> ModelFiles:
    spec = ModelSpec(family="model", variant="any", quant="fp32", backend="hf", ref=ref)
    files = _inspect(Path(ref), Options(), "fp32")
    _check_folder(spec, files, Options())
    return files


def _check_folder(spec: ModelSpec, files: ModelFiles, options: Options) -> None:
    """Refuse what transformers does not know and what no conversation could be written for."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = files.config.get("model_type")
    if kind in classifiers.MODEL_TYPES:
        _refuse_own_kind(spec, options)
    elif kind not in CONFIG_MAPPING_NAMES:
        raise ModelFileError(
            f"{files.folder / model_folder.CONFIG}: transformers knows no model_type {str(kind)[:40]!r}; "
            "take another model, or a newer transformers"
        )
    if options.head == "classification":
        labels.refuse_labels(spec.arm, options.labels, files.config)
    elif model_folder.template_source(files) is None:
        raise ModelFileError(
            f"{files.folder}: its tokenizer has no chat template; save one with it (chat_template.jinja), or "
            "give the arm the option `template: plain`"
        )
    else:
        from bench.backends.hf.probe import probe_template

        probe_template(files)


def _refuse_own_kind(spec: ModelSpec, options: Options) -> None:
    if options.head != "classification":
        raise ConfigError(f"arm {spec.arm}: {spec.ref} is a classifier; set option head: classification")
    if spec.quant in QUANTIZED:
        raise ConfigError(
            f"arm {spec.arm}: nothing in this network would be quantized by {spec.quant}; take fp32 or bf16"
        )


def _refuse_positions(files: ModelFiles, model: Any, sampling: Sampling) -> None:
    """Refuse a context with more places than a model with learned positions has learned."""
    from bench.backends.hf.loading import learned_positions

    limit = learned_positions(model)
    if limit is not None and sampling.context_tokens > limit:
        raise UsageError(
            f"{files.folder}: the model has learned {limit} positions and sampling.context_tokens is "
            f"{sampling.context_tokens}; set it to {limit} or less"
        )
    _refuse_growing(files, model.config.to_dict(), Options(), sampling)


def _refuse_growing(files: ModelFiles, config: dict[str, Any], options: Options, sampling: Sampling) -> None:
    """Refuse a context in which a text's length changes how it is computed; a head reads texts alone."""
    if options.head == "causal_lm":
        rope.refuse_growing(str(files.folder), config, sampling.context_tokens, "sampling.context_tokens")


# ---------------------------------------------------------------- which files


def _present(spec: ModelSpec, options: Options) -> tuple[Path | None, Path | None]:
    """Folders of model and adapter; None where there is none or it would have to be fetched first."""
    found: list[Path | None] = []
    for ref, revision in ((spec.ref, options.revision), (spec.adapter, options.adapter_revision)):
        if ref is None:
            found.append(None)
        elif hub.is_hub_reference(ref):
            cached = hub.cached(hub.hub_folder(spec.arm, ref, revision))
            is_adapter = bool(found)
            found.append(cached if cached and _is_whole(cached, options, is_adapter=is_adapter) else None)
        else:
            found.append(Path(ref))
    return found[0], found[1]


def _is_whole(folder: Path, options: Options, *, is_adapter: bool) -> bool:
    """Whether a cached commit lacks nothing; what another program left of it is completed by fetching.

    Only what a further file could mend counts: code of its own and quantized weights stay as they are.
    """
    if hub.is_known_whole(folder):
        return True
    try:
        if is_adapter:
            model_folder.inspect_adapter(folder)
            return True
        files = model_folder.inspect(folder, allow_own_code=True, quant=model_folder.ANY_QUANT)
        needs_template = options.head == "causal_lm" and options.template == "own"
        return not needs_template or model_folder.template_source(files) is not None
    except ModelFileError:
        return False


def _files(spec: ModelSpec, options: Options) -> tuple[ModelFiles, AdapterFiles | None]:
    """The arm's files, fetched where that is what the arm says."""
    folders: list[Path | None] = []
    for ref, revision in ((spec.ref, options.revision), (spec.adapter, options.adapter_revision)):
        if ref is None:
            folders.append(None)
        elif hub.is_hub_reference(ref):
            folders.append(hub.download(hub.hub_folder(spec.arm, ref, revision)))
        else:
            folders.append(Path(ref))
    model, adapter = folders
    assert model is not None, "every arm has a ref"
    files = _inspect(model, options, spec.quant)
    return files, None if adapter is None else model_folder.inspect_adapter(adapter)


def _inspect(folder: Path, options: Options, quant: str) -> ModelFiles:
    files = model_folder.inspect(folder, allow_own_code=options.ignore_own_code, quant=quant)
    saved = files.config.get("quantization_config", {})
    if quant == "int8" and saved and saved.get("llm_int8_threshold") != options.int8_threshold:
        raise ModelFileError(
            f"{folder}: it was quantized for option int8_threshold {saved.get('llm_int8_threshold')}, not "
            f"{options.int8_threshold:g}; set that, or name the folder of the full-precision model"
        )
    return files if options.template == "own" else files._replace(template=model_folder.PLAIN_TEMPLATE)


# ---------------------------------------------------------------- what is recorded


def _threads(files: ModelFiles) -> int:
    """A recurrent network computes so little at a time that threads wait for each other most of it."""
    return 1 if files.config.get("model_type") in classifiers.MODEL_TYPES else default_threads()


def _use_threads(n: int) -> Any:
    """Let torch compute with so many threads; what undoes it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    return lambda: torch.set_num_threads(before)


def _details(
    files: ModelFiles,
    adapter: AdapterFiles | None,
    spec: ModelSpec,
    options: Options,
    loaded: LoadedFolder,
    sampling: Sampling,
) -> dict[str, Any]:
    """What else says which model this was and how it ran."""
    import torch

    packages = [
        "torch",
        *(["peft"] if adapter else []),
        *(["bitsandbytes"] if spec.quant in QUANTIZED else []),
    ]
    device = loaded.model.device
    return {
        "architecture": type(loaded.model).__name__,
        "n_parameters": files.n_parameters,
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "compute_dtype": str(loaded.dtype).removeprefix("torch."),
        "weights_bytes": loaded.n_bytes,
        "adapter": loaded.adapter,
        "n_threads": torch.get_num_threads(),
        "versions": {name: provenance.package_version(name) for name in packages},
        "options": options.model_dump(mode="json"),
        "warnings": _warnings(files, adapter, spec, options, sampling),
    }


def _token_details(tokens: Tokens, ends: frozenset[int]) -> dict[str, Any]:
    import hashlib

    from bench.backends.hf.shaping import PENALTY_WINDOW_TOKENS

    return {
        "chat_template_digest": hashlib.sha256(tokens.source.encode("utf-8")).hexdigest()[:16],
        "system_merged_into_user": tokens.template.system_merged,
        "end_tokens": {str(token): tokens.name(token) for token in sorted(ends)},
        "penalty_window_tokens": PENALTY_WINDOW_TOKENS,
    }


def _warnings(
    files: ModelFiles,
    adapter: AdapterFiles | None,
    spec: ModelSpec,
    options: Options,
    sampling: Sampling,
) -> list[str]:
    found = []
    trained = files.config.get("max_position_embeddings")
    if isinstance(trained, int) and trained < sampling.context_tokens:
        # not an overflow: that is decided by context_tokens alone, alike for all arms
        found.append(
            f"context_tokens {sampling.context_tokens} is more than the {trained} it was trained for"
        )
    if spec.quant == "int8" and options.int8_threshold > 0:
        found.append(
            "int8 finds outlying columns over all rows of a step: answers depend a little on their neighbours"
        )
    if adapter is not None and spec.ref != (named := adapter.config.get("base_model_name_or_path")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if (adapter.folder / str(named)).resolve() == Path(spec.ref).resolve():
                return found
        found.append(f"the adapter names another base ({str(named)[:80]}); its shapes fit this one")
    return found
