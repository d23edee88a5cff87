"""A reply is believed only where it is what the interface promises."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.backends._server.failure import ServerError
from bench.backends.openai_api.reply import StreamedReply, explain, whole_reply


def raw(choices, **more) -> bytes:
    return json.dumps({"choices": choices, **more}).encode()


def choice(text="x", reason="stop", index=0):
    return {"index": index, "finish_reason": reason, "message": {"content": text}}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("length", "length"), ("eos_token", "stop"), ("stop_sequence", "stop"), (None, None)],
)
def test_reasons_to_stop_are_translated(reason, expected):
    assert whole_reply(raw([choice(reason=reason)]), 1).choices[0].stop_reason == expected


def test_an_answer_that_a_filter_ended_is_no_answer():
    with pytest.raises(ServerError, match="content_filter"):
        whole_reply(raw([choice(reason="content_filter")]), 1)


def test_choices_are_put_in_the_order_of_their_numbers():
    reply = whole_reply(raw([choice("b", index=1), choice("a", index=0)]), 2)
    assert [c.text for c in reply.choices] == ["a", "b"]


def test_the_tokens_of_several_answers_are_unknown():
    usage = {"prompt_tokens": 5, "completion_tokens": 6}
    assert whole_reply(raw([choice(), choice(index=1)], usage=usage), 2).counts.completion_tokens is None
    assert whole_reply(raw([choice()], usage=usage), 1).counts.completion_tokens == 6


@pytest.mark.parametrize("wrong", [True, -1, "5", 1.5, None, 2**60])
def test_a_count_that_is_none_is_absent(wrong):
    counts = whole_reply(raw([choice()], usage={"prompt_tokens": wrong}), 1).counts
    assert counts.prompt_tokens is None


def test_what_llama_server_timed_says_what_was_cached():
    reply = whole_reply(raw([choice()], timings={"cache_n": 3, "predicted_n": 4}), 1)
    assert (reply.counts.cached_tokens, reply.counts.completion_tokens) == (3, 4)


@pytest.mark.parametrize(
    "choices",
    [
        [],
        [choice(), choice()],
        [choice(index=5)],
        [7],
        [{"message": {"content": 7}}],
        [{"message": 7}],
        "x",
        None,
    ],
)
def test_choices_that_cannot_be_are_a_failure(choices):
    with pytest.raises(ServerError):
        whole_reply(raw(choices), 1)


def test_a_turn_without_content_is_an_empty_answer():
    assert whole_reply(raw([choice(text=None)]), 1).choices[0].text == ""


def test_an_error_within_a_reply_is_a_failure():
    with pytest.raises(ServerError, match="out of memory"):
        whole_reply(json.dumps({"error": {"message": "out of memory"}}).encode(), 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "message", "content", "delta", "error", "usage", "index", "finish_reason"]
                ),
                x,
            )
        ),
    )
)
def test_no_reply_makes_it_crash(value):
    text = json.dumps(value)
    for read in (
        lambda: whole_reply(text.encode(), 1),
        lambda: StreamedReply().add(b"data: " + text.encode()),
    ):
        with contextlib.suppress(ServerError):
            read()


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x", "n_prompt_tokens": 9}},
        {"error": {"code": "context_length_exceeded", "message": "x"}},
        {"object": "error", "message": "This model's maximum context length is 4096 tokens."},
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048"},
        {"detail": "the prompt is longer than the context window"},
    ],
)
def test_an_exceeded_context_is_known_in_the_words_of_several_servers(error):
    found = explain(400, json.dumps(error).encode())
    assert found is not None
    assert found.kind == "overflow"


def test_the_tokens_of_a_prompt_that_was_refused_are_kept():
    body = json.dumps({"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 9}}).encode()
    found = explain(400, body)
    assert found is not None
    assert found.prompt_tokens == 9


@pytest.mark.parametrize("body", [b'{"error": "bad temperature"}', b"<html>", b"[]", b"7"])
def test_another_error_is_no_overflow(body):
    assert explain(400, body) is None


def test_a_stream_that_breaks_off_is_a_failure():
    reply = StreamedReply()
    reply.add(b'data: {"choices": [{"delta": {"content": "x"}}]}')
    with pytest.raises(ServerError, match="broke off"):
        reply.refuse_unfinished()
