"""Every sampling value is sent, in the words of each kind of server."""

import pytest

from bench.backends.openai_api.body import Bodies
from bench.backends.openai_api.options import Options
from bench.records import Message
from tests.backends.asking import sampling
from tests.builders import BARE, SCHEMA

MESSAGES = (Message(role="user", content="Well?"),)


def body(server="plain", schema=None, seeds=(7,), streamed=False, salt=None, prompt=MESSAGES, **fields):
    options = Options(base_url="http://h/v1", server=server)
    return Bodies("m", options, sampling(**fields), schema).body(prompt, seeds, streamed=streamed, salt=salt)


def test_a_plain_server_is_sent_openais_own_parameters_and_no_others():
    assert body(stop=["X"]) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Well?"}],
        "max_tokens": 24,
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": ["X"],
        "seed": 7,
        "stream": False,
    }


def test_llama_server_is_sent_every_value_and_keeps_no_prompt():
    sent = body("llama_server", top_k=40, min_p=0.05, repeat_penalty=1.1)
    expected = {"top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1, "repeat_last_n": 64, "cache_prompt": False}
    assert {name: sent[name] for name in expected} == expected
    assert sent["samplers"] == ["penalties", "top_k", "top_p", "min_p", "temperature"]


def test_vllm_is_sent_every_value_so_that_the_models_own_defaults_decide_nothing():
    sent = body("vllm", min_p=0.05, repeat_penalty=1.1)
    expected = {"top_k": -1, "min_p": 0.05, "repetition_penalty": 1.1, "top_p": 1.0}
    assert {name: sent[name] for name in expected} == expected
    assert body("vllm", top_k=40)["top_k"] == 40


@pytest.mark.parametrize("server", ["plain", "llama_server", "vllm"])
def test_the_last_seed_is_sent_too(server):
    assert body(server, seeds=(2**31 - 2,))["seed"] == 2**31 - 2
    assert body(server, seeds=(0,))["seed"] == 0


def test_a_schema_is_sent_in_each_servers_words():
    plain = body(schema=SCHEMA)["response_format"]
    assert plain["type"] == "json_schema"
    assert plain["json_schema"]["strict"] is True
    schema = plain["json_schema"]["schema"]
    assert schema["required"] == ["reasoning", "sentiment", "confidence"]
    assert schema["properties"]["sentiment"] == {"type": "number", "minimum": -1, "maximum": 1}
    assert body("vllm", schema=SCHEMA)["structured_outputs"] == {"json": schema}
    assert body("llama_server", schema=SCHEMA)["grammar"].startswith("root ::=")


def test_bare_answers_are_held_to_their_texts_in_each_servers_words():
    assert body("vllm", schema=BARE)["structured_outputs"] == {"choice": ["bad", "good"]}
    assert body("llama_server", schema=BARE)["grammar"] == 'root ::= "bad" | "good"\n'


def test_several_answers_are_one_request_with_the_first_seed():
    sent = body("vllm", seeds=(7, 8, 9))
    assert (sent["n"], sent["seed"]) == (3, 7)
    assert "n" not in body("vllm")


def test_only_vllm_is_sent_a_salt():
    assert body("vllm", salt="s")["cache_salt"] == "s"
    assert "cache_salt" not in body("llama_server", salt="s") | body(salt="s")


@pytest.mark.parametrize("prompt", ["rendered", [1, 2, 3]])
def test_the_older_interface_is_sent_text_or_tokens(prompt):
    sent = body("llama_server", prompt=prompt)
    assert sent["prompt"] == prompt
    assert "messages" not in sent


def test_a_streamed_answer_is_asked_for_its_counts():
    assert body(streamed=True)["stream_options"] == {"include_usage": True}
    assert body("vllm", streamed=True)["stream_options"]["continuous_usage_stats"] is True
    assert body("llama_server", streamed=True)["timings_per_token"] is True
