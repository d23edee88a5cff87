"""Quantized models in GGUF files, run in this process by llama.cpp.

In: an arm whose `ref` is a path or `hf://owner/repo` (with options file, revision, sha256). Out: a
session that answers prompts. A file is checked in child processes before it is loaded here.

    gguf_check, gguf_read   what a file is, without trusting it          quants     names of quantizations
    catalogue               every model file below a folder
    probe                   whether engine and sandbox take it           hub        files from the hub
    native                  the C library, silenced                      engine     prefill, fork, decode
    vocabulary              text -> tokens                               batch      tokens of one decode
    schedule                what is decoded when, and together           sampler    nothing left to defaults
    session                 requests -> completions                      draw       all rows at once
    grammar                 answers held to the schema                   scoring    logits of a given text
    capacity                the width that memory allows

The prefix that all prompts share is decoded once, each prompt's rest once, and `width` answers together.
Recurrent and hybrid models cannot fork: their answers come one at a time, and `loaded` says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bench import provenance
from bench.backends import BackendState, parse_options
from bench.backends._threads import default_threads
from bench.backends.llama_cpp import gguf_check, hub
from bench.errors import ConfigError, MissingExtraError, ModelFileError, UsageError
from bench.records import AnswerSchema, LoadedModel, ModelSpec, Prompt, Sampling

if TYPE_CHECKING:
    from bench.backends.llama_cpp.batch import Tokens
    from bench.backends.llama_cpp.engine import Engine
    from bench.backends.llama_cpp.session import LlamaCppSession
    from bench.backends.llama_cpp.vocabulary import Vocabulary
    from bench.chat_template import ChatTemplate

DISTRIBUTION = "llama-cpp-python"
SMALLEST_HEAD = 64
"""Numbers in a head of attention, at least, where a file does not say how many heads there are."""
_REMEDY = 'pip install "bench[llama]"'


class Options(BaseModel):
    """How llama.cpp runs an arm, and where a file of the hub is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    n_threads: int | None = Field(None, ge=1, le=1024)
    """Threads that decode; None takes one for each physical core this process may use."""
    n_threads_batch: int | None = Field(None, ge=1, le=1024)
    """Threads that take in prompts; None takes as many as decode."""
    n_batch: int = Field(512, ge=1, le=8192)
    """Most prompt tokens taken in at once."""
    n_gpu_layers: int = Field(0, ge=-1, le=1000)
    """Layers on the GPU; -1 is all. Refused where the engine was built without one."""
    tensor_split: tuple[float, ...] = ()
    """Shares of the model for each GPU, e.g. [3, 1]; empty leaves it to the engine."""
    flash_attn: bool = False
    """Flash attention; slower than without on processors, and other rounding."""
    sha256: str | None = Field(None, pattern=r"^(sha256:)?[0-9a-f]{64}$")
    """What the file's SHA-256 has to be."""
    file: str | None = None
    """For a hub reference: the name of the .gguf file in the repository."""
    revision: str | None = None
    """For a hub reference: the commit, 40 hex digits."""

    @property
    def wanted_digest(self) -> str | None:
        """`sha256:...` of the file that has to be loaded; None where any will do."""
        return None if self.sha256 is None else "sha256:" + self.sha256.removeprefix("sha256:")


class Backend:
    """llama.cpp, through llama-cpp-python's low-level interface."""

    Options: ClassVar[type[BaseModel]] = Options

    def state(self) -> BackendState:
        """Whether llama-cpp-python and jinja2 are installed; imports neither."""
        version = provenance.package_version(DISTRIBUTION)
        if version is None or not _is_importable():
            return BackendState(False, version, _REMEDY)
        return BackendState(True, version, None)

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse settings that cannot be honoured and files that cannot be what the arm says."""
        options = parse_options(Options, spec)
        _refuse_settings(spec, sampling, options)
        if not _is_importable():
            raise MissingExtraError(f"arm {spec.arm}: llama-cpp-python is not installed; run: {_REMEDY}")
        path = _present_file(spec, options)
        if path is not None:
            _check_file(path, spec)

    def digest(self, spec: ModelSpec) -> str | None:
        """SHA-256 of the file; of a hub file whose digest the arm states, that one, without a download."""
        options = parse_options(Options, spec)
        if hub.is_hub_reference(spec.ref) and options.wanted_digest is not None:
            return options.wanted_digest
        return _verified_digest(_file(spec, options), spec, options)

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """The largest width whose context fits into memory; None where it lies on a GPU or is unknown."""
        from bench.backends.llama_cpp import capacity
        from bench.backends.llama_cpp.engine import MOST_AT_ONCE
        from bench.backends.llama_cpp.schedule import WIDEST

        options = parse_options(Options, spec)
        path = _file(spec, options)
        summary = gguf_check.inspect(path)
        if options.n_gpu_layers != 0 or summary.n_cache_values is None:
            return None
        n_heads = summary.n_heads or (summary.n_embedding or 0) // SMALLEST_HEAD
        per_cell = capacity.cell_bytes(
            summary.n_cache_values, n_heads, min(options.n_batch, MOST_AT_ONCE), flash_attn=options.flash_attn
        )
        n_free = capacity.free_cells(per_cell, summary.file_bytes)
        if capacity.cells_at_worst(sampling, iterations, WIDEST) <= n_free:
            return WIDEST  # no need to look at the prompts
        most = sampling.context_tokens - sampling.max_tokens
        fitting = [p for p in _tokenized(path, prompts) if p is not None and len(p) <= most]
        return capacity.widest(fitting, iterations, sampling.max_tokens, n_free)

    def check_schema(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        """Refuse a constrained arm whose answers cannot be written as a grammar."""
        from bench.backends.llama_cpp.grammar import answer_grammar

        if spec.output == "json_schema":
            answer_grammar(schema)

    def prompt_tokens(self, ref: str, prompts: Sequence[Prompt]) -> list[int | None]:
        """Tokens of each prompt in a GGUF file's own format; the file is checked first."""
        if not _is_importable():
            raise MissingExtraError(f"llama-cpp-python is not installed; run: {_REMEDY}")
        path = Path(ref)
        summary = gguf_check.inspect(path)
        gguf_check.refuse_unusable(summary, ref, summary.quant or "")
        gguf_check.probe_engine(path)
        return [None if tokens is None else len(tokens) for tokens in _tokenized(path, prompts)]

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> LlamaCppSession:
        """Check the file again, load it and decode once to warm up."""
        from bench.backends.llama_cpp.grammar import answer_grammar
        from bench.backends.llama_cpp.sampler import new_grammar
        from bench.backends.llama_cpp.session import LlamaCppSession
        from bench.memory import PeakMemory

        _refuse_width(width)
        options = parse_options(Options, spec)
        _refuse_settings(spec, sampling, options)
        grammar = answer_grammar(schema) if spec.output == "json_schema" else None
        path = _file(spec, options)
        _check_file(path, spec)
        digest = _verified_digest(path, spec, options)
        memory = PeakMemory()
        began = time.perf_counter()
        engine = _load(path, spec, sampling, options, width)
        load_s = time.perf_counter() - began
        try:
            template = _template(path, engine.vocabulary)
            if grammar is not None:
                new_grammar(engine.vocabulary, grammar).close()
            loaded = LoadedModel(
                digest=digest,
                file_bytes=path.stat().st_size,
                load_s=load_s,
                peak_memory_bytes=memory.read_bytes(),
                engine=f"{DISTRIBUTION} {provenance.package_version(DISTRIBUTION)}",
                details=_details(path, sampling, options, engine, template),
            )
            return LlamaCppSession(engine, template, sampling, loaded, memory, grammar, width)
        except BaseException:
            engine.close()
            raise


def _is_importable() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("llama_cpp", "jinja2"))


def _refuse_settings(spec: ModelSpec, sampling: Sampling, options: Options) -> None:
    if spec.adapter is not None:
        raise UsageError(
            f"arm {spec.arm}: llama_cpp applies no PEFT adapter; merge it into the model "
            "and convert that to GGUF"
        )
    if any(not text for text in sampling.stop):
        raise ConfigError("sampling.stop: an empty text would end every answer at once; remove it")
    if hub.is_hub_reference(spec.ref):
        hub.hub_file(spec.arm, spec.ref, options.file, options.revision)
    elif options.file is not None or options.revision is not None:
        raise ConfigError(
            f"arm {spec.arm}: options file and revision belong to a hub reference; "
            f"write ref as {hub.PREFIX}owner/repo, or remove them"
        )
    if options.n_gpu_layers != 0 and not _has_gpu():
        raise UsageError(
            f"arm {spec.arm}: n_gpu_layers {options.n_gpu_layers}, but this llama.cpp was built without "
            "a GPU; set it to 0, or install a build for your GPU"
        )


def _refuse_width(width: int) -> None:
    from bench.backends.llama_cpp.schedule import WIDEST

    if not 1 <= width <= WIDEST:
        raise UsageError(
            f"a width of {width} is not possible; llama.cpp decodes 1 to {WIDEST} sequences together"
        )


def _has_gpu() -> bool:
    from bench.backends.llama_cpp.native import library

    return bool(library().llama_supports_gpu_offload())


def _present_file(spec: ModelSpec, options: Options) -> Path | None:
    """The arm's file, None where it would have to be downloaded first."""
    if hub.is_hub_reference(spec.ref):
        return hub.cached(hub.hub_file(spec.arm, spec.ref, options.file, options.revision))
    return Path(spec.ref)


def _file(spec: ModelSpec, options: Options) -> Path:
    """The arm's file, downloaded where that is what the arm says."""
    if hub.is_hub_reference(spec.ref):
        return hub.download(hub.hub_file(spec.arm, spec.ref, options.file, options.revision))
    return Path(spec.ref)


def _check_file(path: Path, spec: ModelSpec) -> None:
    gguf_check.refuse_unusable(gguf_check.inspect(path), str(path), spec.quant)
    gguf_check.probe_engine(path)


def _verified_digest(path: Path, spec: ModelSpec, options: Options) -> str:
    digest = gguf_check.file_digest(path)
    if options.wanted_digest not in (None, digest):
        raise ModelFileError(
            f"{path}: its digest is {digest}, but arm {spec.arm} asks for {options.wanted_digest}; "
            "get the right file, or correct `options.sha256`"
        )
    return digest


def _load(path: Path, spec: ModelSpec, sampling: Sampling, options: Options, width: int) -> Engine:
    from bench.backends.llama_cpp.engine import Engine, EngineSettings
    from bench.backends.llama_cpp.schedule import FIRST_ROW

    n_threads = options.n_threads or default_threads()
    settings = EngineSettings(
        context_tokens=sampling.context_tokens,
        n_sequences=width + FIRST_ROW,
        n_threads=n_threads,
        n_threads_batch=options.n_threads_batch or n_threads,
        n_batch=max(options.n_batch, width),
        n_gpu_layers=options.n_gpu_layers,
        tensor_split=options.tensor_split,
        flash_attn=options.flash_attn,
    )
    return Engine(path, str(path), settings)


def _template(path: Path, tokens: Vocabulary) -> ChatTemplate:
    from bench.chat_template import ChatTemplate

    template = ChatTemplate(
        gguf_check.inspect(path).chat_template or "",
        tokens.text_of(tokens.bos),
        tokens.text_of(tokens.eos),
        tokens.control_texts(),
    )
    template.try_out()
    return template


def _tokenized(path: Path, prompts: Sequence[Prompt]) -> list[Tokens | None]:
    """The prompts as the model's tokens, its weights left alone; None for those its template refuses."""
    import numpy as np

    from bench.backends.llama_cpp.native import library, load_model
    from bench.backends.llama_cpp.vocabulary import Vocabulary
    from bench.chat_template import TemplateError

    model = load_model(path, str(path), vocabulary_only=True)
    try:
        vocabulary = Vocabulary(model)
        template = _template(path, vocabulary)
        found: list[Tokens | None] = [None] * len(prompts)
        for place, prompt in enumerate(prompts):
            with contextlib.suppress(TemplateError):
                found[place] = np.array(vocabulary.tokenize(template.render_prompt(prompt)), np.int32)
        return found
    finally:
        library().llama_model_free(model)


def _details(
    path: Path, sampling: Sampling, options: Options, engine: Engine, template: ChatTemplate
) -> dict[str, Any]:
    """What else says which model this was and how it ran."""
    from bench.backends.llama_cpp.native import repacks_weights
    from bench.backends.llama_cpp.sampler import PENALTY_WINDOW_TOKENS

    summary = gguf_check.inspect(path)
    kept = {
        "architecture",
        "name",
        "n_parameters",
        "tensor_types",
        "context_tokens",
        "tokenizer",
        "pre_tokenizer",
    }
    return {
        **summary.model_dump(mode="json", include=kept),
        "quant_of_file": summary.quant,
        "chat_template_digest": summary.template_digest,
        "system_merged_into_user": template.system_merged,
        "settings": {**engine.settings._asdict(), "repacked_weights": repacks_weights()},
        "answers_share_memory": engine.can_fork,
        "penalty_window_tokens": PENALTY_WINDOW_TOKENS,
        "warnings": _warnings(summary, sampling, template, engine),
    }


def _warnings(
    summary: gguf_check.GgufSummary, sampling: Sampling, template: ChatTemplate, engine: Engine
) -> list[str]:
    from bench.backends.llama_cpp.rope import takes_long

    found = []
    if takes_long(engine.overrides):
        found.append(
            f"context_tokens {sampling.context_tokens} is more than the model was first trained for, so all "
            "texts are computed with its long frequencies; transformers takes the short ones for short texts"
        )
    if not engine.can_fork:
        found.append(
            f"a {summary.architecture} model's memory cannot be shared: one answer at a time, none reused"
        )
    trained = summary.context_tokens
    if trained is not None and trained < sampling.context_tokens:
        # not an overflow: that is decided by context_tokens alone, alike for all arms
        found.append(
            f"context_tokens {sampling.context_tokens} is more than the {trained} it was trained for"
        )
    if template.system_merged:
        found.append("the chat template takes no system turn; its text opens the first user turn")
    if template.uses_date:
        found.append("the chat template writes today's date into every prompt; other days give other answers")
    return found
