"""Tries a folder's chat template, as a child that may die over it.

In: a folder, as an argument. Out: one JSON object on stdout, `{}` or `{"error": ...}`. A template that never
ends or takes all memory shows here, in seconds, instead of in a sweep. No model and no tokenizer is loaded.

    python -m bench.backends.hf.probe models/tiny/hf/base
"""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from bench.backends.hf.model_folder import ANY_QUANT, ModelFiles, inspect, template_source
from bench.backends.llama_cpp.gguf_check import PROBE_TIMEOUT_S, run_limited
from bench.backends.llama_cpp.probe import limit_self
from bench.chat_template import ChatTemplate
from bench.errors import ModelFileError


def probe_template(files: ModelFiles) -> None:
    """Try the template in a child process; ModelFileError says what is wrong with it."""
    _probe(files.folder, template_source(files))


@lru_cache(maxsize=64)
def _probe(folder: Path, source: str | None) -> None:
    # the source is in the key alone: the child reads it itself
    command = ["-P", "-m", "bench.backends.hf.probe", str(folder)]
    run_limited(command, str(folder), PROBE_TIMEOUT_S, remedy="save the model with a template that works")


def main() -> None:
    """Try the template of the folder named on the command line."""
    # whatever a library prints goes elsewhere; the answer alone is on the real stdout
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limit_self()
    found: dict[str, str] = {}
    try:
        # code of the folder's own is for others to refuse; here none could run
        files = inspect(Path(sys.argv[1]), allow_own_code=True, quant=ANY_QUANT)
        source = template_source(files)
        ChatTemplate(source or "", "<s>", "</s>", ()).try_out()
    except ModelFileError as error:
        found["error"] = str(error)
    answer.write(json.dumps(found))
    answer.close()


if __name__ == "__main__":
    main()
