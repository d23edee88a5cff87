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


def complete(session, seeds, **prompt_fields) -> list[Completion]:
    """One completion per seed, in the order of the seeds."""
    answers = list(session.generate([Request(prompt(**prompt_fields), tuple(seeds))]))
    return [answer.completion for answer in sorted(answers, key=lambda answer: answer.seed_index)]


def texts(session, seeds, **prompt_fields) -> list[str]:
    """The texts alone."""
    return [completion.text for completion in complete(session, seeds, **prompt_fields)]
