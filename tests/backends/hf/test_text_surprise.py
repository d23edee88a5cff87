"""How well a model foretells raw text: held to transformers' own loss, whole and in windows."""

import itertools
import math

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from bench import backends
from bench.backends.hf import scoring
from bench.backends.hf.rows import Reader
from bench.backends.hf.scoring import surprise, windows

TEXT = "Profits rose 14 percent at Examplecorp, and naïve café prices fell. " * 4


@pytest.mark.parametrize(
    ("n", "window", "stride"), [(1, 4, 2), (2, 4, 2), (4, 4, 3), (23, 8, 3), (40, 16, 1)]
)
def test_windows_foretell_every_token_but_the_first_once(n, window, stride):
    found = list(windows(n, window, stride))
    assert [t for part in found for t in range(part.first, part.end)] == list(range(1, n))
    for part in found:
        assert part.end - part.begin <= window
        assert part.begin < part.first
    for before, after in itertools.pairwise(found):
        assert after.begin - before.begin == stride
        assert after.first - after.begin >= window - stride


@pytest.mark.parametrize(("window", "stride"), [(4, 0), (4, 4), (1, 1)])
def test_a_stride_that_skips_or_repeats_is_refused(window, stride):
    with pytest.raises(ValueError, match="at least 1, less than a window"):
        list(windows(10, window, stride))


@pytest.fixture
def reference(tiny_hf):
    model = LlamaForCausalLM.from_pretrained(str(tiny_hf), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids = [start, *tokenizer(TEXT, add_special_tokens=False)["input_ids"]]

    def nats(begin, first, end):
        piece = torch.tensor([ids[begin:end]])
        with torch.inference_mode():
            logs = model(piece).logits[0].log_softmax(dim=-1)
        places = range(first - begin - 1, end - begin - 1)
        return -sum(float(logs[i, piece[0, i + 1]]) for i in places)

    return ids, nats


def test_a_text_is_foretold_as_transformers_does(open_hf, reference):
    ids, nats = reference
    (found,) = open_hf().text_surprise([TEXT], 512, 256)
    assert found.nats == pytest.approx(nats(0, 1, len(ids)), rel=1e-5)
    assert found.n_tokens == len(ids) - 1
    assert found.n_bytes == len(TEXT.encode("utf-8"))
    assert math.exp(found.nats / found.n_tokens) > 1


def test_a_long_text_is_read_in_windows_with_context(open_hf, reference):
    ids, nats = reference
    assert len(ids) > 60
    (found,) = open_hf().text_surprise([TEXT], 32, 12)
    expected = sum(nats(part.begin, part.first, part.end) for part in windows(len(ids), 32, 12))
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert found.nats != pytest.approx(nats(0, 1, len(ids)), rel=1e-5)


def test_pieces_that_are_computed_apart_change_nothing(open_hf, monkeypatch):
    (whole,) = open_hf().text_surprise([TEXT], 64, 20)
    monkeypatch.setattr(scoring, "TEXT_POSITIONS_AT_ONCE", 7)
    (apart,) = open_hf().text_surprise([TEXT], 64, 20)
    assert apart.nats == pytest.approx(whole.nats, rel=1e-5)


def test_texts_come_in_order_and_an_empty_one_says_nothing(open_hf):
    found = list(open_hf().text_surprise([TEXT, "", "Ships."], 64, 32))
    assert found[1] == (0.0, 0, 0)
    assert found[0].n_tokens > found[2].n_tokens > 0


def test_without_a_token_that_begins_a_text_its_first_one_is_not_foretold(open_hf):
    session = open_hf()
    tokenizer = session._open.tokens._tokenizer
    tokenizer.bos_token = tokenizer.eos_token = None
    (found,) = session.text_surprise(["Ships sail."], 64, 32)
    ids = tokenizer("Ships sail.", add_special_tokens=False)["input_ids"]
    assert found.n_tokens == len(ids) - 1
    assert found.n_bytes == len("Ships sail.") - len(tokenizer.decode(ids[:1]))


def test_names_of_control_tokens_in_a_text_are_text(open_hf):
    (found,) = open_hf().text_surprise(["<|end|><|eot_id|></s>"], 64, 32)
    assert found.n_tokens > 3


def test_nothing_follows_a_single_token(open_hf):
    opened = open_hf()._open
    assert surprise(Reader(opened.model, opened.device), (5,), 8, 4) == 0.0


def test_a_session_that_scores_raw_text_says_so(open_hf):
    assert isinstance(open_hf(), backends.ReadsText)
