"""Asks the engine and the template sandbox about a model file, as a child that may die over it.

In: a path, as an argument. Out: one JSON object on stdout, `{}` or `{"error": ...}`. It loads the
vocabulary but no weights: unknown architectures and tokenizers, impossible dimensions and templates
that never end show here, in seconds, instead of in a sweep that has run for hours.

    python -m bench.backends.llama_cpp.probe model.gguf
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bench.backends.llama_cpp.native import library, load_model
from bench.backends.llama_cpp.vocabulary import Vocabulary
from bench.chat_template import ChatTemplate
from bench.errors import ModelFileError

MEMORY_BYTES = 8 * 2**30  # address space, of which engine and python take half before any model
CPU_S = 30


def probe(path: Path) -> str | None:
    """Why the engine or the sandbox refuses this file; None where both take it."""
    # what names the file is said by the parent
    marker = "file"
    try:
        model = load_model(path, marker, vocabulary_only=True)
        try:
            tokens = Vocabulary(model)
            source = library().llama_model_chat_template(model, None)
            bos, eos = tokens.text_of(tokens.bos), tokens.text_of(tokens.eos)
            text = (source or b"").decode("utf-8", "replace")
            ChatTemplate(text, bos, eos, tokens.control_texts()).try_out()
        finally:
            library().llama_model_free(model)
    except ModelFileError as error:
        return str(error).removeprefix(f"{marker}: ")
    return None


def limit_self() -> None:
    """Take memory and time from this process, where the system can."""
    try:
        import resource
    except ImportError:  # not on Windows; the parent's timeout still holds
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Probe the file named on the command line."""
    # whatever a library prints goes elsewhere; the answer alone is on the real stdout
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limit_self()
    reason = probe(Path(sys.argv[1]))
    answer.write(json.dumps({} if reason is None else {"error": reason}))
    answer.close()


if __name__ == "__main__":
    main()
