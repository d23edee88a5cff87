"""What one model takes: loads it, lets it answer once, and prints memory and seconds as JSON.

In: a path, a backend and a quant, as arguments. Out: one JSON object on stdout. It runs as a process of its
own, because memory that another model took would be counted.

    python -m bench.model_files.cost models/tiny/base-q8_0.gguf llama_cpp q8_0
"""

from __future__ import annotations

import json
import os
import sys

from bench import backends, tasks
from bench.backends import Request
from bench.records import Message, ModelSpec, Prompt, Sampling


def main() -> None:
    """Load the model that the command line names."""
    # whatever a library prints goes elsewhere; the answer alone is on the real stdout
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    ref, backend, quant = sys.argv[1:4]
    given = {"family": "model", "variant": "any", "quant": quant, "backend": backend, "ref": ref}
    message = Message(role="user", content="Is this good news?")
    prompt = Prompt(
        id="cost", task="cost", task_version="1", style="zero_shot", article_id="cost", messages=(message,)
    )
    settings = Sampling(max_tokens=8, context_tokens=256)
    schema = tasks.load("financial_news").answer
    session = backends.get(backend).open(ModelSpec.model_validate(given), settings, schema, 1)
    try:
        list(session.generate([Request(prompt, (1,))]))
    finally:
        session.close()
    found = {"load_s": session.loaded.load_s, "peak_memory_bytes": session.loaded.peak_memory_bytes}
    answer.write(json.dumps(found))
    answer.close()


if __name__ == "__main__":
    main()
