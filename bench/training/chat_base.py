"""A base model that can hold a conversation: its chat template, and the tokens that the template writes.

In: a model folder and a template (a Jinja file, or a name in `chat_templates/`). Out: the folder itself
where nothing is missing, else a copy with the template, the missing tokens in vocabulary and embeddings,
and `chat_tokens.json` that names them: nobody has trained them yet, so an adapter has to train the
embeddings with it. It trains nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from transformers import AddedToken

from bench.chat_template import PROBE, ChatTemplate, TemplateError
from bench.errors import ConfigError
from bench.hf_folder.loading import without_bars
from bench.training.conversation import Conversations
from bench.training.files import write_whole
from bench.training.model_folder import load_causal, load_tokenizer

_SHIPPED = Path(__file__).parent / "chat_templates"
_RECORD = "chat_tokens.json"
_CONTROL = re.compile(r"<\|[^\s<>|]{1,40}\|>|<(?:start|end)_of_[a-z]{1,20}>|\[/?[A-Z_]{2,20}\]")
"""What templates of the field write as control tokens."""
_WEIGHTS = (".safetensors", ".safetensors.index.json")


class ChatTokens(NamedTuple):
    """What `chat_tokens.json` holds."""

    added: tuple[int, ...]
    """Tokens with new rows in the embeddings."""
    end_of_turn: int


def template_text(name: str, folder: Path) -> str:
    """The template of a recipe: a file relative to the recipe's folder, or one that ships with bench."""
    shipped = {path.stem: path for path in _SHIPPED.glob("*.jinja")}
    path = shipped.get(name, folder / name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"base.chat_template: {path} cannot be read; give a Jinja file or one of {', '.join(shipped)}"
        ) from error


def untrained_tokens(base: Path) -> tuple[int, ...]:
    """Tokens that `with_chat` added to a base; none for any other folder."""
    try:
        found = json.loads((base / _RECORD).read_text(encoding="utf-8"))
        return tuple(int(token) for token in found["added"])
    except (FileNotFoundError, NotADirectoryError):
        return ()


def with_chat(base: Path, template: str | None, out: Path) -> Path:
    """A folder whose tokenizer has a chat template and all of its tokens; `out` if it had to be made.

    A template of the base's own stays unless one is given. ConfigError where there is none at all.
    """
    tokenizer = load_tokenizer(base)
    own = tokenizer.chat_template
    if template is None or template == own:
        if own is None:
            names = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.jinja")))
            raise ConfigError(
                f"{base}: its tokenizer has no chat template, and the task is asked in turns; set "
                f"base.chat_template to a Jinja file or one of {names}"
            )
        return base
    tokenizer.chat_template = template
    missing = _missing(tokenizer, template)
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in missing])
    end = Conversations(tokenizer, str(base)).end_of_turn
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write_model(base, tokenizer, end, partial, resized=bool(missing))
    tokenizer.save_pretrained(str(partial))
    added = tokenizer.convert_tokens_to_ids(missing) if missing else []
    write_whole(partial / _RECORD, json.dumps({"added": added, "end_of_turn": end}).encode())
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return out


def _missing(tokenizer: Any, template: str) -> list[str]:
    """Control tokens in what the template writes that are no tokens yet, in their order."""
    eos, bos = str(tokenizer.eos_token or ""), str(tokenizer.bos_token or "")
    tried = ChatTemplate(template, bos, eos, ())
    tried.try_out()
    try:
        written = tried.render([*PROBE[:3]], open_answer=False) + tried.render(PROBE)
    except TemplateError as error:
        raise ConfigError(f"base.chat_template: {error}") from error
    known = {*tokenizer.get_vocab(), bos, eos}
    return [text for text in dict.fromkeys(_CONTROL.findall(written)) if text not in known]


def _write_model(base: Path, tokenizer: Any, end: int, out: Path, *, resized: bool) -> None:
    model = load_causal(base, dtype="auto")
    if resized and len(tokenizer) > model.get_input_embeddings().num_embeddings:
        torch.manual_seed(0)  # new rows are drawn around the mean of the old ones
        model.resize_token_embeddings(len(tokenizer))
    config = model.generation_config or transformers.GenerationConfig()
    before = config.eos_token_id
    ends = [] if before is None else before if isinstance(before, list) else [before]
    config.eos_token_id = [end, *(token for token in ends if token != end)]
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    model.generation_config, model.config.eos_token_id = config, end
    if resized:
        with without_bars():
            model.save_pretrained(str(out))
        return
    model.config.save_pretrained(str(out))
    config.save_pretrained(str(out))
    for path in base.iterdir():
        if path.name.endswith(_WEIGHTS):
            _link(path, out / path.name)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the two are on different disks."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
