"""Which backends answer in which form: what one cannot be held to is refused before a run begins."""

import pytest

from bench import backends
from bench.errors import UsageError
from tests.builders import BARE, LETTER, SCHEMA, spec

TOLD = LETTER.model_copy(update={"prefix_as": "instruction"})


def check(schema, backend, output="free", **options) -> None:
    backends.check_schema(spec(backend=backend, output=output, options=options), schema)


@pytest.mark.parametrize("backend", ["fake", "llama_cpp", "hf"])
@pytest.mark.parametrize("schema", [SCHEMA, BARE, LETTER, TOLD])
def test_engines_in_this_process_answer_in_every_form(backend, schema):
    check(schema, backend)


@pytest.mark.parametrize("backend", ["ollama", "openai_api"])
def test_a_server_is_told_a_prefix_but_cannot_be_made_to_go_on_from_it(backend):
    options = {} if backend == "ollama" else {"base_url": "http://127.0.0.1:1/v1"}
    check(TOLD, backend, **options)
    check(BARE, backend, **options)
    with pytest.raises(UsageError, match="begins the assistant's turn with 'The correct option is'"):
        check(LETTER, backend, **options)


def test_bare_answers_are_constrained_only_where_the_engine_can():
    here = {"base_url": "http://127.0.0.1:1/v1"}
    check(BARE, "llama_cpp", "json_schema")
    check(BARE, "openai_api", "json_schema", server="vllm", **here)
    check(BARE, "openai_api", "json_schema", server="llama_server", **here)
    for backend, options in (("ollama", {}), ("openai_api", {**here, "server": "plain"})):
        check(SCHEMA, backend, "json_schema", **options)
        with pytest.raises(UsageError, match="JSON only, and the task asks for a bare label"):
            check(BARE, backend, "json_schema", **options)


def test_a_range_that_no_grammar_can_hold_is_refused_before_a_run_begins():
    wide = SCHEMA.model_copy(
        update={
            "fields": (SCHEMA.fields[0], *(f.model_copy(update={"maximum": 1e5}) for f in SCHEMA.fields[1:]))
        }
    )
    check(wide, "llama_cpp")
    with pytest.raises(UsageError, match="at most 2000 apart"):
        check(wide, "llama_cpp", "json_schema")
