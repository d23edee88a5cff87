"""What is sent for an answer: every sampling value said outright, in each kind of server's own words.

In: the run's sampling, a prompt, seeds. Out: the body of one request. Sent values leave a server's own
defaults nothing to decide; what a plain server has no word for is off there (`options.checked` refused
anything else).

- llama-server: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
- vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.backends._server.schema import json_schema
from bench.backends.llama_cpp.grammar import answer_grammar
from bench.backends.openai_api.options import Options
from bench.choices import decoded_texts
from bench.records import AnswerSchema, Message, Sampling

PENALTY_WINDOW_TOKENS = 64
"""How far back llama-server's penalties look; the in-process engine's window too."""
_SAMPLERS = ["penalties", "top_k", "top_p", "min_p", "temperature"]
"""Of llama-server's chain, what the run's sampling speaks of; the others (XTC, DRY, ...) are left out."""


class Bodies:
    """Makes the bodies of one arm's requests."""

    def __init__(self, model: str, options: Options, sampling: Sampling, schema: AnswerSchema | None) -> None:
        self._options = options
        self._common = {"model": model, "max_tokens": sampling.max_tokens, **_sampling(options, sampling)}
        if schema is not None:
            self._common |= _constraint(options, schema)

    def body(
        self,
        prompt: Sequence[Message] | str | list[int],
        seeds: tuple[int, ...],
        *,
        streamed: bool,
        salt: str | None = None,
        **instead: Any,
    ) -> dict[str, Any]:
        """The body for one prompt (messages, or what the completions interface takes).

        `salt` keeps vLLM from using what it computed for another request; `instead` replaces values.
        """
        body = {**self._common, "seed": seeds[0], "stream": streamed}
        if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)):
            body["prompt"] = prompt
        else:
            body["messages"] = [{"role": m.role, "content": m.content} for m in prompt]  # type: ignore[union-attr]
        if len(seeds) > 1:
            body["n"] = len(seeds)
        if streamed:
            body["stream_options"] = {"include_usage": True}
            body |= _counts_as_they_come(self._options)
        if salt is not None and self._options.server == "vllm":
            body["cache_salt"] = salt
        return body | instead


def _sampling(options: Options, sampling: Sampling) -> dict[str, Any]:
    common = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        **({"stop": list(sampling.stop)} if sampling.stop else {}),
    }
    if options.server == "llama_server":
        return common | {
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
            "repeat_last_n": PENALTY_WINDOW_TOKENS,
            "samplers": _SAMPLERS,
            "cache_prompt": False,  # a hit changes the first logits in the seventh digit
        }
    if options.server == "vllm":
        return common | {
            "top_k": sampling.top_k or -1,  # the word for "off" that all its versions take
            "min_p": sampling.min_p,
            "repetition_penalty": sampling.repeat_penalty,
        }
    return common


def _constraint(options: Options, schema: AnswerSchema) -> dict[str, Any]:
    """What holds an answer to the task's schema."""
    if options.server == "llama_server":
        # its converter from JSON schema would ignore ranges; this is the grammar of the in-process engine
        return {"grammar": answer_grammar(schema)}
    if options.server == "vllm":
        if schema.form != "json":
            return {"structured_outputs": {"choice": list(decoded_texts(schema))}}
        return {"structured_outputs": {"json": json_schema(schema)}}
    named = {"name": "answer", "strict": True, "schema": json_schema(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _counts_as_they_come(options: Options) -> dict[str, Any]:
    """What lets the tokens of an answer be known that is not waited for to its end."""
    if options.server == "llama_server":
        return {"timings_per_token": True}
    if options.server == "vllm":
        return {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    return {}
