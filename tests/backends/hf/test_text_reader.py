"""How well a model foretells raw text: held to transformers' own loss, whole and in windows."""

import itertools
import math

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from bench import backends
from bench.backends.hf import text_reader
from bench.backends.hf.text_reader import HfTextReader, text_tokens, windows
from bench.errors import BackendError, ConfigError, UsageError
from tests.backends.asking import hf_spec
from tests.fixtures.tiny_hf import make_tiny_hf

HF = backends.get("hf")
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


def opened(folder, **fields) -> backends.TextReader:
    assert isinstance(HF, backends.ReadsText)
    return HF.open_reader(hf_spec(folder, **fields))


@pytest.fixture
def read(tiny_hf):
    """Read texts: `read(texts, window, stride, spec fields...)`."""
    readers = []

    def of(texts, window, stride, folder=tiny_hf, **fields):
        readers.append(opened(folder, **fields))
        return list(readers[-1].text_surprise(texts, window, stride))

    yield of
    for reader in readers:
        reader.close()


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


def test_a_text_is_foretold_as_transformers_does(read, reference):
    ids, nats = reference
    (found,) = read([TEXT], 512, 256)
    assert found.nats == pytest.approx(nats(0, 1, len(ids)), rel=1e-5)
    assert found.n_tokens == len(ids) - 1
    assert found.n_bytes == len(TEXT.encode("utf-8"))
    assert math.exp(found.nats / found.n_tokens) > 1


def test_a_long_text_is_read_in_windows_with_context(read, reference):
    ids, nats = reference
    assert len(ids) > 60
    (found,) = read([TEXT], 32, 12)
    expected = sum(nats(part.begin, part.first, part.end) for part in windows(len(ids), 32, 12))
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert found.nats != pytest.approx(nats(0, 1, len(ids)), rel=1e-5)


def test_pieces_that_are_computed_apart_change_nothing(read, monkeypatch):
    (whole,) = read([TEXT], 64, 20)
    monkeypatch.setattr(text_reader, "POSITIONS_AT_ONCE", 7)
    (apart,) = read([TEXT], 64, 20)
    assert apart.nats == pytest.approx(whole.nats, rel=1e-5)


def test_texts_come_in_order_and_an_empty_one_says_nothing(read):
    found = read([TEXT, "", "Ships."], 64, 32)
    assert found[1] == (0.0, 0, 0)
    assert found[0].n_tokens > found[2].n_tokens > 0


def test_an_adapter_is_read_with(read, tiny_adapter):
    (plain,), (adapted,) = read([TEXT], 64, 32), read([TEXT], 64, 32, adapter=str(tiny_adapter))
    assert adapted.n_tokens == plain.n_tokens
    assert adapted.nats != pytest.approx(plain.nats, rel=1e-3)


def test_a_model_without_a_chat_template_is_read_with(read, copied):
    (copied / "chat_template.jinja").unlink()
    assert read([TEXT], 64, 32, folder=copied) == read([TEXT], 64, 32)


def test_without_a_token_that_begins_a_text_its_first_one_is_not_foretold(tiny_hf):
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    tokenizer.bos_token = tokenizer.eos_token = None
    tokens, n_bytes = text_tokens(tokenizer, "Ships sail.")
    assert tokens == tuple(tokenizer("Ships sail.", add_special_tokens=False)["input_ids"])
    assert n_bytes == len("Ships sail.") - len(tokenizer.decode(tokens[:1]))


def test_names_of_control_tokens_and_lone_surrogates_are_text(tiny_hf):
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    tokens, _ = text_tokens(tokenizer, f"{tokenizer.eos_token}\ud800")
    assert tokenizer.eos_token_id not in tokens[1:]
    assert tokenizer.decode(tokens[1:]) == f"{tokenizer.eos_token}\\ud800"


def test_what_stands_before_a_text_is_read_and_not_foretold(tiny_hf):
    model = LlamaForCausalLM.from_pretrained(str(tiny_hf), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    before = (7, 8, 9)
    (found,) = HfTextReader(model, tokenizer, before, lambda: None).text_surprise(["Ships sail."], 64, 32)
    tokens, _ = text_tokens(tokenizer, "Ships sail.")
    ids = torch.tensor([[*before, *tokens]])
    labels = ids.clone()
    labels[0, : len(before) + 1] = -100
    with torch.inference_mode():
        loss = model(ids, labels=labels).loss
    assert found.n_tokens == len(tokens) - 1
    assert found.nats == pytest.approx(float(loss) * found.n_tokens, rel=1e-5)


def test_a_window_that_the_model_cannot_read_is_refused(tmp_path, tiny_hf):
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=32)
    make_tiny_hf(tmp_path / "gpt2", tokenizer, GPT2LMHeadModel(config))
    reader = opened(tmp_path / "gpt2")
    with pytest.raises(UsageError, match="has learned 32 positions"):
        list(reader.text_surprise([TEXT], 64, 32))
    assert next(reader.text_surprise([TEXT], 32, 16)).n_tokens > 60
    reader.close()
    reader.close()
    with pytest.raises(BackendError, match="this reader is closed"):
        list(reader.text_surprise([TEXT], 32, 16))


def test_a_classifier_foretells_no_text(tiny_hf):
    options = {"head": "classification", "labels": ["a", "b"]}
    with pytest.raises(ConfigError, match="a classifier foretells no text"):
        opened(tiny_hf, options=options)


def test_a_backend_that_scores_raw_text_says_so():
    assert isinstance(HF, backends.ReadsText)
    assert not isinstance(backends.get("fake"), backends.ReadsText)
