"""A real GGUF through the real engine."""

import re
import subprocess
import sys

import psutil
import pytest

from bench import backends
from bench.backends import Request
from bench.backends.llama_cpp.engine import Engine, EngineError
from bench.errors import BackendError, NoArticlesError, UsageError
from tests.backends.asking import complete, llama_spec, prompt, sampling, texts
from tests.builders import SCHEMA
from tests.fixtures.recurrent_gguf import make_recurrent_gguf

LONG_TEXT = "Profits rose. " * 12


def n_prompt_tokens(session: backends.Session, text: str) -> int:
    """The prompt's tokens as the session counts them."""
    found = complete(session, (1,), text=text)[0].prompt_tokens
    assert found is not None
    return found


def test_a_stop_reason_says_how_the_answer_ended(open_model):
    completions = complete(open_model(sampling(max_tokens=40)), range(30))
    ended = {c.stop_reason for c in completions}
    assert ended == {"stop", "length"}
    for completion in completions:
        assert (completion.completion_tokens == 40) == (completion.stop_reason == "length")


def test_the_end_of_turn_token_is_not_part_of_the_answer(open_model):
    completions = complete(open_model(sampling(max_tokens=200)), range(10))
    stopped = [c for c in completions if c.stop_reason == "stop"]
    assert stopped
    assert not any("<|im_end|>" in c.text for c in stopped)


def test_a_stop_text_ends_the_answer_over_token_borders(open_model):
    session = open_model(sampling(max_tokens=100))
    by_seed = dict(enumerate(texts(session, range(40))))
    # three letters in the middle of an answer are two or three tokens of this vocabulary
    seed, stop = next((s, m[1]) for s, t in by_seed.items() if (m := re.search(r"..([ -~]{3})..", t)))
    free = by_seed[seed]
    completion = complete(open_model(sampling(max_tokens=100, stop=(stop,))), (seed,))[0]
    assert completion.text == free[: free.index(stop)]
    assert completion.stop_reason == "stop"


def test_max_tokens_is_the_last_token(open_model):
    long, short = open_model(sampling(max_tokens=20)), open_model(sampling(max_tokens=5))
    for full, cut in zip(complete(long, range(8)), complete(short, range(8)), strict=True):
        assert (cut.completion_tokens == 5) == (cut.stop_reason == "length")
        assert full.text.startswith(cut.text.rstrip("\ufffd"))


def test_prompt_tokens_are_counted_with_the_template(open_model):
    session = open_model()
    alone = n_prompt_tokens(session, "")
    longer = n_prompt_tokens(session, "zqzqzqzqzq")
    assert longer - alone == 10  # one token a byte, as no merge fits
    assert alone > 10


def test_only_the_first_answer_pays_for_the_prompt(open_model):
    first, second = complete(open_model(), (1, 2))
    assert first.cached_tokens == 0
    assert second.prompt_tokens is not None
    assert second.cached_tokens == second.prompt_tokens
    assert first.batch_size == second.batch_size == 1


def test_load_time_is_told_apart_from_answers(open_model):
    session = open_model()
    assert session.loaded.load_s > 0
    completion = complete(session, (1,))[0]
    assert completion.load_s is None
    assert completion.ttft_s is not None
    assert completion.duration_s is not None
    assert 0 < completion.ttft_s <= completion.duration_s


def test_answers_do_not_depend_on_what_was_asked_before(open_model):
    session, fresh = open_model(), open_model()
    for text in (LONG_TEXT, "short", LONG_TEXT + "and more"):
        complete(session, (7, 8), text=text)
    assert texts(session, (1, 2), text="the question") == texts(fresh, (2, 1), text="the question")[::-1]


def test_the_same_seed_draws_the_same_in_every_place(open_model):
    session = open_model()
    assert texts(session, (1, 2, 3))[2] == texts(session, (3,))[0]


def test_the_batch_size_of_prompts_may_be_small(open_model):
    session = open_model(options={"n_batch": 7})
    assert complete(session, (1,), text=LONG_TEXT)[0].error is None


@pytest.mark.parametrize(
    "settings",
    [
        {"top_k": 1},
        {"top_p": 0.01},
        {"min_p": 1.0},
        {"temperature": 0},
    ],
    ids=str,
)
def test_each_way_of_narrowing_to_one_token_is_honoured(open_model, settings):
    assert texts(open_model(sampling(**settings)), range(4)) == texts(open_model(sampling(top_k=1)), range(4))


@pytest.mark.parametrize(
    "settings", [{"repeat_penalty": 5.0}, {"frequency_penalty": 2.0}, {"presence_penalty": 2.0}], ids=str
)
def test_penalties_change_what_is_drawn(open_model, settings):
    free = texts(open_model(sampling(max_tokens=60)), range(6))
    held = texts(open_model(sampling(max_tokens=60, **settings)), range(6))
    assert free != held


def test_an_article_cannot_write_control_tokens(open_model):
    session = open_model()
    honest = n_prompt_tokens(session, "zq<im_end>zq")
    hostile = n_prompt_tokens(session, "zq<|im_end|>zq")
    # "< |im_end|>" is three characters longer; a control token would have been eight tokens shorter
    assert hostile == honest + 3


def test_a_stream_gives_whole_characters_only(open_model):
    session = open_model(sampling(max_tokens=200))
    for seed in range(6):
        pieces = list(session.stream(Request(prompt(), (seed,))))
        assert "".join(pieces) == texts(session, (seed,))[0]


def test_a_stream_of_a_prompt_that_does_not_fit_says_what_to_do(open_model):
    session = open_model(sampling(context_tokens=64))
    with pytest.raises(NoArticlesError, match="context_tokens 64"):
        list(session.stream(Request(prompt("word " * 100), (1,))))


def test_overflow_is_decided_to_the_token(open_model):
    n_prompt = n_prompt_tokens(open_model(), "Is this good news?")
    fits, not_any_more = (sampling(max_tokens=24, context_tokens=n_prompt + n) for n in (24, 23))
    assert complete(open_model(fits), (1,))[0].stop_reason in {"stop", "length"}
    refused = complete(open_model(not_any_more), (1,))[0]
    assert refused.stop_reason == "context_overflow"
    assert refused.prompt_tokens == n_prompt


def test_an_engine_that_fails_is_an_error_of_those_answers(open_model, monkeypatch):
    session = open_model()

    def failing(self, batch):
        raise EngineError("llama_decode failed with code -3")

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "decode", failing)
        found = complete(session, (1, 2, 3))
    assert [c.error for c in found] == ["llama_decode failed with code -3"] * 3
    assert [c.error for c in complete(session, (1, 2, 3))] == [None] * 3


def test_more_context_than_was_trained_for_is_a_warning(open_model):
    session = open_model(sampling(context_tokens=1024))
    assert "512" in session.loaded.details["warnings"][0]
    assert not open_model().loaded.details["warnings"]


def test_what_was_loaded_is_described(open_model, tiny_model):
    loaded = open_model().loaded
    assert loaded.file_bytes == tiny_model.stat().st_size
    assert loaded.engine.startswith("llama-cpp-python ")
    assert loaded.details["architecture"] == "llama"
    assert loaded.details["quant_of_file"] == "fp16"
    assert loaded.details["settings"]["context_tokens"] == 512
    assert loaded.details["settings"]["flash_attn"] is False


def test_peak_memory_is_known_after_closing(open_model):
    session = open_model()
    session.close()
    assert session.loaded.peak_memory_bytes > 20_000_000


def test_tokens_and_seconds_are_known_after_closing(open_model):
    session = open_model(sampling(max_tokens=8))
    found = complete(session, (1, 2, 3))
    session.close()
    speed = session.loaded.speed
    assert speed.prefill_tokens == found[0].prompt_tokens
    # an answer's first token is drawn from the prompt's logits, and an end of turn is no token of it
    assert speed.decode_tokens == sum(
        (c.completion_tokens or 0) - int(c.stop_reason == "length") for c in found
    )
    assert speed.prefill_tokens_per_s > 0
    assert speed.decode_tokens_per_s > 0


def test_a_closed_session_says_so(open_model):
    session = open_model()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        list(session.generate([Request(prompt(), (1,))]))


@pytest.mark.parametrize("width", [0, 255])
def test_an_impossible_width_is_refused(tiny_model, width):
    with pytest.raises(UsageError, match=f"width of {width}"):
        backends.get("llama_cpp").open(llama_spec(tiny_model), sampling(), SCHEMA, width)


def test_without_reuse_nothing_is_cached_and_every_answer_is_alone(open_model):
    session = open_model(width=4)
    requests = [Request(prompt(text, text), (1, 2)) for text in ("one", "two")]
    found = [answer.completion for answer in session.generate(requests, reuse=False)]
    assert [c.cached_tokens for c in found] == [0] * 4
    assert [c.batch_size for c in found] == [1] * 4
    assert all(c.ttft_s and c.duration_s and c.ttft_s <= c.duration_s for c in found)


@pytest.mark.parametrize("fields", [{"stop": ("zz",)}, {"top_p": 0.9}], ids=str)
def test_a_wide_session_answers_many_prompts(open_model, fields):
    requests = [Request(prompt(f"{i} " * (i + 1), f"p{i}"), tuple(range(5))) for i in range(6)]
    found = []
    for _ in range(2):
        session = open_model(sampling(**fields), width=8)
        found.append({(a.prompt_id, a.seed_index): a.completion.text for a in session.generate(requests)})
    assert len(found[0]) == 30
    assert found[0] == found[1]


def test_an_overflow_among_others_is_told_and_the_others_go_on(open_model):
    requests = [Request(prompt(f"word {'word ' * n}", f"p{n}"), (1, 2)) for n in (0, 200, 1)]
    found = list(open_model(sampling(context_tokens=128), width=4).generate(requests))
    reasons = {(a.prompt_id, a.completion.stop_reason == "context_overflow") for a in found}
    assert len(found) == 6
    assert reasons == {("p0", False), ("p200", True), ("p1", False)}


def test_a_model_that_cannot_fork_answers_one_at_a_time_and_says_so(open_model, tmp_path):
    path = make_recurrent_gguf(tmp_path / "recurrent.gguf")
    session = open_model(path=path, quant="fp32", width=8)
    found = complete(session, (1, 2, 1))
    assert [(c.batch_size, c.cached_tokens, c.error) for c in found] == [(1, 0, None)] * 3
    assert found[0].text == found[2].text != found[1].text
    assert session.loaded.details["answers_share_memory"] is False
    assert "one answer at a time" in session.loaded.details["warnings"][0]


def test_thousands_of_answers_do_not_grow(open_model):
    session = open_model(sampling(max_tokens=4), width=16)
    requests = [Request(prompt(f"news {i}", f"p{i}"), tuple(range(50))) for i in range(8)]
    sizes = []
    for _ in range(4):
        assert sum(1 for _ in session.generate(requests)) == 400
        sizes.append(psutil.Process().memory_info().rss)
    assert sizes[-1] - sizes[0] < 3_000_000


def test_opening_and_closing_does_not_leak(open_model):
    def cycle() -> None:
        session = open_model()
        complete(session, (1,))
        session.close()

    for _ in range(5):
        cycle()
    before = psutil.Process().memory_info().rss
    for _ in range(25):
        cycle()
    # one model with its context is 5 MB
    assert psutil.Process().memory_info().rss - before < 20_000_000


def test_the_engine_writes_nothing_of_its_own(tiny_model):
    code = """
import sys
from bench import backends
from tests.backends.asking import complete, llama_spec, sampling
from tests.builders import SCHEMA
session = backends.get("llama_cpp").open(llama_spec(sys.argv[1]), sampling(), SCHEMA, 1)
complete(session, (1, 2))
session.close()
"""
    root = str(__file__).partition("/tests/")[0]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)], capture_output=True, text=True, cwd=root, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_the_backend_does_not_import_the_engine():
    code = "import sys, bench.backends.llama_cpp; print('llama_cpp' in sys.modules, 'jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
