"""Prompts and requests for backend tests."""

from bench.backends import Request
from bench.records import Completion, Message, ModelSpec, Prompt, Sampling


def prompt(text="Is this good news?", prompt_id="p0", article_id="a0", system="Answer briefly.") -> Prompt:
    """A conversation of a system and a user turn."""
    messages = (Message(role="system", content=system), Message(role="user", content=text))
    return Prompt(
        id=prompt_id, task="t", task_version="1", style="zero_shot", article_id=article_id, messages=messages
    )


def sampling(**fields) -> Sampling:
    """Short answers, drawn freely."""
    return Sampling.model_validate({"temperature": 1.0, "max_tokens": 24, "context_tokens": 512, **fields})


def llama_spec(path, quant="fp16", **fields) -> ModelSpec:
    """An arm of the llama_cpp backend, on one thread: more wait for each other where others work too."""
    fields["options"] = {"n_threads": 1, **fields.get("options", {})}
    given = {"family": "tiny", "variant": "base", "backend": "llama_cpp", "ref": str(path), **fields}
    return ModelSpec.model_validate({"quant": quant, **given})


def server_spec(server, **options) -> ModelSpec:
    """An arm of the openai_api backend on llama.cpp's own server."""
    options = {"base_url": server.address, "server": "llama_server", **options}
    return ModelSpec(
        family="tiny", variant="base", quant="fp16", backend="openai_api", ref="tiny", options=options
    )


def fake_server_spec(backend, *servers, ref="tiny", output="free", adapter=None, **options) -> ModelSpec:
    """An arm of a backend behind a socket, on servers that misbehave; it waits for nothing long."""
    where = "host" if backend == "ollama" else "base_url"
    address = servers[0].address if len(servers) == 1 else [server.address for server in servers]
    options = {where: address, "retries": 1, "connect_s": 5, "timeout_s": 20, **options}
    given = {"family": "tiny", "variant": "base", "quant": "fp16", "backend": backend, "ref": ref}
    return ModelSpec.model_validate({**given, "output": output, "adapter": adapter, "options": options})


def hf_spec(folder, quant="fp32", **fields) -> ModelSpec:
    """An arm of the hf backend, on one thread of the processor."""
    fields["options"] = {"n_threads": 1, "device": "cpu", **fields.get("options", {})}
    given = {"family": "tiny", "variant": "base", "backend": "hf", "ref": str(folder), **fields}
    return ModelSpec.model_validate({"quant": quant, **given})


def complete(session, seeds, **prompt_fields) -> list[Completion]:
    """One completion per seed, in the order of the seeds."""
    answers = list(session.generate([Request(prompt(**prompt_fields), tuple(seeds))]))
    return [answer.completion for answer in sorted(answers, key=lambda answer: answer.seed_index)]


def texts(session, seeds, **prompt_fields) -> list[str]:
    """The texts alone."""
    return [completion.text for completion in complete(session, seeds, **prompt_fields)]
