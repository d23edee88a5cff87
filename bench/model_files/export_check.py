"""Joins backends and training: a finished form read back and held against the model it was made of.

In: the model in memory, and a folder or GGUF file that was just written. Out: an ExportCheck that names
which of prompt, tokens, stop, logits and types is not the model's. Forms are read back as an arm would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import articles
from bench.backends.hf import loading, model_folder
from bench.backends.hf.loading import LoadedFolder
from bench.backends.hf.tokens import Tokens, end_tokens
from bench.chat_template import TemplateError
from bench.config import ArticlesConfig
from bench.errors import ModelFileError
from bench.records import Message, Prompt
from bench.training.export import check
from bench.training.export.check import Difference, ExportCheck
from bench.training.export.weights import rounded

N_PROMPTS = 6
_PROMPT_CHARS = 400


class Reference(NamedTuple):
    """What every form of a model is held against."""

    loaded: LoadedFolder
    """The model in fp32, its adapter merged."""
    tokens: Tokens | None
    """Its conversations; None for a classifier, which reads none."""
    prompts: tuple[Prompt, ...]
    ends: tuple[int, ...]
    """The tokens that end an answer, the one that the chat template writes first."""
    head: str


def reference(loaded: LoadedFolder, shown: str, head: str) -> Reference:
    """The model with the conversations it is compared on."""
    tokenizer = loaded.tokenizer
    ends = end_tokens(tokenizer, loaded.model.config, getattr(loaded.model, "generation_config", None))
    if head == "classification":
        return Reference(loaded, None, prompts(), tuple(sorted(ends)), head)
    n_tokens = max(len(tokenizer), loaded.model.config.get_text_config().vocab_size)
    if wrong := sorted(end for end in ends if not 0 <= end < n_tokens):
        raise ModelFileError(
            f"{shown}: an answer is to end at token {wrong[0]}, and its vocabulary has {n_tokens}; correct "
            "eos_token_id in generation_config.json or config.json"
        )
    tokens = Tokens(tokenizer, shown)
    closing = tokens.end_of_turn()
    first = () if closing is None else (closing,)
    return Reference(loaded, tokens, prompts(), (*first, *sorted(ends - set(first))), head)


def prompts() -> tuple[Prompt, ...]:
    """Short conversations about the bundled articles."""
    system = Message(role="system", content="Answer briefly.")
    found = []
    for article in articles.load(ArticlesConfig(limit=N_PROMPTS)):
        text = article.text[:_PROMPT_CHARS]
        user = Message(role="user", content=text)
        found.append(
            Prompt(
                id=article.id,
                task="export",
                task_version="1",
                style="zero_shot",
                article_id=article.id,
                messages=(system, user),
                text=text,
            )
        )
    return tuple(found)


def check_folder(known: Reference, folder: Path, quant: str) -> ExportCheck:
    """A transformers folder in plain precision."""
    files = model_folder.inspect(folder)
    types = check.weight_types(folder)
    read = loading.load(files, None, request("fp32", known.head))
    as_saved = known.loaded._replace(model=rounded(rounded(known.loaded.model, quant), "fp32"))
    return _compared(known, as_saved, read, types, check.type_difference(types, quant))


def check_quantized(known: Reference, in_memory: LoadedFolder, folder: Path, quant: str) -> ExportCheck:
    """A folder quantized by bitsandbytes, against the same model quantized in memory."""
    read = loading.load(model_folder.inspect(folder, quant=quant), None, request(quant, known.head))
    types, expected = (check.quantized_layers(loaded.model) for loaded in (read, in_memory))
    wrong = None if types == expected else Difference("types", f"layers are {types}, not {expected}")
    return _compared(known, in_memory, read, types, wrong)


def request(quant: str, head: str, *, merge: bool = False) -> loading.Request:
    """How a model is read for an export: on the processor, an adapter merged in fp32."""
    return loading.Request(quant, loading.resolve_device("cpu"), "sdpa", 6.0, merge, head)


def _compared(
    known: Reference,
    of_model: LoadedFolder,
    of_form: LoadedFolder,
    types: dict[str, int],
    wrong_types: Difference | None,
) -> ExportCheck:
    found = [wrong_types]
    tokens = None if known.tokens is None else _tokens(of_form)
    found.append(_prompt_difference(known, tokens))
    texts = check.texts_to_tokenize(known.loaded.tokenizer)
    found.append(check.token_difference(known.loaded.tokenizer, of_form.tokenizer, texts))
    if known.tokens is not None:
        found.append(_stop_difference(known, of_form))
    worst, n_positions = check.logit_difference(of_model.model, of_form.model, _ids(known))
    if not worst <= check.TOLERANCE:
        said = f"differ by up to {worst:.4f}, allowed are {check.TOLERANCE}"
        found.append(Difference("logits", said))
    return ExportCheck(
        n_prompts=0 if known.tokens is None else len(known.prompts),
        n_strings=len(texts),
        n_positions=n_positions,
        max_logit_difference=worst,
        tensor_types=types,
        differences=tuple(difference for difference in found if difference is not None),
    )


def _tokens(loaded: LoadedFolder) -> Tokens | None:
    try:
        return Tokens(loaded.tokenizer, "the export")
    except ModelFileError:
        return None


def _prompt_difference(known: Reference, tokens: Tokens | None) -> Difference | None:
    if known.tokens is None:
        return None
    if tokens is None:
        return Difference("prompt", "its tokenizer has no chat template that works")
    for prompt in known.prompts:
        try:
            ours, theirs = (side.template.render_prompt(prompt) for side in (known.tokens, tokens))
        except TemplateError as error:
            return Difference("prompt", str(error))
        if ours != theirs:
            return Difference("prompt", f"a conversation is {theirs[:60]!r}..., not {ours[:60]!r}...")
    return None


def _stop_difference(known: Reference, of_form: LoadedFolder) -> Difference | None:
    settings = getattr(of_form.model, "generation_config", None)
    found = end_tokens(of_form.tokenizer, of_form.model.config, settings)
    if found == set(known.ends):
        return None
    return Difference("stop", f"answers end at tokens {sorted(found)}, not at {sorted(known.ends)}")


def _ids(known: Reference) -> Sequence[Sequence[int]]:
    """The prompts in tokens, cut to what the model has places for."""
    limit = loading.learned_positions(known.loaded.model) or 1_000_000
    if known.tokens is None:
        texts = [prompt.text or "" for prompt in known.prompts]
        return [known.loaded.tokenizer(text)["input_ids"][:limit] for text in texts]
    return [known.tokens.of_prompt(prompt)[:limit] for prompt in known.prompts]
